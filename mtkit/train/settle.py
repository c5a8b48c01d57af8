"""The values of `auto` in a run: chosen once for its data and machine, and stored in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import torch

from mtkit.config.auto import Budget, Choice, as_in, choose, given_by, is_auto, settle
from mtkit.config.schema import Config
from mtkit.cores import num_cores
from mtkit.data.prepare.prepared import Prepared
from mtkit.disk.files import write_text
from mtkit.disk.reading import WRONG_VALUES, read_object
from mtkit.engine.native import choose_device, limit_threads
from mtkit.errors import InputError
from mtkit.runs.find import config_of
from mtkit.runs.layout import AUTO, claim_in, inside
from mtkit.train.machine.distributed import World
from mtkit.train.machine.flops import matrix_rate
from mtkit.train.machine.precision import training_dtype
from mtkit.train.requirements import origin_of

VERSION = 1
_ANEW = "Delete it to let auto choose again."


def settle_run(
    config: Config, prepared: Prepared, world: World, *, keep: bool = True
) -> tuple[Config, list[Choice]]:
    """The config with all values of `auto` replaced, and the choices.

    A resumed run keeps its first choices, even if data or machine have changed.

    Args:
        config: of the run.
        prepared: its data.
        world: the ranks that will train.
        keep: whether to write the choices into the run folder.

    Raises:
        InputError: the stored choices cannot be read.
    """
    if not is_auto(config):
        return config, []
    path = inside(config.run, AUTO)
    kept = _read(path)
    if kept is not None:
        try:
            return settle(config, kept)
        except WRONG_VALUES:
            raise InputError(f"{path}: does not match this config, or is damaged.", _ANEW) from None
    tokens = sum(int(shard.lengths[:, 1].sum()) + len(shard) for shard in prepared.train)
    has_gpu = choose_device(config.train.device).type == "cuda"
    origin, given = None, given_by(config)
    if config.train.init_from is not None and config.model.preset == "auto":
        origin = config_of(origin_of(config)).model
        given = replace(given, d_model=origin.d_model)
    choices = choose(prepared.num_pairs, tokens, has_gpu, _budget(config, world), given)
    if origin is not None:
        choices = as_in(origin, choices)
    if keep:
        claim_in(config.run, AUTO)
        values = {"version": VERSION, "choices": [asdict(choice) for choice in choices]}
        write_text(path, json.dumps(values, indent=1, ensure_ascii=False) + "\n")
    return settle(config, choices)


def _budget(config: Config, world: World) -> Budget | None:
    """The time limit of the config and the speed of all ranks; None without a time limit."""
    options = config.train
    if options.max_time is None:
        return None
    limit_threads(options.num_threads)
    device = choose_device(options.device)
    rate = matrix_rate(device, training_dtype(options.precision, device), seconds=0.3)
    threads = torch.get_num_threads()
    speed = speed_up(device, world, threads, num_cores())
    return Budget(options.max_time, rate * speed, threads * speed if device.type == "cpu" else 0.0)


def speed_up(device: torch.device, world: World, num_threads: int, cores: int) -> float:
    """The speed of all ranks, relative to that of one rank that computes alone.

    Args:
        device: of this rank.
        world: the ranks.
        num_threads: threads of each rank.
        cores: of this machine, which its ranks share if they train on the CPU.
    """
    wanted = world.local_size * num_threads
    return world.size * min(1.0, cores / wanted if device.type == "cpu" else 1.0)


def _read(path: Path) -> list[Choice] | None:
    """The choices stored at `path`; None if there are none."""
    try:
        kept = read_object(path)
        if kept["version"] != VERSION:
            raise InputError(f"{path}: was written by another version of mtkit.", _ANEW)
        return [Choice(**choice) for choice in kept["choices"]]
    except FileNotFoundError:
        return None
    except WRONG_VALUES:
        raise InputError(f"{path}: is damaged.", _ANEW) from None
