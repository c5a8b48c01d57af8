"""Translators that do what a model at its worst would."""

from __future__ import annotations

import re
from collections.abc import Callable

from hypothesis import strategies as st

NASTY = " \n\r\t\0\u2028\"'\\<b>&amp;</p>{x}%s%d$1`*_[a](b)|#->\U0001f600ü好 -->]]>http://x.y"


def _swapped(text: str) -> str:
    return " ".join(reversed(text.split()))


ADVERSARIES: list[Callable[[str], str]] = [
    lambda text: "",
    lambda text: text[::-1],
    _swapped,
    str.upper,
    lambda text: f"{text} {text}",
    lambda text: f"{NASTY}{text}{NASTY}",
    lambda text: "好" * len(text),
    lambda text: f"1\n\n00:00:01,000 --> 00:00:02,000\n{text}",
    lambda text: f"# {text}\n\n```\n<script>",
]
TRANSLATORS = st.sampled_from(ADVERSARIES) | st.text(max_size=30).map(lambda answer: lambda text: answer)


def changed(text: str) -> str:
    """`text` with every word another."""
    return re.sub(r"\w+", lambda found: f"{found[0][::-1]}x", text)


STAND_INS: list[Callable[[str], str]] = [changed, *ADVERSARIES]
"""Models for real files: one that changes every word, and hostile ones."""
