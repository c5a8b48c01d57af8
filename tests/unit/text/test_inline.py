from __future__ import annotations

import pytest

from mtkit.text.inline import gap


@pytest.mark.parametrize(
    ("before", "after", "space"),
    [
        *[
            ("s", "t", " "),
            (".", "T", " "),
            ("3", "5", " "),
            (")", "a", " "),
            ("é", "я", " "),
            ("ि", "य", " "),
        ],
        *[("", "a", ""), ("a", "", ""), (" ", "a", ""), ("a", " ", ""), ("a", ".", ""), ("(", "a", "")],
        *[
            ("-", "a", ""),
            ("中", "文", ""),
            ("a", "文", ""),
            ("中", "a", ""),
            ("。", "文", ""),
            ("“", "A", ""),
        ],
    ],
)
def test_words_that_only_a_code_separates(before: str, after: str, space: str) -> None:
    assert gap(before, after) == space
