"""How text of unknown origin is shown to people."""

from __future__ import annotations

import re

_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """The text as one line, its control characters spelled out so that a terminal cannot obey them."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
