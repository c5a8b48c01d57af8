"""`scripts/reproduce`: reads the README's table, runs the commands of a recipe, and compares the scores."""

from __future__ import annotations

import json
import re
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mtkit.config.load import load_config
from tests.support.corpora import REPOSITORY

README = (REPOSITORY / "README.md").read_text("utf-8")
SCRIPT = REPOSITORY / "scripts" / "reproduce"
TABLE = """
| config | data | needs | BLEU | chrF |
| --- | --- | --- | ---: | ---: |
| [`configs/one.yaml`](configs/one.yaml) | News, news14, English | 1 minute | 30.00 | 50.50 |
| [`a`](configs/a.yaml), [`b`](configs/b.yaml) | c | a GPU with 8 GB | 27.3 published | – |
"""


def load() -> ModuleType:
    loader = SourceFileLoader("reproduce", str(SCRIPT))
    spec = spec_from_loader("reproduce", loader)
    assert spec
    module = module_from_spec(spec)
    sys.modules["reproduce"] = module  # dataclasses look their module up
    write, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = write
        del sys.modules["reproduce"]
    return module


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load()


def test_the_table_is_read(script: ModuleType) -> None:
    one, a, b = script.read_recipes(TABLE).values()
    assert (one.name, one.data, one.needs, one.gpu_gigabytes) == (
        "one",
        "News, news14, English",
        "1 minute",
        None,
    )
    assert {name: (each.value, each.decides) for name, each in one.scores.items()} == {
        "bleu": (30.0, True),
        "chrf": (50.5, True),
    }
    assert (a.name, b.name, a.gpu_gigabytes) == ("a", "b", 8)
    assert {name: (each.value, each.decides) for name, each in b.scores.items()} == {"bleu": (27.3, False)}


def test_every_recipe_of_the_readme_is_known_with_its_test_set(script: ModuleType) -> None:
    recipes = script.read_recipes(README)
    assert sorted(recipes) == sorted(path.stem for path in (REPOSITORY / "configs").glob("*.yaml"))
    for name, recipe in recipes.items():
        config = load_config([REPOSITORY / "configs" / f"{name}.yaml"]).config
        if recipe.scores:
            assert recipe.test_set(config.data.test) in config.data.test
        if any(expected.decides for expected in recipe.scores.values()):
            assert recipe.gpu_gigabytes is None


def test_the_scores_in_the_configs_are_those_of_the_readme(script: ModuleType) -> None:
    for name, recipe in script.read_recipes(README).items():
        text = (REPOSITORY / "configs" / f"{name}.yaml").read_text("utf-8")
        said = re.search(r"^# Score: ((?:.*\n)(?:#   .*\n)*)", text, re.MULTILINE)
        assert said, name
        if not recipe.scores and not said[1].startswith("measured:"):
            continue
        for metric, title in (("bleu", "BLEU"), ("chrf", "chrF")):
            found = re.search(rf"{title} ([\d.]+)", said[1])
            expected = recipe.scores.get(metric)
            assert (expected.value if expected else None) == (float(found[1]) if found else None), name


def test_the_readme_states_the_band(script: ModuleType) -> None:
    assert f"{script.BAND:g} point" in " ".join(README.partition("scripts/reproduce")[2].split())[:400]


# ---------------------------------------------------------------- a run

FAKE = """
import json, pathlib, sys
folder = pathlib.Path({folder!r})
with open(folder / "calls", "a") as calls:
    print(*sys.argv[1:], file=calls)
if sys.argv[1] == {fails!r}:
    sys.exit(75)
if sys.argv[1] == "evaluate":
    print((folder / "scores.json").read_text())
"""


class Fake:
    """A folder with a README and one recipe, and a command in the place of mtkit."""

    def __init__(self, script: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.script, self.folder, self.monkeypatch = script, folder, monkeypatch
        (folder / "README.md").write_text(TABLE, "utf-8")
        monkeypatch.chdir(folder)

    def run(self, *args: str, bleu: float = 30.0, chrf: float = 50.5, fails: str = "") -> int:
        code = FAKE.format(folder=str(self.folder), fails=fails)
        self.monkeypatch.setattr(self.script, "MTKIT", [sys.executable, "-c", code])
        entries: list[dict[str, Any]] = [
            {"test": test, "scores": [score("bleu", value), score("chrf", chrf)]}
            for test, value in (("news13", 1.0), ("news14", bleu))
        ]
        (self.folder / "scores.json").write_text(json.dumps({"version": 1, "results": entries}), "utf-8")
        return int(self.script.main(args, self.folder))


def score(metric: str, value: float) -> dict[str, Any]:
    return {"metric": metric, "value": value, "signature": f"version:2 of {metric}"}


@pytest.fixture
def fake(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    return Fake(script, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("bleu", "chrf", "code"),
    [
        (30.0, 50.5, 0),
        (29.0, 49.5, 0),  # at the edge of the band
        (28.98, 50.5, 4),
        (30.0, 49.48, 4),
        (33.0, 60.0, 0),  # better is no failure
    ],
)
def test_scores_below_the_band_are_a_missed_gate(
    fake: Fake, bleu: float, chrf: float, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fake.run("one", "data.root=x", bleu=bleu, chrf=chrf) == code
    assert ("error: news14 " in capsys.readouterr().err) == (code == 4)


def test_a_recipe_is_prepared_trained_and_evaluated(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert fake.run("one", "data.root=x", bleu=29.5) == 0
    config = str(Path("configs", "one.yaml"))
    assert (fake.folder / "calls").read_text().splitlines() == [
        f"prepare {config} data.root=x",
        f"train {config} data.root=x",
        f"evaluate {config} data.root=x --metrics bleu,chrf --json",
    ]
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if line.startswith("news")]
    assert rows == [
        ["news13", "bleu", "–", "1.00", "–"],
        ["news13", "chrf", "–", "50.50", "–"],
        ["news14", "bleu", "30.00", "29.50", "-0.50"],
        ["news14", "chrf", "50.50", "50.50", "+0.00"],
    ]
    assert "bleu: version:2 of bleu" in out


def test_a_recipe_comes_after_what_it_begins_from(fake: Fake) -> None:
    table = TABLE.replace("one", "student-en-de")
    (fake.folder / "README.md").write_text(table, "utf-8")
    assert fake.run("student-en-de", "data.root=x", "train.max_time=1m") == 0
    teacher, student = (str(Path("configs", f"{name}-en-de.yaml")) for name in ("multi30k", "student"))
    pairs = REPOSITORY / "runs" / "distilled-en-de"
    options = f"data.train.0.path={pairs / 'train-000.tsv'} data.root=x train.max_time=1m"
    assert (fake.folder / "calls").read_text().splitlines() == [
        f"train {teacher} data.root=x",
        f"distill {teacher} data.root=x -o {pairs}",
        f"prepare {student} {options}",
        f"train {student} {options}",
        f"evaluate {student} {options} --metrics bleu,chrf --json",
    ]


def test_what_recipes_begin_from_is_in_their_configs(script: ModuleType) -> None:
    for name, commands in script.BEFORE.items():
        assert (REPOSITORY / "configs" / f"{name}.yaml").is_file()
        assert all((REPOSITORY / "configs" / f"{of}.yaml").is_file() for _, of, *_ in commands)


def test_a_command_that_fails_ends_it_with_its_code(fake: Fake) -> None:
    with pytest.raises(SystemExit) as stop:
        fake.run("one", fails="train")
    assert stop.value.code == 75
    assert [line.split()[0] for line in (fake.folder / "calls").read_text().splitlines()] == [
        "prepare",
        "train",
    ]


def test_a_recipe_for_a_gpu_says_which(
    fake: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert fake.run("a") == 2
    assert "error: a: needs a GPU with 8 GB, but no GPU is visible" in capsys.readouterr().err
    assert not (fake.folder / "calls").exists()


def test_published_scores_decide_nothing(
    fake: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake.script, "lacking", lambda recipe: "")
    (fake.folder / "README.md").write_text(TABLE.replace("| c |", "| news14 |"), "utf-8")
    assert fake.run("a", bleu=5.0) == 0
    assert "27.3 published" in capsys.readouterr().out


def test_the_list_and_an_unknown_name(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert fake.run("--list") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["recipe", "one", "a", "b"]
    with pytest.raises(SystemExit) as stop:
        fake.run("nosuch")
    assert stop.value.code == 2
    assert "one, a, b" in capsys.readouterr().err
