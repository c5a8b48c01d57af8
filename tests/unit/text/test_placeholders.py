from __future__ import annotations

import gzip
import re
from typing import get_args

import pytest

from mtkit.text.placeholders import DEFAULT, Family, GettextFamily, declared, placeholder_finder, takes_next
from mtkit.text.protect import build_finder
from tests.support.corpora import REPOSITORY, corpus
from tests.support.placeholders import EXAMPLES, messages

FAMILIES: tuple[Family, ...] = get_args(Family)


def found(text: str, families: tuple[Family, ...] = DEFAULT) -> list[str]:
    return [each[0] for each in placeholder_finder(families).finditer(text)]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_finds_its_placeholders_whole_and_alone(family: Family) -> None:
    for placeholder in EXAMPLES[family].found:
        assert found(f"a {placeholder} b", (family,)) == [placeholder]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_finds_nothing_in_ordinary_text(family: Family) -> None:
    for text in EXAMPLES[family].text:
        assert found(text, (family,)) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_generated_messages_have_the_placeholders_that_were_put_in(family: Family) -> None:
    for text, placed in messages((family,), 200, seed=1):
        assert found(text, (family,)) == placed


def test_the_default_finds_those_of_all_families_but_for_what_may_be_prose() -> None:
    default = set(DEFAULT)
    for text, placed in messages(DEFAULT, 2000, seed=2):
        assert found(text) == placed
    for family in set(FAMILIES) - default:
        for placeholder in EXAMPLES[family].found:
            if placeholder not in LEFT_OUT:
                assert found(f"a {placeholder} b") == [placeholder], family


LEFT_OUT = {
    # As in "100 % de", "$5" and "#1", or mere punctuation.
    *("% d", "%10", "%12", "%99", "$1", "$9", "$$", "#", "{{", "}}", "%<", "%>", "%'", "'{'", "'#'"),
    # Lisp's are swung dashes and letters: "~a". Quoted text, and keys with spaces, are text.
    *EXAMPLES["lisp"].found,
    *EXAMPLES["scheme"].found,
    *("'{0}'", "'{name}'", "{room name}", "{0,choice,0#none|1<{0} files}"),
    # Rare flags.
    *("%=10s", "%Id", "%wd", "%qD", "%vd", "%'*10s", "%-10{name}"),
}


@pytest.mark.parametrize(
    "text",
    [
        "100% sure, 50 % discount, 20% of it, 5 %-ige Lösung, 99.9%.",
        "Costs $5 and $10.50, US$ 3, $1 000.",
        "at 5:30, Re:hello, a:b, note: this :) :D a::b 10:30:00",
        "mail a.b@c.org, 5 @ noon",
        "a < b, {two words}, snake_case, ____, ~5, #1, i.e. 50/50",
        "Indirim %50, 图书馆打折50%。",
    ],
)
def test_the_default_finds_nothing_in_prose(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "family", "placeholders"),
    [
        ("Free: %dMB of %dpx", "c", ["%d", "%d"]),
        ('(%s) #%d "%s" %s%s', "c", ["%s", "%d", "%s", "%s", "%s"]),
        ("%s of {name} for $room", "c", ["%s"]),
        ("%s of {name} for $room", "python-brace", ["{name}"]),
        ("%s of {name} for $room", "sh", ["$room"]),
        ("100% sure, 50 %", "c", ["% s", "%"]),
        ("{{literal}} {x}", "python-brace", ["{{", "}}", "{x}"]),
        ("a } and {", "python-brace", ["}", "{"]),
        ("{n} '{' it''s", "icu", ["{n}", "'{'"]),
    ],
)
def test_a_declared_family_is_the_only_one(text: str, family: Family, placeholders: list[str]) -> None:
    assert found(text, (family,)) == placeholders


def test_the_page_shows_placeholders_of_every_family() -> None:
    page = (REPOSITORY / "docs" / "placeholders.md").read_text("utf-8")
    declared_ones, default_ones = page.split("**Other texts**")
    for part, families in (
        (declared_ones, set(FAMILIES) - (set(DEFAULT) - {"i18next"})),
        (default_ones, set(DEFAULT)),
    ):
        rows = re.findall(r"^\| (`.*?) \| (.*) \|$", part, re.MULTILINE)
        shown = {
            name: re.findall("`([^`]+)`", cell)
            for names, cell in rows
            for name in re.findall("`([^`]+)`", names)
        }
        assert set(shown) == families
        for family in families:
            for placeholder in shown[family]:
                if placeholder in FAMILIES:
                    continue  # "those of `c`"
                assert found(placeholder, (family,))[:1] == [placeholder.removesuffix("MB")]


def test_units_may_follow_where_no_family_is_declared() -> None:
    assert found("Free: %dMB of %dpx, %d%%") == ["%d", "%d", "%d", "%%"]


def test_of_several_families_the_first_is_tried_first() -> None:
    assert found("%(a)s %d {b} %", ("c", "python", "python-brace")) == ["%(a)s", "%d", "{b}", "%"]


def test_flags_of_gettext() -> None:
    assert declared(["fuzzy", "c-format"]) == ("c",)
    assert declared(["python-format", "python-brace-format"]) == ("python", "python-brace")
    assert declared(["fuzzy", "no-c-format", "unheard-of-format"]) == DEFAULT
    assert all(declared([f"{family}-format"]) == (family,) for family in get_args(GettextFamily))


@pytest.mark.parametrize(
    "placeholder", ["%s", "%5.2f", "%*d", "%-10s", "%@", "%<PRIu64>", "{}", "{:>5}", "~a"]
)
def test_placeholders_of_the_next_argument_keep_their_order(placeholder: str) -> None:
    assert takes_next(placeholder)


@pytest.mark.parametrize(
    "placeholder",
    ["%1$s", "%%", "%1", "%L1", "%n", "%m", "{0}", "{name}", "%(a)s", "%<a>s", "%{a}", "$a", "%a%"],
)
def test_other_placeholders_may_stand_in_any_order(placeholder: str) -> None:
    assert not takes_next(placeholder)


@pytest.mark.parametrize(
    ("name", "file"),
    [("flores200", "devtest.en.gz"), ("wmt", "newstest2013.en.gz"), ("tatoeba", "eng-fra.dev.fr.gz")],
)
def test_prose_has_no_placeholders(name: str, file: str) -> None:
    with gzip.open(corpus(name) / file, "rt", encoding="utf-8") as lines:
        assert [each for line in lines for each in found(line)] == []


@pytest.mark.parametrize(
    "emoji",
    [
        "🙂",
        "❤️",
        "☎",
        "👍🏽",
        "👩‍👩‍👧‍👦",
        "🏳️‍🌈",
        "👩🏿‍🚀",
        "🇫🇷",
        "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
        "1️⃣",
        "#️⃣",
        "©️",
        "⌚",
        "⭐",
        "🫠",
        "⛹🏻‍♀️",
        "🧑‍💻",
    ],
)
def test_an_emoji_is_one_span(emoji: str) -> None:
    """From Unicode's emoji-test.txt: sequences of joiners, flags, keycaps, skin tones and tags."""
    finder = build_finder(["emoji", "numbers"])
    assert [each[0] for each in finder.finditer(f"a{emoji}b {emoji}{emoji}.")] == [emoji] * 3


def test_text_has_no_emoji() -> None:
    assert build_finder(["emoji"]).findall("1 # * © 2024, a™ → b « c » — “d” … 图书馆。 क्‍ष €5 №1 ①") == []
