"""The benchmarks start, and what they are made of can be imported: nothing moved away from under them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.corpora import REPOSITORY

BENCH = REPOSITORY / "scripts" / "bench"
SCRIPTS = sorted(path for path in BENCH.iterdir() if path.is_file())

# Peers that no extra of mtkit installs.
_IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in ("joeynmt", "transformers"):
            raise
"""


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_benchmark_starts(script: Path) -> None:
    assert f"usage: {script.name}" in run(sys.executable, str(script), "--help", cwd=REPOSITORY)


def test_every_peer_can_be_imported() -> None:
    names = sorted(path.stem for path in (BENCH / "peers").glob("*.py"))
    assert "filters" in names
    run(sys.executable, "-c", _IMPORT_ALL, *names, cwd=BENCH / "peers")
