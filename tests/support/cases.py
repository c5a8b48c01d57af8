"""Cases for `pytest.mark.parametrize`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest


def mostly_slow(cases: Sequence[Any], quick: Collection[Any]) -> list[Any]:
    """The cases for `parametrize`, with all but `quick` marked `slow`: each costs processes."""
    missing = [case for case in quick if case not in cases]
    assert not missing, missing
    marked = []
    for case in cases:
        values = case if isinstance(case, tuple) else (case,)
        marked.append(pytest.param(*values, marks=[] if case in quick else pytest.mark.slow))
    return marked
