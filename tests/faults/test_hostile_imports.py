"""Folders of other toolkits that are damaged or hostile: one error, no code of theirs, no run folder."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from mtkit.convert.import_run import ImportRequest, import_model
from mtkit.errors import InputError
from tests.support.foreign import write_opus

WEIGHTS, PICKLE = "model.safetensors", "pytorch_model.bin"


class Bait:
    """Unpickling it makes a folder."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("ran",)


@pytest.fixture(scope="module")
def opus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_opus(tmp_path_factory.mktemp("opus"))


@pytest.fixture
def folder(opus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(opus, tmp_path / "opus"))


def refused(folder: Path, match: str) -> None:
    before = sorted(folder.parent.iterdir())
    with pytest.raises(InputError, match=match):
        import_model(ImportRequest(folder, folder.parent / "run"), lambda _: None)
    assert sorted(folder.parent.iterdir()) == before


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


def with_weights(folder: Path, changed: dict[str, torch.Tensor]) -> None:
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    safetensors.torch.save_file(tensors | changed, folder / WEIGHTS)


def pickled(folder: Path, content: object, **how: Any) -> None:
    (folder / WEIGHTS).unlink()
    torch.save(content, folder / PICKLE, **how)


@pytest.mark.parametrize("name", ["vocab.json", "source.spm", "target.spm", WEIGHTS])
def test_a_file_that_is_missing(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, "there is n")


@pytest.mark.parametrize("name", ["config.json", "vocab.json", "source.spm", "target.spm", WEIGHTS])
@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 99, b"[" * 99_999, b"[]", b"\x0a\xff\xff\xff\xff\x0f"],
    ids=["empty", "bytes", "deep", "list", "length"],
)
def test_a_file_of_garbage(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    refused(folder, name if name != "config.json" else "opus")


@pytest.mark.parametrize("name", ["source.spm", "target.spm", WEIGHTS])
def test_a_file_that_is_cut_off(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) * 2 // 3])
    refused(folder, name)


@pytest.mark.parametrize(
    "values",
    [
        {"d_model": 1 << 30},
        {"d_model": "16"},
        {"d_model": 15},
        {"d_model": 32},
        {"encoder_layers": 1_000_000},
        {"decoder_layers": 3},
        {"decoder_layers": 1},
        {"vocab_size": 1 << 40},
        {"vocab_size": 1 << 30},
        {"vocab_size": 5},
        {"encoder_ffn_dim": 25},
        {"encoder_attention_heads": 3, "decoder_attention_heads": 3},
        {"activation_function": ["relu"]},
        {"activation_function": "gelu_new"},
        {"scale_embedding": False},
        {"share_encoder_decoder_embeddings": False},
        {"pad_token_id": -1},
        {"eos_token_id": 1 << 20},
        {"model_type": "other"},
        {"model_type": {}},
    ],
    ids=str,
)
def test_options_that_do_not_fit_the_weights(folder: Path, values: dict[str, Any]) -> None:
    change(folder / "config.json", **values)
    refused(folder, "opus")


@pytest.mark.parametrize("row", [-1, 10_000, "1", None, 1.5, 0], ids=str)
def test_rows_that_the_weights_do_not_have(folder: Path, row: object) -> None:
    change(folder / "vocab.json", new=row)
    refused(folder, r"vocab\.json")


def test_a_header_that_claims_more_than_the_file_has(folder: Path) -> None:
    claim = {
        "model.shared.weight": {"dtype": "F32", "shape": [1 << 20, 1 << 20], "data_offsets": [0, 1 << 42]}
    }
    text = json.dumps(claim).encode()
    (folder / WEIGHTS).write_bytes(len(text).to_bytes(8, "little") + text + bytes(64))
    refused(folder, "is not a valid safetensors file")


def test_weights_of_another_type_or_shape_or_not_finite_or_unknown(folder: Path) -> None:
    name = "model.encoder.layers.0.fc1.bias"
    own = (folder / WEIGHTS).read_bytes()
    wrong = {
        "expected floating point": {name: torch.zeros(24, dtype=torch.int64)},
        r"is \[7\], expected \[24\]": {name: torch.zeros(7)},
        "NaN": {name: torch.full((24,), torch.nan)},
        "is unknown": {"model.extra": torch.zeros(1)},
        "differs from the matrix": {"lm_head.weight": torch.zeros(3, 16)},
        "positions": {"model.encoder.embed_positions.weight": torch.zeros(9, 16)},
    }
    for match, changed in wrong.items():
        (folder / WEIGHTS).write_bytes(own)
        with_weights(folder, changed)
        refused(folder, match)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_runs_no_code(folder: Path, zipped: bool) -> None:
    pickled(folder, {"model.shared.weight": Bait()}, _use_new_zipfile_serialization=zipped)
    refused(folder, "is no file of weights alone")
    assert not Path("ran").exists()


def test_pickled_weights_that_claim_more_than_the_file_has(folder: Path) -> None:
    pickled(folder, {"model.shared.weight": torch.zeros(1).expand(1 << 20, 1 << 20)})
    refused(folder, "claims")
    torch.save([torch.zeros(3)], folder / PICKLE)
    refused(folder, "does not contain named weights")


def test_a_compressed_pickle(folder: Path) -> None:
    pickled(folder, {"model.shared.weight": torch.zeros(1 << 20)})
    with zipfile.ZipFile(folder / PICKLE) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(folder / PICKLE, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members.items():
            new.writestr(name, content)
    refused(folder, "is compressed")


@pytest.mark.parametrize(
    ("index", "match"),
    [
        ({}, "has no weight_map"),
        ({"weight_map": ["a"]}, "has no weight_map"),
        ({"weight_map": {"a": "../opus/config.json"}}, "is no .safetensors file beside it"),
        ({"weight_map": {"a": "../x.safetensors"}}, "is no .safetensors file beside it"),
        ({"weight_map": {"a": "/etc/x.safetensors"}}, "is no .safetensors file beside it"),
        ({"weight_map": {"a": "b.bin"}}, "is no .safetensors file beside it"),
        ({"weight_map": {"a": ["b"]}}, "is no .safetensors file beside it"),
        ({"weight_map": {"a": "b.safetensors"}}, r"there is no b\.safetensors"),
        ({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}, "is in another file too"),
    ],
)
def test_an_index_of_weights_leads_nowhere_else(folder: Path, index: object, match: str) -> None:
    for name in ("one", "two"):
        shutil.copy(folder / WEIGHTS, folder / f"{name}.safetensors")
    shutil.copy(folder / WEIGHTS, folder.parent / "x.safetensors")
    (folder / WEIGHTS).unlink()
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index), "utf-8")
    refused(folder, match)


def test_links_as_in_the_cache_of_the_hub_are_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    for path in sorted(folder.iterdir()):
        path.rename(tmp_path / "blobs" / path.name)
        path.symlink_to(tmp_path / "blobs" / path.name)
    import_model(ImportRequest(folder, tmp_path / "run"), lambda _: None)
    assert (tmp_path / "run/model/model.safetensors").is_file()


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    (folder / "vocab.json").unlink()
    os.mkfifo(folder / "vocab.json")
    refused(folder, r"there is no vocab\.json")
