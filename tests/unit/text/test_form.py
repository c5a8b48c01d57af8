from __future__ import annotations

from typing import Any

import pytest

from mtkit.config.text import SpanKind, TextConfig
from mtkit.text.form import TextForm
from mtkit.text.protect import build_finder, distinct_spans


def form(**options: Any) -> TextForm:
    return TextForm(TextConfig.model_validate_json(TextConfig(**options).model_dump_json()))


@pytest.mark.parametrize(
    ("kind", "text", "spans"),
    [
        (
            "placeholders",
            "{name}, {{ x y }}, ${v} #{a} %{b}",
            ["{name}", "{{ x y }}", "${v}", "#{a}", "%{b}"],
        ),
        ("placeholders", "%s of %1$d, %(count)d; %.2f %@", ["%s", "%1$d", "%(count)d", "%.2f", "%@"]),
        ("placeholders", "100% de plus, 5%d, 50 % sur %d 50 %-ige", ["%d"]),
        ("placeholders", "$5, $12, $1.50, $1,000 and {two words}", []),
        ("tags", '<b>x</b> <br/> <x id="1"/>', ["<b>", "</b>", "<br/>", '<x id="1"/>']),
        ("tags", "<a href='u' k=v>x</a>", ["<a href='u' k=v>", "</a>"]),
        ("tags", "a < b, 1<2>3 and x <y or z>", []),
        ("urls", "See https://a.b/c?d=e&f#g, www.z.com!", ["https://a.b/c?d=e&f#g", "www.z.com"]),
        ("urls", "(ftp://x.org/y) 在https://a.cn看 https://", ["ftp://x.org/y", "https://a.cn"]),
        ("emails", "Write to a.b+c@d-e.org.", ["a.b+c@d-e.org"]),
        ("emails", "a @ b.c and @name", []),
        ("numbers", "12,345.6 of 7 (10:30), MP3, 3rd, 第5章", ["12,345.6", "7", "10:30", "5"]),
    ],
)
def test_what_is_a_span(kind: SpanKind, text: str, spans: list[str]) -> None:
    assert distinct_spans(build_finder([kind]), text) == spans


def test_spans_of_both_sides_get_one_number_and_others_stay() -> None:
    pair = form(protect=("placeholders", "tags")).pair(
        "Hi {a}, {b} <i>and</i> {a}", "<i>Et</i> {a} salut {c}"
    )
    assert pair == ("Hi ⟦1⟧, {b} ⟦2⟧and⟦3⟧ ⟦1⟧", "⟦2⟧Et⟦3⟧ ⟦1⟧ salut {c}")


def test_a_source_alone_has_all_its_spans_as_symbols_up_to_a_number() -> None:
    masked = form(protect=("numbers",), max_spans=2).source("1 2 1 3 2")
    assert masked.text == "⟦1⟧ ⟦2⟧ ⟦1⟧ 3 ⟦2⟧"
    assert masked.spans == ("1", "2")


def test_what_the_model_forgets_stands_at_the_end_and_what_it_invents_is_dropped() -> None:
    found = form(protect=("placeholders",))
    assert found.restore("⟦2⟧ a ⟦9⟧ ⟦2⟧ ⟦0⟧", ["{x}", "{y}", "{z}"]) == ("{y} a {y} {x} {z}", ["{x}", "{z}"])
    assert found.restore("", ["{x}"]) == ("{x}", ["{x}"])
    assert found.restore("⟦1⟧ a", []) == ("a", [])


def test_a_span_is_not_shaped() -> None:
    found = form(protect=("placeholders",), casing="inline", quotes="straight")
    masked = found.source("The “{Name’s}” is OK")
    assert masked.text == 'the⟦C⟧ "⟦1⟧" is ok⟦U⟧'
    assert found.restore(masked.text, masked.spans)[0] == 'The "{Name’s}" is OK'


@pytest.mark.parametrize("options", [{"protect": ("urls",)}, {"casing": "inline"}])
def test_symbols_in_raw_text_are_no_symbols(options: dict[str, Any]) -> None:
    masked = form(**options).source("see ⟦1⟧ and x⟦C⟧")
    assert "⟦" not in masked.text.replace("⟦C⟧", "", int("casing" in options))
    assert form().source("see ⟦1⟧").text == "see ⟦1⟧"


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("Hello NASA, I say", "hello⟦C⟧ nasa⟦U⟧, i⟦C⟧ say"),
        ("iPhone McDonald", "iPhone McDonald"),
        ("ÉCOLE Straße ΟΔΟΣ", "école⟦U⟧ straße⟦C⟧ οδος⟦U⟧"),
        ("İstanbul ǅ 中文", "İstanbul ǅ 中文"),
        ("Jean-Luc's", "jean⟦C⟧-luc⟦C⟧'s"),
    ],
)
def test_case_as_marks(text: str, marked: str) -> None:
    found = form(casing="inline")
    assert found.source(text).text == marked
    assert found.restore(marked)[0] == text


def test_a_mark_without_a_word_is_dropped() -> None:
    assert form(casing="inline").restore("⟦C⟧a⟦U⟧⟦C⟧ 1⟦U⟧")[0] == "A 1"


def test_lower_case_and_straight_quotes() -> None:
    found = form(casing="lower", quotes="straight")
    assert found.source("«Ça», L’ÉTÉ „x“").text == '"ça", l\'été "x"'
    assert found.pair("A ’", "B “") == ("a '", 'b "')


def test_the_default_form_changes_nothing_of_normalised_text() -> None:
    assert form().is_plain
    assert form().pair("A “b” {c}", "⟦1⟧") == ("A “b” {c}", "⟦1⟧")
    assert form().symbols == ()
