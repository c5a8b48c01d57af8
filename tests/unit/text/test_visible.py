from __future__ import annotations

import sys
import unicodedata

import pytest

from mtkit.text.visible import visible

NEEDED = {"\u200b", "\u200c", "\u200d", "\u00ad", "\t"}
"""Some languages are written with these, and a terminal is not harmed."""


DIRECTIONS = (
    "ARABIC LETTER MARK",
    "LEFT-TO-RIGHT MARK",
    "RIGHT-TO-LEFT MARK",
    "LEFT-TO-RIGHT EMBEDDING",
    "RIGHT-TO-LEFT EMBEDDING",
    "POP DIRECTIONAL FORMATTING",
    "LEFT-TO-RIGHT OVERRIDE",
    "RIGHT-TO-LEFT OVERRIDE",
    "LEFT-TO-RIGHT ISOLATE",
    "RIGHT-TO-LEFT ISOLATE",
    "FIRST STRONG ISOLATE",
    "POP DIRECTIONAL ISOLATE",
)
"""Unicode's Bidi_Control (UAX 9)."""


@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_terminal_gets_no_mark_that_turns_the_text(name: str) -> None:
    character = unicodedata.lookup(name)
    assert visible(f"a{character}b") == f"a\\u{ord(character):04x}b"


def test_controls_and_tags_are_spelled_out() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs") and character not in NEEDED:
            assert visible(character) != character, hex(code)
    assert visible("a\U000e0041b") == "a\\U000e0041b"


def test_what_languages_need_stays() -> None:
    for text in ("می\u200cخواهم", "👩\u200d🔬", "Zu\u00adcker", "ភាសា\u200bខ្មែរ", "a\tb", "שלום"):
        assert visible(text) == text
