from __future__ import annotations

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from mtkit.config.data import TokenizerConfig
from mtkit.config.text import TextConfig, UnicodeForm
from mtkit.text.form import TextForm
from mtkit.text.normalize import normalize, normalize_lines
from mtkit.text.subwords import train_subwords
from mtkit.text.tokenizer import Tokenizer

ANY_TEXT = st.text(st.characters(exclude_categories=[]))
TOKENIZER = Tokenizer(
    train_subwords(
        ["some text to learn pieces from", "another text"] * 5,
        TokenizerConfig(vocab_size=300, byte_fallback=True, num_threads=1),
    )
)


INVISIBLE = st.text(
    st.characters(categories=["Cf", "Cc", "Mn", "Zs"])
    | st.sampled_from("aé\u0628\u0915\u2122\ufe0f\U0001f468\U0001f3f4[m\x1b\u200c\u200d"),
    max_size=8,
)
FORMS = st.builds(
    TextConfig,
    unicode=st.sampled_from(["nfc", "nfkc", "none"]),
    whitespace=st.sampled_from(["single", "keep"]),
    quotes=st.sampled_from(["keep", "straight"]),
    casing=st.sampled_from(["keep", "inline"]),
    protect=st.lists(st.sampled_from(["placeholders", "tags", "urls", "emails", "emoji", "numbers"])).map(
        tuple
    ),
    max_spans=st.integers(1, 3),
)
RICH = st.lists(
    ANY_TEXT
    | INVISIBLE
    | st.just(" ")
    | st.sampled_from(
        [
            "{name}",
            "%1$s",
            "{{x",
            "y}}",
            "<b>",
            "https://a.b/c?d=e.",
            "x@y.org",
            "3,5",
            "⟦1⟧",
            "⟦C⟧",
            "Hello",
            "NASA",
            "iPhone",
            "É",
            "ǅ",
            "İ",
            "STRASSE",
            "“so”",
            "⟦",
            "⟧",
            "2",
        ]
    ),
    max_size=8,
).map("".join)


@given(FORMS, RICH)
def test_what_is_protected_and_marked_comes_back(options: TextConfig, text: str) -> None:
    form = TextForm(options)
    masked = form.source(text)
    expected = form.normalize(text)
    if form.symbols:
        expected = expected.replace("⟦", "[[").replace("⟧", "]]")
    restored, forgotten = form.restore(masked.text, masked.spans)
    if options.quotes == "straight":
        quotes = str.maketrans("“”„‟«»‘’‚‛‹›", '"' * 6 + "'" * 6)
        restored, expected = restored.translate(quotes), expected.translate(quotes)
    assert (restored, forgotten) == (expected, [])
    assert len(masked.spans) == len(set(masked.spans)) <= options.max_spans


@given(FORMS, RICH, RICH)
def test_a_pair_has_the_same_symbols_on_both_sides(options: TextConfig, src: str, tgt: str) -> None:
    form = TextForm(options)
    sides = form.pair(form.normalize(src), form.normalize(tgt))
    symbols = [set(re.findall(r"⟦\d+⟧", side)) for side in sides]
    assert symbols[0] == symbols[1]
    assert symbols[0] == {f"⟦{number + 1}⟧" for number in range(len(symbols[0]))}


@given(FORMS, RICH, st.lists(RICH, max_size=3))
def test_restoring_gives_one_clean_line_of_anything(options: TextConfig, text: str, spans: list[str]) -> None:
    form = TextForm(options)
    clean = [form.normalize(span) for span in spans]
    restored, _ = form.restore(text, clean)
    assert len(restored.splitlines()) <= 1
    if not clean:
        assert restored == form.normalize(restored)


@given(ANY_TEXT | INVISIBLE, st.sampled_from(["nfc", "nfkc", "none"]), st.booleans())
def test_normalising_twice_changes_nothing(text: str, unicode: UnicodeForm, keep_spaces: bool) -> None:
    clean = normalize(text, unicode, keep_spaces=keep_spaces)
    assert normalize(clean, unicode, keep_spaces=keep_spaces) == clean


@given(ANY_TEXT)
def test_the_normal_form(text: str) -> None:
    clean = normalize(text)
    assert normalize(clean) == clean
    assert unicodedata.is_normalized("NFC", clean)
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in clean)
    assert " ".join(clean.split(" ")) == clean == clean.strip()
    assert len(clean.splitlines()) == bool(clean)
    clean.encode()


@given(st.lists(ANY_TEXT.map(lambda text: text.replace("\n", " "))))
def test_lines_are_normalised_together_as_each_alone(lines: list[str]) -> None:
    together = normalize_lines("".join(f"{line}\n" for line in lines))
    assert together == "".join(f"{normalize(line)}\n" for line in lines)


@given(st.lists(ANY_TEXT, max_size=5))
def test_bytes_bring_any_normalised_text_back(texts: list[str]) -> None:
    # U+2581 is how SentencePiece writes a space, so that one character alone does not come back.
    clean = [normalize(text.replace("\u2581", "_")) for text in texts]
    assert TOKENIZER.decode(TOKENIZER.encode(clean)) == clean


@given(st.lists(st.lists(st.integers(0, TOKENIZER.max_size - 1)), max_size=5))
def test_any_ids_give_one_clean_line_each(ids: list[list[int]]) -> None:
    texts = TOKENIZER.decode(ids)
    assert len(texts) == len(ids)
    assert all(text == normalize(text) for text in texts)
