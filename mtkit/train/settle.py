"""What `auto` stands for in a run: chosen once, from its data and its machine, and kept in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from mtkit.config.auto import Choice, choose, is_auto, settle
from mtkit.config.schema import Config
from mtkit.engine.native import choose_device
from mtkit.errors import InputError
from mtkit.files import write_text

FILE = "auto.json"
VERSION = 1


def settle_run(config: Config, num_pairs: int, *, keep: bool = True) -> tuple[Config, list[Choice]]:
    """The config with nothing left open, and what was chosen for it.

    What an earlier part of the run was trained with is chosen again, whatever has become of data and machine.

    Args:
        config: of the run.
        num_pairs: its training pairs.
        keep: write the choice into the run folder.

    Raises:
        InputError: the choice that the run folder keeps cannot be read.
    """
    if not is_auto(config):
        return config, []
    path = config.run / FILE
    choices = _read(path)
    if choices is None:
        choices = choose(num_pairs, choose_device(config.train.device).type == "cuda")
        if keep:
            path.parent.mkdir(parents=True, exist_ok=True)
            kept = {"version": VERSION, "choices": [asdict(choice) for choice in choices]}
            write_text(path, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    return settle(config, choices)


def _read(path: Path) -> list[Choice] | None:
    """The choices kept at `path`, if there are any."""
    try:
        kept = json.loads(path.read_text("utf-8"))
        if kept["version"] != VERSION:
            raise InputError(f"{path}: was written by another version of mtkit.", "Delete it to choose anew.")
        return [Choice(**choice) for choice in kept["choices"]]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: is damaged.", "Delete it to choose anew.") from None
