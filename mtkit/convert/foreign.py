"""Reads files of other toolkits, which may be damaged or hostile: bounded, and without running their code."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtkit.config.model import ModelConfig
from mtkit.disk.reading import WRONG_VALUES, read_object, read_ordinary
from mtkit.errors import InputError, shortened
from mtkit.model.shortlist import Shortlist
from mtkit.model.tensors import check_shapes, num_bytes, read_tensors, shapes_of
from mtkit.model.transformer import Transformer
from mtkit.text.tokenizer import Tokenizer

_COPY = "Use another copy of the model."
_LICENCE = re.compile(r"(licen[cs]e|copying|notice)([.-].*)?", re.IGNORECASE)
_CARD_LICENCE = re.compile(r"^license(_name|_link)?:.*$", re.MULTILINE | re.IGNORECASE)
NEVER_BIAS = -1e4
"""Bias of an output that the source does not have: its probability is 0 in fp32."""
_WEIGHTS = (
    "model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json",
)  # fmt: skip
_MOST_TIED = 4
"""Most names of one matrix in a file: shared, source and target embedding, output."""
_MOST_LICENCE = 100_000
"""Most characters of a licence that are kept."""


@dataclass(frozen=True, slots=True)
class ForeignModel:
    """A model of another toolkit in the form of mtkit.

    Attributes:
        family: what it is, for the user.
        model: options of the network.
        decode: options of the search that differ from mtkit's defaults.
        tokenizer: the rebuilt subword models.
        weights: by mtkit's names.
        src_lang: language of the sources; empty if the files do not say.
        tgt_lang: of the translations.
        changes: what was changed at import, one sentence each.
        shortlist: of the pieces that translations consist of; None for all.
    """

    family: str
    model: ModelConfig
    decode: dict[str, Any]
    tokenizer: Tokenizer
    weights: dict[str, Tensor]
    src_lang: str = ""
    tgt_lang: str = ""
    changes: list[str] = field(default_factory=list)
    shortlist: Shortlist | None = None


class ForeignFolder:
    """The files of a model; those that are read are remembered with their hash.

    Args:
        path: the folder. Files may be links, as in the cache of Hugging Face.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.used: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return (self.path / name).is_file()

    def file(self, name: str) -> Path:
        """The file with this name.

        Raises:
            InputError: there is none.
        """
        if name not in self:
            raise InputError(f"{self.path}: there is no {name}.", "Copy the whole folder of the model.")
        self.used.add(name)
        return Path(os.path.realpath(self.path / name))

    def object(self, name: str) -> dict[str, Any]:
        """The JSON object in a file."""
        return read_object(self.file(name))

    def bytes(self, name: str) -> bytes:
        """The content of a small file."""
        return read_ordinary(self.file(name))

    @property
    def weights(self) -> Path:
        """The file of the weights, or the index of several files.

        Raises:
            InputError: there is none.
        """
        name = next((name for name in _WEIGHTS if name in self), None)
        if name is None:
            raise InputError(
                f"{self.path}: there is no model.safetensors, no pytorch_model.bin, and no index of either.",
                "Weights in other formats cannot be imported.",
            )
        return self.path / name

    def _weight_files(self, path: Path) -> Iterator[str]:
        """The name of the file of the weights itself, or of the files that its index lists.

        Raises:
            InputError: the index names something else than files beside it.
        """
        if path.suffix != ".json":
            yield path.name
            return
        suffix = path.name.removesuffix(".index.json").rpartition(".")[2]
        names = self.object(path.name).get("weight_map")
        if not isinstance(names, dict) or not names:
            raise InputError(f"{path}: has no weight_map.", _COPY)
        for name in sorted({*map(str, names.values())}):
            if not re.fullmatch(rf"[\w-][\w.-]*\.{suffix}", name, re.ASCII):
                raise InputError(f"{path}: {name!r:.60} is no .{suffix} file beside it.", "Do not trust it.")
            yield name

    def tensors(self) -> dict[str, Tensor]:
        """The weights in the folder, in fp32 and without NaN or infinity.

        Raises:
            InputError: there are none, or they are damaged, in an unknown form, or would run code.
        """
        path = self.weights
        tensors: dict[str, Tensor] = {}
        for name in self._weight_files(path):
            part = self.file(name)
            found = read_tensors(part) if name.endswith(".safetensors") else _unpickled(part)
            if twice := tensors.keys() & found.keys():
                raise InputError(f"{part}: weight {min(twice)} is in another file too.", _COPY)
            tensors |= found
        for name, tensor in tensors.items():
            if not tensor.is_floating_point():
                raise InputError(
                    f"{path}: weight {name} has type {tensor.dtype}, expected floating point.", _COPY
                )
            if not bool(torch.isfinite(tensor).all()):
                raise InputError(f"{path}: weight {name} contains NaN or infinity.", _COPY)
        return tensors

    def hashes(self) -> dict[str, str]:
        """The sha256 of each file that was read."""
        found = {}
        for name in sorted(self.used):
            with (self.path / name).open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
        return found

    def licence(self) -> dict[str, str]:
        """The licence texts in the folder by file, and what the model card says of it."""
        found = {}
        for path in sorted(self.path.iterdir()):
            if path.is_file() and _LICENCE.fullmatch(path.name):
                found[path.name] = _text_of(path)
        if "README.md" in self:
            lines = [match[0] for match in _CARD_LICENCE.finditer(_text_of(self.path / "README.md"))]
            if lines:
                found["README.md"] = "\n".join(lines)
        return found


def _text_of(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST_LICENCE).decode(errors="replace")


def _unpickled(path: Path) -> dict[str, Tensor]:
    """The tensors in a file of torch, read without running code; packed content is refused.

    Raises:
        InputError: it holds anything but tensors.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            entries, size = packed.infolist(), path.stat().st_size
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise InputError(f"{path}: is compressed, which torch does not write.", _COPY)
        if sum(entry.file_size for entry in entries) > size:
            raise InputError(f"{path}: its parts overlap.", "Do not trust it.")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, MemoryError, *WRONG_VALUES) as error:
        first = shortened(str(error), 160)
        raise InputError(f"{path}: is no file of weights alone ({first}).", "Do not trust it.") from None
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in found.items()
    ):
        raise InputError(f"{path}: does not contain named weights.", _COPY)
    if (claimed := num_bytes(found)) > _MOST_TIED * path.stat().st_size:
        raise InputError(
            f"{path}: claims {claimed:,} bytes of weights, more than it has.", "Do not trust it."
        )
    return found


class ForeignConfig:
    """Values of a config.json, whose types are checked when they are used.

    Args:
        where: of the file, for messages.
        values: its content.
    """

    def __init__(self, where: Path, values: dict[str, Any]) -> None:
        self.where = where
        self.values = values

    def count(self, name: str, default: int | None = None) -> int:
        """A whole number, not negative."""
        value = self.values.get(name, default)
        if type(value) is not int or not 0 <= value < 1 << 31:
            raise InputError(f"{self.where}: {name} = {value!r:.40}, expected a whole number.", _COPY)
        return value

    def require(self, name: str, default: object, *allowed: object) -> Any:
        """A value that must be one of `allowed`, the first of which is named as supported."""
        value = self.values.get(name, default)
        if value not in allowed:
            only = " or ".join(map(str, allowed))
            raise InputError(
                f"{self.where}: {name} = {value!r:.40} is not supported, only {only}.",
                "Such a model cannot be imported.",
            )
        return value

    def text(self, name: str) -> str:
        """A text; empty if there is none."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""


@contextmanager
def options_from(where: Path) -> Iterator[None]:
    """Turns options of mtkit that a file implies, but that are out of bounds, into an InputError."""
    try:
        yield
    except ValueError as error:
        said = " ".join(str(error).split())
        raise InputError(f"{where}: describes no model that mtkit can build ({said[:300]}).", _COPY) from None


class ForeignWeights:
    """The tensors of a model by its own names; takes them one by one, checked.

    Args:
        where: they come from, for messages.
        tensors: by name.
        order: for each dimension of d_model in mtkit, that of the source.
    """

    def __init__(self, where: Path, tensors: dict[str, Tensor], order: Tensor) -> None:
        self.where = where
        self.tensors = tensors
        self.order = order

    def take(self, name: str, *shape: int) -> Tensor:
        """The tensor called `name` in fp32, which must have this shape; it is used up."""
        if name not in self.tensors:
            raise InputError(f"{self.where}: weight {name} is missing.", _COPY)
        tensor = self.tensors.pop(name)
        check_shapes(self.where, {name: tensor.shape}, {name: shape})
        return tensor.float().contiguous()

    def reordered(self, name: str, *shape: int, dim: int = -1) -> Tensor:
        """Like `take`, with the dimension `dim` of width d_model in mtkit's order."""
        return self.take(name, *shape).index_select(dim, self.order)

    def check_used(self) -> None:
        """Checks that no tensor is left.

        Raises:
            InputError: one is.
        """
        if self.tensors:
            raise InputError(
                f"{self.where}: weight {min(self.tensors)} is unknown.", "Such a model cannot be imported."
            )


def halves_order(d_model: int) -> Tensor:
    """For each dimension of interleaved sines and cosines, its place where each has one half."""
    halves = torch.arange(d_model).view(2, d_model // 2)
    return halves.T.reshape(-1)


def check_weights(where: Path, found: ForeignModel) -> None:
    """Checks names and shapes of imported weights against the network that the options describe.

    Raises:
        InputError: they differ.
    """
    tokenizer = found.tokenizer
    with torch.device("meta"):
        network = Transformer(found.model, tokenizer.src.size, tokenizer.tgt.size)
    check_shapes(where, shapes_of(found.weights), {name: p.shape for name, p in network.named_parameters()})


def check_same(where: Path, tensors: dict[str, Tensor], names: Collection[str], like: Tensor) -> None:
    """Takes out further copies of a tied matrix.

    Raises:
        InputError: a copy differs, so the matrices are not tied.
    """
    for name in names:
        copy = tensors.pop(name, None)
        if copy is not None and not (copy.shape == like.shape and torch.equal(copy, like)):
            raise InputError(
                f"{where}: {name} differs from the matrix that it shares.", "It cannot be imported."
            )
