from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mtkit.data.prepare.shards import batches, open_shard, write_shard
from mtkit.errors import InputError

PAIRS = [([5, 6, 7], [8]), ([], [9]), ([10], []), ([], []), ([1] * 300, [65535] * 200)]


def read(folder: Path) -> list[tuple[list[int], list[int]]]:
    shard = open_shard(folder)
    return [(shard.src(index).tolist(), shard.tgt(index).tolist()) for index in range(len(shard))]


def test_pairs_come_back(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "shard", iter(PAIRS), {"vocab_size": 1 << 16, "tokenizer": "abc"})
    assert read(tmp_path / "shard") == PAIRS
    assert shard.meta == {"vocab_size": 1 << 16, "tokenizer": "abc"}
    assert shard.lengths.dtype == np.int32
    assert shard.lengths.tolist() == [[3, 1], [0, 1], [1, 0], [0, 0], [300, 200]]
    assert shard.src(-1).tolist() == [1] * 300
    with pytest.raises(IndexError):
        shard.src(5)


def test_more_pairs_than_are_written_at_once(tmp_path: Path) -> None:
    pairs = [([number % 997] * (number % 5), [number % 991]) for number in range(10_000)]
    write_shard(tmp_path / "shard", pairs, {"vocab_size": 1000})
    assert read(tmp_path / "shard") == pairs


@pytest.mark.parametrize(("vocab_size", "size"), [(1 << 16, 2), ((1 << 16) + 1, 4), (None, 4)])
def test_ids_are_as_compact_as_the_vocabulary_allows(
    vocab_size: int | None, size: int, tmp_path: Path
) -> None:
    meta = {"vocab_size": vocab_size} if vocab_size else {}
    shard = write_shard(tmp_path / "shard", [([65535], [1, 2])], meta)
    assert shard.src(0).itemsize == size
    assert (tmp_path / "shard" / "ids.bin").stat().st_size == 3 * size
    assert (shard.src(0).tolist(), shard.tgt(0).tolist()) == ([65535], [1, 2])


def test_the_bytes_are_as_documented(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard", [([1, 2], [3]), ([4], [5, 6])], {"vocab_size": 10})
    content = {path.name: path.read_bytes() for path in (tmp_path / "shard").iterdir()}
    assert content["ids.bin"] == b"".join(n.to_bytes(2, "little") for n in (1, 2, 3, 4, 5, 6))
    assert content["offsets.bin"] == b"".join(n.to_bytes(8, "little") for n in (0, 3))
    assert content["lengths.bin"] == b"".join(n.to_bytes(4, "little") for n in (2, 1, 1, 2))
    manifest = json.loads(content["manifest.json"])
    assert (manifest["pairs"], manifest["src_tokens"], manifest["tgt_tokens"]) == (2, 3, 3)
    assert manifest["files"]["ids.bin"] == {
        "size": 12,
        "sha256": hashlib.sha256(content["ids.bin"]).hexdigest(),
    }


def test_a_shard_without_pairs(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "shard", [], {})
    assert len(shard) == 0
    assert shard.lengths.shape == (0, 2)


def test_pairs_without_tokens(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard", [([], [])], {})
    assert read(tmp_path / "shard") == [([], [])]


def test_ids_cannot_be_written_to(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "shard", PAIRS, {})
    with pytest.raises(ValueError, match="read-only"):
        shard.src(0)[0] = 1


def test_pickling_maps_the_same_files(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "shard", [([7] * 100_000, [1])], {})
    packed = pickle.dumps(shard)
    assert len(packed) < 1000
    assert pickle.loads(packed).src(0).tolist() == [7] * 100_000


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[tuple[list[int], list[int]]]:
        yield [1], [2]
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_shard(tmp_path / "shard", failing(), {})
    assert list(tmp_path.iterdir()) == []


def test_an_id_outside_the_vocabulary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OverflowError):
        write_shard(tmp_path / "shard", [([1 << 16], [1])], {"vocab_size": 100})


@pytest.mark.parametrize("name", ["ids.bin", "offsets.bin", "lengths.bin"])
@pytest.mark.parametrize("change", [-1, 1, None])
def test_a_file_of_another_size_is_refused(name: str, change: int | None, tmp_path: Path) -> None:
    write_shard(tmp_path / "shard", PAIRS, {})
    path = tmp_path / "shard" / name
    data = path.read_bytes()
    if change is None:
        path.unlink()
    else:
        path.write_bytes(data[:-1] if change < 0 else data + b"\x00")
    with pytest.raises(InputError, match=name):
        open_shard(tmp_path / "shard")


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"format": "other"},
        {"pairs": 4},
        {"src_tokens": 1},
        {"dtype": "<u8"},
        {"dtype": "what"},
    ],
)
def test_a_manifest_that_says_otherwise_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    write_shard(tmp_path / "shard", PAIRS, {})
    path = tmp_path / "shard" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError):
        open_shard(tmp_path / "shard")


@pytest.mark.parametrize("content", [None, "", "[]", "{}"])
def test_no_usable_manifest(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest\.json"):
        open_shard(tmp_path)


def test_batches() -> None:
    assert list(batches("abcde", 2)) == [["a", "b"], ["c", "d"], ["e"]]
    assert list(batches([], 2)) == []
