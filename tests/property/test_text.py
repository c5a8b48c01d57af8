from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from mtkit.config.data import TokenizerConfig
from mtkit.text.normalize import normalize
from mtkit.text.tokenizer import train_tokenizer

ANY_TEXT = st.text(st.characters(exclude_categories=[]))
TOKENIZER = train_tokenizer(
    ["some text to learn pieces from", "another text"] * 5,
    TokenizerConfig(vocab_size=300, byte_fallback=True, num_threads=1),
)


@given(ANY_TEXT)
def test_the_normal_form(text: str) -> None:
    clean = normalize(text)
    assert normalize(clean) == clean
    assert unicodedata.is_normalized("NFC", clean)
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in clean)
    assert " ".join(clean.split(" ")) == clean == clean.strip()
    assert len(clean.splitlines()) == bool(clean)
    clean.encode()


@given(st.lists(ANY_TEXT, max_size=5))
def test_bytes_bring_any_normalised_text_back(texts: list[str]) -> None:
    # U+2581 is how SentencePiece writes a space, so that one character alone does not come back.
    clean = [normalize(text.replace("\u2581", "_")) for text in texts]
    assert TOKENIZER.decode(TOKENIZER.encode(clean)) == clean


@given(st.lists(st.lists(st.integers(0, TOKENIZER.size - 1)), max_size=5))
def test_any_ids_give_one_clean_line_each(ids: list[list[int]]) -> None:
    texts = TOKENIZER.decode(ids)
    assert len(texts) == len(ids)
    assert all(text == normalize(text) for text in texts)
