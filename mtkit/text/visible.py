"""How text of unknown origin is shown to people."""

from __future__ import annotations

import re

_CONTROL = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff"
    "\u2028\u2029"  # break lines
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # turn directions
    "\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"  # hide among text, or hide it
)
"""Not what some languages are written with: joiners, soft hyphens and spaces without width."""


def visible(text: str) -> str:
    """The text as one line, its control characters spelled out so that a terminal cannot obey them."""
    return _CONTROL.sub(lambda found: _spelled(ord(found.group())), text)


def _spelled(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
