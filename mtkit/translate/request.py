"""Everything that is asked of a translation beside its text, and the result. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from mtkit.documents.base import Answer, Text
from mtkit.engine.interface import Feature
from mtkit.errors import UsageError
from mtkit.translate.glossary import Glossary, Term

if TYPE_CHECKING:
    from mtkit.translate.fuzzy_matches import FuzzyMatch
    from mtkit.translate.translation_memory import TranslationMemory

Links = tuple[tuple[int, int], ...]
Anchors = tuple[tuple[int, int], ...]

Invalid = Literal["error", "replace"]
OnError = Literal["fail", "blank", "source"]
OnUnsure = Literal["report", "blank", "source"]
GlossaryMode = Literal["auto", "soft", "hard"]
Origin = Literal["model", "memory", "fuzzy"]
"""The model alone, the memory alone, or the model with a similar entry of the memory."""


class Source(NamedTuple):
    """A text to translate, and what is asked of it alone.

    Attributes:
        text: raw, one line.
        number: of its line in the input, from 0; it fixes what is drawn at random.
        tags: that it begins with, if not the usual ones.
        terms: that its translation uses, beside those of the glossary.
    """

    text: str
    number: int
    tags: Sequence[str] | None = None
    terms: tuple[Term, ...] = ()

    @property
    def has_spans(self) -> bool:
        """Whether a document has markup between its words."""
        return isinstance(self.text, Text) and self.text.has_spans


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that is asked of one call beside the text.

    Attributes:
        search: options of `decode` that replace those of the model.
        n_best: how many translations of each line are given, at most.
        scores: translations come with their scores; an engine may be faster without.
        token_scores: they come with the scores of their tokens.
        alignment: they come with links between the words of source and translation.
        confidence: they come with an estimate of their quality.
        min_confidence: what becomes of a line whose best translation has less is said by `on_unsure`.
        on_unsure: note such a line, and besides leave it blank or keep the source.
        as_json: each line is shown as a JSON object.
        prefix: text that each translation begins with.
        glossary: terms that each translation uses where the source has them.
        own_terms: sources may come with terms of their own.
        glossary_mode: soft: terms are written into sources, for a model that has learned to use them. hard:
            the search is constrained to use them. auto: soft with such a model, then hard where a translation
            lacks a term; hard with others.
        memory: texts and sentences that it has are not searched for, but have its translation; a model that
            was trained for it is given the most similar entry for the others.
        min_match: the least similarity of these; 1 for exact matches only, None for that of the model.
        guard: searches again where a translation looks wrong.
        invalid: bytes that are not UTF-8 are an error, or are replaced by U+FFFD.
        on_error: at a line that cannot be translated: stop, leave it blank, or keep the source.
        strict: a line too long to be translated in one part is an error.
    """

    search: Mapping[str, Any] = field(default_factory=dict)
    n_best: int = 1
    scores: bool = False
    token_scores: bool = False
    alignment: bool = False
    confidence: bool = False
    min_confidence: float | None = None
    on_unsure: OnUnsure = "report"
    as_json: bool = False
    prefix: str = ""
    glossary: Glossary | None = None
    own_terms: bool = False
    glossary_mode: GlossaryMode = "auto"
    memory: TranslationMemory | None = None
    min_match: float | None = None
    guard: bool = False
    invalid: Invalid = "replace"
    on_error: OnError = "fail"
    strict: bool = False

    def __post_init__(self) -> None:
        """Raises UsageError for values that are invalid, or do not go together."""
        if self.glossary_mode != "auto" and self.glossary is None and not self.own_terms:
            raise UsageError(
                f"--glossary-mode {self.glossary_mode}: has no effect without terms.",
                "Add --glossary or --terms.",
            )
        if self.prefix and self.memory is not None:
            raise UsageError(
                "--target-prefix: translations from a memory do not begin with it.",
                "Leave out --memory or --target-prefix.",
            )
        if self.min_match is not None and not 0 < self.min_match <= 1:
            raise UsageError(
                f"--min-match {self.min_match:g}: expected a number above 0, at most 1.",
                "Choose the least similarity of a match, such as 0.7, or 1 for exact matches only.",
            )
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:
            raise UsageError(
                f"--min-confidence {self.min_confidence:g}: expected a number from 0 to 1.",
                "Choose the smallest share of chrF that is good enough, such as 0.5.",
            )

    @property
    def needs_scores(self) -> bool:
        """Whether the scores of hypotheses are shown."""
        return self.scores or self.as_json or self.n_best > 1

    @property
    def needs_confidence(self) -> bool:
        """Whether the quality of translations is estimated."""
        return self.confidence or self.min_confidence is not None

    @property
    def needs_token_scores(self) -> bool:
        """Whether the scores of tokens are shown, or an estimate is made from them."""
        return self.token_scores or self.needs_confidence

    @property
    def details(self) -> list[str]:
        """The options of the command line by which something beside the text is shown."""
        asked = {
            "--n-best": self.n_best > 1,
            "--json": self.as_json,
            "--scores": self.scores,
            "--token-scores": self.token_scores,
            "--alignment": self.alignment,
            "--confidence": self.confidence,
        }
        return [name for name, is_asked in asked.items() if is_asked]

    @property
    def features(self) -> list[Feature]:
        """The requested features that an engine may lack."""
        asked: dict[Feature, bool] = {
            "target prefixes": bool(self.prefix),
            "terms": self.glossary_mode != "soft" and (self.glossary is not None or self.own_terms),
            "alignments": self.alignment,
        }
        return [name for name, is_asked in asked.items() if is_asked]


class Part(NamedTuple):
    """A sentence of a line."""

    src: str
    tgt: str
    origin: Origin = "model"
    match: FuzzyMatch | None = None


class Translation(NamedTuple):
    """One translation of a line.

    Attributes:
        text: one line.
        score: higher is better; of a line in several parts their mean by length; may be NaN unless asked for.
        token_scores: log-probabilities of its tokens and ends of sentence, if the engine gives them.
        links: which source word each target word comes from, by number from 0, if that was asked.
        anchors: the same as offsets of words in the two texts, where they are known.
        fault: what is wrong with it in the guard's view, even after a second search; else empty.
        parts: the texts of which a line was made up, each with its translation; none if it was one.
        is_placed: false if placeholders could not be placed, and a text stays as it was.
        confidence: its estimated quality from 0 to 1 if that was asked; 1 where nothing was searched for.
        origin: the memory, if nothing of it was searched for; fuzzy, if it is in one piece and has a match.
        is_marked: it has the markup of its document.
        match: the similar entry of the memory that the model was given.
    """

    text: str
    score: float = 0.0
    token_scores: tuple[float, ...] = ()
    links: Links = ()
    anchors: Anchors = ()
    fault: str = ""
    parts: tuple[Part, ...] = ()
    is_placed: bool = True
    confidence: float = 1.0
    origin: Origin = "model"
    is_marked: bool = False
    match: FuzzyMatch | None = None


BLANK = Translation("")


def best_texts(found: list[list[Translation]]) -> list[str]:
    """The text of the best translation of each line."""
    return [best.text for best, *_ in found]


def best_answers(found: list[list[Translation]]) -> list[str]:
    """The best translation of each text of a document, with its links."""
    return [Answer(best.text, best.anchors, best.is_marked) for best, *_ in found]


def word_numbers(pieces: Sequence[str], spaced: bool) -> list[range]:
    """The words, or in languages without spaces the characters, that each piece is of.

    Args:
        pieces: of the subword model, `▁` being a space.
        spaced: whether the language puts spaces between words.
    """
    words, begun = [], -1
    for piece in pieces:
        letters = piece.lstrip("▁")
        if spaced:
            if piece.startswith("▁") or begun < 0:
                begun += 1
            words.append(range(begun, begun + bool(letters)))
        else:
            words.append(range(begun + 1, begun + 1 + len(letters)))
            begun += len(letters)
    return words
