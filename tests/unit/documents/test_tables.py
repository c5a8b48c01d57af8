from __future__ import annotations

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.documents.formats import open_document
from mtkit.documents.tables.csv_table import Table
from mtkit.errors import InputError, UsageError

CELL = st.text(st.sampled_from('ab ,;\t"\n|é'), max_size=6)


def rows(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(StringIO(text, newline=""), delimiter=delimiter))


@given(
    st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=5),
    CELL,
    st.sampled_from(",;\t|"),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_only_the_column_changes(
    table: list[list[str]], answer: str, delimiter: str, quoting: int, feed: str
) -> None:
    written = StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, quoting=quoting, lineterminator=feed)  # type: ignore[arg-type]
    writer.writerows([["id", "text", "more"], *table])
    source = written.getvalue()
    document = open_document("csv", "a.csv", source.encode(), column="text")
    assert document.render(document.texts) == source.encode()
    out = document.render([f"x{answer}x"] * len(document.texts)).decode()
    before, after = rows(source, delimiter), rows(out, delimiter)
    assert [[row[0], *row[2:]] for row in after] == [[row[0], *row[2:]] for row in before]
    for old, new in zip(before[1:], after[1:], strict=True):
        assert new[1].count("x") == 2 * sum(bool(line.strip()) for line in old[1].splitlines())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('id;t\r\n1;"a ""b""\r\nc; d"\r\n2;e\r\n', 'id;t\r\n1;"A ""B""\r\nC; D"\r\n2;E\r\n'),
        ("\ufefft,n\na,1\n\nb,2", "\ufefft,n\nA,1\n\nB,2"),
        ("sep=|\nt|n\na, b|1\n", "sep=|\nt|n\nA, B|1\n"),
        ("n\tt\n1\ta, b; c\n", "n\tt\n1\tA, B; C\n"),
        ("t;n\na;1,5\nb\n", "t;n\nA;1,5\nB\n"),
        ('t,n\n"a",1\n\'b",2\n', 't,n\n"A",1\n"\'B""",2\n'),
    ],
)
def test_quotes_separators_and_line_ends_stay(source: str, expected: str) -> None:
    document = open_document("csv", "a.csv", source.encode(), column="t")
    assert document.render([text.upper() for text in document.texts]).decode() == expected


def test_a_cell_is_quoted_where_its_translation_needs_it() -> None:
    document = open_document("csv", "a.csv", b"a,b\nc,d\n", column=2)
    assert document.texts == ["b", "d"]
    assert document.render(["x, y", 'say "so"']) == b'a,"x, y"\nc,"say ""so"""\n'


def test_rows_without_the_column() -> None:
    source = b'a,b\n"c\nc"\nd,e\n'
    with pytest.raises(InputError, match=r"^a\.csv:2: has 1 column, expected at least 2\. Set column"):
        open_document("csv", "a.csv", source, column=2)
    told: list[tuple[int, str]] = []

    def skip(number: int, error: InputError) -> bool:
        told.append((number, error.message))
        return len(told) == 1

    document = open_document("csv", "a.csv", source + b"f\n", column=2, skip=skip)
    assert isinstance(document, Table)
    assert document.numbers == [0, 3]
    assert document.render(["B", "E"]) == b'a,B\n"c\nc"\nd,E\n\n'
    assert told == [
        (1, "a.csv:2: has 1 column, expected at least 2."),
        (4, "a.csv:5: has 1 column, expected at least 2."),
    ]


def test_tables_that_cannot_be_read() -> None:
    with pytest.raises(InputError, match=r"^a\.csv:2: a cell opens a quote that nothing closes\."):
        open_document("csv", "a.csv", b'a,b\nc,"d\ne\n')
    with pytest.raises(InputError, match=r"^a\.csv:1: there is no column en; there are id, de\."):
        open_document("csv", "a.csv", b"id,de\n1,a\n", column="en")
    with pytest.raises(UsageError, match="at least 1"):
        open_document("csv", "a.csv", b"", column=0)
