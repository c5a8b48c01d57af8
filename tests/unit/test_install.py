"""Everything that the docs, the hints, the light installation and the images name can be installed."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.corpora import REPOSITORY
from tests.support.fakes import export_unchecked, make_tiny_run

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LIGHT = [
    Requirement(line)
    for line in (REPOSITORY / "requirements-translate.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text("utf-8")
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def strings() -> Iterator[tuple[str, str]]:
    """Every string in the code of mtkit, with its file."""
    for path in sorted((REPOSITORY / "mtkit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path.name, node.value


def test_hints_name_packages_of_an_extra() -> None:
    optional = {Requirement(line).name for lines in EXTRAS.values() for line in lines} - {PROJECT["name"]}
    hints = [
        (file, name)
        for file, text in strings()
        for name in re.findall(r"pip install (?!\.)'?([\w-]+|\S+)", text)
    ]
    assert len(hints) >= 7
    assert [hint for hint in hints if hint[1] not in optional] == []


def test_nothing_installs_mtkit_by_its_name() -> None:
    """mtkit is on no package index: its name would install nothing, or something else."""
    said = [*strings(), *((page.name, page.read_text("utf-8")) for page in PAGES)]
    found = r"mtkit\[|\b(install|inject|add) (\"|')?mtkit\b(?! *[\w`])"
    assert [(file, hit[0]) for file, text in said if (hit := re.search(found, text))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_extras_in_the_docs_exist(page: Path) -> None:
    for names in re.findall(r"\.\[([\w,]+)\]", page.read_text("utf-8")):
        assert set(names.split(",")) <= set(EXTRAS), names


def closure(requirements: list[Requirement]) -> set[str]:
    """The names of the distributions that pip would install."""
    found: set[str] = set()
    waiting = [(req.name, frozenset(req.extras)) for req in requirements]
    while waiting:
        name, extras = waiting.pop()
        if canonicalize_name(name) in found:
            continue
        found.add(canonicalize_name(name))
        for line in distribution(name).requires or ():
            req = Requirement(line)
            if req.marker is None or any(req.marker.evaluate({"extra": extra}) for extra in extras or {""}):
                waiting.append((req.name, frozenset(req.extras)))
    return found


LIGHTLY = """
import sys
from importlib.metadata import packages_distributions

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from mtkit.cli.app import main
try:
    main()
finally:
    sys.stdout.flush()
    print("LOADED", *{{name.partition(".")[0] for name in sys.modules}}, file=sys.stderr)
"""
"""mtkit without some packages; prints at the end which modules are loaded."""


class Light:
    """mtkit as it is with the light installation alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        there = closure(LIGHT)
        self.distributions = {
            module: {canonicalize_name(name) for name in names} - {"mtkit"}
            for module, names in packages_distributions().items()
        }
        absent = {module for module, names in self.distributions.items() if names and not names & there}
        assert {"torch", "datasets", "pyarrow"} <= absent
        self.code = LIGHTLY.format(absent=absent)
        self.loaded: set[str] = set()

    def run(self, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-c", self.code, *args],
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            check=False,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        )
        for module in done.stderr.rpartition("LOADED ")[2].split():
            self.loaded |= self.distributions.get(module, set())
        return done


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Light:
    folder = tmp_path_factory.mktemp("light")
    make_tiny_run(folder)
    export_unchecked(folder / "runs/tiny/model", folder / "export", "float32")
    return Light(folder)


def test_a_light_installation_has_what_it_needs_and_no_more(light: Light) -> None:
    (light.folder / "page.md").write_text("# The station\n\nThe bus *stops*.\n")
    calls = [
        (("translate", "-m", "export"), "The bus stops.\n"),
        (("translate", "-m", "export", "-i", "page.md", "-o", "out.md"), ""),
        (("tokenize", "-m", "export"), "The bus stops.\n"),
        (("evaluate", "--hyp", "test.en", "--ref", "test.fr", "--tgt-lang", "frp"), ""),
    ]
    for args, stdin in calls:
        done = light.run(*args, stdin=stdin)
        assert done.returncode == 0, done.stderr
    core = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    assert light.loaded & core == {canonicalize_name(req.name) for req in LIGHT}
    assert {str(req) for req in LIGHT} <= {str(Requirement(line)) for line in PROJECT["dependencies"]}


@pytest.mark.parametrize("args", [("translate", "-m", "runs/tiny"), ("export", "runs/tiny")])
def test_a_light_installation_says_what_is_missing(light: Light, args: tuple[str, ...]) -> None:
    done = light.run(*args)
    assert done.returncode == 2
    assert "error: torch is not installed, and this command needs it. Install all of mtkit" in done.stderr


def stages() -> dict[str, list[list[str]]]:
    """The instructions of each stage of the Dockerfile, as words, with those of the stages before it."""
    found: dict[str, list[list[str]]] = {}
    name = ""
    for line in DOCKERFILE.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "FROM":
            name = words[3]
            found[name] = list(found.get(words[1], []))
        else:
            found[name].append(words)
    return found


def test_all_images_are_built_from_what_there_is() -> None:
    targets = stages()
    assert list(targets) == ["base", "translate", "serve", "train"]
    ignored = (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines()
    for name in ("translate", "serve", "train"):
        copied: list[str] = []
        for words in targets[name]:
            if words[0] == "COPY":
                copied += words[1:-1]
            elif words[0] == "RUN":
                files = [word for word in words if word.endswith((".txt", ".toml"))]
                assert set(files) <= set(copied), words
        assert {"pyproject.toml", "mtkit", *PROJECT["license-files"], PROJECT["readme"]} <= set(copied)
        for path in copied:
            assert (REPOSITORY / path).exists(), path
            assert f"!{path}" in ignored, path
        assert ["USER", "mtkit"] in targets[name]
        assert ["ENTRYPOINT", '["mtkit"]'] in targets[name]
    for name in ("translate", "serve"):
        assert not any("torch" in word for words in targets[name] for word in words)
    (command,) = (words[1:] for words in targets["serve"] if words[0] == "CMD" and '"serve",' in words[1])
    assert "--api-keys" in json.loads(" ".join(command))
    (extras,) = re.findall(r"\.\[([\w,]+)\]", DOCKERFILE)
    assert set(extras.split(",")) <= set(EXTRAS)
