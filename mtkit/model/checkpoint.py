"""Reads and writes weights, optimizer state and progress: safetensors and JSON, whole or absent, no pickle.

    RUN/model/                    the finished model
    RUN/best/step-00001500/       best models so far, by validation
    RUN/checkpoints/step-…/       a model and the state from which training resumes

All three are self-contained model folders: weights, tokenizer and configuration.
"""

from __future__ import annotations

import errno
import json
import logging
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtkit import __version__
from mtkit.config.load import dump_config, load_config
from mtkit.config.schema import Config
from mtkit.disk.files import atomic_folder, make_folders, new_file, remove_own_folder
from mtkit.disk.manifest import open_listed, read_listed, read_manifest
from mtkit.disk.reading import read_object
from mtkit.errors import InputError, MtkitError, UsageError, WriteError
from mtkit.model.shortlist import SHORTLIST, Shortlist, shortlist_from
from mtkit.model.tensors import Tensors, check_shapes, num_bytes, read_tensors, shapes_of, write_tensors
from mtkit.model.transformer import Transformer, build_model
from mtkit.runs.exports import CONFIDENCE, CONFIG, LEXICON, MAX_TEXT, WEIGHTS, read_sentences_per_pair
from mtkit.runs.layout import CHECKPOINTS, ORIGIN, PROGRESS, inside
from mtkit.runs.training import KEY, Training, read_training
from mtkit.text.tokenizer import JOINT, SEPARATE, Tokenizer, make_tokenizer

logger = logging.getLogger(__name__)

FORMAT = "mtkit-model"
VERSION = 2
TRAIN_STATE = "train.safetensors"
_STEP = re.compile(r"step-\d{8,}")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready to translate.

    Attributes:
        model: in evaluation mode, on the CPU.
        tokenizer: the one that the model was trained with.
        config: of the run that trained it.
        folder: the model folder.
        sentences_per_pair: see `read_sentences_per_pair`.
        training: see `read_training`.
        confidence: content of the file of that name; None if there is none.
        shortlist: of pieces that translations consist of; None for all pieces.
    """

    model: Transformer
    tokenizer: Tokenizer
    config: Config
    folder: Path
    sentences_per_pair: float | None = None
    training: Training | None = None
    confidence: bytes | None = None
    shortlist: Shortlist | None = None


def weights_of(model: torch.nn.Module) -> dict[str, Tensor]:
    """The parameters by name, without copying; a tied matrix appears once."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def set_weights(model: torch.nn.Module, weights: Tensors, where: Path | str) -> None:
    """Copies `weights` into `model`. Errors name their origin, `where`.

    Raises:
        InputError: a name or a shape differs.
    """
    own = weights_of(model)
    check_shapes(where, shapes_of(weights), shapes_of(own))
    for name, parameter in own.items():
        parameter.copy_(weights[name])


def write_model(
    folder: Path,
    config: Config,
    tokenizer: Tokenizer,
    weights: Tensors,
    *,
    training: Training,
    sentences_per_pair: float | None = None,
    train_state: Tensors | None = None,
    progress: dict[str, Any] | None = None,
    origin: dict[str, Any] | None = None,
    lexicon: bytes | None = None,
    shortlist: Shortlist | None = None,
) -> None:
    """Writes a model folder. With `train_state` and `progress`, training can resume from it.

    `sentences_per_pair` is the mean of the training data, if it is known, and `lexicon` the file learned from
    them. `origin` tells where an imported model comes from, which may have a `shortlist`.

    Raises:
        MtkitError: a number is not finite; nothing is written.
        WriteError: the disk is full, read-only or broken; an existing folder stays as it was.
    """
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "mtkit": __version__,
        "torch": torch.__version__,
        "step": training.step,
        KEY: training.values(),
        "tokenizer": tokenizer.fingerprint,
        "sentences_per_pair": sentences_per_pair,
    }
    numbers = {WEIGHTS: weights} | ({TRAIN_STATE: train_state} if train_state is not None else {})
    if shortlist is not None:
        numbers[SHORTLIST] = shortlist.tensors()
    texts = {CONFIG: dump_config(config).encode(), **tokenizer.files()}
    if lexicon is not None:
        texts[LEXICON] = lexicon
    if progress is not None:
        texts[PROGRESS] = (json.dumps(progress, indent=1) + "\n").encode()
    if origin is not None:
        texts[ORIGIN] = (json.dumps(origin, indent=1, ensure_ascii=False) + "\n").encode()
    for tensors in numbers.values():
        if bad := _not_finite(tensors):
            raise MtkitError(
                f"{folder}: not written, because {bad} contains NaN or infinity.",
                "Lower train.optimizer.lr, or raise warmup_steps. The same command resumes from the last "
                "checkpoint.",
            )
    try:
        with atomic_folder(folder, manifest) as new:
            for name, tensors in numbers.items():
                with new_file(new / name) as file:
                    write_tensors(file, tensors)
            for name, content in texts.items():
                with new_file(new / name) as file:
                    file.write(content)
    except UsageError as error:
        raise WriteError(error.message, error.hint) from error
    except OSError as error:
        size = sum(map(num_bytes, numbers.values())) + sum(map(len, texts.values()))
        raise WriteError(
            f"{folder}: cannot be written: {_why(folder, error, size)}.",
            "Free some space, or fix the permissions. Existing files were not changed.",
        ) from error


def _not_finite(tensors: Tensors) -> str:
    """The name of a tensor with NaN or infinity; empty if there is none."""
    return next((name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())), "")


def _why(folder: Path, error: OSError, size: int) -> str:
    """The system's message; for a full disk, also how many bytes are missing."""
    said = error.strerror or str(error)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return said
    try:
        make_folders(folder.parent)
        free = shutil.disk_usage(folder.parent).free
    except OSError:
        return f"{said}, {size:,} bytes are needed"
    return f"{said}, {size:,} bytes are needed, {free:,} are free, {max(0, size - free):,} are missing"


def _require_finite(tensors: Tensors, path: Path, hint: str) -> None:
    if name := _not_finite(tensors):
        raise InputError(f"{path}: {name} contains NaN or infinity.", hint)


def load_weights(folder: Path, expected: Mapping[str, torch.Size] | None = None) -> dict[str, Tensor]:
    """The weights of a model folder, after its manifest has been checked; see `read_tensors`."""
    return read_tensors(_listed(folder, read_manifest(folder, FORMAT, VERSION), WEIGHTS), expected)


def load_train_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Optimizer tensors and progress of a checkpoint, after its manifest has been checked.

    Raises:
        InputError: the checkpoint is incomplete, or contains NaN or infinity.
    """
    manifest = read_manifest(folder, FORMAT, VERSION)
    progress = _progress(folder, manifest)
    path = _listed(folder, manifest, TRAIN_STATE)
    state = read_tensors(path)
    _require_finite(state, path, "Use another checkpoint.")
    return state, progress


def read_progress(folder: Path, *, hashes: bool) -> dict[str, Any]:
    """The progress of a checkpoint, after checking against its manifest that training could resume from it.

    Args:
        folder: of the checkpoint.
        hashes: compare the contents of all files, not only their sizes.

    Raises:
        InputError: a file is missing or damaged, or the folder's name gives another step.
    """
    manifest = read_manifest(folder, FORMAT, VERSION, hashes=hashes)
    for name in (CONFIG, WEIGHTS, TRAIN_STATE):
        _listed(folder, manifest, name)
    return _progress(folder, manifest)


def _progress(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    progress = read_object(_listed(folder, manifest, PROGRESS))
    if progress.get("step") != step_of(folder):
        raise InputError(
            f"{folder / PROGRESS}: step {progress.get('step')!r:.20} does not match the name of the folder.",
            "Rename the folder back, or use another checkpoint.",
        )
    return progress


def _listed(folder: Path, manifest: dict[str, Any], name: str) -> Path:
    """The path of a file that the manifest lists.

    Raises:
        InputError: the manifest does not list it.
    """
    if name not in manifest["files"]:
        raise InputError(f"{folder}: the manifest does not list {name}.", "Use another model or checkpoint.")
    return folder / name


def step_folder(parent: Path, step: int) -> Path:
    """The folder under `parent` for the model of `step`."""
    return parent / f"step-{step:08d}"


def step_of(folder: Path) -> int:
    """The step in a folder name that `step_folder` made."""
    return int(folder.name.removeprefix("step-"))


def step_folders(parent: Path) -> list[Path]:
    """The model folders under `parent`, oldest first."""
    folders = (folder for folder in parent.glob("step-*") if _STEP.fullmatch(folder.name) and folder.is_dir())
    return sorted(folders, key=step_of)


def keep_only(parent: Path, kept: Collection[Path]) -> None:
    """Deletes the model folders under `parent` that are not in `kept`, with a warning for each failure."""
    for folder in step_folders(parent):
        if folder not in kept:
            try:
                remove_own_folder(folder, FORMAT)
            except OSError as error:
                logger.warning("%s: cannot be removed: %s.", folder, error.strerror)
            except UsageError as error:
                logger.warning("%s It was not removed.", error.message)


def newest_checkpoint(run: Path) -> tuple[Path | None, list[str]]:
    """The newest complete checkpoint of a run, and for each newer one the reason why it was skipped."""
    reasons = []
    for folder in reversed(step_folders(inside(run, CHECKPOINTS))):
        try:
            read_progress(folder, hashes=True)
        except InputError as error:
            reasons.append(str(error))
            continue
        return folder, reasons
    return None, reasons


def load_model(folder: Path) -> LoadedModel:
    """The model of a model folder, on the CPU, ready to translate.

    Raises:
        InputError: there is no model, or one of its files is missing, damaged or of another version.
    """
    manifest = read_manifest(folder, FORMAT, VERSION, later=(CONFIG, JOINT, *SEPARATE, WEIGHTS))
    path = folder / CONFIG
    content = read_listed(folder, manifest, CONFIG, MAX_TEXT)
    config = load_config([path], contents={path: content}).config
    names = manifest["files"].keys() & {JOINT, *SEPARATE}
    models = {name: read_listed(folder, manifest, name, MAX_TEXT) for name in names}
    tokenizer = make_tokenizer(folder, models, config.text)
    if tokenizer.fingerprint != manifest.get("tokenizer"):
        raise InputError(
            f"{folder}: the tokenizer does not belong to the model.", "Use another copy of the model."
        )

    sentences_per_pair, training = read_sentences_per_pair(folder, manifest), read_training(folder, manifest)

    def build() -> Transformer:
        return build_model(config.model, tokenizer.src.size, tokenizer.tgt.size, seed=0)

    with torch.device("meta"):  # only names and shapes, before any memory is allocated
        shapes = shapes_of(weights_of(build()))
    with open_listed(folder, manifest, WEIGHTS) as file:
        weights = read_tensors(folder / WEIGHTS, shapes, file)
    _require_finite(weights, folder / WEIGHTS, "Use another model.")
    model = build()
    set_weights(model, weights, folder / WEIGHTS)
    confidence = (
        read_listed(folder, manifest, CONFIDENCE, MAX_TEXT) if CONFIDENCE in manifest["files"] else None
    )
    return LoadedModel(
        model.eval(),
        tokenizer,
        config,
        folder,
        sentences_per_pair,
        training,
        confidence,
        _shortlist(folder, manifest, tokenizer),
    )


def _shortlist(folder: Path, manifest: dict[str, Any], tokenizer: Tokenizer) -> Shortlist | None:
    """The shortlist of a model, if it has one."""
    if SHORTLIST not in manifest["files"]:
        return None
    with open_listed(folder, manifest, SHORTLIST) as file:
        tensors = read_tensors(folder / SHORTLIST, None, file)
    return shortlist_from(folder / SHORTLIST, tensors, tokenizer.src.size, tokenizer.tgt.size)
