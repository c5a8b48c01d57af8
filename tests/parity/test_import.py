"""Imported models against the library that they come from."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import transformers
from torch import Tensor

from mtkit.config.decode import DecodeConfig
from mtkit.convert.huggingface import write_huggingface
from mtkit.convert.import_run import ImportRequest, import_model
from mtkit.convert.run import export_model
from mtkit.decode.generate import generate
from mtkit.decode.scorer import ModelScorer
from mtkit.engine.ct2 import CTranslate2Engine
from mtkit.engine.native import NativeEngine
from mtkit.model.checkpoint import LoadedModel, load_model
from mtkit.text.tokenizer import Tokenizer
from tests.support.fakes import make_tiny_run
from tests.support.foreign import EN, FR, write_opus

LINES = 64


@pytest.fixture(scope="module")
def opus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_opus(tmp_path_factory.mktemp("opus"))


@pytest.fixture(scope="module", params=[True, False], ids=["whole", "own"])
def imported(request: pytest.FixtureRequest, opus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder, with the whole vocabulary of the source or with the pieces of the target alone."""
    run = tmp_path_factory.mktemp("run") / "run"
    import_model(ImportRequest(opus, run, keep_vocabulary=request.param), lambda _: None)
    return run


def texts() -> list[str]:
    """Parts of the training sentences in another order, so that the model ends its translations."""
    draw = random.Random(1)
    found: list[str] = []
    while len(found) < LINES:
        words = draw.choice(EN).split()
        begin = draw.randrange(len(words))
        found.append(" ".join([*words[begin:], *words[:begin]][: draw.randint(2, 9)]))
    return found


class Theirs:
    """The model of transformers, asked and answering in mtkit's ids."""

    def __init__(self, folder: Path, own: LoadedModel) -> None:
        self.model: Any = transformers.MarianMTModel.from_pretrained(folder)
        self.model.train(False)
        self.own = own
        vocab = json.loads((folder / "vocab.json").read_text("utf-8"))
        self.vocab: dict[str, int] = vocab
        self.unk = vocab["<unk>"]

        def rows(pieces: list[str]) -> Tensor:
            special = {0: vocab["<pad>"], 1: self.unk, 2: vocab["<pad>"], 3: vocab["</s>"]}
            named = [vocab.get(p, vocab.get(f">>{p[1:-1]}<<", self.unk)) for p in pieces]
            return torch.tensor([special.get(i, row) for i, row in enumerate(named)])

        tokenizer = own.tokenizer
        self.src_rows = rows(tokenizer.src.pieces(range(tokenizer.src.size)))
        self.tgt_rows = rows(tokenizer.tgt.pieces(range(tokenizer.tgt.size)))

    def log_probs(self, src: list[int], tgt: list[int]) -> Tensor:
        """[tgt_len, vocab] over the outputs that mtkit has, in its order, without BOS."""
        src_ids = self.src_rows[torch.tensor([src])]
        tgt_in = self.tgt_rows[torch.tensor([[Tokenizer.BOS, *tgt]])]
        logits = self.model(input_ids=src_ids, decoder_input_ids=tgt_in).logits[0, :, self.tgt_rows]
        logits[:, Tokenizer.BOS] = -torch.inf
        return logits.log_softmax(-1)


@torch.inference_mode()
def test_log_probabilities_are_those_of_transformers(opus: Path, imported: Path) -> None:
    own = load_model(imported / "model")
    theirs = Theirs(opus, own)
    tags = [["fra"] if i % 2 else [] for i in range(len(EN))]
    for src, tgt in zip(own.tokenizer.encode(EN, tags), own.tokenizer.tgt.encode(FR), strict=True):
        src_ids, tgt_in = torch.tensor([[*src, Tokenizer.EOS]]), torch.tensor([[Tokenizer.BOS, *tgt]])
        found = own.model(src_ids, torch.ones_like(src_ids, dtype=torch.bool), tgt_in)[0].log_softmax(-1)
        expected = theirs.log_probs([*src, Tokenizer.EOS], tgt)
        real = [i for i in range(found.shape[1]) if i != Tokenizer.BOS]
        torch.testing.assert_close(found[:, real], expected[:, real], rtol=0, atol=1e-4)


def test_the_whole_vocabulary_has_every_output_of_transformers(opus: Path, imported: Path) -> None:
    own = load_model(imported / "model")
    rows = {*Theirs(opus, own).tgt_rows.tolist()}
    whole = {*json.loads((opus / "vocab.json").read_text("utf-8")).values()}
    kept = "--keep-vocabulary" not in (imported / "model" / "origin.json").read_text("utf-8")
    assert (rows == whole) == kept


def test_texts_become_the_ids_of_transformers(opus: Path, imported: Path) -> None:
    own = load_model(imported / "model")
    theirs = Theirs(opus, own)
    tokenizer = transformers.MarianTokenizer.from_pretrained(opus)
    lines = [*texts(), *EN, "unseen: Ωψ", "two  spaces"]
    for text, ids in zip(lines, own.tokenizer.encode(lines), strict=True):
        assert theirs.src_rows[[*ids, Tokenizer.EOS]].tolist() == tokenizer(text)["input_ids"], text
    [tagged] = own.tokenizer.encode(["the cat"], [["fra"]])
    assert theirs.src_rows[[*tagged, Tokenizer.EOS]].tolist() == tokenizer(">>fra<< the cat")["input_ids"]


@torch.inference_mode()
def test_translations_are_those_of_transformers(opus: Path, imported: Path) -> None:
    own = load_model(imported / "model")
    theirs = Theirs(opus, own)
    dropped = [*({*range(theirs.model.config.vocab_size)} - {*theirs.tgt_rows.tolist()})]
    theirs.model.final_logits_bias[0, dropped] = -1e4
    srcs = own.tokenizer.encode(texts())
    lengths: set[int] = set()
    options = DecodeConfig(beam_size=4, length_penalty=1.0)
    hyps = generate(ModelScorer(own.model), srcs, options)
    longest = max(map(len, srcs)) + 1
    padded = [[*src, Tokenizer.EOS] + [Tokenizer.PAD] * (longest - 1 - len(src)) for src in srcs]
    ids = torch.tensor(padded)
    expected = theirs.model.generate(
        input_ids=theirs.src_rows[ids],
        attention_mask=ids != Tokenizer.PAD,
        num_beams=4,
        length_penalty=1.0,
        early_stopping=True,
        max_length=100,
        suppress_tokens=[theirs.unk, theirs.vocab["<pad>"]],
        bad_words_ids=None,
    ).tolist()
    for [best, *_], row in zip(hyps, expected, strict=True):
        found = [theirs.vocab["<pad>"], *theirs.tgt_rows[list(best.ids)].tolist(), theirs.vocab["</s>"]]
        assert found == row[: len(found)]
        lengths.add(len(best.ids))
    assert len(lengths) > 3


def test_ctranslate2_gives_the_same_translations(imported: Path, tmp_path: Path) -> None:
    own = load_model(imported / "model")
    said: list[str] = []
    export_model(imported / "model", "ctranslate2", "float32", said.append, tmp_path / "out", sample=16)
    srcs = own.tokenizer.encode(texts())
    options = DecodeConfig(beam_size=4)
    exported = CTranslate2Engine(tmp_path / "out", own.tokenizer, 512)
    with torch.no_grad():  # CTranslate2 normalises without the pieces that are never output
        own.model.output.bias[[Tokenizer.PAD, Tokenizer.UNK, Tokenizer.BOS]] = -torch.inf
    native = NativeEngine(own.model, "cpu", "fp32")
    for ours, theirs in zip(native.decode(srcs, options), exported.decode(srcs, options), strict=True):
        assert ours[0].ids == theirs[0].ids


def test_the_older_form_of_the_weights_gives_the_same_model(opus: Path, tmp_path: Path) -> None:
    """With pickled weights, every copy of the shared matrix, and the table of positions."""
    shutil.copytree(opus, tmp_path / "old")
    (tmp_path / "old" / "model.safetensors").unlink()
    theirs = transformers.MarianMTModel.from_pretrained(opus)
    state = {name: tensor.half() for name, tensor in theirs.state_dict().items()}
    assert "model.encoder.embed_positions.weight" in state
    assert "lm_head.weight" in state
    for zipped in (True, False):
        torch.save(state, tmp_path / "old" / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
        run = tmp_path / f"run-{zipped}"
        import_model(ImportRequest(tmp_path / "old", run), lambda _: None)
        import_model(ImportRequest(opus, tmp_path / f"new-{zipped}"), lambda _: None)
        old, new = (load_model(r / "model").model.state_dict() for r in (run, tmp_path / f"new-{zipped}"))
        for name, tensor in new.items():
            torch.testing.assert_close(old[name], tensor, rtol=2e-3, atol=1e-3)  # fp16


@pytest.mark.parametrize("pickled", [True, False])
def test_weights_in_several_files(opus: Path, tmp_path: Path, pickled: bool) -> None:
    """As transformers writes them above a size; pickled ones have an index of the same form."""
    folder = tmp_path / "sharded"
    theirs = transformers.MarianMTModel.from_pretrained(opus)
    theirs.save_pretrained(folder, max_shard_size="20KB")
    for path in opus.iterdir():
        if path.name not in {"config.json", "model.safetensors"}:
            shutil.copy(path, folder)
    index = folder / "model.safetensors.index.json"
    names = json.loads(index.read_text("utf-8"))["weight_map"]
    assert len({*names.values()}) > 2
    if pickled:
        for name in {*names.values()}:
            torch.save(safetensors.torch.load_file(folder / name), folder / f"{name}.bin")
            (folder / name).unlink()
        renamed = {"weight_map": {weight: f"{name}.bin" for weight, name in names.items()}}
        index.unlink()
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(renamed), "utf-8")
    import_model(ImportRequest(folder, tmp_path / "run"), lambda _: None)
    import_model(ImportRequest(opus, tmp_path / "whole"), lambda _: None)
    found, whole = (load_model(tmp_path / run / "model").model.state_dict() for run in ("run", "whole"))
    assert found.keys() == whole.keys()
    assert all(torch.equal(tensor, whole[name]) for name, tensor in found.items())


def test_an_export_of_mtkit_comes_back(tmp_path: Path) -> None:
    """One vocabulary for both sides; the weights are the same numbers."""
    run = make_tiny_run(tmp_path, "model.norm=post").parent / "runs/tiny"
    (tmp_path / "out").mkdir()
    write_huggingface(run / "model", tmp_path / "out")
    import_model(ImportRequest(tmp_path / "out", tmp_path / "back"), lambda _: None)
    first, second = load_model(run / "model"), load_model(tmp_path / "back" / "model")
    assert second.tokenizer.is_joint
    theirs = second.model.state_dict()
    assert not theirs.pop("output.bias").any()
    ours = first.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    text = ["the cat sat on a mat"]
    assert first.tokenizer.encode(text) == second.tokenizer.encode(text)
