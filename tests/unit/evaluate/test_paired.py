"""p-values against those of the sacrebleu command; Holm against the definition."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from mtkit.config.fixed import MetricName
from mtkit.errors import UsageError
from mtkit.evaluate.paired import TRIALS, Method, PairedTest, holm
from mtkit.metrics.surface import METRICS
from tests.support.corpora import edited, texts


@pytest.mark.parametrize("method", TRIALS)
def test_p_values_are_those_of_the_sacrebleu_command(tmp_path: Path, method: Method) -> None:
    rng, refs = random.Random(3), texts(60)
    systems = [[edited(ref, True, rng) for ref in refs] for _ in range(2)]
    for name, lines in {"ref": refs, "a": systems[0], "b": systems[1]}.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    command = [sys.executable, "-m", "sacrebleu", "ref", "-i", "a", "b", "-m", "bleu", "chrf", "ter"]
    flags = [f"--{method}", f"--{method}-n", "200", "--format", "text", "-tok", "13a"]
    done = subprocess.run([*command, *flags], cwd=tmp_path, capture_output=True, check=True, encoding="utf-8")
    expected = re.findall(r"p = (0\.\d+)", done.stdout)  # its JSON cannot have those of the bootstrap
    names: tuple[MetricName, ...] = ("bleu", "chrf", "ter")
    for name, theirs in zip(names, expected, strict=True):
        recipe = METRICS[name].build("en")
        rows = [np.array(recipe.statistics(hyps, {"refs": [refs]}), float) for hyps in systems]
        assert f"{PairedTest(method, 200).p_value(recipe, *rows):.4f}" == theirs


def test_equal_statistics_do_not_differ() -> None:
    rows = np.ones((5, 10))
    assert PairedTest().p_value(METRICS["bleu"].build("en"), rows, rows.copy()) == 1


def test_a_bad_seed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", "x")
    with pytest.raises(UsageError, match="SACREBLEU_SEED=x"):
        str(PairedTest())


@pytest.mark.parametrize("order", list(permutations([0.01, 0.04, 0.03, 0.005])))
def test_holm(order: tuple[float, ...]) -> None:
    by_hand = {0.005: 0.02, 0.01: 0.03, 0.03: 0.06, 0.04: 0.06}
    assert holm(order) == pytest.approx([by_hand[p] for p in order])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
