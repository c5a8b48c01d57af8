from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from mtkit.config.architecture import TRAINING_ONLY
from mtkit.config.decode import DecodeConfig
from mtkit.config.export import QUANTIZATIONS, AskedQuantization, ExportFormat
from mtkit.config.fixed import DecodeMethod
from mtkit.config.model import ModelConfig
from mtkit.config.text import TextConfig
from mtkit.convert import ctranslate2, huggingface, run
from mtkit.convert.ctranslate2 import MAX_POSITIONS, build_spec, write_ctranslate2
from mtkit.convert.parity import Differences, Parity
from mtkit.convert.weights import Weights
from mtkit.engine.ct2 import CTranslate2Engine
from mtkit.engine.native import NativeEngine
from mtkit.errors import GateError, InputError, UsageError
from mtkit.model.checkpoint import weights_of
from mtkit.model.transformer import build_model
from mtkit.runs.exports import check_files, export_of, own_files, own_texts, read_export
from mtkit.runs.model_bin import KNOWN, STORED, check_model_bin, expected_variables, most_bytes
from mtkit.text.subwords import Subwords
from mtkit.text.tokenizer import Tokenizer, load_tokenizer
from tests.support.choices import MODEL_CHOICES
from tests.support.fakes import export_unchecked, make_tiny_run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    make_tiny_run(tmp_path)
    return tmp_path / "runs" / "tiny" / "model"


def test_every_option_of_the_model_is_accounted_for() -> None:
    assert ModelConfig.model_fields.keys() == KNOWN.keys() | TRAINING_ONLY
    assert not KNOWN.keys() & TRAINING_ONLY


def test_a_weight_without_a_place_is_refused() -> None:
    weights = Weights({"a": np.zeros(1, np.float32), "b": np.zeros(1, np.float32)})
    weights("a")
    with pytest.raises(UsageError, match="1 weights of this model, such as b"):
        weights.check_all_used("export")


def test_a_failed_check_leaves_nothing_and_a_good_one_is_in_the_manifest(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same, far = Differences(0.0, 0.0), Differences(0.2, 0.4)
    results = iter(
        [
            Parity(8, 8, 0, 0, same),
            Parity(8, 8, 0, 0, far),
            Parity(8, 8, 0, 0, same),
            Parity(8, 7, 0, 0, same),
        ]
    )
    said: list[str] = []
    monkeypatch.setattr(ctranslate2, "compare", lambda *_: next(results))
    with pytest.raises(GateError, match=r"differ by 0\.2"):
        write_ctranslate2(model, tmp_path / "out", "int8", said.append)
    assert [line.split(":")[0] for line in said] == ["float32", "int8"]
    assert not list(tmp_path.glob("out*")) + list(tmp_path.glob(".tmp*"))
    write_ctranslate2(model, tmp_path / "out", "int8", said.append)
    checked = json.loads((tmp_path / "out" / "manifest.json").read_text())["checked"]
    assert (checked["int8"]["sentences"], checked["int8"]["same"]) == (8, 7)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    own = {"config.json", "model.bin", "shared_vocabulary.json"}
    assert names == own | {"config.yaml", "manifest.json", "tokenizer.model", ".mtkit"}
    exported = read_export(tmp_path / "out")
    assert (exported.quantization, exported.src_lang, exported.decode["beam_size"]) == ("int8", "en", 2)


@pytest.mark.parametrize("method", get_args(DecodeMethod))
@pytest.mark.parametrize("kind", ["ctranslate2", "huggingface"])
def test_an_export_is_compared_by_plain_beam_search_whatever_the_method_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: DecodeMethod, kind: ExportFormat
) -> None:
    own = {"method": method, "beam_size": 4, "length_penalty": 0.5, "min_len": 60, "no_repeat_ngram_size": 2}
    make_tiny_run(tmp_path, *(f"decode.{name}={value}" for name, value in own.items()))
    asked: list[DecodeConfig] = []
    decode = NativeEngine.decode

    def watched(self: NativeEngine, src_ids: list[list[int]], options: DecodeConfig) -> object:
        asked.append(options)
        return decode(self, src_ids, options)

    def compared(native: NativeEngine, _: object, srcs: list[list[int]], options: DecodeConfig) -> Parity:
        native.decode(srcs, options)
        return Parity(8, 8, 0, 0, Differences(0.0, 0.0))

    monkeypatch.setattr(NativeEngine, "decode", watched)
    monkeypatch.setattr(ctranslate2, "compare", compared)
    monkeypatch.setattr(run, "differences", lambda *_: Differences(0.0, 0.0))
    monkeypatch.setattr(huggingface, "scores_in_transformers", lambda *_: [])
    run.export_model(tmp_path / "runs" / "tiny" / "model", kind, "float32", lambda _: None, sample=2)
    assert asked == [DecodeConfig(beam_size=4, length_penalty=0.5)]


@pytest.mark.parametrize(
    ("asked", "worse", "mean", "stored"),
    [
        ("auto", 6, 0.09, "int8"),
        ("auto", 7, 0.01, "float32"),
        ("auto", 0, 0.11, "float32"),
        ("int8", 64, 0.01, "int8"),
    ],
)
def test_weights_are_rounded_only_if_few_translations_become_worse(
    asked: AskedQuantization,
    worse: int,
    mean: float,
    stored: str,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exact = Parity(64, 64, 0, 0, Differences(0.0, 0.0))
    rounded = Parity(64, 14, 0, worse, Differences(mean, 0.5))
    results = iter([exact, rounded, exact])
    said: list[str] = []
    monkeypatch.setattr(ctranslate2, "compare", lambda *_: next(results))
    write_ctranslate2(model, tmp_path / "out", asked, said.append)
    assert read_export(tmp_path / "out").quantization == stored
    assert said[1].startswith("int8: 14 of 64 ")
    assert f"scores differ by {mean:g} on average; worse translations: {worse}" in said[1]
    assert ("so the weights are stored as float32" in said[-1]) == (stored == "float32")
    checked = json.loads((tmp_path / "out" / "manifest.json").read_text())["checked"]
    assert (checked["int8"]["worse"], checked["float32"]["worse"]) == (worse, 0)


def test_the_export_of_other_weights_is_not_used(model: Path) -> None:
    assert export_of(model) is None
    export = model.parent / "export" / "ctranslate2"
    export_unchecked(model, export, "float32")
    assert export_of(model) == export_of(export) == export
    manifest = (model / "manifest.json").read_text()
    of_weights = re.search(r'model\.safetensors".*?"sha256": "(\w+)"', manifest, re.DOTALL)
    assert of_weights
    (model / "manifest.json").write_text(manifest.replace(of_weights[1], "0" * 64))
    assert export_of(model) is None


@pytest.mark.parametrize("name", ["model.bin", "config.json", "shared_vocabulary.json", "tokenizer.model"])
def test_a_changed_byte_is_found_before_ctranslate2_sees_it(model: Path, tmp_path: Path, name: str) -> None:
    export_unchecked(model, tmp_path / "out", "int8")
    content = bytearray((tmp_path / "out" / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "out" / name).write_bytes(content)
    with pytest.raises(InputError, match=re.escape(name)):
        read_export(tmp_path / "out")


def test_a_long_sentence_has_its_own_limit_whatever_its_neighbours(model: Path, tmp_path: Path) -> None:
    """An untrained model goes on and on: each translation ends at the limit of its own source."""
    from mtkit.config.decode import DecodeConfig

    export_unchecked(model, tmp_path / "out", "float32")
    tokenizer = load_tokenizer(tmp_path / "out", TextConfig())
    engine = CTranslate2Engine(tmp_path / "out", tokenizer, MAX_POSITIONS)
    options = DecodeConfig(beam_size=1)
    srcs = [[4 + (i * j) % 9 for j in range(i)] for i in range(1, 50, 3)]
    together = engine.decode(srcs, options)
    alone = [engine.decode([src], options)[0] for src in srcs]
    assert [hyps[0].ids for hyps in together] == [hyps[0].ids for hyps in alone]
    lengths = [len(hyps[0].ids) for hyps in together]
    assert all(length <= 2 * len(src) + 50 for src, length in zip(srcs, lengths, strict=True))
    assert any(length == 2 * len(src) + 50 for src, length in zip(srcs, lengths, strict=True))


LAYOUTS: dict[str, Sequence[object]] = {
    **MODEL_CHOICES,
    "decoder": ["attention"],
    "norm_epsilon": [1e-5, 1e-6],
    "max_positions": [20, 3000],
    "num_heads": [1, 2, 4],
    "num_kv_heads": [None, 1],
    "num_encoder_layers": [1, 2],
    "num_decoder_layers": [1, 2],
}


@pytest.mark.parametrize("seed", range(24))
def test_the_variables_that_are_expected_are_those_that_ctranslate2_writes(
    model: Path, tmp_path: Path, seed: int
) -> None:
    """Its own package is the independent word; equal arrays, as those of fresh norms, become aliases."""
    draw = random.Random(seed)
    chosen = {name: draw.choice(values) for name, values in LAYOUTS.items()}
    config = ModelConfig.model_validate({"d_model": 16, "d_ff": 24, **chosen})
    quantization = QUANTIZATIONS[seed % len(QUANTIZATIONS)]
    tokenizer = load_tokenizer(model, TextConfig())
    network = build_model(config, tokenizer.src.size, tokenizer.tgt.size, seed=1)
    spec = build_spec(config, Weights({n: w.numpy() for n, w in weights_of(network).items()}), tokenizer)
    spec.validate()
    spec.optimize(None if quantization == "float32" else quantization)
    (tmp_path / "out").mkdir()
    spec.save(str(tmp_path / "out"))
    sizes = tokenizer.src.size, tokenizer.tgt.size
    variables = expected_variables(config, *sizes, quantization, MAX_POSITIONS)
    files = own_files(tmp_path / "out")
    check_files(tmp_path / "out", files, own_texts(tokenizer, config.norm_epsilon), variables)
    assert len(files["model.bin"]) <= most_bytes(variables)
    other = ModelConfig.model_validate({"d_model": 16, "d_ff": 32, **chosen})
    with pytest.raises(InputError, match=r"ffn.*expected"):
        check_model_bin(
            files["model.bin"], expected_variables(other, *sizes, quantization, MAX_POSITIONS), tmp_path
        )


def test_how_each_quantization_is_stored_is_known() -> None:
    assert STORED.keys() == {*QUANTIZATIONS}


def test_a_model_that_the_file_has_no_room_for_is_refused() -> None:
    config = ModelConfig.model_validate({"d_model": 16384, "d_ff": 65536, "num_heads": 1})
    with pytest.raises(ValueError, match=r"has 4,294,967,296 bytes, at most 4,294,967,295 can be stored"):
        expected_variables(config, 100, 100, "float32", 2048)


def test_special_pieces_that_are_spelt_otherwise_are_refused(model: Path) -> None:
    """CTranslate2 would give a missing one an id beyond the embeddings."""
    tokenizer = load_tokenizer(model, TextConfig())
    renamed = tokenizer.tgt.model_bytes.replace(b"</s>", b"</S>")
    other = Subwords(renamed + b"\x12\x07\xfa\x02\x04</S>")  # its trainer_spec.eos_piece
    with pytest.raises(InputError, match="the special pieces of the source are"):
        own_texts(Tokenizer(other, tokenizer.tgt), 1e-5)
    copy = Subwords(tokenizer.tgt.model_bytes)
    assert own_texts(Tokenizer(copy, tokenizer.tgt), 1e-5) == own_texts(tokenizer, 1e-5)
