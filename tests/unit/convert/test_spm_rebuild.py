"""Rebuilt SentencePiece models against SentencePiece itself."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from mtkit.convert.spm_rebuild import pieces_of, rebuild
from mtkit.errors import InputError
from mtkit.text.subwords import Subwords
from tests.support.foreign import EN, FR

HERE = Path("some.spm")
KINDS: list[dict[str, Any]] = [
    {},
    {"model_type": "bpe"},
    {"byte_fallback": True, "vocab_size": 340},
    {"user_defined_symbols": ["<ent>", "⟦1⟧"]},
    {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3},
    {"pad_id": 3, "unk_piece": "[unk]", "pad_piece": "[pad]"},
    {"bos_id": -1, "eos_id": 0, "unk_id": 1},
    {"normalization_rule_name": "identity", "add_dummy_prefix": False, "remove_extra_whitespaces": False},
    {"normalization_rule_name": "nmt_nfkc_cf"},
]


def trained(**options: Any) -> bytes:
    written = io.BytesIO()
    settings: dict[str, Any] = {"vocab_size": 90, "hard_vocab_limit": False, "minloglevel": 2} | options
    if settings.get("model_type") == "bpe":
        del settings["hard_vocab_limit"]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*EN, *FR] * 20), model_writer=written, **settings
    )
    return written.getvalue()


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_texts_are_segmented_as_before(options: dict[str, Any]) -> None:
    old = trained(**options)
    found = rebuild(old, HERE, ["<2fr>"], ["▁more"])
    new = Subwords(found.model_bytes)  # checks the special ids
    theirs = sentencepiece.SentencePieceProcessor(model_proto=old)
    assert new.pieces(range(new.size)) == [*found.pieces]
    assert [theirs.id_to_piece(i) for i in range(theirs.get_piece_size())] == pieces_of(old, HERE)
    texts = [*EN, *FR, "", " two  spaces ", "Ａ ﬁ ½", "un<ent>known Ω ⟦1⟧", "<2fr> <s> more"]
    unknown, specials = theirs.unk_id(), ("<pad>", "<unk>", "<s>", "</s>")
    for text, ids in zip(texts, new.encode(texts), strict=True):
        expected = ["<unk>" if i == unknown else theirs.id_to_piece(i) for i in theirs.encode(text)]
        assert [piece if piece not in specials else "<unk>" for piece in new.pieces(ids)] == expected, text
        for old_id, token in zip(theirs.encode(text), ids, strict=True):
            assert old_id == unknown or new.scores([token]) == [theirs.get_score(old_id)]
        if unknown not in theirs.encode(text):
            assert new.decode([ids]) == [theirs.decode(theirs.encode(text))]
    assert new.tags == ("2fr",)
    assert new.decode([new.ids_of(["▁more"])]) in (["more"], [" more"])


def test_what_is_no_model_is_refused() -> None:
    for content in (b"\xff", b"\x0a\x05abc", b"\x0b", b"\x0a\x02\x0a\x05", b"\x80" * 20):
        with pytest.raises(InputError, match=r"some\.spm: is not a SentencePiece model"):
            rebuild(content, HERE)
