"""Items that a translation must take over, by examples."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections import Counter

import pytest

from mtkit.evaluate.accuracy import Item, count_items, count_terms, names_of, numbers_of, terms_of
from mtkit.evaluate.buckets import break_down
from mtkit.evaluate.figures import count
from mtkit.evaluate.outputs import Outputs
from mtkit.metrics.significance import PairedTest
from mtkit.translate.coverage import Coverage
from mtkit.translate.glossary import Glossary, Term
from tests.support.corpora import corpus, texts
from tests.support.lexicons import DICTIONARY, made_up_pairs, made_up_table


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1 000 chats, 1,000 cats, 1.000 Katzen, 1000", ["1000"] * 4),
        ("3.5 and 3,5", ["3", "5", "3", "5"]),
        ("12345 678", ["12345", "678"]),
        ("٣ chats", ["3"]),
        ("see https://x.org/2024 and {0} %1$s", []),
        ("none", []),
        ("在2024年", ["2024"]),
    ],
)
def test_numbers(text: str, numbers: list[str]) -> None:
    assert numbers_of(text) == numbers


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Yesterday Marie met Jean-Paul. Then she left.", ["Marie", "Jean-Paul"]),
        ('He said: "Come to Rome!" Nobody did.', ["Rome"]),
        ("在Google工作", ["Google"]),
        ("", []),
    ],
)
def test_names(text: str, names: list[str]) -> None:
    assert names_of(text) == names


@pytest.mark.parametrize(
    ("kind", "hyp", "ref", "src", "counts"),
    [
        ("numbers", "Il a 4 chats", "Il a 3 chats et 4 chiens", "He has three cats and 4 dogs", (1, 2)),
        ("numbers", "", "Il a 3 chats", None, (0, 1)),
        ("names", "Hier Marie dort", "Hier Marie a vu le Caire", "Yesterday Marie saw Cairo", (1, 1)),
        ("names", "Hier marie dort", "Hier Marie dort", "Yesterday Marie slept", (0, 1)),
        ("names", "Hier Marie dort", "Hier Marie dort", None, (0, 0)),
        ("placeholders", "%d sur {nom}", "%d de {name} %s", "%d of {name} %s", (1, 3)),
        ("addresses", "Voir https://a.org", "Voir https://a.org/b", "See https://a.org/b", (0, 1)),
        ("addresses", "Écrire à x@y.org.", "Écrire à x@y.org.", "Write to x@y.org.", (1, 1)),
    ],
)
def test_items_that_are_taken_over(
    kind: Item, hyp: str, ref: str, src: str | None, counts: tuple[int, int]
) -> None:
    assert count_items(kind, [hyp], [[ref]], None if src is None else [src]) == [counts]


def test_the_kindest_reference_counts() -> None:
    assert count_items("numbers", ["3"], [["3 et 4"], ["3"]], None) == [(1, 1)]


def test_swapped_numbers_are_found_by_their_accuracy() -> None:
    rng = random.Random(1)
    refs = [f"{text} {rng.randint(10, 99)}" for text in texts()]
    other = list(refs)
    for place in rng.sample(range(len(refs)), 12):  # 3 %
        other[place] = f"{refs[place].rpartition(' ')[0]} 7"
    outputs = Outputs("", "en", {"a": refs, "b": other}, [refs])
    counted = count([refs, other], [refs], ["chrf"], "en")
    [found] = break_down(outputs, counted, ["item"], PairedTest("ar", 1000))
    assert [(bucket.label, bucket.size) for bucket in found.buckets] == [("numbers", 400)]
    [figure] = found.buckets[0].figures
    assert figure.values == (100, 97)
    assert figure.is_significant(1)


def test_dropped_and_invented_words_are_found_without_a_reference_that_shows_them() -> None:
    pairs = made_up_pairs(300, seed=2)
    srcs, refs = ([pair[side] for pair in pairs] for side in (0, 1))
    dropped, invented = list(refs), list(refs)
    for place in range(0, 300, 10):
        words = refs[place].removesuffix(".").split()
        dropped[place] = f"{' '.join(words[:-1])}."
        absent = next(word for word in sorted(DICTIONARY.values()) if word not in words)
        invented[place] = f"{' '.join(words)} {absent}."
    systems = {"good": refs, "dropped": dropped, "invented": invented}
    outputs = Outputs("", "en", systems, [refs], srcs, coverage=Coverage(made_up_table()))
    counted = count([*systems.values()], [refs], ["chrf"], "en")
    [found] = break_down(outputs, counted, ["item"], PairedTest("ar", 1000))
    figures = {bucket.label: bucket.figures[0] for bucket in found.buckets}
    source, translated = (figures[f"{side} words with a counterpart"] for side in ("source", "translated"))
    num_words = sum(len(src.split()) for src in srcs)
    assert source.values == pytest.approx((100, 100 * (1 - 30 / num_words), 100), abs=0.2)
    assert source.is_significant(1)
    assert translated.values[2] < translated.values[0] - 2
    assert translated.is_significant(2)
    assert not source.is_significant(2)


@pytest.mark.parametrize(
    ("src", "hyp", "tgt_lang", "counts"),
    [
        ("The chest pain and the Pain.", "Douleur thoracique, douleur.", "fr", (2, 2)),
        ("A pain, a pain.", "Une douleur.", "fr", (1, 2)),
        ("A painting.", "Une douleur.", "fr", (0, 0)),
        ("It’s the pain!", "Les douleurs.", "fr", (0, 1)),
        ("", "douleur", "fr", (0, 0)),
        ("pain", "", "fr", (0, 1)),
        ("pain", "他很douleur。", "zh", (1, 1)),
    ],
)
def test_terms_of_sources_are_looked_for_in_translations(
    src: str, hyp: str, tgt_lang: str, counts: tuple[int, int]
) -> None:
    glossary = Glossary([Term("pain", "douleur"), Term("chest pain", "douleur thoracique")])
    assert count_terms(terms_of(glossary, [src], "en"), [hyp], tgt_lang) == [counts]


def test_terms_of_real_text_are_those_of_counting_words() -> None:
    folder = corpus("terminology")
    src, tgt, given = (
        gzip.decompress((folder / f"wmt23-deen.{name}.gz").read_bytes()).decode().split("\n")
        for name in ("de", "en", "term.random")
    )
    terms: dict[str, str] = {}
    for line in filter(None, given):
        for term in json.loads(line):
            one, other = term["de"].casefold(), term["en"].casefold()
            if (
                re.fullmatch("[a-z]{4,}", one)
                and re.fullmatch("[a-z]{4,}", other)
                and other not in terms.values()
            ):
                terms.setdefault(one, other)
    found = count_terms(terms_of(Glossary(Term(*item) for item in terms.items()), src, "de"), tgt, "en")
    expected = []
    for one, other in zip(src, tgt, strict=True):
        asked = Counter(terms[word] for word in re.findall(r"\w+", one.casefold()) if word in terms)
        expected.append(((asked & Counter(re.findall(r"\w+", other.casefold()))).total(), asked.total()))
    assert found == expected
    assert sum(count for _, count in found) > 1000
