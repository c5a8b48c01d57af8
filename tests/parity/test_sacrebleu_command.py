"""What `mtkit evaluate` prints of shared test sets equals what the `sacrebleu` command prints.

Translations are the references with words swapped, so that no model is needed.
"""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import mtkit
from tests.support.corpora import corpus

WIDTH = 6
"""Digits that the command prints after the decimal point."""
TITLES = {"BLEU": "bleu", "chrF2": "chrf", "TER": "ter"}


@dataclass(frozen=True)
class Case:
    """A test set of the shared data, and how it is scored."""

    file: str
    lang: str
    lines: int | None = None
    bs: int = 1000
    ar: int = 10_000

    @property
    def flags(self) -> list[str]:
        """Those of the command that suit the language."""
        return ["-tok", "zh", "--ter-normalized", "--ter-asian-support"] if self.lang == "zh" else []

    def refs(self) -> list[str]:
        folder, _, name = self.file.partition("/")
        return gzip.decompress((corpus(folder) / name).read_bytes()).decode().split("\n")[:-1][: self.lines]


SMALL = [
    Case("multi30k/test_2016_flickr.de.gz", "de", 120, 60, 80),
    Case("flores200/devtest.zh.gz", "zh", 30, 60, 80),
]
WHOLE = [
    Case("multi30k/test_2016_flickr.de.gz", "de"),
    Case("wmt/newstest2009.de.gz", "de", 1000),  # has U+0085 inside lines
    Case("wmt/newstest2014-enfr.fr.gz", "fr", 1000),
    Case("tatoeba/eng-cmn.test.zh.gz", "zh", 1000),
]


def swapped(text: str, draw: random.Random, joiner: str) -> str:
    """The text with some neighbours exchanged: words, or characters of Chinese."""
    words = text.split(" ") if joiner else list(text)
    for place in range(len(words) - 1):
        if draw.random() < 0.06:
            words[place : place + 2] = reversed(words[place : place + 2])
    return joiner.join(words)


def write(folder: Path, case: Case) -> None:
    refs = case.refs()
    joiner = "" if case.lang == "zh" else " "
    texts = {"ref": refs}
    for seed, name in enumerate(("base", "rival")):
        draw = random.Random(seed)
        texts[name] = [swapped(text, draw, joiner) for text in refs]
    for name, lines in texts.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines), "utf-8", newline="\n")


def command(folder: Path, *options: str) -> str:
    """What the `sacrebleu` command prints."""
    args = [sys.executable, "-m", "sacrebleu", "ref", "-m", "bleu", "chrf", "ter", "-w", str(WIDTH), *options]
    return subprocess.run(args, cwd=folder, capture_output=True, check=True, encoding="utf-8").stdout


def table(printed: str) -> list[list[str]]:
    """The rows of the table in text that the command printed."""
    lines = [line for line in printed.split("\n") if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def check_intervals(folder: Path, case: Case, results: Sequence[dict[str, Any]]) -> None:
    options = ["-i", "base", "--confidence", "--confidence-n", str(case.bs), *case.flags]
    expected = json.loads(command(folder, *options))
    for score, theirs in zip(results[0]["scores"], expected, strict=True):
        interval = score["interval"]
        assert f"{score['value']:.{WIDTH}f}" == f"{theirs['score']:.{WIDTH}f}"
        assert f"{interval['mean']:.{WIDTH}f}" == f"{theirs['confidence_mean']:.{WIDTH}f}"
        assert f"{interval['margin']:.{WIDTH}f}" == f"{theirs['confidence_var']:.{WIDTH}f}"
        assert score["signature"] == theirs["signature"]


def check_p_values(folder: Path, case: Case, printed: dict[str, Any]) -> None:
    for method, trials in (("bs", case.bs), ("ar", case.ar)):
        options = [
            "-i",
            "base",
            "rival",
            f"--paired-{method}",
            f"--paired-{method}-n",
            str(trials),
            "-f",
            "text",
        ]
        told = command(folder, *options, *case.flags)
        titles, base, rival, p_values = table(told)
        for column, title in enumerate(titles[1:], start=1):
            metric = TITLES[title.partition(" ")[0]]
            for row, result in zip((base, rival), printed["results"], strict=True):
                [value] = [score["value"] for score in result["scores"] if score["metric"] == metric]
                assert row[column].partition(" ")[0] == f"{value:.{WIDTH}f}"
            [found] = [each for each in printed["comparisons"] if each["metric"] == metric]
            assert p_values[column].rstrip("*") == f"(p = {found['p_values'][method]:.4f})"
            assert found["signatures"][method] in told


def check(folder: Path, case: Case) -> None:
    write(folder, case)
    done = mtkit(
        *("-q", "evaluate", "--hyp", "base", "--hyp", "rival", "--ref", "ref", "--tgt-lang", case.lang),
        *("--metrics", "bleu,chrf,ter", "--confidence", "--confidence-n", str(case.bs), "--baseline", "base"),
        *("--paired-bs-n", str(case.bs), "--paired-ar-n", str(case.ar), "--json"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    check_intervals(folder, case, printed["results"])
    check_p_values(folder, case, printed)


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.file)
def test_scores_intervals_and_p_values(tmp_path: Path, case: Case) -> None:
    check(tmp_path, case)


@pytest.mark.slow
@pytest.mark.parametrize("case", WHOLE, ids=lambda case: case.file)
def test_whole_sets_with_the_usual_number_of_trials(tmp_path: Path, case: Case) -> None:
    check(tmp_path, case)
