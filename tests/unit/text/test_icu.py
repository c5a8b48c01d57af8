from __future__ import annotations

import random

import pytest

from mtkit.text.icu import escape, innermost, is_malformed, unescape


def texts(message: str) -> list[str] | None:
    found = innermost(message)
    return None if found is None else [message[start:end] for start, end in found]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("{count, plural, one {There is # red chair.} other {There are # chairs.}}", 2),
        ("{count,plural,=0{none}one{a chair}other{chairs}}", 3),
        ("{VAR_PLURAL, plural, =1 {There is a red chair.} other {There are red chairs.}}", 2),
        ("{n, selectordinal, one {#st} two {#nd} few {#rd} other {#th}}", 4),
        ("{n, plural, offset:1 =0 {nobody} one {you} other {you and # others}}", 3),
    ],
)
def test_each_arm_is_a_text(message: str, expected: int) -> None:
    found = texts(message)
    assert found is not None
    assert len(found) == expected
    assert found == [part.split("}")[0] for part in message.split("{")[2:]]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "You have {n, plural, one {# file} other {# files}} in {folder}.",
            ["You have ", "# file", "# files", " in {folder}."],
        ),
        ("{g, select, male {He} female {She} other {They}} left", ["He", "She", "They", " left"]),
        (
            "{g, select, male {{n, plural, one {his # dog} other {# dogs}}} other {a {d, date, short} b}}",
            ["his # dog", "# dogs", "a {d, date, short} b"],
        ),
        ("{n, plural, one {it''s '{' one} other {'#{' not #}}", ["it''s '{' one", "'#{' not #"]),
        ("{g, select, a {l'ami} other {d''x '{}' {y}}}", ["l'ami", "d''x '{}' {y}"]),
        ("{n, plural, one {} other { }}", []),
        (
            "{0,choice,0#none|1#one file|1<many {0} files}",
            ["none", "one file", "many {0} files"],
        ),
        (
            "a {n, choice, -∞#few'|'er|1.5e3≤{m, choice, 0#no|1<it''s #}b}c",
            ["a ", "few'|'er", "no", "it''s #", "b", "c"],
        ),
        ("{n, plural, one {a|b} other {{0, choice, 0#|1#x}|}} | y", ["a|b", "x", "|", " | y"]),
    ],
)
def test_texts_around_and_inside(message: str, expected: list[str]) -> None:
    """Apostrophes as in ICU's MessagePattern: they quote before a brace only, and before # in a plural."""
    assert texts(message) == expected


@pytest.mark.parametrize(
    "message",
    ["", "plain", "{name}", "{count, number, percent}", "{{ x, y }}", "a {b c}", "{plural}", "'", "#"],
)
def test_other_texts_are_no_such_message(message: str) -> None:
    assert innermost(message) is None


@pytest.mark.parametrize(
    "message",
    [
        "{n, plural, one {a} other {b}",
        "{n, plural, one {a} other b}",
        "{n, plural, }",
        "{n, plural, one {a}} }",
        "{n, plural, one {{ b} other {c}}",
        "x } {n, plural, other {c}}",
        "{n, plural, one {a '} other {b}}",
        "{g, select, a {dogs' # '} other {'{x'}'' b}}",
        "{0,choice,}",
        "{0,choice,0#none|}",
        "{0,choice,0#none|one}",
        "{0,choice,0#none|1#one '}",
        "{0,choice,0 none}",
    ],
)
def test_a_malformed_message_has_no_texts(message: str) -> None:
    assert texts(message) == []
    assert is_malformed(message)


@pytest.mark.parametrize("message", ["{name", "{n, plural, one {} other { }}", "{0,choice,0#|1#a}", ""])
def test_others_are_not_malformed(message: str) -> None:
    assert not is_malformed(message)


def test_apostrophes_are_doubled_only_where_they_would_quote() -> None:
    assert escape("l'ami") == "l'ami"
    assert escape("d'{x} '# '' a'") == "d''{x} ''# '''' a''"
    assert unescape("it''s l'ami") == "it's l'ami"


WORDS = ("One", "dog", "of", "’", "été", "书", "it''s", "'{'q'}'", "{name}", "{n, number}", "l'eau", "#", ".")


class _Message:
    """A random message, its texts, and where its braces stand."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self.raw, self.texts, self.braces = "", [""], list[int]()
        while not self.braces:
            self.raw, self.texts = "", [""]
            self._message(depth=0)
        self.texts = [text for text in self.texts if text.strip()]

    def _syntax(self, raw: str) -> None:
        self.braces += [len(self.raw) + at for at, sign in enumerate(raw) if sign in "{}"]
        self.raw += raw
        self.texts.append("")

    def _message(self, depth: int) -> None:
        for _ in range(self._draw.randint(0, 3)):
            if depth < 4 and self._draw.random() < 0.35:
                self._argument(depth)
            else:
                words = " ".join(self._draw.choices(WORDS, k=self._draw.randint(1, 3)))
                self.raw += f"{words} "
                self.texts[-1] += f"{words} "

    def _argument(self, depth: int) -> None:
        kind = self._draw.choice(["plural", "select", "selectordinal", "plural, offset:2"])
        space = self._draw.choice(["", " ", "\n  "])
        self._syntax(f"{{{space}n{space},{space}{kind}{',' if 'offset' not in kind else ''}")
        keys = ["=1", "one", "few", "other"] if kind != "select" else ["male", "other-one", "other"]
        for key in keys[self._draw.randrange(len(keys)) :]:
            self._syntax(f" {key}{space}{{")
            self._message(depth + 1)
            self._syntax("}")
        self._syntax(f"{space}}}")


@pytest.mark.parametrize("seed", range(200))
def test_generated_messages(seed: int) -> None:
    message = _Message(seed)
    assert texts(message.raw) == message.texts
    for brace in message.braces:
        assert not texts(message.raw[:brace] + message.raw[brace + 1 :])
