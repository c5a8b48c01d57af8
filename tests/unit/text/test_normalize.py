from __future__ import annotations

import pytest

from mtkit.config.text import UnicodeForm
from mtkit.text.normalize import MAX_MARKS, normalize, normalize_lines


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
        ("nul\x00bell\x07escape\x1b[0m", "nulbellescape"),
        ("c1\x9bcontrol", "c1control"),
        ("\ufeffmark", "mark"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
        ("e\x00\u0301", "\u00e9"),
        ("\u6211\u5011\uff0c\u4f60\u597d\uff01\uff21", "\u6211\u5011\uff0c\u4f60\u597d\uff01\uff21"),
        ("\u05e9\u05dc\u05d5\u05dd\u200f!", "\u05e9\u05dc\u05d5\u05dd\u200f!"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        ("\x1b[1;31mred\x1b[0m \x1b]0;title\x07text \x1b(B.", "red text ."),
        ("zero\u200bwidth soft\xadhyphen word\u2060joiner x\u2062y", "zerowidth softhyphen wordjoiner xy"),
        ("idle\u200d joiner\u200c a\u200cb \u200d", "idle joiner ab"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        ("\u0915\u094d\u200d\u0937 \u0915\u200d", "\u0915\u094d\u200d\u0937 \u0915"),
        ("left\u200e to \u202aright\u202c", "left to right"),
        (
            "\U0001f3f4\U000e0067\U000e0062\U000e007f h\U000e0068i",
            "\U0001f3f4\U000e0067\U000e0062\U000e007f hi",
        ),
    ],
)
def test_normal_form(raw: str, clean: str) -> None:
    assert normalize(raw) == clean


def test_a_long_line() -> None:
    assert normalize("\u00e9\u2028" * 500_000) == "\u00e9 " * 499_999 + "\u00e9"


@pytest.mark.parametrize(
    ("unicode", "clean"),
    [
        ("nfc", "\ufb01n \uff21 \u00e9"),
        ("nfkc", "fin A \u00e9"),
        ("none", "\ufb01n \uff21 e\u0301"),
    ],
)
def test_unicode_forms(unicode: UnicodeForm, clean: str) -> None:
    assert normalize("\ufb01n \uff21 e\u0301\u200b", unicode) == clean


def test_white_space_may_be_kept_as_spaces() -> None:
    assert normalize(" if x:\t \u00a0return\r\n", keep_spaces=True) == "if x:   return"


@pytest.mark.parametrize("form", ["nfc", "nfkc"])
@pytest.mark.parametrize("marks", ["\u0301\u0316" * 500, "\u0344" * 500, "\u0316" * 500])
def test_a_letter_has_few_marks(form: UnicodeForm, marks: str) -> None:
    eight = "\u0316" * 8
    found = normalize(f"x{eight} b{marks}a\u0301", form)
    assert found.startswith(f"x{eight} b")
    assert found.endswith("á")
    assert len(found) == 12 + MAX_MARKS
    assert normalize(found, form) == found
    assert normalize_lines(f"{found}\n") == f"{found}\n"
