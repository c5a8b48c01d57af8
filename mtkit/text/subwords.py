"""One SentencePiece model: text to subword ids and back.

Texts are expected in the form that `TextForm` gives; SentencePiece itself changes nothing of them.
"""

from __future__ import annotations

import functools
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import sentencepiece

from mtkit.disk.files import atomic_file
from mtkit.errors import InputError
from mtkit.text.languages import language_of
from mtkit.text.probe import probe

if TYPE_CHECKING:
    from mtkit.config.data import TokenizerConfig

PAD, UNK, BOS, EOS = range(4)

SEPARATOR = "<|match|>"
"""The piece between a source and the translation of a similar one; no tag can have its name."""

_MAX_TEXT = 1 << 16
"""Characters of a text that SentencePiece learns from: the others of a longer one have nothing new."""

_MAX_PART = 2000
"""Characters that SentencePiece gets at once. On one long and repetitive text it works for hours."""

_PART = re.compile(rf"\S.{{0,{_MAX_PART - 1}}}(?!\S)|\S{{{_MAX_PART}}}", re.DOTALL)
_TOO_FEW = re.compile(r"smaller than required_chars\. \d+ vs (\d+)")


class Subwords:
    """A trained SentencePiece model.

    Attributes:
        model_bytes: the model as SentencePiece stores it.
        fingerprint: hash of `model_bytes`; equal fingerprints mean equal ids for equal text.
        size: how many ids there are.

    Raises:
        InputError: `model_bytes` is not a SentencePiece model with mtkit's special ids.
    """

    def __init__(self, model_bytes: bytes) -> None:
        try:
            self._model = sentencepiece.SentencePieceProcessor(model_proto=model_bytes)
        except RuntimeError:
            raise InputError("tokenizer: this is not a SentencePiece model.") from None
        self.model_bytes = model_bytes
        self.fingerprint = hashlib.sha256(model_bytes).hexdigest()[:32]
        self.size: int = self._model.get_piece_size() if model_bytes else 0
        model = self._model
        special = (model.pad_id(), model.unk_id(), model.bos_id(), model.eos_id()) if self.size else ()
        if special != (PAD, UNK, BOS, EOS):
            raise InputError(f"tokenizer: its special ids are {special}, expected (0, 1, 2, 3).")

    def __reduce__(self) -> tuple[Callable[[bytes], Subwords], tuple[bytes]]:
        return Subwords, (self.model_bytes,)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without BOS and EOS."""
        if len(texts) == 1:  # SentencePiece starts a thread for each list
            return [self._model.encode(texts[0])]
        # One thread, since SentencePiece would take all cores, and so would every worker.
        ids: list[list[int]] = self._model.encode(list(texts), num_threads=1) if texts else []
        return ids

    def best(self, text: str, count: int) -> list[list[int]]:
        """The ids of the `count` likeliest segmentations, for a unigram model."""
        ids: list[list[int]] = self._model.nbest_encode_as_ids(text, count)
        return ids

    def scores(self, ids: Sequence[int]) -> list[float]:
        """The score of each piece: log-probabilities in a unigram model, the order of merges in BPE."""
        return [self._model.get_score(token) for token in ids]

    def plain_pieces(self) -> dict[str, tuple[int, float]]:
        """Id and score of each piece that is spelt in letters: no tag, symbol, byte or unknown one."""
        model = self._model
        odd = (model.is_control, model.is_unknown, model.is_byte)
        plain = (token for token in range(self.size) if not any(is_odd(token) for is_odd in odd))
        spelt = ((model.id_to_piece(token), token) for token in plain)
        return {piece: (token, model.get_score(token)) for piece, token in spelt if "⟦" not in piece}

    def normalized(self, text: str) -> str:
        """`text` as it is cut into pieces: after the model's own normalisation, with `▁` for spaces."""
        normalized: str = self._model.normalize(text)
        return normalized.replace(" ", "▁")

    @functools.cached_property
    def has_bytes(self) -> bool:
        """Whether the model spells any character that it has no piece for in bytes."""
        return any(map(self._model.is_byte, range(self.size)))

    def has(self, piece: str) -> bool:
        """Whether this is a piece, be it one that text never becomes."""
        return self.ids_of([piece]) != [UNK]

    def spells(self, piece: str) -> bool:
        """Whether this is a piece that text can become."""
        [token] = self.ids_of([piece])
        return token != UNK and not self._model.is_unused(token) and not self._model.is_control(token)

    @functools.cached_property
    def tags(self) -> tuple[str, ...]:
        """The tags that a source may begin with."""
        pieces = (
            self._model.id_to_piece(token) for token in range(4, self.size) if self._model.is_control(token)
        )
        return tuple(piece[1:-1] for piece in pieces if piece != SEPARATOR and "⟦" not in piece)

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The text of each sequence as its pieces spell it, without special ids."""
        plain = [[int(token) for token in row if token > EOS] for row in ids]
        if len(plain) == 1:  # as in `encode`
            return [self._model.decode(plain[0])]
        texts: list[str] = self._model.decode(plain, num_threads=1) if plain else []
        return texts

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The spelling of each id; `▁` stands for a space."""
        # All in one call, which is five times as fast.
        pieces: list[str] = self._model.id_to_piece([int(token) for token in ids])
        return pieces

    def ids_of(self, pieces: Sequence[str]) -> list[int]:
        """The id of each piece; that of the unknown piece for others."""
        return [self._model.piece_to_id(piece) for piece in pieces]

    def save(self, path: Path, mode: int = 0o666) -> None:
        """Write the model to `path`, whole or not at all, with these rights."""
        with atomic_file(path, mode) as stream:
            stream.write(self.model_bytes)


def load_subwords(path: Path) -> Subwords:
    """The model that was saved at `path`.

    Raises:
        InputError: the file is missing or not a usable model.
    """
    try:
        return parse_subwords(path.read_bytes(), path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error


def parse_subwords(model_bytes: bytes, where: Path) -> Subwords:
    """The model in the file `where`, by its content.

    Raises:
        InputError: it is not a usable model.
    """
    try:
        probe(model_bytes)
        return Subwords(model_bytes)
    except InputError as error:
        raise InputError(f"{where}: {error.message}", error.hint) from None


def check_pieces(model: Subwords, pieces: Sequence[str], where: Path) -> None:
    """InputError unless `model`, which lies at `where`, has all these pieces."""
    for piece in pieces:
        if not model.has(piece):
            raise InputError(
                f"{where}: has no piece {piece}, which the options of text and data call for.",
                "Set tokenizer.extend: true to add it, or leave out tokenizer.path to train one that has.",
            )


def default_coverage(*languages: str) -> float:
    """The share of characters to spell: scripts of thousands of characters leave out the rarest."""
    return 0.9995 if has_many_characters(*languages) else 1.0


def has_many_characters(*languages: str) -> bool:
    """Whether one of these languages has a script of thousands of characters."""
    return any(language_of(language).many_characters for language in languages)


def train_subwords(
    texts: Iterable[str],
    config: TokenizerConfig,
    coverage: float = 1.0,
    *,
    symbols: Sequence[str] = (),
    tags: Sequence[str] = (),
    keep_spaces: bool = False,
) -> Subwords:
    """A model trained on `texts`; equal arguments give an equal one.

    When the texts give fewer pieces than `config.vocab_size`, it has what they give.
    Unigram hardly considers pieces that only one word has, however frequent, so a small lexicon gives it few.

    Args:
        texts: to learn from.
        config: the options, with a number of pieces.
        coverage: share of the characters to spell, if `config` says nothing of it.
        symbols: pieces that text is never cut inside of.
        tags: pieces that no text gives, only `ids_of`.
        keep_spaces: runs of spaces are kept.

    Raises:
        InputError: there is no text, or `vocab_size` has no room even for the characters.
    """
    assert config.vocab_size != "auto"
    model = io.BytesIO()
    fault: list[BaseException] = []
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_watched(texts, fault),
            model_writer=model,
            model_type=config.model_type,
            vocab_size=config.vocab_size,
            hard_vocab_limit=False,
            character_coverage=config.character_coverage or coverage,
            byte_fallback=config.byte_fallback,
            num_threads=config.num_threads,
            max_sentence_length=8 * _MAX_PART,  # in bytes; longer ones are skipped
            normalization_rule_name="identity",
            remove_extra_whitespaces=not keep_spaces,
            user_defined_symbols=list(symbols),
            control_symbols=list(tags),
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            minloglevel=2,
        )
    except RuntimeError as error:
        if fault:
            raise fault[0] from None
        raise _explained(str(error), config) from error
    return Subwords(model.getvalue())


def _watched(texts: Iterable[str], fault: list[BaseException]) -> Iterator[str]:
    """`texts`, long ones in parts; what goes wrong in reading them is put into `fault`.

    SentencePiece hides the type of an error.
    """
    try:
        for text in texts:
            if len(text) <= _MAX_PART:
                yield text
            else:
                yield from _PART.findall(text[:_MAX_TEXT])
    except BaseException as error:
        fault.append(error)
        raise


def _explained(reason: str, config: TokenizerConfig) -> InputError:
    if "sentences_.empty()" in reason:
        return InputError("tokenizer: there is no text to train it on.")
    if found := _TOO_FEW.search(reason):
        return InputError(
            f"tokenizer.vocab_size = {config.vocab_size} is below {found[1]}, the characters of this "
            "text and the special pieces.",
            "Raise tokenizer.vocab_size, or lower tokenizer.character_coverage.",
        )
    return InputError(f"tokenizer: SentencePiece failed: {reason.strip()}")
