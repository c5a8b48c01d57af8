"""What a folder that CTranslate2 runs is called and holds, for who writes it and who reads it. Free of torch.

    RUN/export/ctranslate2/    manifest.json · model.bin, config.json, *_vocabulary.json (CTranslate2's own)
                               tokenizer.model or two of them · config.yaml (of the run)

It needs nothing outside it. CTranslate2 loads many a damaged file without complaint, so that every file is
compared with the hash in the manifest before it may see one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtkit.errors import InputError
from mtkit.files import MANIFEST, WRONG_VALUES, read_manifest, read_object

FORMAT, VERSION = "mtkit-ctranslate2", 1
MODEL = "model.bin"
WEIGHTS = "model.safetensors"
"""Of the model folder that an export is made from."""
EXPORTS = "export"
"""Folder of the exports, in the run's."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What the manifest of an export says.

    Attributes:
        folder: where it stands.
        source: sha256 of the weights that it was made from.
        quantization: how its weights are stored.
        max_positions: tokens of the longest sequence, on either side.
        src_lang: language translated from; `tgt_lang` likewise.
        tags: that sources begin with, unless others are asked for.
        decode: the run's options of `decode`; `text` likewise.
    """

    folder: Path
    source: str
    quantization: str
    max_positions: int
    src_lang: str
    tgt_lang: str
    tags: tuple[str, ...]
    decode: dict[str, Any]
    text: dict[str, Any]


def is_export(folder: Path) -> bool:
    """Whether `folder` looks like one that CTranslate2 runs."""
    return (folder / MODEL).is_file()


def read_export(folder: Path) -> Exported:
    """What an export says of itself, after all its files have been compared with their hashes.

    Raises:
        InputError: it is not a whole export, is damaged, or another version of mtkit wrote it.
    """
    found = read_manifest(folder, FORMAT, VERSION)
    names = ("source", "quantization", "max_positions", "src_lang", "tgt_lang", "tags", "decode", "text")
    try:
        return Exported(folder, *(found[name] for name in names))
    except KeyError as error:
        raise InputError(
            f"{folder / MANIFEST}: has no {error}.", "Make the export anew: mtkit export."
        ) from None


def export_of(model: Path) -> Path | None:
    """The export of the model folder `model`: itself if it is one, else that of its run.

    None if there is none, or only one that was made from other weights.
    """
    if is_export(model):
        return model
    folder = model.parent / EXPORTS / "ctranslate2"
    if not is_export(folder):
        return None
    try:
        made_from = read_object(folder / MANIFEST)["source"]
        there = read_object(model / MANIFEST)["files"][WEIGHTS]["sha256"]
    except (OSError, InputError, *WRONG_VALUES):
        return None
    return folder if made_from == there else None
