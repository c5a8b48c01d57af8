"""Files of tensors: the safetensors library reads what we write, and writes what we read."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from mtkit.disk.files import new_file
from mtkit.errors import InputError
from mtkit.model.tensors import num_bytes, read_tensors, write_tensors

TENSORS = {
    "a.weight": torch.randn(3, 5),
    "b": torch.randn(7).to(torch.bfloat16),
    "empty": torch.zeros(0, 4),
    "flags": torch.tensor([True, False, True]),
    "half": torch.randn(2, 2, 2).half(),
    "scalar": torch.tensor(3.5, dtype=torch.float64),
    "whole": torch.arange(9).reshape(3, 3).T,  # not contiguous
}


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(
        ours[name].dtype == theirs[name].dtype and torch.equal(ours[name], theirs[name]) for name in ours
    )


def test_the_library_reads_what_we_write(tmp_path: Path) -> None:
    with new_file(tmp_path / "t") as file:
        write_tensors(file, TENSORS)
    assert same(safetensors.torch.load_file(tmp_path / "t"), TENSORS)
    assert same(read_tensors(tmp_path / "t"), TENSORS)
    assert num_bytes(TENSORS) == sum(t.numel() * t.element_size() for t in TENSORS.values())


def test_we_read_what_the_library_writes(tmp_path: Path) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in TENSORS.items()}
    safetensors.torch.save_file(tensors, tmp_path / "t", metadata={"format": "pt"})
    assert same(read_tensors(tmp_path / "t"), TENSORS)


def test_what_is_expected_is_checked(tmp_path: Path) -> None:
    with new_file(tmp_path / "t") as file:
        write_tensors(file, {"a": torch.zeros(2, 3), "n": torch.arange(4.0)})
    shapes = {"a": torch.Size([2, 3]), "n": torch.Size([4])}
    assert read_tensors(tmp_path / "t", shapes).keys() == shapes.keys()
    with pytest.raises(InputError, match=r"weight a is \[2, 3\], expected \[3, 2\]"):
        read_tensors(tmp_path / "t", shapes | {"a": torch.Size([3, 2])})
    with pytest.raises(InputError, match="weight b is missing"):
        read_tensors(tmp_path / "t", shapes | {"b": torch.Size([1])})
    with pytest.raises(InputError, match="weight n is unknown"):
        read_tensors(tmp_path / "t", {"a": torch.Size([2, 3])})
    with new_file(tmp_path / "whole") as file:
        write_tensors(file, {"n": torch.arange(4)})
    with pytest.raises(InputError, match="weight n has type I64, expected floating point"):
        read_tensors(tmp_path / "whole", {"n": torch.Size([4])})


def raw(header: Any, data: bytes = bytes(24), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(**changes: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]} | changes}


HOSTILE = {
    "nothing": b"",
    "four bytes": b"\0\0\0\0",
    "a header as long as memory": raw({}, length=1 << 62),
    "a header longer than the file": raw(entry(), length=10_000),
    "no JSON": raw(b"\xff\xfe{"),
    "a list": raw([1, 2]),
    "depth": raw(b"[" * 100_000 + b"]" * 100_000),
    "no offsets": raw({"a": {"dtype": "F32", "shape": [2, 3]}}),
    "three offsets": raw(entry(data_offsets=[0, 12, 24])),
    "offsets backwards": raw(entry(data_offsets=[24, 0])),
    "offsets below zero": raw(entry(data_offsets=[-24, 0])),
    "offsets past the end": raw(entry(shape=[1 << 40], data_offsets=[0, 1 << 42])),
    "a shape of a billion": raw(entry(shape=[1 << 30])),
    "a shape that overflows": raw(entry(shape=[1 << 32, 1 << 32, 0], data_offsets=[0, 24])),
    "a shape below zero": raw(entry(shape=[-2, -3])),
    "a shape of text": raw(entry(shape=["2", "3"])),
    "a shape of fractions": raw(entry(shape=[2.0, 3.0])),
    "a shape of truths": raw(entry(shape=[True, 6])),
    "a thousand dimensions": raw(entry(shape=[1] * 1000 + [6])),
    "an unknown type": raw(entry(dtype="F128")),
    "a type that is no text": raw(entry(dtype=["F32"])),
    "bytes too few": raw(entry(), bytes(23)),
    "bytes too many": raw(entry(), bytes(25)),
    "an overlap": raw(entry() | {"b": {"dtype": "F32", "shape": [3], "data_offsets": [12, 24]}}),
    "a gap": raw({"a": {"dtype": "F32", "shape": [3], "data_offsets": [12, 24]}}),
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x8c\x06system\x93.",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_are_refused_before_memory_is_taken(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> torch.Tensor:
        raise AssertionError("memory was taken")

    (tmp_path / "t").write_bytes(content)
    monkeypatch.setattr(torch, "empty", refuse)
    with pytest.raises(InputError, match="t: is not a valid safetensors file"):
        read_tensors(tmp_path / "t")
