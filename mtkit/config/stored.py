"""Reads options stored in a folder of mtkit without pydantic: the first line takes 134 ms of CPU time less.

The least of 30 starts of `translate` is 163 ms instead of 297, where an empty Python takes 13. Validated
sections are cached in the user's cache folder, by a hash of the values and of the section's source code. An
entry that has been modified is ignored, and the options are validated again.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mtkit.config.fixed import options_of_other_methods
from mtkit.disk.files import write_text
from mtkit.disk.manifest import manifest_bytes
from mtkit.disk.reading import WRONG_VALUES, read_object, read_ordinary, user_cache
from mtkit.errors import InputError, UsageError

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig
    from mtkit.config.model import ModelConfig
    from mtkit.config.text import TextConfig


class Stored:
    """The validated options of a section, with the names and values that they have there.

    Args:
        values: of all options, as in JSON.
        changed: names of the options that differ from their defaults.
    """

    def __init__(self, values: Mapping[str, Any], changed: Set[str]) -> None:
        self._values = dict(values)
        self._changed = changed
        for name, value in self._values.items():
            setattr(self, name, tuple(value) if isinstance(value, list) else value)

    def changed(self) -> dict[str, Any]:
        """The options that differ from their defaults, as `Options.changed`."""
        return {name: getattr(self, name) for name in self._values if name in self._changed}

    def model_copy(self, *, update: Mapping[str, Any]) -> Stored:
        """A copy with some values changed, as pydantic's method."""
        return Stored({**self._values, **update}, {*self._changed, *update})

    def model_dump_json(self) -> str:
        """The options as JSON, as pydantic's method."""
        return json.dumps(self._values, ensure_ascii=False, separators=(",", ":"))


def decode_options(values: Mapping[str, Any]) -> DecodeConfig:
    """Validates options of `decode`.

    Raises:
        ValueError: a value is invalid.
    """
    return cast("DecodeConfig", _checked("decode", "DecodeConfig", values))


def with_search(own: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The own search options and in their place those that are asked for, whose method may be another one."""
    others = options_of_other_methods(asked.get("method", own.get("method")))
    return {name: value for name, value in own.items() if name not in others} | dict(asked)


def replaced(options: DecodeConfig, changes: Mapping[str, Any]) -> DecodeConfig:
    """`options` with these values changed.

    Raises:
        ValueError: a value is invalid.
    """
    values = with_search(json.loads(options.model_dump_json()), changes)
    if isinstance(options, Stored):
        return decode_options(values)
    return type(options).model_validate_json(json.dumps(values))


def text_options(values: Mapping[str, Any]) -> TextConfig:
    """Validates options of `text`.

    Raises:
        ValueError: a value is invalid.
    """
    return cast("TextConfig", _checked("text", "TextConfig", values))


def model_options(values: Mapping[str, Any]) -> ModelConfig:
    """Validates options of `model`.

    Raises:
        ValueError: a value is invalid.
    """
    return cast("ModelConfig", _checked("model", "ModelConfig", values))


def _checked(module: str, name: str, values: Mapping[str, Any]) -> Any:
    given = json.dumps(values)
    rules = Path(__file__).with_name(f"{module}.py").read_bytes()
    digest = hashlib.sha256(rules + given.encode()).hexdigest()
    cached = user_cache() / "options" / f"{digest}.json"
    with contextlib.suppress(OSError, InputError, *WRONG_VALUES):
        found = read_object(cached)
        if manifest_bytes({"values": found["values"], "changed": found["changed"]}) == read_ordinary(cached):
            return Stored(found["values"], set(found["changed"]))
    options = getattr(importlib.import_module(f"mtkit.config.{module}"), name).model_validate_json(given)
    known = {"values": options.model_dump(mode="json"), "changed": sorted(options.changed())}
    with contextlib.suppress(OSError, UsageError):  # without a usable cache, the next call validates again
        cached.parent.mkdir(parents=True, exist_ok=True)
        write_text(cached, manifest_bytes(known).decode())
    return options
