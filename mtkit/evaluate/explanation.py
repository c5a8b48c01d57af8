"""Why a model translates a sentence as it does. Torch only in the engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import exp
from typing import TYPE_CHECKING, Any
from unicodedata import category

from mtkit.decode.hypothesis import Inspected
from mtkit.errors import InputError
from mtkit.evaluate.nearest import Neighbour, nearest_pairs
from mtkit.text.languages import language_of
from mtkit.translate.account import Account
from mtkit.translate.request import Request, Source, Translation
from mtkit.translate.windows import Window

if TYPE_CHECKING:
    from mtkit.data.prepare.shard_texts import TrainingText
    from mtkit.text.subwords import Subwords
    from mtkit.translate.confidence import Confidence
    from mtkit.translate.coverage import Spans
    from mtkit.translate.translator import Translator

FORMAT, VERSION = "mtkit-explanation", 1
END = "</s>"
"""The piece that ends a sentence."""
UNKNOWN = "<unk>"
"""The piece of characters that the subword model lacks."""


@dataclass(frozen=True, slots=True)
class LikelyToken:
    """A token of a translation.

    Attributes:
        piece: of the subword model; `▁` is a space.
        probability: given the source and the tokens before it.
        likely: the most probable pieces in its place, the best first, with their probabilities.
    """

    piece: str
    probability: float
    likely: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A source without one of its words.

    Attributes:
        word: that is left out.
        span: where it stands in the source.
        translation: of the rest.
        fall: by how much the log-probability of the unchanged translation is lower, in nats.
    """

    word: str
    span: tuple[int, int]
    translation: str
    fall: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """A sentence and its translation.

    Attributes:
        src: as the model reads it.
        tgt: its translation.
        is_given: whether the translation was given, and is not the model's own.
        score: log-probability of the translation, divided by the length penalty.
        tokens: of the translation, the end of the sentence last.
        src_words: words of the source, or pieces in a language without spaces.
        tgt_words: likewise of the translation.
        attention: [tgt_words, src_words + 1] where the model looked when it wrote a word: the mean over its
            pieces, in sum 1. The last column is the end of the source with all tags.
        confidence: estimated quality from 0 to 1; None if the model does not know it.
        missing: spans of source words that nothing in the translation explains; None if the model has no
            lexicon.
        invented: spans of translated words that nothing in the source explains; None likewise.
        left_out: what becomes of the translation without each word of the source.
        nearest: training pairs with sources like this one; None if the training data are not there.
    """

    src: str
    tgt: str
    is_given: bool
    score: float
    tokens: tuple[LikelyToken, ...]
    src_words: tuple[str, ...]
    tgt_words: tuple[str, ...]
    attention: tuple[tuple[float, ...], ...]
    confidence: float | None = None
    missing: Spans | None = None
    invented: Spans | None = None
    left_out: tuple[LeftOut, ...] = ()
    nearest: tuple[Neighbour, ...] | None = None


def explanations_json(model: str, found: Sequence[Explanation]) -> dict[str, Any]:
    """Explanations of a model's translations as JSON."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "model": model,
        "explanations": [asdict(each) for each in found],
    }


class _Unheard(Account):
    """Of texts that nobody gave, such as a source without a word; nothing is noted of them."""

    def add(self, kind: str, number: int, text: str, *, level: int = 0) -> None:
        """Nothing."""


class Explainer:
    """Explains translations.

    Args:
        translator: with the native engine.
        training: the training pairs of the model, if they are there.
        request: search options.
        num_likely: number of most probable pieces for each token.
        num_nearest: number of training pairs.
    """

    def __init__(
        self,
        translator: Translator,
        training: TrainingText | None = None,
        request: Request | None = None,
        num_likely: int = 3,
        num_nearest: int = 3,
    ) -> None:
        self._translator, self._training = translator, training
        self._request = request or Request()
        self._num_likely, self._num_nearest = num_likely, num_nearest
        self._langs = translator.languages
        self._spaced = [language_of(lang).spaced for lang in self._langs]
        self._confidence: Confidence | None = None
        with suppress(InputError):  # the model does not know it
            self._confidence = translator.confidence

    def explain(self, text: str, target: str | None = None) -> list[Explanation]:
        """An explanation of each part in which the translator translates a line; of most lines there is one.

        Args:
            text: a line.
            target: a translation of all of it, to be explained instead of the model's own.

        Raises:
            UsageError: the engine cannot.
            InputError: there is nothing to translate.
        """
        normalize = self._translator.tokenizer.form.normalize
        if target is not None:
            parts: Sequence[tuple[str, str]] = [(normalize(text), normalize(target))]
        else:
            [found] = self._translated([text], Account())
            parts = [(normalize(src), normalize(tgt)) for src, tgt, *_ in found.parts or [(text, found.text)]]
        parts = [(src, tgt) for src, tgt in parts if src and tgt]
        if not parts:
            raise InputError("the text has nothing to translate, or its translation is empty.")
        return [self._explained(src, tgt, target is not None) for src, tgt in parts]

    def _translated(self, texts: Sequence[str], account: Account) -> list[Translation]:
        sources = [Source(text, number) for number, text in enumerate(texts)]
        window = Window(sources, lambda found: [best for best, *_ in found])
        answers = self._translator.results([window], self._request, account)
        return [each for found in answers for each in found]

    def _explained(self, src: str, tgt: str, is_given: bool) -> Explanation:
        translator = self._translator
        [(src_ids, seen)] = translator.inspect([(src, tgt)], self._request, self._num_likely)
        [hyp] = translator.score([(src, tgt)], self._request)
        tokenizer, coverage = translator.tokenizer, translator.coverage
        tags = len(src_ids) - len(tokenizer.encode([src])[0])
        src_pieces = with_unknown(tokenizer.src.pieces(src_ids[tags:]), tokenizer.src.normalized(src))
        tgt_pieces = with_unknown(tokenizer.tgt.pieces(seen.ids[:-1]), tokenizer.tgt.normalized(tgt))
        groups = word_groups(src_pieces, self._spaced[0]), word_groups(tgt_pieces, self._spaced[1])
        src_words, tgt_words = (
            tuple(self._word("".join(pieces[begin:end])) for begin, end in own)
            for pieces, own in zip((src_pieces, tgt_pieces), groups, strict=True)
        )
        covered = coverage.of(src, tgt) if coverage else None
        estimate = self._confidence
        return Explanation(
            src,
            tgt,
            is_given,
            hyp.score,
            tuple(_tokens(seen, tokenizer.tgt)),
            src_words,
            tgt_words,
            _word_attention(seen, tags, *groups),
            estimate.of(src, tgt, seen.log_probs, coverage) if estimate else None,
            covered.missing if covered else None,
            covered.invented if covered else None,
            tuple(self._without_each(src, tgt, self._spans(src, src_words), sum(seen.log_probs))),
            self._nearest(src),
        )

    def _word(self, pieces: str) -> str:
        """A word for people from its pieces."""
        text = pieces.replace("▁", " ").strip()
        return self._translator.tokenizer.form.without_marks(text) or text

    def _spans(self, src: str, pieces: Sequence[str]) -> list[tuple[int, int]]:
        """Where the words of a source stand, without punctuation around them."""
        if not self._spaced[0]:
            return [*_places(src, pieces)]
        found = ((match.start(), _letters(match[0])) for match in re.finditer(r"\S+", src))
        return [(start + first, start + last) for start, (first, last) in found if first < last]

    def _without_each(
        self, src: str, tgt: str, spans: Sequence[tuple[int, int]], total: float
    ) -> Iterator[LeftOut]:
        kept = [(span, rest) for span in spans if any(map(str.isalnum, rest := _without(src, span)))]
        if not kept:
            return
        found = self._translated([rest for _, rest in kept], _Unheard())
        scored = self._translator.score([(rest, tgt) for _, rest in kept], self._request)
        for (span, _), other, hyp in zip(kept, found, scored, strict=True):
            yield LeftOut(src[slice(*span)], span, other.text, total - sum(hyp.token_scores))

    def _nearest(self, src: str) -> tuple[Neighbour, ...] | None:
        if self._training is None or not self._num_nearest:
            return None if self._num_nearest else ()
        return tuple(nearest_pairs(self._training, src, self._langs[0], self._num_nearest))


def _tokens(seen: Inspected, subwords: Subwords) -> Iterator[LikelyToken]:
    pieces = [*subwords.pieces(seen.ids[:-1]), END]
    for piece, score, likely in zip(pieces, seen.log_probs, seen.likely, strict=True):
        names = subwords.pieces([token for token, _ in likely])
        probabilities = [probability for _, probability in likely]
        yield LikelyToken(piece, exp(score), tuple(zip(names, probabilities, strict=True)))


def with_unknown(pieces: list[str], text: str) -> list[str]:
    """The pieces of a text in which its own characters take the place of unknown pieces.

    Args:
        pieces: they stay as they are if they are not those of `text` itself, as where marks stand for case.
        text: with `▁` for spaces and before the first word.
    """
    at, found = 0, list[str]()
    for piece, after in zip(pieces, [*pieces[1:], ""], strict=True):
        end = at + len(piece)
        if piece == UNKNOWN:
            end = text.find(after, at + 1) if after else len(text)
        elif not text.startswith(piece, at):
            return pieces
        if end < 0:
            return pieces
        found.append(text[at:end])
        at = end
    return found


def word_groups(pieces: Sequence[str], spaced: bool) -> list[tuple[int, int]]:
    """Begin and end of the pieces of each word and of punctuation around it.

    In a language without spaces, each piece counts as a word.
    """
    if not spaced:
        return [(place, place + 1) for place, piece in enumerate(pieces) if piece != "▁"]
    starts = [place for place, piece in enumerate(pieces) if not place or piece.startswith("▁")]
    found: list[tuple[int, int]] = []
    for begin, end in pairwise([*starts, len(pieces)]):
        marks = "".join("." if _is_mark(piece) else "x" for piece in pieces[begin:end])
        first, last = _letters(marks)
        found += [(place, place + 1) for place in range(begin, begin + first)]
        found += [(begin + first, begin + last)] if first < last else []
        found += [(place, place + 1) for place in range(begin + last, end)]
    return found


def _is_mark(piece: str) -> bool:
    """Whether there is nothing but punctuation and signs in it."""
    text = piece.lstrip("▁")
    return bool(text) and _letters(text) == (len(text), len(text))


def _letters(word: str) -> tuple[int, int]:
    """Begin and end of a word without punctuation around it; twice its end if it has nothing else."""
    places = [place for place, char in enumerate(word) if category(char)[0] not in "PS"]
    return (places[0], places[-1] + 1) if places else (len(word), len(word))


def _word_attention(
    seen: Inspected, tags: int, src: Sequence[tuple[int, int]], tgt: Sequence[tuple[int, int]]
) -> tuple[tuple[float, ...], ...]:
    """The attention of words to words: summed over pieces of the source, averaged over the target's."""
    table = []
    for begin, end in tgt:
        rows = seen.attention[begin:end]
        mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        words = [sum(mean[tags + first : tags + last]) for first, last in src]
        table.append((*words, max(0.0, 1 - sum(words))))
    return tuple(table)


def _places(text: str, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where each word stands in a text, in order; one that is spelled otherwise there is passed over."""
    place = 0
    for word in words:
        found = text.find(word, place)
        if found >= 0:
            place = found + len(word)
            yield found, place


def _without(text: str, span: tuple[int, int]) -> str:
    """A text without a span, with one space where there were two."""
    before, after = text[: span[0]], text[span[1] :]
    if before.endswith(" ") or not before:
        after = after.removeprefix(" ")
    return (before + after).strip()
