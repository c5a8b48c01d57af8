"""What is imported where: light parts stay light, and what is imported is declared."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.corpora import REPOSITORY

PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def light_modules() -> list[str]:
    """Every module that the import contract declares free of torch, packages expanded."""
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    (contract,) = (found for found in contracts if found["name"] == "No torch in the light parts")
    excepted = {line.split(" -> ")[0] for line in contract["ignore_imports"] if line.endswith(" -> torch")}
    return [
        module
        for name in contract["source_modules"]
        for module in _expanded(name, REPOSITORY.joinpath(*name.split(".")))
        if module not in excepted
    ]


def _expanded(name: str, path: Path) -> list[str]:
    if not path.is_dir():
        return [name]  # a missing module is left to the import, which fails
    modules = [file.relative_to(REPOSITORY).with_suffix("") for file in sorted(path.rglob("*.py"))]
    assert modules, f"{path} holds no module"
    return [".".join(module.parts).removesuffix(".__init__") for module in modules]


def loaded_by(*modules: str) -> set[str]:
    """The top-level modules in memory after these imports in a fresh Python."""
    code = f"import sys, {', '.join(modules)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_no_torch_in_the_light_parts() -> None:
    modules = light_modules()
    assert len(modules) > 80  # a contract without modules would pass
    if "torch" in loaded_by(*modules):
        assert [module for module in modules if "torch" in loaded_by(module)] == []
        pytest.fail("torch is loaded by these modules together, by none alone")


def test_help_and_config_load_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "sentencepiece", "sacrebleu", "babel", "rich", "safetensors"}
    assert loaded_by("mtkit.cli.app") & (heavy | {"yaml"}) == set()
    assert loaded_by("mtkit.cli.commands") & (heavy | {"yaml", "pydantic"}) == set()
    assert "torch" not in loaded_by("mtkit.cli.config")
    assert loaded_by("mtkit.config.load") & (heavy | {"typer"}) == set()


@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
def test_no_command_loads_ray_before_it_is_asked_to() -> None:
    commands = [f"mtkit.cli.{name}" for name in ("app", "commands", "train", "translate", "serve")]
    ours = [*commands, "mtkit.cluster", "mtkit.cli.train_on_ray", "mtkit.cli.translate_on_ray"]
    assert "ray" not in loaded_by("mtkit", *ours, "mtkit.serve.on_ray")


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
    project = PYPROJECT["project"]
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


def test_no_test_is_imported_by_another() -> None:
    """What tests share lies in tests/support; code that a test runs in another process counts too."""
    files = [*(REPOSITORY / "tests").rglob("*.py"), *(REPOSITORY / "scripts").rglob("*")]
    found = [
        f"{path.relative_to(REPOSITORY)}: {line.strip()}"
        for path in files
        if path.is_file() and path.suffix in ("", ".py")
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"\b(from|import) tests(?!\.support\b)\b", line)
    ]
    assert found == []
