"""Damaged or hostile folders of M2M-100, NLLB and mBART-50: one error, no run folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from mtkit.convert.import_run import ImportRequest, import_model
from mtkit.errors import InputError
from tests.support.foreign import write_fairseq

WEIGHTS = "model.safetensors"
FAMILIES = ("m2m", "nllb", "mbart")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("fairseq")
    return {family: write_fairseq(root / family, family) for family in FAMILIES}


def refused(folder: Path, match: str) -> None:
    with pytest.raises(InputError, match=match) as found:
        import_model(ImportRequest(folder, folder.parent / "run"), lambda _: None)
    assert found.value.exit_code == 3
    assert not (folder.parent / "run").exists()


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


def of(folders: dict[str, Path], family: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folders[family], tmp_path / family))


@pytest.mark.parametrize(
    ("family", "name"),
    [
        *((family, "sentencepiece.bpe.model") for family in FAMILIES),
        *((family, WEIGHTS) for family in FAMILIES),
        ("m2m", "vocab.json"),
        ("nllb", "tokenizer.json"),
    ],
)
@pytest.mark.parametrize("damage", ["missing", "empty", "noise", "cut"])
def test_a_file_that_is_damaged(
    folders: dict[str, Path], family: str, name: str, damage: str, tmp_path: Path
) -> None:
    path = of(folders, family, tmp_path) / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        new = {"empty": b"", "noise": bytes(range(256)) * 9, "cut": content[: len(content) // 2]}
        path.write_bytes(new[damage])
    refused(path.parent, name if damage != "missing" else "there is n")


@pytest.mark.parametrize(
    ("family", "changed", "said"),
    [
        ("m2m", {"scale_embedding": False}, "scale_embedding = False"),
        ("m2m", {"decoder_start_token_id": 5}, "decoder_start_token_id = 5"),
        ("mbart", {"decoder_start_token_id": None}, "decoder_start_token_id = None"),
        ("m2m", {"vocab_size": 150}, "not below the size"),
        ("m2m", {"vocab_size": 1 << 30}, "shared.weight"),
        ("nllb", {"vocab_size": "many"}, "vocab_size = 'many'"),
        ("nllb", {"d_model": 15}, "no model that mtkit can build"),
        ("m2m", {"activation_function": "tanh"}, "activation_function = 'tanh'"),
        ("mbart", {"max_position_embeddings": 64}, "embed_positions.weight"),
        ("mbart", {"max_position_embeddings": 1 << 30}, "no model that mtkit can build"),
        ("mbart", {"encoder_layers": 3}, "is missing"),
        ("nllb", {"decoder_layers": 1}, "is unknown"),
    ],
)
def test_a_config_that_does_not_fit(
    folders: dict[str, Path], family: str, changed: dict[str, Any], said: str, tmp_path: Path
) -> None:
    folder = of(folders, family, tmp_path)
    change(folder / "config.json", **changed)
    refused(folder, said)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ("none", "lists no languages"),
        ([1, {"content": ["eng_Latn"], "id": 150}], "lists no languages"),
        ([{"content": "eng_Latn", "id": -1}, {"content": "fra_Latn", "id": 9999}], "not below the size"),
        ([{"content": "eng_Latn", "id": 5}, {"content": "fra_Latn", "id": 6}], "two pieces have one id"),
        ([{"content": "eng_Latn", "id": [1]}, {"content": "fra_Latn", "id": 6}], "not below the size"),
    ],
)
def test_languages_that_are_no_rows(
    folders: dict[str, Path], tokens: object, said: str, tmp_path: Path
) -> None:
    folder = of(folders, "nllb", tmp_path)
    change(folder / "tokenizer.json", added_tokens=tokens)
    refused(folder, said)


def test_ids_that_are_no_rows(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = of(folders, "m2m", tmp_path)
    for row, said in ((-1, "not below"), (1 << 40, "not below"), ("0", "not below"), (0, "two pieces")):
        change(folder / "vocab.json", **{"▁the": row})
        refused(folder, said)


def test_words_of_another_model(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = of(folders, "m2m", tmp_path)
    change(folder / "tokenizer_config.json", language_codes="wmt21")
    refused(folder, "language_codes = 'wmt21'")


def test_a_table_of_positions_that_is_another_one(folders: dict[str, Path], tmp_path: Path) -> None:
    from transformers.models.m2m_100.modeling_m2m_100 import M2M100SinusoidalPositionalEmbedding

    folder = of(folders, "m2m", tmp_path)
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    name = "model.encoder.embed_positions.weights"
    tensors[name] = M2M100SinusoidalPositionalEmbedding.get_embedding(66, 16, padding_idx=1)
    safetensors.torch.save_file(tensors, folder / WEIGHTS)
    import_model(ImportRequest(folder, tmp_path / "good"), lambda _: None)  # as older files have it
    tensors[name] = torch.ones(66, 16)
    safetensors.torch.save_file(tensors, folder / WEIGHTS)
    refused(folder, "positions are not")
