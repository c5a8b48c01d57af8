"""p-values against those of the sacrebleu command; Holm against the definition."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Sequence
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

from mtkit.config.fixed import MetricName
from mtkit.errors import UsageError
from mtkit.metrics.significance import (
    TRIALS,
    Aggregate,
    Method,
    PairedTest,
    PValues,
    Rows,
    holm,
    p_text,
    resample,
)
from mtkit.metrics.surface import METRICS
from tests.support.corpora import edited, texts


@pytest.mark.parametrize("method", TRIALS)
def test_p_values_are_those_of_the_sacrebleu_command(tmp_path: Path, method: Method) -> None:
    rng, refs = random.Random(3), texts(60)
    systems = [[edited(ref, True, rng) for ref in refs] for _ in range(2)]
    for name, lines in {"ref": refs, "a": systems[0], "b": systems[1]}.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    command = [sys.executable, "-m", "sacrebleu", "ref", "-i", "a", "b", "-m", "bleu", "chrf", "ter"]
    flags = [f"--paired-{method}", f"--paired-{method}-n", "200", "--format", "text", "-tok", "13a"]
    done = subprocess.run([*command, *flags], cwd=tmp_path, capture_output=True, check=True, encoding="utf-8")
    expected = re.findall(r"p = (0\.\d+)", done.stdout)  # its JSON cannot have those of the bootstrap
    names: tuple[MetricName, ...] = ("bleu", "chrf", "ter")
    for name, theirs in zip(names, expected, strict=True):
        recipe = METRICS[name].build("en")
        rows = [np.array(recipe.statistics(hyps, {"refs": [refs]}), float) for hyps in systems]
        assert f"{p_values(PairedTest(method, 200), recipe, *rows).usual:.4f}" == theirs


def p_values(test: PairedTest, metric: Aggregate, *systems: Rows) -> PValues:
    found = resample(test, metric, systems)[-1].p_values
    assert found is not None
    return found


@pytest.mark.parametrize("method", TRIALS)
@pytest.mark.parametrize("other", [[1.0, 2, 3, 4], [4.0, 3, 2, 1]])
def test_systems_with_equal_scores_do_not_differ(method: Method, other: list[float]) -> None:
    rows = np.array([[1.0], [2], [3], [4]]), np.array(other).reshape(-1, 1)
    assert p_values(PairedTest(method, 50), Total(), *rows) == (1, 1)
    assert p_text(1.0, 0.0) == "="


class Total:
    """The sum of the only count."""

    @staticmethod
    def aggregate(statistics: Sequence[Sequence[float]]) -> float:
        return float(np.sum(statistics))


@pytest.mark.parametrize("changes", [[1, 1], [1] * 8 + [-1] * 2, [3, 1, 2, 5, -1, 4]])
def test_ties_are_counted_as_in_all_ways_to_swap_lines(changes: list[int]) -> None:
    ways = [abs(sum(sign * change for sign, change in zip(signs, changes, strict=True)))
            for signs in product((-1, 1), repeat=len(changes))]  # fmt: skip
    exact = sum(way >= abs(sum(changes)) for way in ways) / len(ways)
    rows = np.zeros((len(changes), 1)), np.array(changes, float).reshape(-1, 1)
    assert p_values(PairedTest("ar", 4000), Total(), *rows).with_ties == pytest.approx(exact, abs=0.03)


def test_two_lines_that_differ_prove_nothing() -> None:
    rows = np.zeros((20, 1)), np.array([[1.0]] * 2 + [[0.0]] * 18)
    for method in TRIALS:
        assert p_values(PairedTest(method, 200), Total(), *rows).with_ties >= 0.5


def test_a_bad_seed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", "x")
    with pytest.raises(UsageError, match="SACREBLEU_SEED = x"):
        str(PairedTest())


@pytest.mark.parametrize("order", list(permutations([0.01, 0.04, 0.03, 0.005])))
def test_holm(order: tuple[float, ...]) -> None:
    by_hand = {0.005: 0.02, 0.01: 0.03, 0.03: 0.06, 0.04: 0.06}
    assert holm(order) == pytest.approx([by_hand[p] for p in order])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
