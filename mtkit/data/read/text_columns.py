"""Finds the two columns of a table, or fields of records, that are translations of each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from statistics import StatisticsError, correlation, fmean
from typing import Any, NamedTuple

from mtkit.data.read.identify import code_of
from mtkit.text.languages import UNSPACED_CHARACTERS

_ROLES = (
    re.compile(r"^(?:src|source|original|from)(?![a-z])|^source(?=text|string|segment|$)", re.IGNORECASE),
    re.compile(
        r"^(?:tgt|trg|target|translation|to)(?![a-z.])|^target(?=text|string|segment|$)", re.IGNORECASE
    ),
)
_LANGUAGE = re.compile(r"lang|locale", re.IGNORECASE)

_MIN_LETTERS = 0.4
"""Least share of letters in the characters of a column of text."""
_MIN_WORDS = 1.2
"""Least mean number of words in a column of text; two letters of a script without spaces count as one."""
_UNSPACED = re.compile(f"[{UNSPACED_CHARACTERS}]")
_MOST = 0.8
_MIN_CORRELATION = 0.5
"""Least correlation of the lengths of translations of each other."""


class TextColumn(NamedTuple):
    """A column or field.

    Attributes:
        name: from the header, or the dotted path of a field; empty without a header.
        texts: of the rows that were looked at.
    """

    name: str
    texts: list[str]


class PickedColumns(NamedTuple):
    """The two columns, by their index, and the languages that their names say; empty where they do not."""

    src: int
    tgt: int
    languages: tuple[str, str]


def has_header(row: Sequence[str]) -> bool:
    """Whether the first row of a table names the columns: at least two cells are usual names of columns.

    Two names of the same language are a pair of a vocabulary, as English `French` and French `français`.
    """
    names = {"id", "score", "domain", "pos", "description", "notes"}
    usual = sum(bool(_role(cell)) or cell.strip().lower() in names for cell in row)
    return usual + len({code_of(cell) for cell in row if not _role(cell)} - {None}) >= 2


def pick_columns(columns: Sequence[TextColumn]) -> PickedColumns | None:
    """The columns whose names are two languages, or source and target; else by their texts.

    By their texts, translations of each other are the two columns of text whose lengths correlate most.
    """
    named = [(index, code) for index, one in enumerate(columns) if (code := _code(one))]
    if len(named) == 2:
        return PickedColumns(named[0][0], named[1][0], (named[0][1], named[1][1]))
    sides = [[index for index, one in enumerate(columns) if _role(one.name) == role] for role in (1, 2)]
    if len(sides[0]) == len(sides[1]) == 1:
        return PickedColumns(sides[0][0], sides[1][0], _told(columns))
    likely = [index for index, one in enumerate(columns) if _is_text(one.texts)]
    if len(likely) < 2 and len(columns) == 2:
        likely = [0, 1]
    found = [
        (score, one, other)
        for one, other in combinations(likely, 2)
        if (score := _kinship(columns[one].texts, columns[other].texts)) >= _MIN_CORRELATION
        or len(columns) == 2
    ]
    if not found:
        return None
    _, one, other = max(found, key=lambda each: each[0])
    return PickedColumns(one, other, ("", ""))


def flat(record: Any, path: str = "") -> dict[str, str]:
    """The texts in a record by their dotted paths."""
    if isinstance(record, str):
        return {path: record}
    parts: dict[str, str] = {}
    if isinstance(record, dict):
        for name, value in record.items():
            parts |= flat(value, f"{path}.{name}" if path else str(name))
    return parts


def columns_of(records: Sequence[Any]) -> list[TextColumn]:
    """The fields that most records have as text."""
    rows = [flat(record) for record in records]
    counts = Counter(name for row in rows for name in row)
    names = [name for name, count in counts.items() if count >= _MOST * len(rows)]
    return [TextColumn(name, [row.get(name, "") for row in rows]) for name in names]


def _code(column: TextColumn) -> str | None:
    """The language that the name of a column says, as `en`, `translation.en` or `text_fr`."""
    if not any(char.isalpha() for text in column.texts for char in text):
        return None  # such as the column id
    last = column.name.rpartition(".")[2]
    if code := code_of(last):
        return code
    parts = re.split(r"[_ -]", last)
    return (
        code_of(parts[-1]) if len(parts) == 2 and parts[0].lower() in ("text", "sentence", "sent") else None
    )


def _role(name: str) -> int:
    """1 for the name of a source, 2 for that of a target, 0 for others."""
    last = name.strip().rpartition(".")[2]
    if _LANGUAGE.search(last):
        return 0
    return next((role for role, pattern in enumerate(_ROLES, start=1) if pattern.search(last)), 0)


def _told(columns: Sequence[TextColumn]) -> tuple[str, str]:
    """The languages in columns such as `sourceLang`; empty where there is none with one language alone."""
    found = []
    for role in ("s", "t"):
        values = {
            text
            for one in columns
            if _LANGUAGE.search(one.name) and one.name.lower().startswith(role)
            for text in one.texts
        }
        found.append((code_of(next(iter(values))) or "") if len(values) == 1 else "")
    return found[0], found[1]


def _is_text(texts: Sequence[str]) -> bool:
    chars = sum(map(len, texts))
    if not chars or len(set(texts)) < max(2, len(texts) // 10):
        return False
    letters = sum(char.isalpha() or char.isspace() for text in texts for char in text)
    words = fmean(len(text.split()) + len(_UNSPACED.findall(text)) / 2 for text in texts)
    return letters / chars >= _MIN_LETTERS and words >= _MIN_WORDS


def _kinship(one: Sequence[str], other: Sequence[str]) -> float:
    """How much the lengths correlate; 0 for columns that are mostly the same."""
    if sum(a == b for a, b in zip(one, other, strict=True)) > len(one) / 2:
        return 0.0
    try:
        return correlation(list(map(len, one)), list(map(len, other)))
    except StatisticsError:
        return 0.0
