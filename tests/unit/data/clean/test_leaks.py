"""Counts of held-out text that was met in training data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mtkit.data.clean.leaks import LeakGuard
from mtkit.data.prepare.inspect import read_rejected
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import leaks_of
from mtkit.data.read.pair import Pair
from tests.support.preparations import Pairs, changed, make, sentences, with_data, write

LONG = "The minister said on Tuesday that the bridge over the river would open before the end of the spring"
TESTS = [
    (LONG, "q1"),
    ("A second sentence", "q2"),
    ("Third, that one", "q3"),
    ("Nobody met this", "q4"),
]
TRAIN: Pairs = [
    *sentences(30),
    (LONG.replace("Tuesday", "Friday"), "other 1"),  # near
    ("other 2", "Q2!"),  # folded
    ("A second sentence", "other 3"),  # equal
    ("A second sentence", ""),  # met, though another filter drops it
    ("third that one", ""),  # folded, likewise
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def leaks(folder: Path, filters: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    tests = {"mine": write(folder / "corpora", "mine", TESTS), **more}
    config = make(folder, TRAIN, test=tests, filters=filters)
    report = prepare(config)
    assert leaks_of(config, "mine") == next(found for found in report.leaks if found.name == "test.mine")
    assert leaks_of(config, "none") is None
    assert leaks_of(changed(config, seed=7), "mine") is None
    told = json.loads((config.run / "data" / "report.json").read_bytes())["leaks"]
    assert [entry["name"] for entry in told] == [found.name for found in report.leaks]
    rejected = read_rejected(config.run / "data" / "rejected.tsv.gz")
    fell = [example.detail for name, example in rejected if name == "overlap"]
    assert sum(sum(entry["dropped"].values()) for entry in told) == len(fell)
    assert all(" a text of " in detail for detail in fell)
    found = next(entry for entry in told if entry["name"] == "test.mine")
    return dict(found)


EMPTY = {"filter": "empty"}


def test_what_the_guard_drops_is_counted_for_its_set(folder: Path) -> None:
    found = leaks(folder, [EMPTY, {"filter": "overlap"}])
    assert found["sentences"] == 4
    assert found["met"] == {"equal": 1, "folded": 1, "near": 1}
    assert found["left"] == {"equal": 0, "folded": 0, "near": 0}
    assert found["dropped"] == {"equal": 1, "folded": 1, "near": 1}


def test_without_the_guard_leaks_are_counted_and_left(folder: Path) -> None:
    found = leaks(folder, [EMPTY])
    assert found["met"] == {"equal": 1, "folded": 1, "near": 0}
    assert found["left"] == {"equal": 1, "folded": 0, "near": 0}
    assert found["dropped"] == {"equal": 0, "folded": 0, "near": 0}


def test_a_text_of_two_sets_counts_for_both(folder: Path) -> None:
    again = write(folder / "corpora", "again", TESTS[1:2])
    found = leaks(folder, [], again=again)
    assert found["left"] == {"equal": 1, "folded": 1, "near": 0}


# ---------------------------------------------------------------- several references

SENTENCE = "Le ministre a dit mardi que le pont sur la rivière ouvrirait avant la fin du printemps"
SIMILAR = "Le ministre a annoncé mercredi que ce pont sur la rivière sera ouvert avant la fin du printemps"


def several(*refs: str) -> Pair:
    return Pair(LONG, refs[0], "test.mine", refs=refs[1:])


@pytest.mark.parametrize(
    "target",
    [SIMILAR, SIMILAR.upper(), SIMILAR.replace("mercredi", "jeudi"), SENTENCE.replace("mardi", "lundi")],
)
@pytest.mark.parametrize("refs", [(SENTENCE, SIMILAR), (SIMILAR, SENTENCE), ("x", SENTENCE, "y", SIMILAR)])
def test_every_reference_is_guarded(target: str, refs: tuple[str, ...]) -> None:
    # Two references may be as similar as sentences of one pattern, which are only matched exactly.
    guard = LeakGuard([several(*refs)], 0.75)
    assert guard.find("another source", target)
    assert guard(Pair("another source", target)) is not None
    assert not guard.find("another source", "une phrase tout à fait différente sur un autre sujet")


def test_similar_texts_of_different_sentences_are_still_a_pattern() -> None:
    apart = [several(SENTENCE), Pair("other", SIMILAR, "test.mine")]
    assert not LeakGuard(apart, 0.75).find("another source", SENTENCE.replace("mardi", "lundi"))


def test_short_references_are_compared_together_with_the_source() -> None:
    guard = LeakGuard([Pair("Tom likes tea.", "Tom aime le thé.", refs=("Thomas adore le thé.",))], 0.75)
    assert guard.find("Tom likes teas.", "Thomas adore les thés.")
    assert not guard.find("Mary hates wine.", "Thomas adore les thés.")


def test_many_references_do_not_hide_each_other() -> None:
    refs = [f"{SENTENCE} {word}" for word in ("un", "deux", "trois", "quatre", "cinq", "six", "sept")]
    guard = LeakGuard([several(*refs)], 0.75)
    assert guard.find("another source", f"{SENTENCE} neuf")


def test_a_sentence_with_several_references_is_counted_once(folder: Path) -> None:
    corpora = folder / "corpora"
    first, second = (
        write(corpora, name, [(LONG, ref), ("two", other)])
        for name, ref, other in (
            ("one", SENTENCE, "deux"),
            ("more", SIMILAR, "second"),
        )
    )
    test = {**first, "refs": [second["tgt"]]}
    train: Pairs = [*sentences(30), ("a", SIMILAR), ("b", SENTENCE), ("c", "second")]
    config = make(folder, train, test={"mine": test}, filters=[EMPTY])
    [found] = [each for each in prepare(config).leaks if each.name == "test.mine"]
    assert (found.sentences, sum(found.met.values()), sum(found.left.values())) == (2, 2, 2)
    guarded = with_data(config, filters=[EMPTY, {"filter": "overlap"}])
    [found] = [each for each in prepare(guarded).leaks if each.name == "test.mine"]
    assert (sum(found.left.values()), sum(found.dropped.values())) == (0, 3)
