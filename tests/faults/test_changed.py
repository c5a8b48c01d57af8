"""What has changed between two parts of a run is announced exactly, or refused, and costs nothing."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import mtkit
from tests.support.cases import mostly_slow
from tests.support.faults.bench import Bench, outcome
from tests.support.faults.figures import trial
from tests.support.faults.pair import PLAIN, Pair, codes, said

CHANGED = "other data, tokenizer, ranks, threads, versions, options: refused or announced exactly"
ROUNDED = ": from here on, numbers may be rounded differently"
SIX, TWELVE = "train.max_steps=6", "train.max_steps=12"
REFUSED = "was trained on other data or with another tokenizer."
TURNS: list[tuple[str, dict[str, Any], tuple[str, ...], int, str]] = [
    (
        "data",
        {},
        ("data.valid.pairs=7",),
        3,
        rf"{re.escape(REFUSED)} data\.valid\.pairs: 6 → 7\. Choose .*from-scratch",
    ),
    (
        "tokenizer",
        {},
        ("tokenizer.vocab_size=160",),
        3,
        rf"{re.escape(REFUSED)}.*tokenizer\.vocab_size: 150 → 160",
    ),
    ("threads", {"threads": 2}, (), 0, f"changed: threads: 1 → 2{ROUNDED}"),
    ("mtkit", {"mtkit": "9.9"}, (), 0, rf"changed: mtkit: {re.escape(mtkit.__version__)} → 9\.9{ROUNDED}"),
    (
        "torch",
        {"torch_version": "9.9"},
        (),
        0,
        rf"changed: torch: {re.escape(torch.__version__)} → 9\.9{ROUNDED}",
    ),
    ("num_threads", {}, ("train.num_threads=2",), 2, "train.num_threads: .*--allow-change train.num_threads"),
    (
        "precision",
        {},
        ("train.precision=bf16",),
        2,
        "train.precision: fp32 → bf16.*--allow-change train.precision",
    ),
    ("seed", {}, ("seed=2",), 3, rf"{re.escape(REFUSED)} seed: \d+ → 2\. "),
]


@dataclass
class Begun:
    """A run of six steps, of which each trial goes on with a copy."""

    first: Path
    bench: Bench

    def go(self, run: Path, *options: str, **hooks: Any) -> tuple[int, str]:
        child = self.bench.command(run, *options, **hooks)
        return child.wait(), child.said()


@pytest.fixture(scope="module")
def begun(bench: Bench) -> Begun:
    begun = Begun(bench.make("first"), bench)
    assert begun.go(begun.first, SIX)[0] == 0
    return begun


@pytest.mark.parametrize(
    ("name", "machine", "options", "expected", "told"), mostly_slow(TURNS, [TURNS[0], TURNS[3]])
)
def test_what_has_changed_is_told(
    name: str, machine: dict[str, Any], options: tuple[str, ...], expected: int, told: str, begun: Begun
) -> None:
    run = begun.first.with_name(f"changed-{name}")
    shutil.copytree(begun.first, run, copy_function=shutil.copy2)
    before = outcome(run)
    code, text = begun.go(run, TWELVE, *options, set_machine=machine)
    kept = code == expected and re.search(told, text.replace("\n", " ")) is not None
    if expected:
        kept &= outcome(run) == before  # nothing of what was trained is lost
    struck = "starting torch" in text or REFUSED in text
    trial(CHANGED, struck=struck, kept=kept, detail=(name, code, text))


@pytest.mark.slow
def test_another_number_of_ranks_and_back(pair: Pair) -> None:
    """Told each time, and the same updates but for the order in which numbers are added."""
    plain = (*PLAIN, "train.optimizer.schedule=constant", "train.save_every=4")
    turned, straight = pair.make("turned"), pair.make("straight")
    texts = []
    for run, steps, ranks in ((straight, 12, 1), (turned, 4, 1), (turned, 8, 2), (turned, 12, 1)):
        options = (*plain, f"train.max_steps={steps}")
        if ranks == 2:
            done = pair.start(run, {}, *options)
            assert codes(done) == [0, 0], said(done)
            texts.append(said(done))
        else:
            run.with_name(f"{run.name}.log").unlink(missing_ok=True)
            child = pair.bench.command(run, *options)
            assert child.wait() == 0, child.said()
            texts.append(child.said())
    found = [re.findall(r"changed: ranks: (\d → \d)" + ROUNDED, text) for text in texts]
    ours, theirs = (
        {line["step"]: line for line in outcome(run)["metrics"] if "train/loss" in line}
        for run in (turned, straight)
    )
    close = ours.keys() == theirs.keys() and all(
        ours[step][name] == pytest.approx(theirs[step][name], abs=1e-4)
        for step in ours
        for name in ("train/loss", "train/grad_norm")
    )
    trial(CHANGED, struck=True, kept=found == [[], [], ["1 → 2"], ["2 → 1"]] and close, detail=(found, texts))
