"""The quickstart ends with a model that translates its last sentence correctly, on a slow machine too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mtkit.config.load import load_config
from mtkit.train.progress import Progress
from tests.support.commands import mtkit
from tests.support.corpora import REPOSITORY

CONFIG = REPOSITORY / "configs" / "phrasebook-en-fr.yaml"
SOURCE, TRANSLATION = "Where is the nearest pharmacy?", "Où se trouve la pharmacie la plus proche ?"


def test_the_script_ends_with_the_sentence_that_the_readme_shows() -> None:
    script = (REPOSITORY / "scripts" / "quickstart").read_text("utf-8")
    assert f'echo "{SOURCE}" | mtkit translate' in script
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    session = readme[readme.index(f'$ echo "{SOURCE}" | mtkit translate') :].splitlines()
    assert TRANSLATION in session[:3]


@pytest.mark.parametrize("seconds_per_step", [0.1, 1.0, 10.0])
def test_the_schedule_does_not_depend_on_the_speed(seconds_per_step: float) -> None:
    options = load_config([CONFIG]).config.train
    assert options.max_steps
    for step in (0, 1, options.max_steps // 2, options.max_steps):
        progress = replace(Progress(), step=step, seconds=step * seconds_per_step)
        assert progress.share(options, steps_per_epoch=550) == step / options.max_steps


@pytest.mark.slow
def test_the_last_sentence_is_correct(tmp_path: Path) -> None:
    run = f"run={tmp_path / 'run'}"
    for command in ("prepare", "train"):
        done = mtkit(command, str(CONFIG), run, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    scored = mtkit("evaluate", str(CONFIG), run, "--fail-under", "bleu=97", cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr
    done = mtkit("translate", "-m", str(tmp_path / "run"), cwd=tmp_path, input=f"{SOURCE}\n")
    assert done.stdout == f"{TRANSLATION}\n"
