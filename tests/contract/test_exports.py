"""What every export keeps: the tokens of the native engine, and its log-probabilities."""

from __future__ import annotations

import json
import random
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import assert_never

import ctranslate2
import numpy as np
import pytest
import sentencepiece
import torch
import transformers
from torch import Tensor

from mtkit.config.architecture import refusals
from mtkit.config.data import TokenizerConfig
from mtkit.config.decode import DecodeConfig
from mtkit.config.export import FORMATS, ExportFormat
from mtkit.config.load import load_config
from mtkit.config.model import ModelConfig
from mtkit.config.text import TextConfig
from mtkit.convert import huggingface
from mtkit.convert.argos import write_argos
from mtkit.convert.ctranslate2 import MAX_POSITIONS, build_spec
from mtkit.convert.weights import Weights
from mtkit.data.feed.batch import collate
from mtkit.decode.generate import NEVER, generate
from mtkit.decode.hypothesis import EXTRA_LENGTH
from mtkit.decode.scorer import ModelScorer
from mtkit.engine.ct2 import CTranslate2Engine
from mtkit.engine.native import NativeEngine
from mtkit.errors import UsageError
from mtkit.model.checkpoint import load_model, weights_of, write_model
from mtkit.model.state import DecoderState
from mtkit.model.transformer import Transformer, build_model
from mtkit.runs.exports import read_export
from mtkit.runs.model_bin import KNOWN, expected_variables
from mtkit.runs.training import Training
from mtkit.text.form import TextForm
from mtkit.text.subwords import train_subwords
from mtkit.text.tokenizer import Tokenizer, load_tokenizer
from tests.support.choices import MODEL_CHOICES
from tests.support.fakes import TINY_PAIRS, TINY_RUN, export_unchecked

KNOWN_CHOICES = {
    name: [value for value in values if value in (KNOWN[name] or ())]
    for name, values in MODEL_CHOICES.items()
}
VARIANTS: list[Mapping[str, object]] = [
    {},
    *(
        {name: value}
        for name, values in KNOWN_CHOICES.items()
        for value in values
        if value != getattr(ModelConfig(), name)
    ),
    {"norm": "post", "bias": "feed_forward", "norm_type": "rmsnorm"},
    {"activation": "gelu", "tie_embeddings": "tgt"},
    {"activation": "swiglu", "bias": "none"},
    {"activation": "swiglu", "tie_embeddings": "none", "norm": "post"},
    {"num_kv_heads": 2},
    {"norm_epsilon": 0.01, "norm": "post", "wavelengths": "tensor2tensor", "start_embedding": "zero"},
    {"num_kv_heads": 1, "positions": "rope"},
    {"position_offset": 2, "wavelengths": "tensor2tensor"},
    {"embedding_norm": True, "positions": "learned", "activation": "gelu"},
    {"norm_type": "rmsnorm", "activation": "swiglu", "positions": "rope", "num_kv_heads": 2, "bias": "none"},
]
STEPS = 30
SIZES = {
    "d_model": 16,
    "d_ff": 32,
    "num_heads": 4,
    "num_encoder_layers": 2,
    "num_decoder_layers": 3,
    "max_positions": 20,
}
SRCS = [[random.Random(100 * i + j).randrange(4, 28) for j in range(i)] for i in range(1, 40)]


def learn_to_end(model: Transformer, vocab_size: int) -> None:
    """A little training in copying, after which few translations go on until they are cut off."""
    generator = np.random.default_rng(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(STEPS):
        lines = [generator.integers(4, vocab_size, generator.integers(2, 8)) for _ in range(16)]
        batch = collate(lines, lines)
        logits = model(batch.src_ids, batch.src_mask, batch.tgt_in).flatten(0, 1)[batch.tgt_rows]
        torch.nn.functional.cross_entropy(logits, batch.tgt_out).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()


def make_model(variant: Mapping[str, object], tmp_path: Path) -> Path:
    """The folder of a model of one variant, with weights of which every one matters."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY_RUN.format(run="run"), "utf-8")
    overrides = [f"model.{name}={value}" for name, value in {**SIZES, **variant}.items()]
    overrides.append("data.filters=[]")  # one of them would not fit a short table of positions
    config = load_config([path], overrides).config
    src = train_subwords([*TINY_PAIRS, *TINY_PAIRS.values()] * 20, config.tokenizer)
    separate = config.model.tie_embeddings == "none"
    tgt = train_subwords([*TINY_PAIRS.values()] * 20, config.tokenizer) if separate else src
    tokenizer = Tokenizer(src, tgt)
    model = build_model(config.model, tokenizer.src.size, tokenizer.tgt.size, seed=3)
    learn_to_end(model, min(tokenizer.src.size, tokenizer.tgt.size))
    write_model(config.run / "model", config, tokenizer, weights_of(model), training=Training(1))
    return config.run / "model"


@pytest.fixture(params=VARIANTS, ids=str)
def model_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make_model(request.param, tmp_path)


class ScorerOfTheRest(ModelScorer):
    """Takes the pieces that are never written out before the softmax, as CTranslate2 does."""

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        logits, state = self.model.step(tokens, state)
        logits[:, NEVER] = -torch.inf
        return logits.log_softmax(dim=-1), state


@torch.inference_mode()
def test_ctranslate2_searches_and_scores_as_the_native_engine(model_folder: Path) -> None:
    output = model_folder.parent / "export"
    export_unchecked(model_folder, output, "float32")
    loaded = load_model(model_folder)
    other = CTranslate2Engine(output, loaded.tokenizer, MAX_POSITIONS)
    for beam_size, length_penalty in ((1, 1.0), (4, 1.0), (3, 0.6)):
        options = DecodeConfig(beam_size=beam_size, length_penalty=length_penalty)
        expected = generate(ScorerOfTheRest(loaded.model), SRCS, options)
        compared = 0
        for src, [ours, *_], [theirs, *_] in zip(SRCS, expected, other.decode(SRCS, options), strict=True):
            if len(ours.ids) < 2 * len(src) + EXTRA_LENGTH > len(theirs.ids):
                assert theirs.ids == ours.ids
                assert theirs.score == pytest.approx(ours.score, abs=1e-4)
                compared += 1

        assert compared >= 20
    tgts = [[4 + number % 17 for number in reversed(src)] for src in SRCS]
    options = DecodeConfig(length_penalty=0.6)
    native = NativeEngine(loaded.model, "cpu", "fp32")
    scored = zip(native.score(SRCS, tgts, options), other.score(SRCS, tgts, options), strict=True)
    for ours, theirs in scored:
        assert theirs.ids == ours.ids
        assert theirs.score == pytest.approx(ours.score, abs=1e-4)
        assert theirs.token_scores == pytest.approx(ours.token_scores, abs=1e-4)


@torch.inference_mode()
def test_ctranslate2_finds_the_hypotheses_and_the_links_of_the_native_engine(model_folder: Path) -> None:
    output = model_folder.parent / "export"
    export_unchecked(model_folder, output, "float32")
    loaded, exported = load_model(model_folder), read_export(output)
    native = NativeEngine(loaded.model, "cpu", "fp32")
    other = CTranslate2Engine(exported.files, loaded.tokenizer, MAX_POSITIONS, aligns=exported.aligns)
    # 1. All hypotheses.
    options = DecodeConfig(beam_size=3)
    expected, compared = generate(ScorerOfTheRest(loaded.model), SRCS, options), 0
    for src, ours, theirs in zip(SRCS, expected, other.decode(SRCS, options), strict=True):
        if all(len(hyp.ids) < 2 * len(src) + EXTRA_LENGTH for hyp in (*ours, *theirs)):
            assert [hyp.ids for hyp in theirs] == [hyp.ids for hyp in ours]
            assert [hyp.score for hyp in theirs] == pytest.approx([hyp.score for hyp in ours], abs=1e-4)
            compared += 1
    assert compared >= 15
    # 2. The links of targets of all lengths, none included.
    tgts = [[4 + number % 17 for number in reversed(src)][: i % 11] for i, src in enumerate(SRCS)]
    assert other.aligns
    assert other.align(SRCS, tgts, options) == native.align(SRCS, tgts, options)


def test_outputs_that_are_too_long_are_cut_as_if_searched_up_to_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "STEPS", 0)  # a model that never learned to end
    folder, output = make_model({}, tmp_path), tmp_path / "export"
    export_unchecked(folder, output, "float32")
    tokenizer = load_model(folder).tokenizer
    options = DecodeConfig(beam_size=1, max_len_ratio=1.0)
    found = []
    for scores in (True, False):
        engine = CTranslate2Engine(output, tokenizer, MAX_POSITIONS)
        found.append([hyp.ids for [hyp, *_] in engine.decode(SRCS, options, scores=scores)])
    searched, cut = found
    assert cut == searched
    limits = [len(src) + EXTRA_LENGTH for src in SRCS]
    assert sum(len(ids) == limit for ids, limit in zip(cut, limits, strict=True)) >= 20


@pytest.mark.parametrize("beam_size", [1, 4])
def test_an_int8_export_decodes_a_sentence_alone_as_among_others(beam_size: int, tmp_path: Path) -> None:
    folder, output = make_model({}, tmp_path), tmp_path / "export"
    export_unchecked(folder, output, "int8")
    tokenizer = load_model(folder).tokenizer
    engine = CTranslate2Engine(output, tokenizer, MAX_POSITIONS)
    draw, options = random.Random(5), DecodeConfig(beam_size=beam_size)
    lengths = [draw.randrange(1, 40) for _ in range(120)]
    srcs = [[*draw.choices(range(4, tokenizer.src.size), k=length), Tokenizer.EOS] for length in lengths]
    alone = [engine.decode([src], options)[0] for src in srcs]
    assert engine.decode(srcs, options) == alone  # to the last bit of each score
    draw.shuffle(order := list(range(len(srcs))))
    assert engine.decode([srcs[i] for i in order], options) == [alone[i] for i in order]


def test_huggingface_scores_as_the_native_engine_or_is_refused(model_folder: Path, tmp_path: Path) -> None:
    loaded = load_model(model_folder)
    new = tmp_path / "huggingface"
    new.mkdir()
    if reasons := refusals(loaded.config.model, huggingface.known(loaded.config.model)):
        with pytest.raises(UsageError) as caught:
            huggingface.write_huggingface(model_folder, new)
        assert all(reason in caught.value.message for reason in reasons)
        assert not list(new.iterdir())
        return
    huggingface.write_huggingface(model_folder, new)
    srcs = SRCS[:15]
    tgts = [list(reversed(src)) for src in srcs]
    ours = NativeEngine(loaded.model, "cpu", "fp32").score(srcs, tgts, DecodeConfig())
    theirs = huggingface.scores_in_transformers(new, srcs, tgts)
    for our_hyp, their_scores in zip(ours, theirs, strict=True):
        assert their_scores == pytest.approx(our_hyp.token_scores, abs=1e-4)


def test_text_that_only_mtkit_reads_goes_to_no_one_else() -> None:
    model = train_subwords([*TINY_PAIRS] * 20, TokenizerConfig(vocab_size=60))
    assert Tokenizer(model).refusals_elsewhere() == []
    form = TextForm(TextConfig(quotes="straight", casing="lower"))
    other = train_subwords([*TINY_PAIRS.values()] * 20, TokenizerConfig(vocab_size=60))
    assert len(Tokenizer(model, other, form).refusals_elsewhere()) == 3


def refusals_of(to: ExportFormat, model: ModelConfig) -> list[str]:
    match to:
        case "ctranslate2" | "argos":  # which packs the former
            return refusals(model, KNOWN)
        case "huggingface":
            return refusals(model, huggingface.known(model))
        case _:
            assert_never(to)


@pytest.mark.parametrize("to", FORMATS)
def test_every_value_that_a_format_does_not_know_is_refused(to: ExportFormat) -> None:
    assert refusals_of(to, ModelConfig()) == []
    novel = ModelConfig().model_copy(update=dict.fromkeys(MODEL_CHOICES, "novel"))
    for name, reason in zip(MODEL_CHOICES, refusals_of(to, novel), strict=True):
        assert reason.startswith(f"model.{name} = novel is not supported, only ")


@pytest.mark.parametrize("to", FORMATS)
def test_an_option_that_a_format_does_not_know_is_refused(to: ExportFormat) -> None:
    class Novel(ModelConfig):
        softcap: float | None = None
        query_norm: bool = False

    assert refusals_of(to, Novel()) == []
    assert refusals_of(to, Novel(softcap=30.0, query_norm=True)) == [
        "model.softcap = 30.0 is not supported",
        "model.query_norm = True is not supported",
    ]


def test_all_reasons_against_ctranslate2_are_told_at_once() -> None:
    model = train_subwords([*TINY_PAIRS] * 20, TokenizerConfig(vocab_size=60))
    novel = ModelConfig().model_copy(update={"positions": "alibi", "activation": "mish"})
    found = r"model\.activation = mish is not supported, only .*; model\.positions = alibi is not supported"
    with pytest.raises(UsageError, match=found):
        build_spec(novel, Weights({}), Tokenizer(model))
    with pytest.raises(ValueError, match=found):
        expected_variables(novel, 60, 60, "int8", MAX_POSITIONS)


def test_what_huggingface_refuses() -> None:
    refused = {"num_kv_heads": 2, "norm_type": "rmsnorm", "activation": "swiglu", "positions": "rope"}
    config = ModelConfig.model_validate({**refused, "tie_embeddings": "tgt"})
    assert len(refusals_of("huggingface", config)) == 5
    paper = ModelConfig.model_validate({"norm": "post", "bias": "feed_forward", "num_kv_heads": 8})
    assert refusals_of("huggingface", paper) == []


def test_huggingface_tokenizes_as_mtkit_and_back(tmp_path: Path) -> None:
    model_folder = make_model({}, tmp_path)
    new = tmp_path / "huggingface"
    new.mkdir()
    huggingface.write_huggingface(model_folder, new)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it recommends a package for punctuation
        theirs = transformers.AutoTokenizer.from_pretrained(new)
    ours = load_tokenizer(model_folder, TextConfig())
    for text in (*TINY_PAIRS, "the cat 今 sat"):
        [ids] = ours.encode([text])
        assert theirs(text)["input_ids"] == [*ids, ours.EOS]
        spoken = str(theirs.decode([ours.BOS, *ids, ours.EOS, ours.PAD], skip_special_tokens=True))
        assert spoken.split() == [word for word in text.split() if word != "今"]


def test_argos_packs_what_ctranslate2_and_sentencepiece_load(tmp_path: Path) -> None:
    model_folder = make_model({}, tmp_path)
    export_unchecked(model_folder, tmp_path / "export", "int8")
    exported = read_export(tmp_path / "export")
    with pytest.raises(UsageError, match="argosmodel"):
        write_argos(exported, tmp_path / "x.zip")
    write_argos(exported, tmp_path / "x.argosmodel")
    first = (tmp_path / "x.argosmodel").read_bytes()
    write_argos(exported, tmp_path / "x.argosmodel")
    assert (tmp_path / "x.argosmodel").read_bytes() == first
    with zipfile.ZipFile(tmp_path / "x.argosmodel") as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"translate-en_fr-1_0"}
        archive.extractall(tmp_path / "packages")
    # As argostranslate reads an installed package.
    package = tmp_path / "packages" / "translate-en_fr-1_0"
    metadata = json.loads((package / "metadata.json").read_text("utf-8"))
    assert (metadata["from_code"], metadata["to_code"]) == ("en", "fr")
    assert (metadata["from_name"], metadata["to_name"], metadata["type"]) == (
        "English",
        "French",
        "translate",
    )
    spm = sentencepiece.SentencePieceProcessor(model_file=str(package / "sentencepiece.model"))
    translator = ctranslate2.Translator(str(package / "model"), device="cpu", intra_threads=1)
    pieces = spm.encode("the cat sat", out_type=str)
    options = {"replace_unknowns": True, "max_batch_size": 32, "beam_size": 4, "length_penalty": 0.2}
    [found] = translator.translate_batch([pieces], return_scores=True, **options)
    assert found.scores[0] < 0
