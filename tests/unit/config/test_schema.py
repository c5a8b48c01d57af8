"""The committed JSON Schema is current, named in every config, and agrees with the loader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mtkit.cli.config import json_schema
from mtkit.cli.init import starter
from mtkit.config.load import load_config
from mtkit.config.option_types import TAGS
from mtkit.config.options import Options
from mtkit.config.schema import Config
from tests.support.corpora import REPOSITORY

CONFIGS = sorted((REPOSITORY / "configs").glob("*.yaml"))


def test_there_are_configs() -> None:
    assert {"phrasebook-en-fr.yaml", "multi30k-en-fr.yaml", "multi30k-en-de.yaml"} <= {
        p.name for p in CONFIGS
    }


def test_the_committed_schema_is_current() -> None:
    committed = json.loads((REPOSITORY / "configs" / "schema.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(json_schema())), (
        "run: mtkit config schema --write configs/schema.json"
    )


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_is_valid_and_names_the_schema_in_its_first_line(path: Path) -> None:
    assert path.read_text(encoding="utf-8").split("\n")[0] == "# yaml-language-server: $schema=schema.json"
    load_config([path])
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    refused = _refusals(content)
    if "include" in content:  # the rest is in the other file
        refused = [said for said in refused if not said.endswith("is a required property")]
    assert refused == []


def test_the_schema_refuses_what_the_loader_refuses() -> None:
    good = yaml.safe_load((REPOSITORY / "configs" / "multi30k-en-fr.yaml").read_text(encoding="utf-8"))
    assert _refusals(good | {"runn": "x"})
    assert _refusals(good | {"seed": -1})
    assert _refusals(good | {"model": {"preset": "smal"}})
    assert _refusals(good | {"data": good["data"] | {"valid": {"reader": "plain", "src": "a"}}})
    assert _refusals({"run": "x"})


def test_every_option_says_what_it_is() -> None:
    def undescribed(kind: Any) -> list[str]:
        return [name for name, info in kind.model_fields.items() if not info.description and name not in TAGS]

    sections = set(Options.__subclasses__()) - {Config}
    assert len(sections) > 12
    assert {section: undescribed(section) for section in sections if undescribed(section)} == {}


def test_the_starter_is_the_quickstart() -> None:
    """What is measured for the one holds for the other."""
    quickstart = yaml.safe_load(
        (REPOSITORY / "configs" / "phrasebook-en-fr.yaml").read_text(encoding="utf-8")
    )
    written = yaml.safe_load(starter(Path("mtkit.yaml"), "en", "fr"))
    assert written | {"run": ""} == quickstart | {"run": ""}


def _refusals(values: object) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema")
    return [error.message for error in jsonschema.Draft202012Validator(json_schema()).iter_errors(values)]
