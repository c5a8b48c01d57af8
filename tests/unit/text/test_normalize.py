from __future__ import annotations

import pytest

from mtkit.text.normalize import normalize


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("plain ASCII", "plain ASCII"),
        ("", ""),
        (" \t \n ", ""),
        ("  two   words ", "two words"),
        ("tab\tand\x0bvertical\x0cfeed", "tab and vertical feed"),
        ("line\u2028separator\u2029paragraph", "line separator paragraph"),
        ("next\x85line", "next line"),
        ("no\u00a0break\u202fnarrow\u3000ideographic", "no break narrow ideographic"),
        ("nul\x00bell\x07escape\x1b[0m", "nulbellescape[0m"),
        ("c1\x9bcontrol", "c1control"),
        ("\ufeffmark", "mark"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
        ("e\x00\u0301", "\u00e9"),
        ("\u6211\u5011\uff0c\u4f60\u597d\uff01\uff21", "\u6211\u5011\uff0c\u4f60\u597d\uff01\uff21"),
        ("\u05e9\u05dc\u05d5\u05dd\u200f!", "\u05e9\u05dc\u05d5\u05dd\u200f!"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
    ],
)
def test_normal_form(raw: str, clean: str) -> None:
    assert normalize(raw) == clean


def test_a_long_line() -> None:
    assert normalize("\u00e9\u2028" * 500_000) == "\u00e9 " * 499_999 + "\u00e9"
