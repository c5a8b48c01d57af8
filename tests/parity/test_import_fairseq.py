"""Imported models of fairseq (M2M-100, NLLB, mBART-50) against transformers."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from torch.nn.functional import cross_entropy

from mtkit.config.decode import DecodeConfig
from mtkit.config.load import load_config
from mtkit.config.schema import Config
from mtkit.convert.import_run import ImportRequest, import_model
from mtkit.convert.run import export_model
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import open_prepared
from mtkit.engine.ct2 import CTranslate2Engine
from mtkit.engine.native import NativeEngine
from mtkit.errors import InputError, UsageError
from mtkit.model.checkpoint import LoadedModel, load_model
from mtkit.text.tokenizer import Tokenizer
from mtkit.train.start import begin_from
from mtkit.train.trainer import train
from mtkit.train.watch.monitor import Event, Started, Validated
from mtkit.translate.account import Account
from mtkit.translate.call import Call
from mtkit.translate.open import open_translator
from mtkit.translate.request import Request, Source
from mtkit.translate.windows import Window
from tests.support.foreign import EN, FAIRSEQ_LANGUAGES, FR, fairseq_ids, padded, write_fairseq

LINES = 64
PAD, EOS, UNK = 1, 2, 3


class Imported:
    """The same model twice: in transformers, and as a run folder."""

    def __init__(self, family: str, folder: Path) -> None:
        self.family, self.source, self.run = family, write_fairseq(folder / family, family), folder / "run"
        import_model(ImportRequest(self.source, self.run), lambda _: None)
        self.own: LoadedModel = load_model(self.run / "model")
        self.theirs: Any = transformers.AutoModelForSeq2SeqLM.from_pretrained(self.source).eval()
        self.src, self.tgt = FAIRSEQ_LANGUAGES[family]
        self.tag_id = fairseq_ids(self.source, family, self.tgt, ["a"])[0][0]
        # The row of each of mtkit's ids, by spelling.
        pieces = self.own.tokenizer.tgt.pieces(range(self.own.tokenizer.tgt.size))
        languages = [piece[1:-1] for piece in pieces[4 : 4 + len(self.own.tokenizer.tgt.tags)]]
        self.rows = [PAD, UNK, EOS, EOS]
        for language in languages:
            self.rows.append(fairseq_ids(self.source, family, language, ["a"])[0][0])
        self.rows += range(4, 4 + len(pieces) - len(self.rows))
        dropped = [*({*range(self.theirs.config.vocab_size)} - {*self.rows})]
        self.theirs.lm_head.register_forward_hook(
            lambda _, __, out: out.index_fill(-1, torch.tensor(dropped), -1e9)
        )

    @property
    def options(self) -> DecodeConfig:
        """Those of the run folder, with a beam of 4."""
        return DecodeConfig(beam_size=4, tags=(self.src,), target_tag=self.tgt)

    def encoded(self, lines: list[str]) -> list[list[int]]:
        """Sources in mtkit's ids."""
        return self.own.tokenizer.encode(lines, [[self.src]] * len(lines))

    def engine(self) -> NativeEngine:
        """Mtkit's own."""
        return NativeEngine(self.own.model, "cpu", "fp32", tokenizer=self.own.tokenizer)


@pytest.fixture(scope="module", params=["m2m", "nllb", "mbart"])
def imported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    return Imported(request.param, tmp_path_factory.mktemp(request.param))


def texts() -> list[str]:
    """Parts of the training sentences in another order."""
    draw = random.Random(1)
    found: list[str] = []
    while len(found) < LINES:
        words = draw.choice(EN).split()
        begin = draw.randrange(len(words))
        found.append(" ".join([*words[begin:], *words[:begin]][: draw.randint(2, 9)]))
    return found


def test_texts_become_the_ids_of_transformers(imported: Imported) -> None:
    lines = [*texts(), *EN, "unseen: Ωψ", "two  spaces"]
    theirs = fairseq_ids(imported.source, imported.family, imported.src, lines)
    for text, ids, expected in zip(lines, imported.encoded(lines), theirs, strict=True):
        assert [imported.rows[token] for token in [*ids, Tokenizer.EOS]] == expected, text


@torch.inference_mode()
def test_log_probabilities_are_those_of_transformers(imported: Imported) -> None:
    own, rows = imported.own, torch.tensor(imported.rows)
    scored = imported.engine().score(imported.encoded(EN), own.tokenizer.tgt.encode(FR), imported.options)
    [tag] = own.tokenizer.target_tag_ids([imported.tgt])
    for src, tgt, hyp in zip(imported.encoded(EN), own.tokenizer.tgt.encode(FR), scored, strict=True):
        src_ids = torch.tensor([[*src, Tokenizer.EOS]])
        tgt_in = torch.tensor([[Tokenizer.BOS, tag, *tgt]])
        found = own.model(src_ids, torch.ones_like(src_ids, dtype=torch.bool), tgt_in)[0].log_softmax(-1)
        logits = imported.theirs(input_ids=rows[src_ids], decoder_input_ids=rows[tgt_in]).logits
        expected: Tensor = logits[0].log_softmax(-1)[:, rows]
        real = [i for i in range(found.shape[1]) if i != Tokenizer.BOS]
        torch.testing.assert_close(found[:, real], expected[:, real], rtol=0, atol=1e-4)
        assert found[:, Tokenizer.BOS].max() < -1000
        wanted = torch.tensor([*tgt, Tokenizer.EOS])[:, None]
        in_turn = expected[1:].gather(1, wanted)[:, 0]  # the first one is that of the tag
        torch.testing.assert_close(torch.tensor(hyp.token_scores), in_turn, rtol=0, atol=1e-4)
        assert hyp.score == pytest.approx(float(in_turn.sum()) / (len(tgt) + 2), abs=1e-4)


@torch.inference_mode()
def test_translations_and_scores_are_those_of_transformers(imported: Imported) -> None:
    srcs, rows = imported.encoded(texts()), imported.rows
    hyps = imported.engine().decode(srcs, imported.options)
    ids = padded([[rows[token] for token in [*src, Tokenizer.EOS]] for src in srcs], PAD)
    expected = imported.theirs.generate(
        input_ids=ids,
        attention_mask=ids != PAD,
        num_beams=4,
        length_penalty=1.0,
        early_stopping=True,
        max_length=100,
        suppress_tokens=[UNK, PAD],
        forced_bos_token_id=imported.tag_id,
        return_dict_in_generate=True,
        output_scores=True,
    )
    pairs = zip(hyps, expected.sequences.tolist(), expected.sequences_scores.tolist(), strict=True)
    for [best, *_], row, score in pairs:
        found = [EOS, imported.tag_id, *(rows[token] for token in best.ids), EOS]
        assert found == row[: len(found)]
        assert best.score == pytest.approx(score, abs=1e-4)
    assert len({len(best.ids) for best, *_ in hyps}) > 3


@torch.inference_mode()
def test_ctranslate2_gives_the_same_translations(imported: Imported, tmp_path: Path) -> None:
    said: list[str] = []
    export_model(imported.run / "model", "ctranslate2", "float32", said.append, tmp_path / "out", sample=16)
    changed = load_model(imported.run / "model").model
    own = imported.own
    exported = CTranslate2Engine(tmp_path / "out", own.tokenizer, 512)
    # CTranslate2 normalises without the pieces that are never output, but not when it scores.
    changed.output.bias[[Tokenizer.PAD, Tokenizer.UNK, Tokenizer.BOS]] = -torch.inf
    native = NativeEngine(changed, "cpu", "fp32", tokenizer=own.tokenizer)
    srcs, options = imported.encoded(texts()), imported.options
    ours, theirs = (engine.decode(srcs, options) for engine in (native, exported))
    for [our, *_], [their, *_] in zip(ours, theirs, strict=True):
        assert our.ids == their.ids
        assert our.score == pytest.approx(their.score, abs=1e-4)
    ids = [found[0].ids for found in ours]
    scored = imported.engine().score(srcs, ids, options)
    for one, other in zip(scored, exported.score(srcs, ids, options), strict=True):
        assert one.token_scores == pytest.approx(other.token_scores, abs=1e-4)
        assert one.score == pytest.approx(other.score, abs=1e-4)
    assert native.align(srcs, ids, options) == exported.align(srcs, ids, options)


def test_scores_of_translations_are_those_that_score_gives(imported: Imported) -> None:
    translator = open_translator(imported.run / "model", engine="native")
    request = Request(n_best=1, scores=True, guard=False)
    windows = [Window([Source(text, place) for place, text in enumerate(EN)], lambda found: found)]
    [found] = translator.results(windows, request)
    texts = [best.text for [best, *_] in found]
    assert texts == [*translator.translate(EN, Request(guard=False))]
    assert not any(imported.tgt in text or "<" in text for text in texts)
    scored = translator.score([*zip(EN, texts, strict=True)])
    exact = [
        one.score == pytest.approx(best.score, abs=1e-4)
        for one, [best, *_] in zip(scored, found, strict=True)
    ]
    assert sum(exact) >= len(EN) - 1  # a translation may be spelt in other pieces


def test_tags_choose_other_languages(imported: Imported) -> None:
    translator = open_translator(imported.run / "model", engine="native")
    back = Request(search={"tags": (imported.tgt, f"2{imported.src}")})
    call = Call(translator, back, Account())
    assert call.options.target_tag == imported.src
    assert call.tag_ids == imported.own.tokenizer.tag_ids([imported.tgt])
    assert [*translator.translate(FR, back)] != [*translator.translate(FR)]
    with pytest.raises(UsageError, match="tag qq: the model does not know it"):
        Call(translator, Request(search={"tags": ("2qq",)}), Account())


def training(imported: Imported, folder: Path, *overrides: str) -> Config:
    """A config that trains the imported model on with the example sentences."""
    for name, lines in (("en", EN), ("fr", FR)):
        (folder / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    corpus = {"reader": "plain", "src": str(folder / "en"), "tgt": str(folder / "fr"), "tags": [imported.src]}
    values = {
        "run": str(folder / "run"),
        "data": {
            "src_lang": "en",
            "tgt_lang": "fr",
            "train": [corpus],
            "valid": corpus,
            "filters": [],
        },
        "tokenizer": {"path": str(imported.run / "model" / "tokenizer.model")},
        "model": imported.own.config.model.model_dump(mode="json", exclude_defaults=True),
        "train": {
            "init_from": str(imported.run),
            "max_steps": 2,
            "label_smoothing": 0.0,
            "precision": "fp32",
        },
        "decode": {"target_tag": imported.tgt},
    }
    (folder / "c.yaml").write_text(json.dumps(values), "utf-8")
    return load_config([folder / "c.yaml"], overrides).config


def test_it_is_trained_on_with_its_tags(imported: Imported, tmp_path: Path) -> None:
    config = training(imported, tmp_path)
    prepare(config)
    events: list[Event] = []
    train(config, open_prepared(config), events.append)
    start = next(event for event in events if isinstance(event, Validated))
    # The loss before the first update, as transformers computes it: the tag and EOS count too.
    rows = torch.tensor(imported.rows)
    [tag] = imported.own.tokenizer.target_tag_ids([imported.tgt])
    losses: list[Tensor] = []
    for src, tgt in zip(imported.encoded(EN), imported.own.tokenizer.tgt.encode(FR), strict=True):
        decoded = torch.tensor([[Tokenizer.BOS, tag, *tgt, Tokenizer.EOS]])
        with torch.inference_mode():
            logits = imported.theirs(
                input_ids=rows[torch.tensor([[*src, Tokenizer.EOS]])], decoder_input_ids=rows[decoded[:, :-1]]
            ).logits
        losses += cross_entropy(logits[0], rows[decoded[0, 1:]], reduction="none")
    assert start.loss == pytest.approx(float(torch.stack(losses).mean()), abs=1e-4)
    (started,) = (event for event in events if isinstance(event, Started))
    assert started.notes == (f"starting from the weights of {imported.run / 'model'}",)
    # The trained model writes no tag, and still reads it.
    translator = open_translator(config.run / "model", engine="native")
    assert not any("<" in text for text in translator.translate(EN, Request(guard=False)))


def test_tags_that_a_run_does_without_are_told(imported: Imported, tmp_path: Path) -> None:
    none = ("decode.target_tag=null", "data.train.0.tags=[]", "data.valid.tags=[]")
    config = training(imported, tmp_path, *none)
    prepare(config)
    src, tgt = imported.src, imported.tgt
    notes = begin_from(imported.run, config, open_prepared(config)).notes
    assert notes == (
        f"the initial model was given <{src}> before each source (tags of data.train.*)",
        f"the initial model read <{tgt}> before each translation (decode.target_tag: {tgt})",
    )
    # With another tag the data are others, and have to be prepared anew.
    with pytest.raises(InputError, match="was prepared with other options"):
        open_prepared(training(imported, tmp_path))


def test_what_cannot_keep_the_target_tag_refuses_it(imported: Imported, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"the tag {imported.tgt} before each translation"):
        export_model(imported.run / "model", "huggingface", "float32", print, tmp_path / "out")
