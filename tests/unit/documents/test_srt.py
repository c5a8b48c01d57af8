from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.documents.formats import open_document
from mtkit.errors import InputError
from tests.support.translators import TRANSLATORS

TIME = re.compile(r"^\d+\r?\n\d\d:\d\d:\d\d,\d{3} --> .*$", re.M)
TAG = re.compile(r"</?[biu]>|\{\\an\d\}")
LINE = st.sampled_from(
    [
        "Hello there.",
        "<i>a song</i> for <b>you</b>",
        "- Who?",
        "- Me, {\\an8}him",
        "<i>half",
        "open</i>",
        "42",
        "♪ la ♪",
    ]
)


@given(
    st.lists(st.lists(LINE, max_size=3), min_size=1, max_size=4),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    TRANSLATORS,
)
def test_numbers_time_codes_and_tags_stay(
    cues: list[list[str]], feed: str, has_mark: bool, translate: Callable[[str], str]
) -> None:
    source = "\ufeff" * has_mark + feed.join(
        feed.join([f"{n}", f"00:00:{n:02},000 --> 00:00:{n:02},900", *lines, ""])
        for n, lines in enumerate(cues, 1)
    )
    document = open_document("srt", "a.srt", source.encode())
    assert document.render(document.texts) == source.encode()
    out = document.render([translate(text) for text in document.texts]).decode()
    assert TIME.findall(out) == TIME.findall(source)
    assert TAG.findall(out) == TAG.findall(source)
    assert out.count("-->") == source.count("-->")
    if feed == "\r\n":
        assert not re.search("(?<!\r)\n", out)


def test_the_lines_of_a_cue_are_one_text_and_get_as_many_lines() -> None:
    source = (
        "1\n00:00:01,000 --> 00:00:02,000\n<i>The big dog runs\nover the hill</i>\n\n"
        "2\n0:0:3,0 --> 0:0:4,0\n- Who?\n- Me.\n"
    )
    document = open_document("srt", "a.srt", source.encode())
    assert list(document.texts) == ["The big dog runs over the hill", "Who?", "Me."]
    out = document.render(["Der große Hund läuft über den Hügel", "Wer?", "Ich."]).decode()
    assert out == (
        "1\n00:00:01,000 --> 00:00:02,000\n<i>Der große Hund\nläuft über den Hügel</i>\n\n"
        "2\n0:0:3,0 --> 0:0:4,0\n- Wer?\n- Ich.\n"
    )


def test_what_is_no_subtitle_file_is_told_of() -> None:
    with pytest.raises(InputError, match=r"a\.srt:2: is not a time code\."):
        open_document("srt", "a.srt", b"1\n00:01 -> --> 5\nHi\n")
    with pytest.raises(InputError, match=r"a\.srt:1: there is no time code"):
        open_document("srt", "a.srt", b"Hello\n")
    with pytest.raises(InputError, match=r"a\.srt:2: the byte 0xff is not UTF-8"):
        open_document("srt", "a.srt", b"1\n\xff")
    assert open_document("srt", "a.srt", b"").render([]) == b""
