"""Models in Marian's own files against a plain computation of what they predict."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import sentencepiece
import torch
import yaml

from mtkit.config.decode import DecodeConfig
from mtkit.convert.import_run import ImportRequest, import_model
from mtkit.convert.run import export_model
from mtkit.engine.ct2 import CTranslate2Engine
from mtkit.engine.native import NativeEngine
from mtkit.errors import UsageError
from mtkit.model.checkpoint import LoadedModel, load_model
from mtkit.text.tokenizer import Tokenizer
from tests.support.foreign import EN, FR
from tests.support.marian import Plain, write_marian, write_shortlist


def imported(folder: Path) -> LoadedModel:
    run = folder.parent / "run"
    import_model(ImportRequest(folder, run, "en", "fr"), lambda _: None)
    return load_model(run / "model")


@pytest.mark.parametrize(
    ("form", "past", "activation", "separate"),
    [
        ("npz", "self-attention", "swish", False),
        ("bin", "rnn", "relu", False),
        ("intgemm8", "rnn", "relu", False),
        ("intgemm8", "self-attention", "relu", True),
        ("npz", "rnn", "swish", True),
    ],
)
@torch.inference_mode()
def test_log_probabilities_are_those_of_marian(
    form: str, past: str, activation: str, separate: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "marian"
    plain = Plain(write_marian(folder, form, past, activation, separate), past, activation)
    own = imported(folder)
    spms = sorted(folder.glob("*.spm"))
    theirs = [sentencepiece.SentencePieceProcessor(model_file=str(spms[i])) for i in (0, -1)]
    pieces = own.tokenizer.tgt.pieces(range(own.tokenizer.tgt.size))
    real = [i for i in range(len(pieces)) if i not in (Tokenizer.PAD, Tokenizer.BOS)]
    rows = [theirs[1].piece_to_id(pieces[i]) for i in real]
    for src, tgt in zip(EN, FR, strict=True):
        [src_ids], [tgt_ids] = own.tokenizer.encode([src]), own.tokenizer.tgt.encode([tgt])
        their_tgt = theirs[1].encode(tgt)
        assert own.tokenizer.tgt.pieces(tgt_ids) == theirs[1].encode(tgt, out_type=str)
        expected = plain.log_probs([*theirs[0].encode(src), 0], their_tgt)[:, rows]
        expected -= torch.tensor(expected).logsumexp(-1, keepdim=True).numpy()  # without unused rows
        ids = torch.tensor([[*src_ids, Tokenizer.EOS]])
        tgt_in = torch.tensor([[Tokenizer.BOS, *tgt_ids]])
        found = own.model(ids, torch.ones_like(ids, dtype=torch.bool), tgt_in)[0].log_softmax(-1)
        torch.testing.assert_close(found[:, real], torch.tensor(expected).float(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("keep", [False, True])
@torch.inference_mode()
def test_a_model_of_opus_has_the_rows_of_its_table(keep: bool, tmp_path: Path) -> None:
    folder = tmp_path / "marian"
    plain = Plain(
        write_marian(folder, "npz", "self-attention", "swish", opus=True), "self-attention", "swish"
    )
    run = tmp_path / "run"
    import_model(ImportRequest(folder, run, "en", "fr", keep_vocabulary=keep), lambda _: None)
    own = load_model(run / "model")
    assert (own.config.decode.beam_size, own.config.decode.length_penalty) == (6, 0.6)
    (path,) = folder.glob("*.vocab.yml")
    table: dict[str, int] = yaml.safe_load(path.read_text("utf-8"))
    sides = []
    for subwords in (own.tokenizer.src, own.tokenizer.tgt):
        pieces = subwords.pieces(range(subwords.size))
        sides.append([table.get(p, table.get(f">>{p[1:-1]}<<", 1)) for p in pieces])
    assert ({*sides[1]} == {*table.values()}) == keep
    real = [i for i in range(len(sides[1])) if i not in (Tokenizer.PAD, Tokenizer.BOS)]
    rows = [sides[1][i] for i in real]
    for src, tgt in zip(own.tokenizer.encode(EN, [["fra"]] * 6), own.tokenizer.tgt.encode(FR), strict=True):
        theirs = [*(sides[0][i] for i in src), table["</s>"]]
        assert theirs[0] == table[">>fra<<"]
        expected = plain.log_probs(theirs, [sides[1][i] for i in tgt])[:, rows]
        expected -= torch.tensor(expected).logsumexp(-1, keepdim=True).numpy()
        ids, tgt_in = torch.tensor([[*src, Tokenizer.EOS]]), torch.tensor([[Tokenizer.BOS, *tgt]])
        found = own.model(ids, torch.ones_like(ids, dtype=torch.bool), tgt_in)[0].log_softmax(-1)
        torch.testing.assert_close(found[:, real], torch.tensor(expected).float(), rtol=0, atol=1e-4)


@torch.inference_mode()
def test_translations_consist_of_the_pieces_in_the_shortlist(tmp_path: Path) -> None:
    """Greedy search against choosing among the candidates by the plain computation."""
    folder = tmp_path / "marian"
    plain = Plain(write_marian(folder), "rnn", "relu")
    (spm,) = map(str, folder.glob("*.spm"))
    theirs = sentencepiece.SentencePieceProcessor(model_file=spm)
    draw, size = random.Random(1), theirs.get_piece_size()
    lists = [draw.sample(range(2, size), draw.randint(0, 4)) for _ in range(size)]
    write_shortlist(folder, 6, lists)
    own = imported(folder)
    engine = NativeEngine(own.model, "cpu", "fp32", shortlist=own.shortlist)
    unbound = NativeEngine(own.model, "cpu", "fp32")
    srcs, options = own.tokenizer.encode(EN), DecodeConfig(beam_size=1, max_len_ratio=1.0)
    differing = 0
    decoded = zip(EN, engine.decode(srcs, options), unbound.decode(srcs, options), strict=True)
    for text, [found, *_], [free, *_] in decoded:
        src, tgt = [*theirs.encode(text), 0], list[int]()
        candidates = sorted({*range(6), *(i for token in src[:-1] for i in lists[token])} - {1})
        for _ in range(8):
            scores = plain.log_probs(src, tgt)[-1, candidates]
            tgt.append(candidates[int(scores.argmax())])
            if tgt[-1] == 0:
                break
        pieces = [theirs.id_to_piece(token) for token in tgt if token]
        assert own.tokenizer.tgt.pieces(found.ids)[: len(pieces)] == pieces
        differing += found.ids != free.ids
    assert differing > 2


def test_without_the_shortlist_every_piece_can_be_output(tmp_path: Path) -> None:
    write_marian(tmp_path / "marian")
    write_shortlist(tmp_path / "marian", 6, [[] for _ in range(128)])
    run = tmp_path / "whole"
    import_model(ImportRequest(tmp_path / "marian", run, "en", "fr", keep_vocabulary=True), lambda _: None)
    assert load_model(run / "model").shortlist is None
    assert imported(tmp_path / "marian").shortlist is not None


def test_a_decoder_with_attention_is_exported_to_ctranslate2(tmp_path: Path) -> None:
    write_marian(tmp_path / "marian", "npz", "self-attention")
    own = imported(tmp_path / "marian")
    export_model(own.folder, "ctranslate2", "float32", lambda _: None, tmp_path / "out", sample=8)
    exported = CTranslate2Engine(tmp_path / "out", own.tokenizer, 512)
    srcs, options = own.tokenizer.encode(EN), DecodeConfig(beam_size=4, max_len_ratio=1.0)
    tgts = own.tokenizer.tgt.encode(FR)
    native = NativeEngine(own.model, "cpu", "fp32")
    scored = zip(native.score(srcs, tgts, options), exported.score(srcs, tgts, options), strict=True)
    for ours, theirs in scored:
        assert theirs.token_scores == pytest.approx(ours.token_scores, abs=1e-4)
    with torch.no_grad():  # CTranslate2 searches without the pieces that are never output
        own.model.output.bias[[Tokenizer.PAD, Tokenizer.UNK, Tokenizer.BOS]] = -torch.inf
    found = [best.ids for [best, *_] in native.decode(srcs, options)]
    assert [best.ids for [best, *_] in exported.decode(srcs, options)] == found


@pytest.mark.parametrize("to", ["ctranslate2", "huggingface"])
def test_a_recurrent_decoder_is_not_exported_and_the_reason_is_told(to: str, tmp_path: Path) -> None:
    write_marian(tmp_path / "marian")
    own = imported(tmp_path / "marian")
    with pytest.raises(UsageError, match=r"model\.decoder = ssru is not supported, only attention"):
        export_model(own.folder, to, "float32", lambda _: None, tmp_path / "out")  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
