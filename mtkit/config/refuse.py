"""Refuses a config whose options cannot be used here."""

from __future__ import annotations

from collections.abc import Iterable

from mtkit.config.load import Loaded
from mtkit.errors import ConfigError, InputsError, MtkitError


def refuse(loaded: Loaded, faults: Iterable[tuple[str, MtkitError]]) -> None:
    """Refuses a config with options that cannot be used, all at once.

    Args:
        loaded: the config and the places of its options.
        faults: the key of each option, and what is wrong with it.

    Raises:
        ConfigError: there are faults, none of them of an input.
        InputsError: there are faults.
    """
    found = list(faults)
    lines = []
    for key, error in found:
        text = str(error) if str(error).startswith(key) else f"{key}: {error}"
        lines.append(f"{_place(loaded, key)}{text}")
    if found:
        raise (InputsError if any(error.exit_code == 3 for _, error in found) else ConfigError)(lines)


def _place(loaded: Loaded, key: str) -> str:
    """Where the option, or the first one below it, was set."""
    keys = (each for each in loaded.origins if each == key or each.startswith(f"{key}."))
    origin = loaded.origins.get(next(keys, key), "")
    return f"{origin}: " if origin and origin != "default" else ""
