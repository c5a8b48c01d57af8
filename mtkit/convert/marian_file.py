"""Reads the files in which Marian stores models: `.npz` and `.bin`. Both are recognised by content.

Layouts: src/3rd_party/cnpy and src/common/binary.cpp of https://github.com/marian-nmt/marian-dev. The files
are untrusted: every count is compared with the size of the file before memory is allocated.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray
from torch import Tensor

from mtkit.config.strict_yaml import Problem, compose
from mtkit.disk.reading import WRONG_VALUES
from mtkit.errors import InputError

CONFIG = "special:model.yml"
"""The entry with the options of the network."""
TABLES = ("Wemb", "encoder_Wemb", "decoder_Wemb")
"""Matrices that Marian does not transpose when it quantizes them."""
_FLOAT32, _INT8, _INTGEMM8 = 0x404, 0x101, 0x4101
_BINARY_VERSION = 1
_SHORTLIST = struct.pack("<Q", 0xF11A48D5013417F5)
"""The first bytes of a binary shortlist, src/data/shortlist.h."""
_ZIP = b"PK\x03\x04"
_MOST_ITEMS, _MOST_NAME, _MOST_DIMS = 10_000, 512, 4
_MOST_CONFIG = 1 << 20
"""Most bytes of the options."""
_COPY = "Use another copy of the model."
_CONVERT = "Convert it with marian-conv --gemm-type float32 or intgemm8."


@dataclass(frozen=True, slots=True)
class MarianFile:
    """The content of a file.

    Attributes:
        options: of the network, as its YAML says.
        tensors: by Marian's names, in fp32 without NaN or infinity; a matrix of a linear map is [in, out].
    """

    options: dict[str, Any]
    tensors: dict[str, Tensor]


def is_marian(path: Path) -> bool:
    """Whether a file begins as Marian's do; the rest of it is not looked at."""
    with path.open("rb") as file:
        head = file.read(16)
        if len(head) < 16:
            return False
        version, count = struct.unpack("<QQ", head)
        if version == _BINARY_VERSION and 0 < count <= _MOST_ITEMS:
            return True
    return head.startswith(_ZIP) and path.suffix == ".npz"


def read_marian_file(path: Path) -> MarianFile:
    """The options and weights in a file.

    Raises:
        InputError: it is damaged, in an unknown form, or contradicts itself.
    """
    try:
        with path.open("rb") as file:
            entries = dict(_npz_entries(file) if file.read(4) == _ZIP else _binary_entries(file))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from None
    except (zipfile.BadZipFile, EOFError, struct.error, MemoryError, *WRONG_VALUES) as error:
        said = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: is not a valid file of Marian ({said}).", _COPY) from None
    if CONFIG not in entries:
        raise InputError(f"{path}: has no {CONFIG}, the options of the network.", _COPY)
    options = _options(path, entries.pop(CONFIG).tobytes())
    tensors = {name: torch.from_numpy(array) for name, array in entries.items() if array.dtype == np.float32}
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{path}: weight {name} contains NaN or infinity.", _COPY)
    return MarianFile(options, tensors)


def _options(path: Path, content: bytes) -> dict[str, Any]:
    """The options of the network, which are YAML with a NUL at its end."""
    problems: list[Problem] = []
    if len(content) > _MOST_CONFIG:
        raise InputError(f"{path}: {CONFIG} has {len(content):,} bytes, at most {_MOST_CONFIG:,}.", _COPY)
    text = content.rstrip(b"\0").decode("utf-8", "replace")
    tree = compose(text, f"{path}: {CONFIG}", problems)
    if problems:
        raise InputError(str(problems[0]), _COPY)
    options = tree.plain() if tree is not None else None
    if not isinstance(options, dict):
        raise InputError(f"{path}: {CONFIG} contains no options.", _COPY)
    return options


# ---------------------------------------------------------------- shortlists


def is_shortlist(path: Path) -> bool:
    """Whether a file begins as Marian's binary shortlists do."""
    with path.open("rb") as file:
        return file.read(len(_SHORTLIST)) == _SHORTLIST


def read_marian_shortlist(path: Path, src_size: int, tgt_size: int) -> tuple[int, Tensor, Tensor]:
    """A binary shortlist: how many of the first target pieces may be in any translation; offsets; ids.

    Args:
        path: the file.
        src_size: number of source pieces.
        tgt_size: number of target pieces.

    Raises:
        InputError: it contradicts itself, its size or the vocabularies.
    """
    size, head = path.stat().st_size, struct.calcsize("<6Q")
    with path.open("rb") as file:
        start = file.read(head)
        first, _, num_offsets, num_ids = struct.unpack("<2Q2Q", start[16:]) if len(start) == head else [0] * 4
        if head + 8 * num_offsets + 4 * num_ids != size or num_offsets < 1:
            raise InputError(f"{path}: its sizes contradict each other.", _COPY)
        offsets = torch.from_numpy(np.frombuffer(file.read(8 * num_offsets), "<i8").copy())
        ids = torch.from_numpy(np.frombuffer(file.read(4 * num_ids), "<i4").copy())
    ordered = offsets[0] == 0 and offsets[-1] <= num_ids and not (offsets.diff() < 0).any()
    if (
        not ordered
        or num_offsets <= src_size
        or (ids < 0).any()
        or (ids >= tgt_size).any()
        or first > tgt_size
    ):
        raise InputError(f"{path}: does not fit the vocabularies.", _COPY)
    return first, offsets, ids


# ---------------------------------------------------------------- .npz

_Entries = Iterator[tuple[str, NDArray[Any]]]


def _npz_entries(file: IO[bytes]) -> _Entries:
    """The arrays of an archive by name.

    Raises:
        ValueError: an entry is packed, overlaps another one, or is no array of numbers.
    """
    size = file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if len(entries) > _MOST_ITEMS:
            raise ValueError(f"{len(entries):,} arrays, expected at most {_MOST_ITEMS:,}")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("compressed, which Marian does not write")
        if sum(entry.file_size for entry in entries) > size:
            raise ValueError("its parts overlap")
        for entry in entries:
            yield entry.filename.removesuffix(".npy"), _npy_array(entry.filename, archive.read(entry))


def _npy_array(name: str, content: bytes) -> NDArray[Any]:
    """The array in a file of numpy. Pickled objects are refused."""
    file = io.BytesIO(content)
    if npy.read_magic(file) != (1, 0):
        raise ValueError(f"{name}: unknown version of numpy's format")
    shape, fortran, dtype = npy.read_array_header_1_0(file)
    if dtype not in (np.float32, np.int8) or fortran or len(shape) > _MOST_DIMS:
        raise ValueError(f"{name}: {dtype} {list(shape)} in an order or type that Marian does not write")
    rest = len(content) - file.tell()
    if math.prod(shape) * dtype.itemsize != rest:
        raise ValueError(f"{name}: {rest:,} bytes for shape {list(shape)}")
    return np.frombuffer(content, dtype, offset=file.tell()).reshape(shape).copy()


# ---------------------------------------------------------------- .bin


def _binary_entries(file: IO[bytes]) -> _Entries:
    """The arrays of a binary file by name; rounded ones are multiplied out.

    Raises:
        ValueError: the sizes contradict each other or the file, or a type is unknown.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)

    def take(count: int) -> bytes:
        if not 0 <= count <= size - file.tell():
            raise ValueError(f"{count:,} bytes at {file.tell():,} of {size:,}")
        return file.read(count)

    def numbers(kind: str, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}{kind}", take(count * struct.calcsize(f"<{kind}")))

    # 1. The heads: lengths of name, shape and data, and the type.
    version, count = numbers("Q", 2)
    if version != _BINARY_VERSION or count > _MOST_ITEMS:
        raise ValueError(f"version {version} with {count:,} arrays")
    heads = [numbers("Q", 4) for _ in range(count)]
    if any(head[0] > _MOST_NAME or head[2] > _MOST_DIMS for head in heads):
        raise ValueError("a name or shape is too long")
    # 2. Names and shapes.
    names = [take(head[0]).rstrip(b"\0").decode() for head in heads]
    shapes = [numbers("i", head[2]) for head in heads]
    if len({*names}) != count or any(min(shape, default=1) < 0 for shape in shapes):
        raise ValueError("a name is there twice, or a shape is negative")
    # 3. The data, after padding.
    take(*numbers("Q", 1))
    for name, shape, (_, kind, _, length) in zip(names, shapes, heads, strict=True):
        yield name, _array(name, kind, shape, take(length))


def _array(name: str, kind: int, shape: tuple[int, ...], data: bytes) -> NDArray[Any]:
    """An array from its bytes, which may have padding at their end."""
    count = math.prod(shape)
    needed = {_FLOAT32: 4 * count, _INT8: count, _INTGEMM8: count + 4}.get(kind)
    if needed is None:
        raise ValueError(f"{name} has the type {kind:#x}. {_CONVERT}")
    if needed > len(data):
        raise ValueError(f"{name}: {len(data):,} bytes for shape {list(shape)}")
    if kind == _FLOAT32:
        return np.frombuffer(data, "<f4", count).reshape(shape).copy()
    whole = np.frombuffer(data, np.int8, count)
    if kind == _INT8 or len(shape) != 2 or count == 1:
        return whole.reshape(shape).copy()  # options, or the scale of an activation
    (multiplier,) = struct.unpack_from("<f", data, count)
    if not 0 < multiplier < math.inf:
        raise ValueError(f"{name}: its multiplier is {multiplier}")
    with np.errstate(over="ignore"):  # infinity is refused later
        exact = whole.astype(np.float32) / np.float32(multiplier)
    if name in TABLES:
        return exact.reshape(shape)
    return np.ascontiguousarray(exact.reshape(shape[::-1]).T)
