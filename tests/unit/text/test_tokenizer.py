from __future__ import annotations

from pathlib import Path

import pytest

from mtkit.config.data import TokenizerConfig
from mtkit.config.text import TextConfig
from mtkit.errors import InputError, UsageError
from mtkit.text.form import TextForm
from mtkit.text.normalize import normalize
from mtkit.text.sampling import Sampler
from mtkit.text.subwords import Subwords, train_subwords
from mtkit.text.tokenizer import Tokenizer, load_tokenizer
from tests.support.corpora import texts

PROTECT = TextConfig(protect=("placeholders",), casing="inline")


def train(form: TextForm | None = None, seed: int = 0, **options: object) -> Subwords:
    values = {"vocab_size": 400, "num_threads": 1, "byte_fallback": True, **options}
    config = TokenizerConfig.model_validate(values)
    return train_subwords(texts()[seed:], config, symbols=form.symbols if form else ())


@pytest.fixture(scope="module")
def joint() -> Tokenizer:
    return Tokenizer(train())


def test_output_is_one_line_even_if_the_model_spells_controls(joint: Tokenizer) -> None:
    pieces = joint.tgt.pieces(range(joint.tgt.size))
    spelt = [pieces.index(f"<0x{byte:02X}>") for byte in (0x0A, 0x00, 0x0D, 0x1B, 0xC2, 0x85, 0xFF)]
    (text,) = joint.decode([[*joint.encode(["ab"])[0], *spelt, *joint.encode(["cd"])[0]]])
    assert text == normalize(text)
    assert text.startswith("ab")
    assert text.endswith("cd")


def test_pairs_are_encoded_by_the_model_of_each_side() -> None:
    src, tgt = train(), train(seed=100)
    tokenizer = Tokenizer(src, tgt)
    assert not tokenizer.is_joint
    assert tokenizer.encode_pairs([("abc def", "ghi"), ("", "")]) == [
        (src.encode(["abc def"])[0], tgt.encode(["ghi"])[0]),
        ([], []),
    ]
    assert tokenizer.encode_pairs([]) == []
    assert tokenizer.decode(tgt.encode(["ghi"])) == ["ghi"]


def test_a_target_tag_begins_each_target_however_it_is_cut() -> None:
    options = TokenizerConfig(vocab_size=200, num_threads=1)
    src, tgt = train(), train_subwords(texts(), options, tags=["<fr>"])
    tokenizer = Tokenizer(src, tgt)
    [tag] = tgt.ids_of(["<fr>"])
    pairs = [("abc def", "ghi abc"), ("", "")]
    for found in (
        tokenizer.encode_pairs(pairs, target_tag="fr"),
        tokenizer.sample_pairs(
            pairs, None, "fr", (Sampler(src, "unigram", 0.1), Sampler(tgt, "unigram", 0.1)), "seed"
        ),
    ):
        assert [ids[0] for _, ids in found] == [tag, tag]
        assert tokenizer.tgt.decode([ids for _, ids in found]) == ["ghi abc", ""]
        assert tokenizer.src.decode([ids for ids, _ in found]) == ["abc def", ""]
    with pytest.raises(UsageError, match="tag de: the model does not know it"):
        tokenizer.encode_pairs(pairs, target_tag="de")


@pytest.mark.parametrize("separate", [False, True])
def test_saved_and_loaded(separate: bool, tmp_path: Path) -> None:
    form = TextForm(PROTECT)
    tokenizer = Tokenizer(train(form), train(form, 100) if separate else None, form)
    tokenizer.save(tmp_path)
    names = {"tokenizer.src.model", "tokenizer.tgt.model"} if separate else {"tokenizer.model"}
    assert {path.name for path in tmp_path.iterdir()} == names
    copy = load_tokenizer(tmp_path, PROTECT)
    assert copy.fingerprint == tokenizer.fingerprint
    assert copy.is_joint is not separate
    assert load_tokenizer(tmp_path, TextConfig()).fingerprint != tokenizer.fingerprint


def test_one_of_two_models_is_missing(tmp_path: Path) -> None:
    Tokenizer(train(), train(seed=100)).save(tmp_path)
    (tmp_path / "tokenizer.src.model").unlink()
    with pytest.raises(InputError, match=r"tokenizer\.src\.model: cannot be read"):
        load_tokenizer(tmp_path, TextConfig())


def test_protected_text_comes_through() -> None:
    form = TextForm(PROTECT)
    tokenizer = Tokenizer(train(form), form=form)
    source = "Abc {Name} DEF {x}"
    (ids,) = tokenizer.encode([source])
    assert tokenizer.decode([ids], [source]) == [source]
    assert tokenizer.decode([ids[:-1]], [source]) == ["Abc {Name} DEF {x}"]
    assert tokenizer.decode([ids]) == ["Abc DEF"]
