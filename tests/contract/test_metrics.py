"""What every metric must do: equal sacreBLEU's command, know its direction, ask for what it needs."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mtkit.config.fixed import BEST_METRICS, METRIC_NAMES, MetricName
from mtkit.config.train import TrainConfig
from mtkit.errors import UsageError
from mtkit.evaluate.evaluate import Scoring, score_files
from mtkit.metrics.recipes import Inputs, Statistics
from mtkit.metrics.surface import METRICS, Metric, score_corpus, segment_scores
from mtkit.train.validate import Validation
from mtkit.train.watch.monitor import Sample

EACH = pytest.mark.parametrize("name", METRIC_NAMES)

WORDS = {
    "fr": [
        "Le",
        "train",
        "part",
        "à",
        "huit",
        "heures.",
        "n'y",
        "a",
        "plus",
        "place,",
        "«dit-elle»",
        ";",
        "!",
    ],
    "zh": list("今天下午三点，我们在北京站见面。请带上你的票和2瓶水！"),
}
FLAGS: dict[MetricName, list[str]] = {
    "bleu": ["-m", "bleu"],
    "chrf": ["-m", "chrf"],
    "chrf++": ["-m", "chrf", "--chrf-word-order", "2"],
    "ter": ["-m", "ter"],
}
"""The metrics that the command of sacreBLEU computes."""
OPTIONS = {"fr": [], "zh": ["--tokenize", "zh", "--ter-normalized", "--ter-asian-support"]}


def lines(language: str, seed: int) -> list[str]:
    draw = random.Random(seed)
    joiner = "" if language == "zh" else " "
    return [joiner.join(draw.choices(WORDS[language], k=12)) for _ in range(30)]


def score(name: MetricName, hyps: Sequence[str], refs: Sequence[str]) -> float:
    [found] = score_corpus(hyps, refs, [name], "fr")
    return found.value


def test_every_name_has_its_entry() -> None:
    assert tuple(METRICS) == METRIC_NAMES


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("language", WORDS)
def test_value_and_signature_are_those_of_the_sacrebleu_command(
    name: MetricName, language: str, tmp_path: Path
) -> None:
    hyp, ref = tmp_path / "hyp", tmp_path / "ref"
    expected = command_of_sacrebleu(hyp, ref, language, *FLAGS[name])

    [evaluated] = score_files({"a": hyp}, [ref], Scoring([name]), language)
    [found] = evaluated.scores
    assert found.metric == name
    assert round(found.value, 12) == expected["score"]
    assert found.signature == expected["signature"]


def command_of_sacrebleu(hyp: Path, ref: Path, language: str, *options: str) -> dict[str, Any]:
    for seed, path in enumerate((hyp, ref)):
        path.write_text("".join(f"{line}\n" for line in lines(language, seed)), "utf-8")
    command = [sys.executable, "-m", "sacrebleu", str(ref), "-i", str(hyp), "-w", "12", *options]
    run = subprocess.run([*command, *OPTIONS[language]], capture_output=True, check=True)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


@pytest.mark.parametrize("language", WORDS)
def test_lengths_are_those_that_sacrebleu_counts_for_bleu(language: str, tmp_path: Path) -> None:
    hyp, ref = tmp_path / "hyp", tmp_path / "ref"
    expected = command_of_sacrebleu(hyp, ref, language, "-m", "bleu")["verbose_score"]
    counted = re.search(r"hyp_len = (\d+) ref_len = (\d+)", expected)
    assert counted is not None
    [evaluated] = score_files({"a": hyp}, [ref], Scoring(["length"]), language)
    [found] = evaluated.scores
    assert found.value == pytest.approx(100 * int(counted[1]) / int(counted[2]), rel=1e-15)
    assert found.signature.startswith("nrefs:1|case:mixed|tok:")


def test_an_exact_match_equals_any_of_its_references() -> None:
    hyps = ["Yes.", " No. ", "yes.", "Perhaps.", ""]
    refs = [["Yes.", "No!", "Yes.", "May be.", "x"], ["Oh yes.", "No.", "Yes", "Perhaps.", "y"]]
    [found] = score_corpus(hyps, refs[0], ["exact"], "en", more_refs=refs[1:])
    assert found.value == pytest.approx(60)
    assert found.signature.startswith("nrefs:2|")


GOOD: dict[MetricName, list[str]] = {"exact": [*lines("fr", 1)[:15], *lines("fr", 2)[:15]]}
"""Translations that are worse than perfect ones, but not bad."""
BAD: dict[MetricName, list[str]] = {"length": [f"{ref} {ref}"[:-10] for ref in lines("fr", 1)]}
"""Translations that are worse than the good ones."""


@EACH
def test_the_better_translation_has_the_higher_quality(name: MetricName) -> None:
    refs = lines("fr", 1)
    good = GOOD.get(name, [f"{ref} Oui" for ref in refs])
    bad = BAD.get(name, ["x"] * len(refs))
    values = [score(name, hyps, refs) for hyps in (refs, good, bad)]
    qualities = [METRICS[name].quality(value) for value in values]
    assert qualities == sorted(qualities, reverse=True)
    assert len(set(qualities)) == len(qualities)
    assert (values == qualities) == METRICS[name].higher_is_better


@EACH
def test_the_order_of_segments_does_not_matter(name: MetricName) -> None:
    pairs = list(zip(lines("fr", 1), lines("fr", 2), strict=True))
    expected = score(name, *zip(*pairs, strict=True))
    random.Random(3).shuffle(pairs)
    assert score(name, *zip(*pairs, strict=True)) == pytest.approx(expected, rel=1e-12)


@EACH
def test_a_score_is_made_from_the_statistics_of_single_segments(name: MetricName) -> None:
    hyps, refs = lines("fr", 1), lines("fr", 2)
    recipe = METRICS[name].build("fr")
    single = [recipe.statistics([hyp], {"refs": [[ref]]})[0] for hyp, ref in zip(hyps, refs, strict=True)]
    assert recipe.aggregate(single) == pytest.approx(score(name, hyps, refs), rel=1e-12)


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("language", WORDS)
def test_segment_scores_are_those_of_the_sacrebleu_command(
    name: MetricName, language: str, tmp_path: Path
) -> None:
    hyp, ref = tmp_path / "hyp", tmp_path / "ref"
    for seed, path in enumerate((hyp, ref)):
        path.write_text("".join(f"{line}\n" for line in lines(language, seed)), "utf-8")
    options = [*FLAGS[name], *OPTIONS[language], "--sentence-level", "-b", "-w", "10"]
    command = [sys.executable, "-m", "sacrebleu", str(ref), "-i", str(hyp), *options]
    expected = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout.split()
    found = segment_scores(METRICS[name], lines(language, 0), {"refs": [lines(language, 1)]}, language)
    assert [f"{value:.10f}" for value in found] == expected


@EACH
def test_training_can_choose_by_it(name: MetricName) -> None:
    if name == "length":  # says nothing of the quality
        assert name not in list[str](BEST_METRICS)
        return
    assert TrainConfig.model_validate({"best_metric": name}).best_metric == (name,)
    better, worse = (1.0, 0.0) if METRICS[name].quality(1) > METRICS[name].quality(0) else (0.0, 1.0)
    found = [Validation(9.0, {name: value}, (Sample("", "", ""),)) for value in (better, worse)]
    assert found[0].quality(name) > found[1].quality(name)


class Lengths:
    """A metric that is not sacreBLEU's: how much shorter the translations are than their sources."""

    def statistics(self, hyps: Sequence[str], inputs: Inputs) -> Statistics:
        return [[len(hyp), len(src)] for hyp, src in zip(hyps, inputs["srcs"][0], strict=True)]

    def aggregate(self, statistics: Statistics) -> float:
        return 100 * sum(hyp for hyp, _ in statistics) / sum(src for _, src in statistics)

    def signature(self) -> str:
        return "lengths"


def test_a_metric_gets_the_inputs_it_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = Metric("lengths", higher_is_better=False, inputs=("srcs",), build=lambda tgt_lang: Lengths())
    monkeypatch.setitem(METRICS, "ter", lengths)
    [found] = score_corpus(["ab"], ["x"], ["ter"], "fr", srcs=["abcd"])
    assert (found.value, found.signature) == (50.0, "lengths")
    with pytest.raises(UsageError, match="metric ter: needs the source texts"):
        score_corpus(["ab"], ["x"], ["ter"], "fr")
