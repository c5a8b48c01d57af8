"""Regular expressions that cost nothing before their first use, since compiling some takes milliseconds."""

from __future__ import annotations

import re
from typing import Any, cast


class _Lazy:
    def __init__(self, pattern: str, flags: int) -> None:
        self._given = pattern, flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(*self._given), name)
        setattr(self, name, found)  # so that it is asked for once
        return found


def lazy_pattern(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """A pattern as from `re.compile`, compiled on first use."""
    return cast("re.Pattern[str]", _Lazy(pattern, flags))
