"""Files of tensors in the safetensors format, https://huggingface.co/docs/safetensors.

The library's own writer does not distinguish a full disk from a bug, does not flush and cannot be made to
fail in tests. Its reader maps files, so a file that is truncated later kills the process. Here all bytes pass
through `mtkit.disk.files`, and a header is checked against the file's size and the expected shapes first.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from mtkit.errors import InputError

Tensors = Mapping[str, Tensor]
Shapes = Mapping[str, Sequence[int]]

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_MAX_HEADER = 100_000_000
"""Largest header in bytes, as in the library."""
_MAX_DIMS = 8


def write_tensors(file: IO[bytes], tensors: Tensors) -> None:
    """Writes `tensors` from any device, one after the other, so that only one is copied at a time."""
    # The largest elements come first, which keeps all of them aligned.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {}
    start = 0
    for name in names:
        tensor = tensors[name]
        end = start + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        file.write(_bytes_of(tensors[name].detach().cpu().contiguous()))


def num_bytes(tensors: Tensors) -> int:
    """The total size of the tensors in bytes."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def read_tensors(
    path: Path, expected: Shapes | None = None, opened: BufferedReader | None = None
) -> dict[str, Tensor]:
    """The tensors of a file, copied into memory.

    Args:
        path: the file.
        expected: the names and shapes that the file must have, all floating point. They are checked before
            any memory is allocated.
        opened: the file, if it is already open.

    Raises:
        InputError: the file cannot be read, contradicts its header, or does not hold what is expected.
    """
    try:
        with nullcontext(opened) if opened else path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            header = _read_header(file, size)
            if expected is not None:
                check_shapes(path, {name: shape for name, (_, shape, _) in header.items()}, expected)
                for name, (dtype, _, _) in header.items():
                    if not dtype.is_floating_point:
                        raise InputError(
                            f"{path}: weight {name} has type {_NAMES[dtype]}, expected floating point."
                        )
            tensors = {}
            for name, (dtype, shape, _) in sorted(header.items(), key=lambda item: item[1][2]):
                tensors[name] = torch.empty(shape, dtype=dtype)
                if file.readinto(_bytes_of(tensors[name])) != num_bytes({name: tensors[name]}):
                    raise ValueError(f"the file ends within {name}")
            return tensors
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise InputError(
            f"{path}: is not a valid safetensors file ({error}).", "Use another copy."
        ) from error


_Entry = tuple[torch.dtype, tuple[int, ...], tuple[int, int]]


def _read_header(file: IO[bytes], size: int) -> dict[str, _Entry]:
    """The type, shape and place of each tensor.

    Raises:
        ValueError: the tensors do not fill the file exactly, without gaps and overlaps.
    """
    # 1. Read the header.
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(_MAX_HEADER, size - 8):
        raise ValueError(f"header of {length:,} bytes in a file of {size:,}")
    claims = json.loads(file.read(length))
    claims.pop("__metadata__", None)
    # 2. Check each tensor.
    header: dict[str, _Entry] = {}
    for name, claim in claims.items():
        shape, (start, end) = claim["shape"], claim["data_offsets"]
        whole = all(type(number) is int and 0 <= number < 1 << 62 for number in (*shape, start, end))
        if not whole or len(shape) > _MAX_DIMS:
            raise ValueError(f"{name}: shape {shape}, bytes {start} to {end}")
        dtype = _DTYPES.get(claim["dtype"])
        if dtype is None:
            raise ValueError(f"{name}: unknown type {claim['dtype']}")
        if math.prod(shape) * dtype.itemsize != end - start:
            raise ValueError(f"{name}: {end - start:,} bytes for shape {shape} and type {claim['dtype']}")
        header[name] = (dtype, tuple(shape), (start, end))
    # 3. Check that the tensors fill the file.
    place = 0
    for start, end in sorted(entry[2] for entry in header.values()):
        if start != place:
            raise ValueError(f"gap or overlap at byte {place:,} of the data")
        place = end
    if place != size - 8 - length:
        raise ValueError(f"{size - 8 - length:,} bytes of data, expected {place:,}")
    return header


def shapes_of(tensors: Tensors) -> dict[str, torch.Size]:
    """The shapes of tensors, by name."""
    return {name: tensor.shape for name, tensor in tensors.items()}


def check_shapes(where: Path | str, found: Shapes, expected: Shapes) -> None:
    """Checks that weights have the names and shapes that a model expects.

    Raises:
        InputError: they differ; `where` the weights come from is named.
    """
    if found.keys() != expected.keys():
        name = min(found.keys() ^ expected.keys())
        problem = "is missing" if name in expected else "is unknown"
    elif name := next((name for name in found if tuple(found[name]) != tuple(expected[name])), ""):
        problem = f"is {list(found[name])}, expected {list(expected[name])}"
    else:
        return
    raise InputError(
        f"{where}: weight {name} {problem}.",
        "The weights belong to a model with other options or another vocabulary.",
    )


def _bytes_of(tensor: Tensor) -> memoryview:
    """The memory of a contiguous tensor on the CPU."""
    return tensor.reshape(-1).view(torch.uint8).numpy().data
