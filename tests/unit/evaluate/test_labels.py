from __future__ import annotations

import random
from pathlib import Path

import pytest

from mtkit.errors import InputError
from mtkit.evaluate.confidence_fit import LEAST, FitExample, evenly, fit_confidence, spoil
from mtkit.evaluate.labels import Labelled, read_labels
from mtkit.translate.confidence import FEATURES

ROWS = [f"source {number}\ttarget\t{number / 10}" for number in range(LEAST)]


def written(folder: Path, rows: list[str]) -> Path:
    path = folder / "scores.tsv"
    path.write_text("".join(f"{row}\n" for row in rows), "utf-8")
    return path


def test_the_columns_are_named_or_in_order(tmp_path: Path) -> None:
    found = read_labels(written(tmp_path, ROWS))
    assert (len(found), found[3]) == (LEAST, Labelled("source 3", "target", 0.3))
    named = [f"x\t{score}\t{tgt}\t{src}" for src, tgt, score in (row.split("\t") for row in ROWS)]
    assert read_labels(written(tmp_path, ["id\tscore\ttgt\tsrc", *named])) == found


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([*ROWS, "only\ttwo"], f"scores.tsv:{LEAST + 1}: 2 columns, expected 3"),
        (["a\tb\t1\tc", *ROWS], "scores.tsv:1: 4 columns, expected 3"),
        ([*ROWS, "a\tb\tgood"], f"scores.tsv:{LEAST + 1}: the score 'good' is no number"),
        ([*ROWS, "a\tb\tnan"], "the score 'nan' is no number"),
        (["src\tmt\tscore", *ROWS], "scores.tsv:1: the score 'score' is no number"),
        (ROWS[1:], f"scores.tsv: {LEAST - 1} translations with a score, expected {LEAST} or more"),
        (["a\tb\t0.5"] * LEAST, f"scores.tsv: all {LEAST} scores are 0.5"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, rows: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_labels(written(tmp_path, rows))
    assert said in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 3


def examples(count: int) -> list[FitExample]:
    """Quality that follows from the first two features, with noise."""
    rng = random.Random(0)
    drawn = [[rng.gauss(0, 1) for _ in FEATURES] for _ in range(count)]
    return [
        FitExample(row, min(1.0, max(0.0, 0.5 + 0.2 * row[0] - 0.05 * row[1] ** 2 + rng.gauss(0, 0.05))))
        for row in drawn
    ]


def test_what_is_fitted_is_found_again_on_other_examples() -> None:
    found = fit_confidence(examples(900)[:600], "chrf")
    rest = examples(900)[600:]
    errors = [abs(found.calibrated(found.weighed(one.values)) - one.quality) for one in rest]
    assert sum(errors) / len(errors) < 0.07  # the noise alone gives 0.04
    assert (found.meaning, found.examples) == ("chrf", 600)
    assert max(range(len(FEATURES)), key=lambda place: found.linear[place]) == 0
    assert min(range(len(FEATURES)), key=lambda place: found.squared[place]) == 1


def test_noise_gives_the_mean_rather_than_false_certainty() -> None:
    rng = random.Random(1)
    noise = [FitExample([rng.gauss(0, 1) for _ in FEATURES], rng.random()) for _ in range(200)]
    found = fit_confidence(noise, "chrf")
    assert max(found.values) - min(found.values) < 0.35
    assert 0.35 < sum(found.calibrated(found.weighed(one.values)) for one in noise) / 200 < 0.65


def test_too_few_and_equal_examples_are_refused() -> None:
    with pytest.raises(InputError, match=f"{LEAST - 1} translations have a score, expected {LEAST}"):
        fit_confidence(examples(LEAST - 1), "chrf")
    with pytest.raises(InputError, match="have the same score"):
        fit_confidence([one._replace(quality=0.5) for one in examples(LEAST)], "chrf")


def test_pairs_are_chosen_evenly() -> None:
    assert evenly(3, 5) == [0, 1, 2]
    assert evenly(10, 5) == [0, 2, 4, 6, 8]
    assert evenly(1014, 750)[-1] == 1012


def test_a_spoiled_text_keeps_its_words_but_not_their_letters() -> None:
    rng = random.Random(0)
    text = "the weather remains wonderful everywhere"
    all_words = spoil(text, 1.0, "xyz", rng)
    assert all_words != text
    assert [sorted(word) for word in all_words.split()] == [sorted(word) for word in text.split()]
    assert spoil(text, 0.0, "xyz", rng) == text
    chinese = spoil("今天天气很好", 1.0, "的是", rng)
    assert len(chinese) == 6
    assert set(chinese) <= set("的是")
