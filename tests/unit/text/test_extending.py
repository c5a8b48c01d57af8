"""Subword models with more pieces, against SentencePiece itself."""

from __future__ import annotations

import io
import logging
import random
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtkit.convert.spm_rebuild import rebuild
from mtkit.text.extending import extend_for, missing_characters
from mtkit.text.subwords import UNK, Subwords
from tests.support.corpora import texts

KINDS: list[dict[str, Any]] = [
    {"normalization_rule_name": "identity"},
    {"normalization_rule_name": "identity", "model_type": "bpe"},
    {},
    {"normalization_rule_name": "nmt_nfkc_cf", "user_defined_symbols": ["⟦1⟧", "<ent>"]},
    {"normalization_rule_name": "identity", "add_dummy_prefix": False, "remove_extra_whitespaces": False},
]
"""Ours, and those of other toolkits."""

WANTED = [
    "`abc` = {def: ~\\ghi}",
    "漢字と、かな ｶﾀｶﾅ",
    "Ａ ﬁ ½ e\u0301 naïve",
    "🙂\u200d🙂 zzz\u00a0qqq",
    "ⅷ  two   spaces",
]


def model(**options: Any) -> Subwords:
    """A model of small letters from a to p."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts()), model_writer=written, minloglevel=2, **{"vocab_size": 150} | options
    )
    return Subwords(rebuild(written.getvalue(), Path("a.spm")).model_bytes)


@pytest.fixture(scope="module", params=KINDS, ids=str)
def pair(request: pytest.FixtureRequest) -> tuple[Subwords, Subwords]:
    """A model, and the same extended for `WANTED`."""
    old = model(**request.param)
    return old, extend_for(old, WANTED, 1.0, symbols=["⟦1⟧", "⟦2⟧"], tags=["<2fr>"])


def test_text_loses_nothing_that_normalisation_keeps(pair: tuple[Subwords, Subwords]) -> None:
    old, new = pair
    judge = sentencepiece.SentencePieceProcessor(model_proto=new.model_bytes)
    for text in WANTED:
        assert UNK in old.encode([text])[0]
        ids = new.encode([text])[0]
        assert UNK not in ids
        assert new.decode([ids]) == [judge.normalize(text).strip(" ▁").replace("▁", " ")]


def test_pieces_keep_id_score_and_type(pair: tuple[Subwords, Subwords]) -> None:
    judges = [sentencepiece.SentencePieceProcessor(model_proto=each.model_bytes) for each in pair]
    seen = [
        [
            (it.id_to_piece(n), it.get_score(n), it.is_control(n), it.is_unused(n), it.is_unknown(n))
            for n in range(it.get_piece_size())
        ]
        for it in judges
    ]
    assert seen[1][: len(seen[0])] == seen[0]
    assert len({piece for piece, *_ in seen[1]}) == len(seen[1])
    assert pair[1].tags == ("2fr",)
    assert UNK not in pair[1].ids_of(["⟦1⟧", "⟦2⟧"])
    assert pair[1].encode(["<2fr>"]) != [pair[1].ids_of(["<2fr>"])]


@given(st.text(alphabet="abcdefghijklmnop ", max_size=60))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_text_that_the_model_knew_is_cut_as_before(pair: tuple[Subwords, Subwords], text: str) -> None:
    old, new = pair
    assert UNK not in old.encode([text])[0]
    assert new.encode([text]) == old.encode([text])


@pytest.mark.parametrize(
    ("coverage", "expected"), [(1.0, "QWXY"), (0.9985, "QWX"), (0.985, "QW"), (0.92, "Q"), (0.89, "")]
)
def test_the_rarest_characters_are_left_out(coverage: float, expected: str) -> None:
    old = model(normalization_rule_name="identity", add_dummy_prefix=False)
    text = "a" * 900 + "Q" * 60 + "W" * 30 + "X" * 9 + "Y"
    assert "".join(missing_characters(old, [text], coverage)) == expected
    # By the formula: what is left out is at most the share that may be, and one more would be too many.
    left, allowed = sum(text.count(char) for char in "QWXY" if char not in expected), (1 - coverage) * 1000
    assert left <= allowed + 1e-9
    assert not expected or left + text.count(expected[-1]) > allowed


def test_a_model_that_lacks_nothing_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mtkit")
    for old in (model(), model(byte_fallback=True, vocab_size=400)):
        wanted = ["abc abc"] if not old.has_bytes else WANTED
        assert extend_for(old, wanted, 1.0) is old
    assert not caplog.records
    found = extend_for(model(), ["``é"], 1.0)
    assert found.size == model().size + 2
    assert caplog.messages == ["pieces added to the tokenizer: 2 (` é)"]


def test_a_piece_for_translations_alone_is_put_to_use() -> None:
    old = Subwords(rebuild(model().model_bytes, Path("a.spm"), unused=["`", "▁abcpond"]).model_bytes)
    assert UNK in old.encode(["`a`"])[0]
    new = extend_for(old, ["`a`"], 1.0)
    assert (new.size, new.ids_of(["`"])) == (old.size, old.ids_of(["`"]))
    assert new.decode(new.encode(["`a` abcpond"])) == ["`a` abcpond"]
    assert new.ids_of(["▁abcpond"])[0] not in new.encode(["abcpond"])[0]


def test_random_text_of_all_scripts() -> None:
    rng = random.Random(4)
    alphabet = [chr(code) for code in range(33, 0x3100) if chr(code).isprintable() and chr(code) != "▁"]
    wanted = [" ".join("".join(rng.choices(alphabet, k=6)) for _ in range(5)) for _ in range(300)]
    new = extend_for(model(normalization_rule_name="identity"), wanted, 1.0)
    assert new.decode(new.encode(wanted)) == wanted
