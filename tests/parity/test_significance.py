"""Intervals and p-values equal those that the command of sacreBLEU prints for the same seed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mtkit.config.fixed import MetricName
from mtkit.errors import UsageError
from mtkit.evaluate.compared import Baseline, check_baseline, compare
from mtkit.evaluate.evaluate import Scoring, Texts, score_texts
from mtkit.metrics.significance import SEED, Method, PairedTest

WORDS = ["le", "train", "part", "à", "huit", "heures", "demain", "nous", "la", "gare", "de", "Lyon", "."]
SAMPLES: dict[Method, int] = {"bs": 60, "ar": 80}
FLAGS = {"bleu": ["-m", "bleu"], "chrf++": ["-m", "chrf", "--chrf-word-order", "2"], "ter": ["-m", "ter"]}
COMMAND = (
    "import json; json.JSONEncoder.default = lambda self, value: float(value); "
    "from sacrebleu.sacrebleu import main; main()"
)
"""The command of sacreBLEU, made to print the numbers of numpy, which it forgets to convert."""


def spoilt(lines: Sequence[str], share: float, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [
        " ".join(draw.choice(WORDS) if draw.random() < share else word for word in line.split())
        for line in lines
    ]


@pytest.fixture
def texts(tmp_path: Path) -> dict[str, list[str]]:
    draw = random.Random(1)
    refs = [" ".join(draw.choices(WORDS, k=12)) for _ in range(40)]
    found = {
        "ref": refs,
        "base": spoilt(refs, 0.3, 2),
        "same": spoilt(refs, 0.3, 3),
        "bad": spoilt(refs, 0.4, 4),
    }
    for name, lines in found.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return found


def command(folder: Path, systems: Sequence[str], *options: str, seed: str) -> Any:
    args = [str(folder / "ref"), "-i", *(str(folder / name) for name in systems), "-f", "json", "-w", "12"]
    run = subprocess.run(
        [sys.executable, "-c", COMMAND, *args, *options],
        capture_output=True,
        check=True,
        env=os.environ | {SEED: seed},
    )
    return json.loads(run.stdout)


@pytest.mark.parametrize("metric", FLAGS)
def test_intervals(
    metric: MetricName, texts: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SEED, "7")
    expected = command(tmp_path, ["base"], *FLAGS[metric], "--confidence", "--confidence-n", "50", seed="7")
    result = score_texts(
        Texts(texts["base"], [texts["ref"]], "fr"), Scoring([metric], resamples=50), tmp_path, ""
    )
    [score] = result.scores
    assert score.interval is not None
    assert round(score.value, 12) == expected["score"]
    assert round(score.interval.mean, 12) == expected["confidence_mean"]
    assert round(score.interval.margin, 12) == expected["confidence_var"]
    assert score.signature == expected["signature"]


@pytest.mark.parametrize("test", SAMPLES)
@pytest.mark.parametrize("metric", FLAGS)
def test_p_values(
    metric: MetricName,
    test: Method,
    texts: dict[str, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(SEED, "3")
    options = [f"--paired-{test}", f"--paired-{test}-n", str(SAMPLES[test])]
    base, *others = command(tmp_path, ["base", "same", "bad"], *FLAGS[metric], *options, seed="3")
    [column] = set(base) - {"system"}
    results = [
        score_texts(Texts(texts[name], [texts["ref"]], "fr"), Scoring([metric]), tmp_path, name)
        for name in ("same", "base", "bad")
    ]
    found = compare(Baseline("base", {test: SAMPLES[test]}), results)
    assert [each.system for each in found] == ["same", "bad"]
    for each, expected in zip(found, others, strict=True):
        assert each.p_values == {test: expected[column]["p_value"]}
        assert each.difference == pytest.approx(expected[column]["score"] - base[column]["score"], abs=1e-9)
        assert f"|{test}:{SAMPLES[test]}|seed:3|" in each.signatures[test]


def test_resamples_without_a_match_have_an_interval(tmp_path: Path) -> None:
    refs = ["le chat est sur le tapis", "un chien a couru"]
    result = score_texts(
        Texts(["le chat est sur le banc", ""], [refs], "fr"),
        Scoring(["bleu", "chrf"], resamples=50),
        tmp_path,
        "",
    )
    for score in result.scores:  # the command itself fails here
        assert score.interval is not None
        assert 0 < score.interval.mean < 2 * score.value


def test_metrics_that_are_not_of_sacrebleu_are_tested_in_the_same_way(texts: dict[str, list[str]]) -> None:
    scoring = Scoring(["exact", "length"], resamples=50)
    refs = texts["ref"]
    wrong = [f"{line} x" for line in refs]
    named = {
        "base": [*wrong[:10], *refs[10:]],
        "like": [*refs[:30], *wrong[30:]],
        "half": [*wrong[:30], *refs[30:]],
    }
    results = [score_texts(Texts(hyps, [refs], "fr"), scoring, Path(), name) for name, hyps in named.items()]
    exact = results[0].scores[0]
    assert exact.interval is not None
    # A sum of 40 draws of 0 or 1: its 95 % interval is about 1.96 standard deviations wide to each side.
    assert exact.interval.margin == pytest.approx(100 * 1.96 * (0.1875 / 40) ** 0.5, rel=0.35)
    assert exact.signature.startswith("nrefs:1|bs:50|seed:12345|case:mixed|")
    found = compare(Baseline("base", SAMPLES), results)
    values = {(each.system, each.metric): each.p_values for each in found}
    assert all(value > 0.05 for metric in ("exact", "length") for value in values["like", metric].values())
    assert all(value < 0.05 for metric in ("exact", "length") for value in values["half", metric].values())


def test_a_baseline_must_be_one_of_several_systems() -> None:
    with pytest.raises(UsageError, match=r"Choose from a, b\."):
        check_baseline(Baseline("c", SAMPLES), ["a", "b"])
    with pytest.raises(UsageError, match="is the only system"):
        check_baseline(Baseline("a", SAMPLES), ["a"])


def test_a_seed_must_be_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SEED, "x")
    with pytest.raises(UsageError, match="SACREBLEU_SEED = x"):
        str(PairedTest())
