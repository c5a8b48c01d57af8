"""Text to subword ids and back: one SentencePiece model for both languages.

Texts are expected in the form that `normalize` gives; SentencePiece itself changes nothing of them.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import sentencepiece

from mtkit.config.data import TokenizerConfig
from mtkit.errors import InputError
from mtkit.files import atomic_file
from mtkit.text.normalize import normalize

logger = logging.getLogger(__name__)

MANY_CHARACTERS = {"zh", "ja", "ko"}

# SentencePiece silently skips longer sentences; its own default, 4192 bytes, is too short for paragraphs.
_MAX_SENTENCE_BYTES = 1 << 24
_TOO_FEW = re.compile(r"smaller than required_chars\. \d+ vs (\d+)")


class Tokenizer:
    """A trained SentencePiece model.

    Attributes:
        model_bytes: the model as SentencePiece stores it.
        fingerprint: hash of `model_bytes`; equal fingerprints mean equal ids for equal text.
        size: how many ids there are.

    Raises:
        InputError: `model_bytes` is not a SentencePiece model with mtkit's special ids.
    """

    PAD: ClassVar[int] = 0
    UNK: ClassVar[int] = 1
    BOS: ClassVar[int] = 2
    EOS: ClassVar[int] = 3

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
        if special != (self.PAD, self.UNK, self.BOS, self.EOS):
            raise InputError(f"tokenizer: its special ids are {special}, expected (0, 1, 2, 3).")

    def __reduce__(self) -> tuple[Callable[[bytes], Tokenizer], tuple[bytes]]:
        return Tokenizer, (self.model_bytes,)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without BOS and EOS."""
        # One thread, since SentencePiece would take all cores, and so would every worker.
        ids: list[list[int]] = self._model.encode(list(texts), num_threads=1) if texts else []
        return ids

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The text of each sequence: one line, without special ids and control characters."""
        plain = [[int(token) for token in row if token > self.EOS] for row in ids]
        return [normalize(text) for text in self._model.decode(plain)] if plain else []

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """How each id is spelt, `▁` standing for a space."""
        return [self._model.id_to_piece(int(token)) for token in ids]

    def ids_of(self, pieces: Sequence[str]) -> list[int]:
        """The id of each piece; that of the unknown piece for others."""
        return [self._model.piece_to_id(piece) for piece in pieces]

    def save(self, path: Path) -> None:
        """Write the model to `path`, whole or not at all."""
        with atomic_file(path) as stream:
            stream.write(self.model_bytes)


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer that was saved at `path`.

    Raises:
        InputError: the file is missing or not a usable model.
    """
    try:
        return Tokenizer(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
    except InputError as error:
        raise InputError(f"{path}: {error.message}", error.hint) from None


def find_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer at `path`: its file, or a folder of a run, of prepared data or of a model that has one.

    Raises:
        InputError: there is none, or it is not usable.
    """
    for file in (path, *(path / name / "tokenizer.model" for name in (".", "data", "model"))):
        if file.is_file():
            return load_tokenizer(file)
    raise InputError(f"{path}: there is no tokenizer.model.", "Name a run folder, after mtkit prepare.")


def default_coverage(*languages: str) -> float:
    """The share of characters to spell: scripts of thousands of characters leave out the rarest."""
    return 0.9995 if any(language[:2].lower() in MANY_CHARACTERS for language in languages) else 1.0


def train_tokenizer(texts: Iterable[str], config: TokenizerConfig, coverage: float = 1.0) -> Tokenizer:
    """A tokenizer trained on `texts`; equal texts and options give an equal one.

    When the texts give fewer pieces than `config.vocab_size`, it has what they give and a warning says so.
    Unigram hardly considers pieces that only one word has, however frequent, so a small lexicon gives it few.

    Raises:
        InputError: there is no text, or `vocab_size` has no room even for the characters.
    """
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
            max_sentence_length=_MAX_SENTENCE_BYTES,
            normalization_rule_name="identity",
            pad_id=Tokenizer.PAD,
            unk_id=Tokenizer.UNK,
            bos_id=Tokenizer.BOS,
            eos_id=Tokenizer.EOS,
            minloglevel=2,
        )
    except RuntimeError as error:
        if fault:
            raise fault[0] from None
        raise _explained(str(error), config) from error
    tokenizer = Tokenizer(model.getvalue())
    if tokenizer.size < config.vocab_size:
        logger.warning(
            "tokenizer.vocab_size = %d is more than this text gives: %d pieces.%s",
            config.vocab_size,
            tokenizer.size,
            " model_type: bpe finds more in repetitive text." if config.model_type == "unigram" else "",
        )
    return tokenizer


def _watched(texts: Iterable[str], fault: list[BaseException]) -> Iterator[str]:
    """`texts`; what goes wrong in reading them is put into `fault`, since SentencePiece hides its type."""
    try:
        yield from texts
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
