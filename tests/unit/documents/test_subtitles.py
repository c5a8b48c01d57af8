"""What the formats of subtitles have in common, and what WebVTT and ASS have of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.documents.base import Answer
from mtkit.documents.formats import open_document
from mtkit.errors import InputError
from tests.support.corpora import corpus
from tests.support.subtitles import Kind, outline
from tests.support.translators import ADVERSARIES, TRANSLATORS

KINDS: tuple[Kind, ...] = ("srt", "vtt", "ass")
EVERY = pytest.mark.parametrize("kind", KINDS)


def stamp(kind: Kind, time: float) -> str:
    minutes, rest = divmod(time, 60)
    if kind == "ass":
        return f"0:{minutes:02.0f}:{rest:05.2f}"
    return f"00:{minutes:02.0f}:{rest:06.3f}".replace(".", "," if kind == "srt" else ".")


def film(kind: Kind, *cues: str, pause: float = 0.1) -> str:
    """Cues of two seconds each; `|` is a line break."""
    times = [(stamp(kind, n * (2 + pause)), stamp(kind, n * (2 + pause) + 2)) for n in range(len(cues))]
    match kind:
        case "ass":
            return (
                "[Script Info]\nTitle: Kept\n\n[V4+ Styles]\nFormat: Name, Fontname\nStyle: A,Arial\n"
                "\n[Events]\n"
                "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
                "Comment: 0,0:00:00.00,0:00:01.00,A,,0,0,0,,Kept, too\n"
            ) + "".join(
                f"Dialogue: 0,{begin},{end},A,,0,0,0,,{cue}\n".replace("|", "\\N")
                for (begin, end), cue in zip(times, cues, strict=True)
            )
        case "vtt" | "srt":
            return "WEBVTT\n\n" * (kind == "vtt") + "\n".join(
                f"{n}\n{begin} --> {end}\n{cue}\n".replace("|", "\n")
                for n, ((begin, end), cue) in enumerate(zip(times, cues, strict=True), 1)
            )


def texts(kind: Kind, *cues: str, pause: float = 0.1) -> list[str]:
    source = film(kind, *cues, pause=pause).encode()
    document = open_document(kind, "a", source)
    assert document.render(document.texts) == source
    return [*document.texts]


def render(kind: Kind, cues: Sequence[str], answers: Sequence[str]) -> str:
    """Gives only one of the cues' texts, lines joined by `|`, a cue on each line."""
    out = open_document(kind, "a", film(kind, *cues).encode()).render(answers)
    return "\n".join(text.replace("\n", "|") for _, text in outline(kind, out)[1])


@EVERY
def test_a_sentence_over_several_cues_is_one_text(kind: Kind) -> None:
    assert texts(kind, "When I was a child,", "we lived|in a house.", "It was red.") == [
        "When I was a child, we lived in a house.",
        "It was red.",
    ]
    assert texts(kind, "We went to", "Munich by train.", "It was red.") == [
        "We went to Munich by train.",
        "It was red.",
    ], "the pause is short"
    assert texts(kind, "We went to", "Munich by train.", "It was red.", pause=2)[0] == "We went to"
    assert texts(kind, "I thought...", "that it was red.") == ["I thought... that it was red."]
    assert texts(kind, "I thought...", "It was red.") == ["I thought...", "It was red."]
    assert texts(kind, "a", "long pause.", pause=5) == ["a", "long pause."]


@EVERY
def test_what_does_not_go_on_is_a_text_of_its_own(kind: Kind) -> None:
    assert texts(kind, "- Where is", "- the house?") == ["Where is", "the house?"]
    assert texts(kind, "♪ When the night ♪", "♪ has come. ♪") == ["When the night", "has come."]
    assert texts(kind, "[door opens]", "who is there?") == ["[door opens]", "who is there?"]
    assert texts(kind, "this has", "no stops", "at all") == ["this has", "no stops", "at all"]
    assert texts(kind, "It is red.", "and it is new.") == ["It is red.", "and it is new."]
    assert len(texts(kind, *["and on"] * 30, *["It is red."] * 20)) == 25, "at most six cues each"
    assert texts(kind, "我们住在", "一个红色的房子里。") == ["我们住在一个红色的房子里。"]


@EVERY
def test_the_translation_is_divided_by_length_and_punctuation(kind: Kind) -> None:
    cues = [
        "When I was a child,",
        "we lived|in a <b>red</b> house." if kind != "ass" else "we lived|in a house.",
    ]
    german = "Als ich ein Kind war, wohnten wir in einem schönen Haus."
    assert re.sub("</?b>", "", render(kind, cues, [german])) == (
        "Als ich ein Kind war,\nwohnten wir in|einem schönen Haus."
    )
    assert render(kind, ["We went to the", "house."], ["Zum Haus gingen wir."]) == "Zum Haus gingen\nwir."
    assert render(kind, ["Good", "morning."], ["Bonjour."]) == "Bonjour.\nBonjour.", "each cue has a word"
    assert render(kind, ["We live in", "a red house."], ["我们住在一个红色的房子里。"]) == (
        "我们住在一个\n红色的房子里。"
    )


def test_tags_stay_in_their_cue_and_go_where_the_links_say() -> None:
    cues = ["<i>When I was a child,</i>", "we lived in a <b>red</b> house."]
    document = open_document("srt", "a", film("srt", *cues).encode())
    [text] = document.texts
    answer = "Als ich ein Kind war, rot wohnten wir im Haus."
    words = (("red", "rot"), ("lived", "wohnten"), ("we", "wir"), ("in a", "im"), ("house", "Haus"))
    links = [(text.index(a), answer.index(b)) for a, b in words]
    out = document.render([Answer(answer, links)]).decode()
    assert "<i>Als ich ein Kind war,</i>\n" in out
    assert "\n<b>rot</b> wohnten wir im Haus.\n" in out


@EVERY
def test_two_speakers_stay_apart(kind: Kind) -> None:
    assert texts(kind, "- Where is it?|- Here.") == ["Where is it?", "Here."]
    assert texts(kind, "JOHN: Where|is it?|MARY ANN: Here.") == ["Where is it?", "Here."]
    assert texts(kind, "John: Where is it?|Mary: Here.") == ["Where is it?", "Here."]
    assert texts(kind, "Thus: we lived|here.") == ["Thus: we lived here."]
    assert texts(kind, "- JOHN: Where is it?") == ["Where is it?"]
    assert render(kind, ["JOHN: Where|is it?|MARY: Here."], ["Wo ist es?", "Hier."]) == (
        "JOHN: Wo ist|es?|MARY: Hier."
    )
    assert render(kind, ["-Where?|- -5 degrees."], ["Wo?", "-5 Grad."]) == "-Wo?|- -5 Grad."


def test_srt_has_tags_and_breaks_of_ass() -> None:
    assert texts("srt", "{\\an8}There is a red\\Nchair.") == ["There is a red chair."]
    out = open_document("srt", "a", film("srt", "{\\an8}There is a red\\Nchair.").encode())
    assert "{\\an8}Il y a une\\Nchaise rouge.\n" in out.render(["Il y a une chaise rouge."]).decode()


def test_a_blank_line_in_a_cue_of_srt() -> None:
    source = film("srt", "There is a red chair.||The library.", "Yes.|12").replace("2\n00:", "\n2\n00:")
    document = open_document("srt", "a", source.encode())
    assert document.texts == ["There is a red chair.", "The library.", "Yes. 12"]
    out = document.render(["Eins.", "Zwei.", "Ja. 12"]).decode()
    assert "Eins.\n\nZwei.\n\n\n2\n" in out
    with pytest.raises(InputError, match=r"a:6: is not a time code\."):
        open_document("srt", "a", film("srt", "One.", "Two.").replace("04", "o4").encode())


VTT = """\ufeffWEBVTT - Title
Kind: captions
Language: en

STYLE
::cue(c) { color: red }

REGION
id:a

NOTE Kept
as it is

first
00:01.000 --> 00:02.000 align:start size:50%
<v Ann>Tom &amp; <c.red>the cat</c> are <00:01.500>here.
<v.loud Bob>We know.

00:03.000 --> 00:04.000
- Good
00:04.000 --> 00:05.000
<v Ann>morning.</v> <v Bob>Bye.
"""


def test_vtt_keeps_all_that_is_not_said() -> None:
    document = open_document("vtt", "a", VTT.encode())
    assert document.texts == ["Tom & the cat are here.", "We know.", "Good", "morning.", "Bye."]
    assert document.languages == ("en", "")  # type: ignore[attr-defined]
    out = document.render(["Tom <und> die Katze sind hier.", "Ja --> wir.", "Guten", "Morgen.", "Ade."])
    expected = VTT.replace("We know.", "Ja --&gt; wir.").replace("Good", "Guten").replace("Bye", "Ade")
    expected = expected.replace("morning", "Morgen").replace(
        "Tom &amp; <c.red>the cat</c> are <00:01.500>here.",
        "Tom &lt;und&gt; <c.red>die Katze</c> sind <00:01.500>hier.",
    )
    assert out.decode() == expected


def test_ass_keeps_all_but_the_text_of_dialogue() -> None:
    line = "{\\an8\\p1}m 0 0 l 10 b{\\p0}{\\i1}Good\\hold{\\i0} times, they {\\k20}re{\\k30}turn"
    source = film("ass", line)
    document = open_document("ass", "a", source.encode())
    assert document.texts == ["Good old times, they return"]
    out = document.render(["Gute alte Zeiten {\\b1}kehren\\N wie{der"]).decode()
    assert out.partition("Dialogue:")[0] == source.partition("Dialogue:")[0]
    spans = re.compile(r"\{[^}]*\}|\\[hN]")
    assert spans.findall(out) == spans.findall(source)
    assert "{\\an8\\p1}m 0 0 l 10 b{\\p0}" in out


def test_ass_reads_the_format_line() -> None:
    source = "[events]\r\nFormat: Start, End, Text\r\nDialogue: 0:00:00.00,0:00:01.00,Hi, you\r\n"
    document = open_document("ass", "a", source.encode())
    assert document.texts == ["Hi, you"]


@pytest.mark.parametrize(
    ("kind", "source", "message"),
    [
        ("vtt", "1\n00:01.000 --> 00:02.000\nHi\n", "a:1: does not begin with WEBVTT"),
        ("vtt", "WEBVTT\n\n00:01 --> b\nHi\n", "a:3: is not a time code"),
        ("ass", "Hello\n", r"a:1: there is no line \[Events\]"),
        ("ass", "[Events]\nDialogue: 0,0:00:01.00,Hi\n", "a:2: expected 10 columns"),
        ("ass", "[Events]\nFormat: Text, Start, End\n", "a:2: the columns must have Start and End, and Text"),
    ],
)
def test_what_is_no_such_file_is_told_of(kind: Kind, source: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_document(kind, "a", source.encode())
    assert open_document(kind, "a", b"").render([]) == b""


CUE = st.lists(
    st.sampled_from(
        ["Hello there,", "and you.", "- Who?", "JOHN: Me", "<i>la</i> ♪", "{\\i1}so{\\i0}", "x\\hy", "好的"]
    ),
    min_size=1,
    max_size=3,
).map("|".join)


@EVERY
@given(cues=st.lists(CUE, min_size=1, max_size=8), translate=TRANSLATORS)
def test_no_answer_changes_the_cues(kind: Kind, cues: list[str], translate: Callable[[str], str]) -> None:
    source = film(kind, *cues)
    document = open_document(kind, "a", source.encode())
    out = document.render([f"a {translate(text)}" for text in document.texts])
    before, after = outline(kind, source.encode()), outline(kind, out)
    assert after[0] == before[0]
    assert [tags for tags, _ in after[1]] == [tags for tags, _ in before[1]]


@pytest.mark.parametrize("kind", ["vtt", "ass"])
def test_real_files(kind: Literal["vtt", "ass"]) -> None:
    folder = corpus("formats") / "more" / {"vtt": "webvtt", "ass": "ass"}[kind]
    for path in sorted(folder.iterdir()):
        source = path.read_bytes()
        document = open_document(kind, path.name, source)
        assert document.texts
        assert document.render(document.texts) == source
        changes: list[Callable[[str], str]] = [lambda text: re.sub(r"\w+", "Wort", text), *ADVERSARIES[1:]]
        for change in changes:
            found: Any = outline(kind, document.render([f"a {change(text)}" for text in document.texts]))
            expected: Any = outline(kind, source)
            assert found[0] == expected[0]
            assert [tags for tags, _ in found[1]] == [tags for tags, _ in expected[1]]
