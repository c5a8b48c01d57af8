"""The stress set: each change by example; what a change costs with a translator that is sensitive to it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import sacrebleu

from mtkit.data.read.pair import Pair
from mtkit.evaluate.buckets import Bucket
from mtkit.evaluate.stress import Variant, stress, variants
from mtkit.metrics.significance import PairedTest
from tests.support.corpora import texts

PAIRS = [
    Pair("Tom has 12 cats.", "Tom a 12 chats."),
    Pair("Where is the station?", "Où est la gare ?", tags=("fr",)),
    Pair("We were there in 1999", "Nous y étions en 1999"),
    Pair("The red house", "La maison rouge"),
]


def made(seed: int = 1) -> dict[str, Variant]:
    return {variant.name: variant for variant in variants(PAIRS, "en", "fr", seed)}


def test_each_change() -> None:
    found = made()
    assert found["capitals"].srcs[0] == ("TOM HAS 12 CATS.", ())
    assert found["lower case"].srcs[1] == ("where is the station?", ("fr",))
    assert found["no final punctuation"].srcs == [("Tom has 12 cats", ()), ("Where is the station", ("fr",))]
    assert found["no final punctuation"].judged("Où est la gare ?") == "Où est la gare"
    assert found["emoji"].judged("Tom dort. 😀") == "Tom dort."
    assert found["URL"].srcs[3][0] == "The red house https://example.org/1"
    assert found["URL"].refs[3] == "La maison rouge https://example.org/1"
    assert found["joined sentences"].srcs == [("We were there in 1999 The red house", ())]
    assert found["joined sentences"].base == [(2, 3)]


def test_other_numbers_are_the_same_on_both_sides() -> None:
    found = made()["other numbers"]
    assert found.base == [(0,), (2,)]
    for (src, _), ref, old in zip(found.srcs, found.refs, ("12", "1999"), strict=True):
        [number] = [word for word in src.split() if word.isdecimal()]
        assert number in ref.split()
        assert number != old
        assert len(number) == len(old)


def test_extra_spaces_change_nothing_else() -> None:
    for (src, _), pair in zip(made()["extra spaces"].srcs, PAIRS, strict=True):
        assert " ".join(src.split()) == pair.src
        assert src.startswith(" ")


def test_typing_errors_follow_from_the_seed() -> None:
    one, same, other = (made(seed)["typing errors"] for seed in (1, 1, 2))
    assert one.srcs == same.srcs != other.srcs
    for (src, _), pair in zip(one.srcs, PAIRS, strict=True):
        assert src != pair.src
        assert abs(len(src) - len(pair.src)) <= 1


def stressed(translate: dict[str, str]) -> dict[str, Bucket]:
    """A model that knows its sources by heart, and answers all others with one wrong word."""

    def answers(srcs: Sequence[tuple[str, tuple[str, ...]]]) -> list[str]:
        return [translate.get(src.strip(), "faux") for src, _ in srcs]

    pairs = [Pair(f"{text}.", f"{text[::-1]}.") for text in texts(30)]
    hyps = [pair.tgt for pair in pairs]
    known = {pair.src: pair.tgt for pair in pairs} | {pair.src[:-1]: pair.tgt for pair in pairs} | translate
    translate = known
    found = stress(pairs, hyps, ("en", "fr"), ["chrf"], answers, PairedTest("ar", 200))
    return {bucket.label: bucket for breakdown in found for bucket in breakdown.buckets}


def test_the_cost_of_each_change() -> None:
    found = stressed({})
    [figure] = found["no final punctuation"].figures
    assert figure.values == pytest.approx((100, 100))
    assert figure.p_values == (None, 1.0)
    [figure] = found["capitals"].figures
    refs = [f"{text[::-1]}." for text in texts(30)]
    expected = sacrebleu.corpus_chrf(["faux"] * 30, [[ref.lower() for ref in refs]]).score
    assert figure.values == pytest.approx((100, expected))
    assert figure.is_significant(1)
    assert found["URL"].figures[0].values[0] == pytest.approx(100)
    assert found["single words"].figures[0].values == (100,)
    assert found["capitals"].size == 30
