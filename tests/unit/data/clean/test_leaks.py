"""Counts of held-out text that was met in training data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mtkit.data.prepare.inspect import read_rejected
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import leaks_of
from tests.support.preparations import Pairs, changed, make, sentences, write

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
