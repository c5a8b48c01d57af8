"""A name stands for one thing: no file and no class of the library shares its name with another."""

from __future__ import annotations

import ast
from collections import defaultdict

from typer.main import get_command

from mtkit.cli.commands import app
from mtkit.config.schema import Config
from tests.support.corpora import REPOSITORY

MODULES = sorted(path for path in (REPOSITORY / "mtkit").rglob("*.py") if path.name != "__init__.py")
COMMANDS = {f"mtkit/cli/{name}.py" for name in getattr(get_command(app), "commands", ())}
"""A command's file has the name of the command, which other rooms use for the work itself."""
SECTIONS = {f"mtkit/config/{name}.py" for name in Config.model_fields}
"""The options of a section stand in a file of its name."""
FORMATS = {"jsonl.py": "tables", "po.py": "catalogues", "xliff.py": "catalogues"}
"""Formats of corpora and of documents: each has a file in `data/read/` and one in a room of `documents/`."""


def test_no_file_name_is_used_twice() -> None:
    places = defaultdict(list)
    for path in MODULES:
        place = path.relative_to(REPOSITORY).as_posix()
        if place not in COMMANDS | SECTIONS:
            places[path.name].append(place)
    doubled = {name: found for name, found in places.items() if len(found) > 1}
    for name, room in FORMATS.items():
        assert doubled.pop(name) == [f"mtkit/data/read/{name}", f"mtkit/documents/{room}/{name}"]
    assert doubled == {}


def test_no_class_name_is_used_twice() -> None:
    places = defaultdict(list)
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path.relative_to(REPOSITORY).as_posix())
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
