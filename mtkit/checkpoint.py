"""A run folder ↔ weights, optimizer state and progress: safetensors and JSON, whole or absent, no pickle.

    RUN/model/                    the finished model
    RUN/best/step-00001500/       best models so far, by validation
    RUN/checkpoints/step-…/       a model and what training needs to go on

All three are model folders: weights, tokenizer and configuration, with nothing outside them needed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mtkit import __version__
from mtkit.config.load import dump_config, load_config
from mtkit.config.schema import Config
from mtkit.errors import InputError, MtkitError
from mtkit.files import atomic_folder, read_manifest, write_text
from mtkit.model.transformer import Transformer, build_model
from mtkit.text.tokenizer import Tokenizer, load_tokenizer

FORMAT = "mtkit-model"
VERSION = 2
WEIGHTS, TOKENIZER, CONFIG = "model.safetensors", "tokenizer.model", "config.yaml"
TRAIN_STATE, PROGRESS = "train.safetensors", "progress.json"

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready to translate.

    Attributes:
        model: in evaluation mode, on the CPU.
        tokenizer: the one it was trained with.
        config: of the run that made it.
        folder: where it was read from.
    """

    model: Transformer
    tokenizer: Tokenizer
    config: Config
    folder: Path


def weights_of(model: torch.nn.Module) -> dict[str, Tensor]:
    """The trained numbers by name, a tied matrix once; views, not copies."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def set_weights(model: torch.nn.Module, weights: Tensors, where: Path | str) -> None:
    """Copies `weights` into `model`; `where` they come from is named in errors.

    Raises:
        InputError: a name or a shape differs.
    """
    own = weights_of(model)
    if own.keys() != weights.keys():
        name = min(own.keys() ^ weights.keys())
        which = "is missing" if name in own else "is unknown"
        raise InputError(f"{where}: weight {name} {which}.", "The weights belong to another model section.")
    for name, parameter in own.items():
        if parameter.shape != weights[name].shape:
            raise InputError(
                f"{where}: weight {name} is {list(weights[name].shape)}, expected {list(parameter.shape)}.",
                "The weights belong to another model section or vocabulary.",
            )
        parameter.copy_(weights[name])


def write_model(
    folder: Path,
    config: Config,
    tokenizer: Tokenizer,
    weights: Tensors,
    *,
    step: int,
    train_state: Tensors | None = None,
    progress: dict[str, Any] | None = None,
) -> None:
    """Writes a model folder; with `train_state` and `progress` training can go on from it."""
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "mtkit": __version__,
        "torch": torch.__version__,
        "step": step,
        "tokenizer": tokenizer.fingerprint,
    }
    try:
        with atomic_folder(folder, manifest) as new:
            save_file({name: tensor.cpu().contiguous() for name, tensor in weights.items()}, new / WEIGHTS)
            if train_state is not None:
                state = {name: tensor.cpu().contiguous() for name, tensor in train_state.items()}
                save_file(state, new / TRAIN_STATE)
            if progress is not None:
                write_text(new / PROGRESS, json.dumps(progress, indent=1) + "\n")
            tokenizer.save(new / TOKENIZER)
            write_text(new / CONFIG, dump_config(config))
            for name in (WEIGHTS, TRAIN_STATE):  # safetensors lets only the owner read
                if (new / name).exists():
                    shutil.copymode(new / CONFIG, new / name)
    except OSError as error:
        raise MtkitError(
            f"{folder}: cannot be written ({error.strerror}).",
            "Free space or mend the permissions, then run the same command again.",
        ) from error


def load_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of a model folder, after its manifest has been checked."""
    read_manifest(folder, FORMAT, VERSION)
    return load_file(folder / WEIGHTS)


def load_train_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Optimizer tensors and progress of a checkpoint whose manifest has been checked."""
    return load_file(folder / TRAIN_STATE), json.loads((folder / PROGRESS).read_bytes())


def step_folder(parent: Path, step: int) -> Path:
    """Where the model of `step` stands under `parent`."""
    return parent / f"step-{step:08d}"


def step_folders(parent: Path) -> list[Path]:
    """The model folders under `parent`, oldest first."""
    return sorted(folder for folder in parent.glob("step-*") if folder.is_dir())


def keep_only(parent: Path, kept: Collection[Path]) -> None:
    """Deletes the model folders under `parent` that are not in `kept`."""
    for folder in step_folders(parent):
        if folder not in kept:
            shutil.rmtree(folder)


def newest_checkpoint(run: Path) -> tuple[Path | None, list[str]]:
    """The newest checkpoint of a run that is whole, and why newer ones were passed over."""
    reasons = []
    for folder in reversed(step_folders(run / "checkpoints")):
        try:
            read_manifest(folder, FORMAT, VERSION)
        except InputError as error:
            reasons.append(str(error))
            continue
        return folder, reasons
    return None, reasons


def load_model(folder: Path) -> LoadedModel:
    """The model of a model folder, on the CPU, ready to translate.

    Raises:
        InputError: there is no model, or a file of it is missing, damaged or of another version.
    """
    weights = load_weights(folder)
    config = load_config([folder / CONFIG]).config
    tokenizer = load_tokenizer(folder / TOKENIZER)
    model = build_model(config.model, tokenizer.size, tokenizer.size, seed=0)
    set_weights(model, weights, folder / WEIGHTS)
    return LoadedModel(model.eval(), tokenizer, config, folder)
