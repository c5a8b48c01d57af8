"""What is imported where: light parts stay light, and what is imported is declared."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions

import pytest

from tests.support.corpora import REPOSITORY

LIGHT = [
    "mtkit.cli.app",
    "mtkit.cli.config",
    "mtkit.config.load",
    "mtkit.data.feed.batching",
    "mtkit.data.read.phrasebook.compose",
    "mtkit.data.feed.prefetch",
    "mtkit.data.prepare.prepare",
    "mtkit.data.read.readers",
    "mtkit.data.feed.sampling",
    "mtkit.data.prepare.shards",
    "mtkit.documents.formats",
    "mtkit.errors",
    "mtkit.metrics.surface",
    "mtkit.text.tokenizer",
    "mtkit.train.watch.curves",
]


def loaded_by(module: str) -> set[str]:
    """The top-level modules in memory after one import in a fresh Python."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", LIGHT)
def test_no_torch_in_the_light_parts(module: str) -> None:
    if not (REPOSITORY / (module.replace(".", "/") + ".py")).is_file():
        pytest.skip(f"there is no {module}")
    assert "torch" not in loaded_by(module)


def test_help_and_config_load_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "sentencepiece", "sacrebleu", "babel", "rich", "safetensors"}
    assert loaded_by("mtkit.cli.app") & (heavy | {"yaml"}) == set()
    assert loaded_by("mtkit.config.load") & (heavy | {"typer"}) == set()


def test_importing_mtkit_loads_nothing() -> None:
    assert loaded_by("mtkit") - loaded_by("sys") == {"mtkit"}


def imported() -> Iterator[tuple[str, str]]:
    """Every package that some file of mtkit imports, with the file."""
    for path in sorted((REPOSITORY / "mtkit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                assert node.level == 0, f"{path}: a relative import"
                names = [node.module]
            else:
                continue
            yield from ((name.partition(".")[0], path.name) for name in names)


def declared() -> dict[str, set[str]]:
    """The distributions of each extra (the core's is the empty one), as pyproject.toml names them."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: {_name(line) for line in lines} for extra, lines in wanted.items()}


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return found.group().lower().replace("_", "-")


def test_the_packages_imported_are_the_packages_declared() -> None:
    extras = declared()
    usable = {name for extra, names in extras.items() if extra != "dev" for name in names} - {"mtkit"}
    installed = packages_distributions()
    found = set()
    for package, file in imported():
        if package == "mtkit" or package in sys.stdlib_module_names:
            continue
        distributions = {_name(name) for name in installed.get(package, [package])}
        assert distributions & usable, f"{file} imports {package}, which pyproject.toml does not declare"
        found |= distributions & usable
    assert usable - found <= {"tensorboard"}, "declared but never imported"
