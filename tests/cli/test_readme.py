"""What the README says is true of this tree: its commands, options, paths, configs and errors exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mtkit.config.load import load_config

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = sorted(set(re.findall(r"mtkit (prepare|train|evaluate|translate|init|config)\b", README)))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_readme_has_its_parts() -> None:
    headings = re.findall(r"^## (.*)$", README, re.MULTILINE)
    first = ["Install", "Two commands", "A session", "The four commands", "Configs and their scores"]
    assert headings[:5] == first


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_shown_exist(name: str) -> None:
    command = [sys.executable, "-m", "mtkit", name, "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True).stdout
    for line in README.splitlines():
        if f"mtkit {name}" in line:
            used = line.split(f"mtkit {name}", 1)[1].split("|", 1)[0].split("#")[0]
            for option in re.findall(r"(?<!\S)`?(--?[a-z][a-z-]*)", used):
                assert option in shown, f"{name} has no {option}: {line}"


def test_paths_and_links_exist() -> None:
    (tree,) = blocks("text")
    for entry in re.findall(r"[├└]── (\S+)", tree):
        assert (ROOT / "mtkit" / entry).exists(), entry
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    for script in re.findall(r"\bscripts/[a-z_/]+", README):
        assert (ROOT / script).exists(), script
    for config in re.findall(r"\bconfigs/[\w.-]+", README):
        assert (ROOT / config).exists(), config


def test_every_config_stands_in_the_table() -> None:
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        assert f"configs/{path.name}" in README, path.name


def test_the_example_config_is_valid(tmp_path: Path) -> None:
    (document,) = blocks("yaml")
    path = tmp_path / "example.yaml"
    path.write_text(document, "utf-8")
    assert load_config([path]).config.data.src_lang == yaml.safe_load(document)["data"]["src_lang"]


def test_the_errors_shown_are_those_given(tmp_path: Path) -> None:
    (shown,) = (block for block in blocks("console") if "wrong.yaml" in block)
    document = (ROOT / "tests" / "cli" / "wrong.yaml").read_bytes()
    (tmp_path / "wrong.yaml").write_bytes(document)
    command = [sys.executable, "-m", "mtkit", "train", "wrong.yaml"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 2
    assert shown == f"$ mtkit train wrong.yaml\n{done.stderr}"
