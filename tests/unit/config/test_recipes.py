"""The configs that are shipped: valid, and each says what it needs and what it scores."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mtkit.config.load import load_config
from mtkit.config.sources import HuggingFaceSource
from tests.support.corpora import REPOSITORY

RECIPES = sorted((REPOSITORY / "configs").glob("*.yaml"))


@pytest.fixture(params=RECIPES, ids=lambda path: path.stem)
def recipe(request: pytest.FixtureRequest) -> Path:
    path = request.param
    assert isinstance(path, Path)
    return path


def opening(recipe: Path) -> str:
    """The comment at the top."""
    found = re.match(r"(#.*\n)+", recipe.read_text("utf-8"))
    assert found
    return found[0]


def test_it_is_valid_and_has_a_run_folder_of_its_own(recipe: Path) -> None:
    config = load_config([recipe]).config
    assert config.run == REPOSITORY / "runs" / recipe.stem
    assert config.data.test


def test_it_opens_with_its_command_needs_and_score(recipe: Path) -> None:
    text = opening(recipe)
    assert f"mtkit train configs/{recipe.name}" in text
    assert f"mtkit evaluate configs/{recipe.name}" in text
    needs, score = (re.search(rf"^# {word}: (.*)", text, re.MULTILINE) for word in ("Needs", "Score"))
    assert needs
    assert "GB of disk" in needs[1]
    assert score
    assert re.match(r"measured: |published: |not yet measured", score[1])


def test_the_overrides_that_it_names_are_valid(recipe: Path) -> None:
    text = re.sub(r"\n# *", " ", opening(recipe))
    named = [word.strip("`,.") for word in re.findall(r"\b[a-z_]+(?:\.[a-z_]+)+=\S+", text)]
    load_config([recipe], [word for word in named if "…" not in word])


def test_data_of_the_hub_are_pinned_and_rightly_split(recipe: Path) -> None:
    data = load_config([recipe]).config.data
    split = {"valid": [data.valid], "train": data.train, "test": data.test.values()}
    names = {"valid": "validation"}
    for role, sources in split.items():
        for source in sources:
            if isinstance(source, HuggingFaceSource):
                assert re.fullmatch("[0-9a-f]{40}", source.revision or "")
                assert source.split == names.get(role, role)
                assert set((source.config or "").split("-")) == {data.src_lang, data.tgt_lang}


@pytest.mark.parametrize(("name", "d_model"), [("paper-base", 512), ("paper-big", 1024)])
@pytest.mark.parametrize("pair", ["en-de", "en-fr"])
def test_the_peak_of_the_rate_is_that_of_the_paper(name: str, d_model: int, pair: str) -> None:
    recipe = REPOSITORY / "configs" / f"wmt14-{pair}.yaml"
    config = load_config([recipe]).config
    assert config.train.optimizer.warmup_steps == 4000
    rate = config.train.optimizer.lr
    if name == "paper-big":
        found = re.search(r"train\.optimizer\.lr=(\S+)", opening(recipe))
        assert found
        rate = float(found[1])
    assert rate == pytest.approx((d_model * 4000) ** -0.5, rel=1e-3)
