"""LoRA adapters on disk, with PEFT's file names and keys, and their sum with a model.

`adapter_model.safetensors` holds `base_model.model.LAYER.lora_A.weight` [rank, in] and `….lora_B.weight`
[out, rank]; `adapter_config.json` holds r, lora_alpha and target_modules. https://huggingface.co/docs/peft
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from mtkit.disk.files import atomic_folder, new_file
from mtkit.disk.manifest import read_manifest
from mtkit.disk.reading import read_object
from mtkit.errors import InputError, UsageError
from mtkit.model.checkpoint import weights_of
from mtkit.model.tensors import read_tensors, write_tensors
from mtkit.model.transformer import Transformer
from mtkit.runs.layout import ADAPTER, ADAPTER_FORMAT

Factors = dict[str, tuple[Tensor, Tensor]]
"""A [rank, in] and B [out, rank] by the name of the matrix that they change."""

FORMAT = ADAPTER_FORMAT
VERSION = 1
TENSORS, OPTIONS = "adapter_model.safetensors", "adapter_config.json"
_BEGIN, _A, _B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"


def fingerprint_of(weights: Mapping[str, Tensor]) -> str:
    """A hash of all weights of a model, by name and bits."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        weight = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {weight.dtype} {list(weight.shape)}\n".encode())
        digest.update(weight.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_adapter(folder: Path, factors: Factors, *, rank: int, alpha: float, base: str, origin: str) -> None:
    """Writes an adapter folder, whole or not at all.

    Args:
        folder: where.
        factors: by the name of a weight.
        rank: columns of B.
        alpha: numerator of the scale.
        base: fingerprint of the weights that it was trained on.
        origin: path of their model.
    """
    layers = [name.removesuffix(".weight") for name in factors]
    options = {
        "peft_type": "LORA",
        "task_type": "SEQ_2_SEQ_LM",
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "target_modules": layers,
        "base_model_name_or_path": origin,
        "base_fingerprint": base,
    }
    tensors = {}
    for layer, (a, b) in zip(layers, factors.values(), strict=True):
        tensors[f"{_BEGIN}{layer}{_A}"], tensors[f"{_BEGIN}{layer}{_B}"] = a, b
    with atomic_folder(folder, {"format": FORMAT, "version": VERSION}) as new:
        with new_file(new / TENSORS) as file:
            write_tensors(file, tensors)
        with new_file(new / OPTIONS) as file:
            file.write((json.dumps(options, indent=1) + "\n").encode())


def add_adapters(model: Transformer, folder: Path, adapters: Sequence[tuple[Path, float]]) -> None:
    """Adds adapters to the model of `folder`, each with its weight.

    Raises:
        UsageError: a weight is not finite.
        InputError: an adapter is damaged, or was trained on another model.
    """
    for path, weight in adapters:
        if not math.isfinite(weight):
            raise UsageError(f"adapter {path}: its weight {weight} is no finite number.")
    weights = weights_of(model)
    own = fingerprint_of(weights)
    changes = [(_read(path, own, folder, weights), weight) for path, weight in adapters]
    with torch.no_grad():
        for (factors, scale), weight in changes:
            for name, (a, b) in factors.items():
                weights[name].add_((b @ a).to(weights[name]), alpha=scale * weight)


def _read(path: Path, own: str, folder: Path, weights: Mapping[str, Tensor]) -> tuple[Factors, float]:
    """The factors of an adapter, and their scale."""
    path = path / ADAPTER if (path / ADAPTER / OPTIONS).is_file() else path
    read_manifest(path, FORMAT, VERSION)
    options = read_object(path / OPTIONS)
    if options.get("base_fingerprint") != own:
        raise InputError(
            f"{path}: was trained on another model than {folder}.",
            f"Use it with the model that it was trained on: {options.get('base_model_name_or_path')}.",
        )
    rank, alpha = options.get("r"), options.get("lora_alpha")
    if type(rank) is not int or rank < 1 or not isinstance(alpha, int | float):
        raise InputError(f"{path / OPTIONS}: r or lora_alpha is no number.", "Copy the folder again.")
    tensors = read_tensors(path / TENSORS)
    factors: Factors = {}
    for key in sorted(tensors):
        if key.endswith(_A):
            name = f"{key.removeprefix(_BEGIN).removesuffix(_A)}.weight"
            a, b = tensors[key], tensors.get(key.replace(_A, _B))
            if name not in weights or b is None or (b.shape[0], a.shape[1]) != weights[name].shape:
                raise InputError(f"{path / TENSORS}: {key} fits no matrix of {folder}.", "Copy it again.")
            factors[name] = (a, b)
    return factors, alpha / rank
