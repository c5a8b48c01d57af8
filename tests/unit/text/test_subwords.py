from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import sentencepiece

from mtkit.config.data import TokenizerConfig
from mtkit.errors import InputError
from mtkit.text.normalize import normalize
from mtkit.text.subwords import (
    BOS,
    EOS,
    PAD,
    UNK,
    Subwords,
    check_pieces,
    default_coverage,
    load_subwords,
    train_subwords,
)
from tests.support.corpora import texts

AWKWARD = [
    "",
    "Hello, world!",
    "\u6211\u5011\uff0c\u4f60\u597d\uff01",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1eb\U0001f1f7",
    "<s> </s> <pad> <unk>",
    "a\x00b\x85c\u2028d\r",
    "na\u00efve e\u0301t\u00e9 \ufb01n \u2460",
]


def config(**options: object) -> TokenizerConfig:
    return TokenizerConfig.model_validate({"vocab_size": 200, "num_threads": 1, **options})


@pytest.fixture(scope="module")
def tokenizer() -> Subwords:
    return train_subwords(texts(), config())


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_round_trip_of_awkward_text_with_bytes(model_type: str) -> None:
    tokenizer = train_subwords(texts(), config(vocab_size=500, model_type=model_type, byte_fallback=True))
    clean = [normalize(text) for text in AWKWARD]
    assert tokenizer.decode(tokenizer.encode(clean)) == clean


def test_special_ids(tokenizer: Subwords) -> None:
    model = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model_bytes)
    assert (model.pad_id(), model.unk_id(), model.bos_id(), model.eos_id()) == (0, 1, 2, 3)
    assert (PAD, UNK, BOS, EOS) == (0, 1, 2, 3)
    assert tokenizer.size == model.get_piece_size() == 200


def test_neither_bos_nor_eos_is_added(tokenizer: Subwords) -> None:
    assert tokenizer.encode(["", "abc"])[0] == []
    assert not {0, 2, 3} & {token for row in tokenizer.encode(texts(20)) for token in row}


def test_special_ids_are_left_out_of_text(tokenizer: Subwords) -> None:
    (ids,) = tokenizer.encode(["abc def"])
    assert tokenizer.decode([[2, *ids, 1, 3, 0, 0], [], [0]]) == ["abc def", "", ""]


def test_nothing_is_encoded_and_decoded_to_nothing(tokenizer: Subwords) -> None:
    assert tokenizer.encode([]) == []
    assert tokenizer.decode([]) == []


def test_markup_like_special_pieces_is_ordinary_text(tokenizer: Subwords) -> None:
    assert not {0, 2, 3} & set(tokenizer.encode(["<s> </s> <pad>"])[0])


def test_full_width_punctuation_survives() -> None:
    line = "\u4f60\u597d\uff0c\u4e16\u754c\uff01"
    tokenizer = train_subwords([line] * 10, config(vocab_size=40))
    assert tokenizer.decode(tokenizer.encode([line])) == [line]


def test_a_line_of_a_megabyte(tokenizer: Subwords) -> None:
    line = "abc " * 250_000 + "abc"
    assert tokenizer.decode(tokenizer.encode([line])) == [line]


def test_long_sentences_are_learnt_from() -> None:
    tokenizer = train_subwords(["abcdefg" * 1000 + " xyz"], config(vocab_size=16, character_coverage=1.0))
    assert 1 not in tokenizer.encode(["xyz"])[0]


def test_training_is_deterministic(tokenizer: Subwords) -> None:
    again = train_subwords(iter(texts()), config())
    assert again.model_bytes == tokenizer.model_bytes
    assert again.fingerprint == tokenizer.fingerprint
    assert train_subwords(texts(300), config()).fingerprint != tokenizer.fingerprint


def test_a_vocabulary_without_room_for_the_characters() -> None:
    with pytest.raises(InputError, match=r"^tokenizer\.vocab_size = 16 is below \d+") as caught:
        train_subwords(["abcdefghijklmnopqrstuvwxyz"], config(vocab_size=16))
    assert "Raise tokenizer.vocab_size" in caught.value.hint


@pytest.mark.parametrize("nothing", [[], [""]])
def test_no_text_to_train_on(nothing: list[str]) -> None:
    with pytest.raises(InputError, match="no text"):
        train_subwords(nothing, config())


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(5, "Input/output error")])
def test_a_failure_of_the_texts_keeps_its_type(error: BaseException) -> None:
    def failing() -> Iterator[str]:
        yield "abc"
        raise error

    with pytest.raises(type(error)):
        train_subwords(failing(), config())


def test_training_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    train_subwords(texts(), config())
    assert capfd.readouterr() == ("", "")


def test_saved_loaded_and_pickled(tokenizer: Subwords, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer.model")
    for copy in (load_subwords(tmp_path / "tokenizer.model"), pickle.loads(pickle.dumps(tokenizer))):
        assert copy.fingerprint == tokenizer.fingerprint
        assert copy.encode(["abc def"]) == tokenizer.encode(["abc def"])
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.model"]


@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_an_unusable_model(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"tokenizer\.model: "):
        load_subwords(path)


def test_a_model_with_other_special_ids(tmp_path: Path) -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts()), model_writer=model, vocab_size=100, minloglevel=2
    )
    (tmp_path / "m").write_bytes(model.getvalue())
    with pytest.raises(InputError, match="special ids"):
        load_subwords(tmp_path / "m")


def test_coverage_follows_the_scripts() -> None:
    assert default_coverage("en", "fr") == 1.0
    assert default_coverage("en", "zh-CN") == default_coverage("ja", "en") == 0.9995


def test_rare_letters_are_spelt() -> None:
    texts = ["a plain line of text"] * 20_000 + ["naïve"]
    tokenizer = train_subwords(texts, config(vocab_size=40), default_coverage("en", "fr"))
    assert tokenizer.decode(tokenizer.encode(["naïve"])) == ["naïve"]


def test_symbols_are_never_cut_and_tags_are_never_read_from_text() -> None:
    found = train_subwords(texts(), config(), symbols=["⟦1⟧"], tags=["<2fr>"])
    (symbol, tag) = found.ids_of(["⟦1⟧", "<2fr>"])
    (ids,) = found.encode(["ab⟦1⟧cd <2fr> ⟦2⟧"])
    assert ids.count(symbol) == 1
    assert tag not in ids
    assert found.decode([[tag, *found.encode(["abc ⟦1⟧"])[0]]]) == ["abc ⟦1⟧"]


def test_runs_of_spaces_are_kept_if_asked() -> None:
    found = train_subwords(["a  b   c", "a b c"] * 20, config(vocab_size=20), keep_spaces=True)
    assert found.decode(found.encode(["a   b  c"])) == ["a   b  c"]


def test_a_given_model_lacks_what_the_options_call_for(tokenizer: Subwords, tmp_path: Path) -> None:
    check_pieces(tokenizer, [], tmp_path)
    with pytest.raises(InputError, match="has no piece ⟦1⟧") as caught:
        check_pieces(tokenizer, ["⟦1⟧"], tmp_path)
    assert "tokenizer.path" in caught.value.hint
