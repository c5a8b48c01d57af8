from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.documents.formats import line_format
from mtkit.errors import InputError, UsageError

CELL = st.text(st.characters(exclude_characters="\t\n\r", exclude_categories=["Cs"]), max_size=8)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(CELL, min_size=2, max_size=4), TEXT, st.sampled_from([b"\n", b"\r\n", b""]))
def test_only_the_column_of_a_row_changes(cells: list[str], answer: str, end: bytes) -> None:
    row = "\t".join(cells).encode() + end
    line = line_format("tsv", "a.tsv", column=2).read(row)
    assert line.render(line.texts) == row
    out = line.render([answer] * len(line.texts))
    assert out.count(b"\n") == row.count(b"\n")
    assert out.endswith(end)
    kept = out.removesuffix(end).decode().split("\t")
    assert [*kept[:1], *kept[2:]] == [*cells[:1], *cells[2:]]


def test_a_column_by_name_and_what_is_not_utf8() -> None:
    table = line_format("tsv", "a.tsv", column="en")
    head, row = table.read(b"\xef\xbb\xbfid\ten\n"), table.read(b"\xff1\t  one dog \r\n")
    assert not head.texts
    assert head.render([]) == b"\xef\xbb\xbfid\ten\n"
    assert row.texts == ["one dog"]
    assert row.render(["ein\tHund\n"]) == b"\xff1\t  ein Hund \r\n"
    with pytest.raises(InputError, match=r"a\.tsv:3: has 1 column, expected at least 2"):
        table.read(b"alone\n")
    with pytest.raises(InputError, match=r"a\.tsv:1: there is no column en; there are id, de"):
        line_format("tsv", "a.tsv", column="en").read(b"id\tde\n")
    with pytest.raises(UsageError, match="at least 1"):
        line_format("tsv", "a.tsv", column=0)


@given(
    st.dictionaries(TEXT, JSON, max_size=3),
    TEXT,
    TEXT,
    st.booleans(),
    st.sampled_from([None, 1]),
)
def test_only_the_text_of_an_object_changes(
    others: dict[str, Any], text: str, answer: str, ascii_only: bool, indent: int | None
) -> None:
    record = others | {"data": [others, {"text": text}]}
    spelled = json.dumps(record, ensure_ascii=ascii_only, indent=indent).replace("\n", "\t") + "\r\n"
    line = line_format("jsonl", "a.jsonl", field="data.1.text").read(spelled.encode())
    assert line.render(line.texts) == spelled.encode()
    out = line.render([answer] * len(line.texts)).decode()
    place = spelled.rindex(json.dumps(text, ensure_ascii=ascii_only))
    assert out[:place] == spelled[:place]
    assert out.count("\n") == 1
    changed = json.loads(out)
    changed["data"][1]["text"] = text
    assert changed == record


def test_numbers_and_white_space_of_an_object_stay() -> None:
    line = line_format("jsonl", "a.jsonl", field="t").read(
        b'{ "n":1.50e+3,"t" : "\\u00e9 one\\n\\ntwo" , "t2":0}\n'
    )
    assert line.texts == ["é one", "two"]
    assert line.render(["ä", "b"]) == b'{ "n":1.50e+3,"t" : "\\u00e4\\n\\nb" , "t2":0}\n'
    line = line_format("jsonl", "a.jsonl", field="a.b").read(b'{"a.b": "key \xff", "a": {"b": "path"}}')
    assert line.render(["ä"]) == '{"a.b": "ä", "a": {"b": "path"}}'.encode()
    line = line_format("jsonl", "a.jsonl", field="t").read(b'{"t": "old", "t": "new"}')
    assert line.texts == ["new"], "as json has it, the last of two counts"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"t": "a"', "is not JSON"),
        (b'{"u": "a"}', "there is no field t"),
        (b'{"t": null}', "the field t is not text"),
        (b'"t"', "there is no field t"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_a_line_without_the_text_is_told_of(line: bytes, message: str) -> None:
    lines = line_format("jsonl", "a.jsonl", field="t")
    assert lines.read(b"\n").render([]) == b"\n"
    with pytest.raises(InputError, match=f"^a.jsonl:2: {message}"):
        lines.read(line)


def test_quotes_of_a_sheet_stay_in_tsv() -> None:
    """Also where a cell goes on in the next line, so that a spreadsheet reads the same cells again."""
    sheet = [
        "id\tEnglish\n",
        '1\t"The ""red"" house"\n',
        '2\t"Hi," he said.\n',
        '3\t"The library\n',
        'is here."\n',
    ]
    table = line_format("tsv", "a.tsv", column="English")
    rows = [table.read(line.encode()) for line in sheet[:4]]
    assert [row.texts for row in rows] == [[], ['The "red" house'], ['"Hi," he said.'], ["The library"]]
    assert [row.render(row.texts).decode() for row in rows] == sheet[:4]
    assert [row.render(['Das "x"'] * len(row.texts)).decode() for row in rows[1:]] == [
        '1\t"Das ""x"""\n',
        '2\tDas "x"\n',
        '3\t"Das ""x""\n',
    ]
    with pytest.raises(InputError, match=r"^a\.tsv:5: has 1 column, .* line 4 .* set format to csv\.$"):
        table.read(sheet[4].encode())
    first = line_format("tsv", "a.tsv").read(b'is here."\t1\n')
    assert first.render(["ist hier."]) == b'ist hier."\t1\n'
