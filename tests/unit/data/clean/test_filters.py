from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from mtkit.config.filters import (
    DuplicateFilter,
    EmptyFilter,
    Filter,
    GarbledFilter,
    IdenticalFilter,
    LanguageFilter,
    LengthFilter,
    MarkupFilter,
    NumbersFilter,
    RatioFilter,
    RepetitionFilter,
    ScoreFilter,
    ScriptFilter,
    SentencesFilter,
    UrlsFilter,
    WordsFilter,
)
from mtkit.data.clean.column import column_of
from mtkit.data.clean.judging import build_filter, named
from mtkit.data.read.pair import Pair
from mtkit.errors import UsageError
from tests.support.filters import judge_of, keys_of

Sides = tuple[str, str]


def dropped(
    options: Filter, pairs: Sequence[Sides | Pair], src_lang: str = "en", tgt_lang: str = "fr"
) -> list[int]:
    """The indexes of the pairs that a filter drops."""
    verdict = judge_of(options, src_lang, tgt_lang).verdict
    found = [verdict(pair if isinstance(pair, Pair) else Pair(*pair)) for pair in pairs]
    assert all(detail is None or detail for detail in found), "a reason says something"
    return [index for index, detail in enumerate(found) if detail is not None]


def test_empty() -> None:
    assert dropped(EmptyFilter(filter="empty"), [("", "a"), ("a", ""), ("", ""), ("a", "b")]) == [0, 1, 2]


def test_length_counts_characters_and_includes_its_bounds() -> None:
    pairs = [("a", "bbb"), ("aa", "bb"), ("a" * 4, "bb"), ("a" * 5, "bb"), ("\u4f60\u597d", "\U0001f600" * 4)]
    assert dropped(LengthFilter(filter="length", min_chars=2, max_chars=4), pairs) == [0, 3]


def test_identical_lets_short_names_be_and_ignores_case() -> None:
    pairs = [
        ("Le Monde", "Le Monde"),
        ("It was not.", "It was not."),
        ("IT WAS NOT.", "it was not."),
        ("a b c", "a b d"),
    ]
    assert dropped(IdenticalFilter(filter="identical"), pairs) == [1, 2]


@pytest.mark.parametrize(
    ("src", "tgt", "falls"),
    [
        ("a" * 10, "b" * 20, False),
        ("a" * 10, "b" * 21, True),
        ("a" * 21, "b" * 10, True),
        ("a" * 20, "\u00e9" * 10, False),
    ],
)
def test_ratio_counts_characters(src: str, tgt: str, falls: bool) -> None:
    assert bool(dropped(RatioFilter(filter="ratio", max_ratio=2, slack=0), [(src, tgt)])) is falls


def test_a_han_character_counts_for_three_in_chinese() -> None:
    pairs = [("a" * 30, "\u4f60" * 5), ("a" * 31, "\u4f60" * 5), ("a" * 7, "\u4f60" * 5)]
    assert dropped(RatioFilter(filter="ratio", max_ratio=2, slack=0), pairs, tgt_lang="zh-Hant") == [1, 2]


def test_ratio_with_slack_lets_short_pairs_differ() -> None:
    # (0 + 20) * 4 = 80 = 60 + 20
    assert dropped(RatioFilter(filter="ratio", max_ratio=4, slack=20), [("", "b" * 60), ("", "b" * 61)]) == [
        1
    ]


@pytest.mark.parametrize(
    ("src", "tgt", "falls"),
    [
        ("We came home. It was late.", "Nous sommes rentr\u00e9s.", True),
        ("We came home, and it was late.", "Nous sommes rentr\u00e9s.", False),
        ("It was late when we finally came home.", "Il \u00e9tait tard", True),
        ("We came home. It was late.", "Nous sommes rentr\u00e9s chez nous.", False),
        ("We came home at 10 p.m. in 2021. It seems", "Rentr\u00e9s en 2021", True),
        ("We came home at 10 p.m. on the 21st of May", "Rentr\u00e9s le 21 mai", False),
        ("Il est rentr\u00e9 avec M. Dupont et J. Smith", "They came home", False),
    ],
)
def test_sentences_drops_what_is_merged_or_cut_off(src: str, tgt: str, falls: bool) -> None:
    options = SentencesFilter(filter="sentences", max_ratio=1.2, slack=0)
    assert bool(dropped(options, [(src, tgt)])) is falls
    assert bool(dropped(options, [(tgt, src)], "fr", "en")) is falls


def test_sentences_are_not_compared_where_one_language_has_no_spaces() -> None:
    pair = ("We came home. It was late.", "\u56de\u5bb6\u4e86")
    assert dropped(SentencesFilter(filter="sentences"), [pair], "en", "zh") == []


@pytest.mark.parametrize(
    ("language", "text", "falls"),
    [
        ("fr", "\u00e0 No\u00ebl", False),
        ("fr", "| * = \\ # _ * # =", True),
        ("fr", "12 + 34 = 46", True),
        ("fr", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440", True),
        ("ru", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440", False),
        ("ru", "Hello, world", True),
        ("sr-Latn", "Zdravo svete", False),
        ("el", "\u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5", False),
        ("ar", "\u0645\u0631\u062d\u0628\u0627", False),
        ("he", "\u05e9\u05dc\u05d5\u05dd", False),
        ("hi", "\u0928\u092e\u0938\u094d\u0924\u0947", False),
        ("th", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", False),
        ("zh", "\u4f60\u597d\uff0c\u4e16\u754c\u3002", False),
        ("zh-Hant", "\u4f60\u597d\uff0c\u4e16\u754c\u3002", False),
        ("zh", "Hello, world.", True),
        ("zh", "\u8c03\u7528 asyncio.run(main())", False),
        ("zh", "\u7b2c 12 + 34 + 56 + 78", True),
        ("ja", "\u3053\u3093\u306b\u3061\u306f", False),
        ("ko", "\uc548\ub155\ud558\uc138\uc694", False),
        ("vi", "Ti\u1ebfng Vi\u1ec7t", False),
        ("ka", "\u10d2\u10d0\u10db\u10d0\u10e0\u10ef\u10dd\u10d1\u10d0", False),
        ("xx", "\u12f0\u1205\u1293 hello", False),
        ("xx", "12 + 34 = 46", True),
    ],
)
def test_script(language: str, text: str, falls: bool) -> None:
    assert bool(dropped(ScriptFilter(filter="script"), [("Good text", text)], "en", language)) is falls
    assert bool(dropped(ScriptFilter(filter="script"), [(text, "Good text")], language, "en")) is falls


def test_words_are_not_looked_for_in_chinese() -> None:
    glued = "Sapudeur,sasensibilit\u00e9etuntalentquicoulaitdesource"
    pairs = [("His modesty", glued), ("x", "Donaudampfschifffahrtskapit\u00e4n"), ("It is good", "C'est bon")]
    assert dropped(WordsFilter(filter="words"), pairs) == [0]
    assert dropped(WordsFilter(filter="words"), [("a b", "\u4f60" * 90)], "en", "zh") == []


@pytest.mark.parametrize(
    ("text", "falls"),
    [
        ("d\u00e9j\u00e0 vu", False),
        ("d\u00e9j\u00e0 vu".encode().decode("latin-1"), True),
        ("l\u2019eau".encode().decode("cp1252"), True),
        ("N\u00c3O, MANH\u00c3 E M\u00c3E", False),
        ("\u00c2ge d'or", False),
        ("a \ufffd b", True),
    ],
)
def test_garbled(text: str, falls: bool) -> None:
    assert bool(dropped(GarbledFilter(filter="garbled"), [("fine", text)])) is falls


def test_markup_is_html_and_not_every_angle_bracket() -> None:
    pairs = [
        ("<p>A word", "Un mot"),
        ("A&nbsp;word", "Un&nbsp;mot&nbsp;!"),
        ("if a < b and b > c", "si a < b & c"),
        ("Use <module> for it", "Utilisez <module>"),
        ("word " * 40 + "<b>", "mot " * 40),
        ("Rock &amp; Roll", "Rock &amp; Roll"),
        ("AT&amp;T", "AT&#38;T"),
    ]
    assert dropped(MarkupFilter(filter="markup"), pairs) == [0, 1]


def test_urls() -> None:
    pairs = [
        ("Read more at http://a.org/1 and here", "Plus sur http://b.org/1 et ici"),
        ("Read more at http://a.org/1 and here", "Plus sur http://a.org/1 et ici"),
        ("Read more at http://a.org/1 and here", "Plus sur notre site"),
        ("See www.example.org/a/long/page", "Voir www.example.org/a/long/page"),
    ]
    assert dropped(UrlsFilter(filter="urls"), pairs) == [0, 3]


def test_a_site_may_have_pages_in_both_languages_and_stand_in_chinese_text() -> None:
    pairs = [
        (
            "You can read more about all this at https://en.wikipedia.org/wiki/Salt.",
            "Vous trouverez plus sur tout cela (https://fr.wikipedia.org/wiki/Sel) ici",
        ),
        ("Read more at www.a.org:80/en?x=1 and here", "Vous trouverez plus sur http://www.A.org/fr, et ici"),
    ]
    assert dropped(UrlsFilter(filter="urls"), pairs) == []
    chinese = "\u6b63\u6001\u5206\u5e03\u7684\u6982\u5ff5\u6765\u81ea\u4e8e`\u5b9a\u7406 <https://en.wikipedia.org/wiki/x>`_"
    pairs = [
        ("Normal distributions arise from the `theorem <https://en.wikipedia.org/wiki/x>`_.", chinese),
        (
            "See PEP or https://bugs.python.org for it all.",
            "\u8bf7\u53c2\u9605\u8bf7\u53c2\u9605PEP\u6216\u5728https://bugs.python.org\u4e2d",
        ),
        (
            "See https://bugs.python.org for it all, now.",
            "\u8bf7\u53c2\u9605\u8bf7\u53c2\u9605PEP\u6216\u5728https://bugs.perl.org\u4e2d",
        ),
    ]
    assert dropped(UrlsFilter(filter="urls"), pairs, "en", "zh") == [2]


def test_names_of_code_are_no_lost_spaces() -> None:
    pairs = [
        (":c:func:`PyUnicode_FromKindAndData`", ":c:func:`PyUnicode_FromKindAndData`"),
        ("The boys play football here", "Lesgar\u00e7onsjouentaufootball,maisnon"),
    ]
    assert dropped(WordsFilter(filter="words"), pairs) == [1]


@pytest.mark.parametrize(
    ("src", "tgt", "falls"),
    [
        ("page 73", "page 83", True),
        ("page 73", "page", False),
        ("1,000.5 men", "1000,5 hommes", False),
        ("the 80s", "les ann\u00e9es 1980", False),
        ("at 5 pm", "\u00e0 7 h", False),
        ("8.30 and 12", "8 h 30 et 12", False),
        ("10 000 or 12", "10.000 ou 12,", False),
        ("10 000 or 12", "10.000 ou 13", True),
        ("15 of 20", "20 de 15", False),
        ("at 10:30 p.m.", "\u00e0 22 h 30", False),
        ("at 22:30", "at 10:30 p.m.", False),
        ("the 30th of the month", "le 18 du mois", True),
        ("\u0661\u0662", "34", False),
    ],
)
def test_numbers(src: str, tgt: str, falls: bool) -> None:
    assert bool(dropped(NumbersFilter(filter="numbers"), [(src, tgt)])) is falls


def test_repetition() -> None:
    pairs = [
        ("fine", "Il me faut " + "Il me " * 12),
        ("fine", "ha " * 30),
        ("fine", "le chat et le chien et le cheval sont dans le pr\u00e9"),
        ("fine", "non, non, non !"),
    ]
    assert dropped(RepetitionFilter(filter="repetition"), pairs) == [0, 1]
    chinese = [
        ("fine", "\u975e\u5e38\u597d" * 12),
        ("fine", "\u6211\u4eec\u660e\u5929\u53bb\u5317\u4eac\u770b\u957f\u57ce"),
    ]
    assert dropped(RepetitionFilter(filter="repetition"), chinese, "en", "zh") == [0]


def test_score_keeps_pairs_without_one() -> None:
    pairs = [Pair("a", "b", score=0.4), Pair("a", "b", score=0.5), Pair("a", "b")]
    assert dropped(ScoreFilter(filter="score", min_score=0.5), pairs) == [0]


ENGLISH = "The weather was very nice yesterday, so we went out for a walk."
FRENCH = "Il faisait tr\u00e8s beau hier, nous sommes donc sortis nous promener."
GERMAN = "Gestern war das Wetter sehr sch\u00f6n, deshalb gingen wir spazieren."


def test_language() -> None:
    pytest.importorskip("py3langid")
    pairs = [(ENGLISH, FRENCH), (ENGLISH, GERMAN), (FRENCH, ENGLISH), ("Oh!", "Ach!")]
    assert dropped(LanguageFilter(filter="language"), pairs) == [1, 2]


def test_language_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py3langid", None)
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(UsageError, match="pip install py3langid"):
        build_filter(LanguageFilter(filter="language"), "en", "fr")


def test_a_language_that_is_not_known_is_told_at_once() -> None:
    pytest.importorskip("py3langid")
    with pytest.raises(UsageError, match="does not support xx"):
        build_filter(LanguageFilter(filter="language"), "en", "xx")


def same(options: DuplicateFilter, one: Sides, other: Sides) -> bool:
    src, tgt = map(column_of, zip(one, other, strict=True))
    first, second = keys_of(options)(src, tgt, [0, 1]).tolist()
    return bool({*first} & {*second})


def test_duplicates_are_equal_on_both_sides_or_one() -> None:
    both = DuplicateFilter(filter="duplicate")
    assert same(both, ("a b", "c"), ("a b", "c"))
    assert not any(
        same(both, ("a b", "c"), other) for other in [("a b", "d"), ("a", "b c"), ("A b", "c"), ("c", "a b")]
    )
    assert same(DuplicateFilter(filter="duplicate", side="src"), ("a", "c"), ("a", "d"))
    assert same(DuplicateFilter(filter="duplicate", side="tgt"), ("a", "c"), ("b", "c"))
    folding = DuplicateFilter(filter="duplicate", fold=True)
    assert same(folding, ("Yes, I do!", "Oui"), ("yes I do", "\u00ab oui \u00bb"))
    assert not same(folding, ("ab", "c"), ("a", "bc"))


def test_order_is_kept_and_a_second_one_of_a_kind_is_numbered() -> None:
    filters: list[Filter] = [
        LengthFilter(filter="length", max_chars=9),
        EmptyFilter(filter="empty"),
        LengthFilter(filter="length", max_chars=5),
    ]
    assert list(named(filters)) == ["length", "empty", "length-2"]
