from __future__ import annotations

import json
import math
import statistics
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mtkit.cli.commands import app
from mtkit.config.load import load_config
from mtkit.evaluate.evaluate import Evaluated, Texts
from mtkit.evaluate.seeds import seed_groups, spreads, t_quantile, within_seeds
from mtkit.evaluate.systems import open_jobs
from mtkit.metrics.recipes import Ratio
from mtkit.metrics.surface import METRICS, measured
from tests.support.fakes import make_tiny_run


def t_probability(bound: float, freedom: int) -> float:
    """The probability that |t| is below the bound, by Simpson's rule over the density."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2))
    parts = 2000
    values = [
        scale
        / math.sqrt(freedom * math.pi)
        * (1 + (bound * i / parts) ** 2 / freedom) ** (-(freedom + 1) / 2)
        for i in range(parts + 1)
    ]
    return 2 * bound / parts / 3 * (values[0] + 4 * sum(values[1::2]) + 2 * sum(values[2:-1:2]) + values[-1])


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 30, 100])
def test_quantiles_of_t(freedom: int) -> None:
    assert t_probability(t_quantile(freedom), freedom) == pytest.approx(0.95, abs=5e-5)


def result(system: str, test: str, *values: float) -> Evaluated:
    scores = (measured("bleu", METRICS["bleu"], Ratio(), [[value, 1]], "") for value in values)
    return Evaluated(system, test, Path(), Texts(["a"], [["a"]], "fr"), tuple(scores))


def test_the_spread_of_scores_between_seeds() -> None:
    results = [result("a", "x", 30), result("other", "x", 99), result("b", "x", 31), result("c", "x", 33.5)]
    [found] = spreads([("a", "b", "c")], [*results, result("a", "of one", 1)])
    assert (found.test, found.metric) == ("x", "bleu")
    assert found.mean == pytest.approx(31.5)
    assert found.deviation == pytest.approx(statistics.stdev([30, 31, 33.5]))
    assert (
        found.within == within_seeds(found.deviation, 3) == pytest.approx(4.3027 * 2**0.5 * found.deviation)
    )
    assert str(found) == "x: BLEU 31.50 ± 1.80; differences below 10.97 are within the seeds"


def test_sets_that_differ_between_seeds_are_not_compared() -> None:
    other = Evaluated("b", "x", Path(), Texts(["a"], [["other"]], "fr"), result("b", "x", 1).measured)
    assert spreads([("a", "b")], [result("a", "x", 2), other]) == []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three seeds of one config, and a run of another."""
    monkeypatch.chdir(tmp_path)
    make_tiny_run(tmp_path)
    changes = {"two": ["seed=2"], "three": ["seed=3"], "other": ["seed=4", "train.label_smoothing=0.3"]}
    for name, overrides in changes.items():
        make_tiny_run(tmp_path, f"run={tmp_path}/runs/{name}", *overrides)
    return tmp_path


def test_seeds_of_one_config_are_found(folder: Path) -> None:
    config = load_config([folder / "tiny.yaml"]).config
    names = ["runs/tiny", "runs/other", "runs/two", "runs/three"]
    assert seed_groups(open_jobs([config], [Path(name) for name in names], "", [])) == [
        ("runs/tiny", "runs/two", "runs/three")
    ]
    twice = [Path("runs/tiny"), Path("runs/two"), Path("runs/two/model")]
    assert seed_groups(open_jobs([config], twice, "", [])) == []


def test_the_command_says_what_is_within_the_seeds(folder: Path) -> None:
    args = ["evaluate", "runs/tiny", "runs/two", "--test", "short", "--metrics", "chrf"]
    table = CliRunner().invoke(app, args)
    assert table.exit_code == 0, table.output
    assert "2 seeds of one config: runs/tiny, runs/two" in table.stdout
    assert "short: chrF 3.25 ± 0.00; differences below 0.00 are within the seeds" in table.stdout
    printed = json.loads(CliRunner().invoke(app, [*args, "--json"]).stdout)
    [spread] = printed["seeds"]
    assert spread["systems"] == ["runs/tiny", "runs/two"]
    assert (spread["test"], spread["metric"], spread["deviation"]) == ("short", "chrf", 0)
