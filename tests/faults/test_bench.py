"""What the trials rely on."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

from tests.support.faults.bench import Bench


def test_a_name_may_come_again(tmp_path: Path) -> None:
    """A module-scoped fixture can be set up twice in one process, beside a session-scoped bench."""
    (tmp_path / "prepared" / "data").mkdir(parents=True)
    (tmp_path / "prepared" / ".mtkit").touch()
    bench = Bench(Mock(), tmp_path)
    first, second = bench.make("first"), bench.make("first")
    assert first != second
    assert first.name == second.name
    assert all((run / "data").is_dir() for run in (first, second))
