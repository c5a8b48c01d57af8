"""What can be asked of translations beside the text, and what comes back. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from mtkit.translate.glossary import Glossary, Term, TermCount
from mtkit.translate.notes import Notes

Links = tuple[tuple[int, int], ...]

OnError = Literal["fail", "blank", "source"]


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


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of every line.

    Attributes:
        n_best: how many translations, at most.
        details: the scores of tokens too.
        align: which words of the source the words of the translation come from.
        prefix: text that each translation begins with.
        glossary: terms that each translation uses where the source has them.
        own_terms: whether sources may come with terms of their own.
        strict: a line that would have to be translated in parts is an error.
        on_error: of a line at which the engine fails: stop, or leave it blank, or give the source.
        terms: counts what became of terms.
        notes: what befell lines.
        scores: whether those of translations are looked at; an engine may be faster without.
    """

    n_best: int = 1
    details: bool = False
    align: bool = False
    prefix: str = ""
    glossary: Glossary | None = None
    own_terms: bool = False
    strict: bool = False
    on_error: OnError = "fail"
    terms: TermCount = field(default_factory=TermCount)
    notes: Notes = field(default_factory=Notes)
    scores: bool = True

    def native_only(self) -> list[str]:
        """What of it only the native engine does, in the words of the command line."""
        asked = {
            "--n-best": self.n_best > 1,
            "--token-scores": self.details,
            "--alignment": self.align,
            "--target-prefix": bool(self.prefix),
            "--glossary": self.glossary is not None,
            "--terms": self.own_terms,
        }
        return [name for name, is_asked in asked.items() if is_asked]

    def terms_in(self, text: str) -> list[Term]:
        """The glossary's terms in a source text."""
        return self.glossary.find(text) if self.glossary else []


class Translation(NamedTuple):
    """One translation of a line.

    Attributes:
        text: one line.
        score: higher is better; of a line in several parts their mean by length.
        token_scores: log-probabilities of its tokens and ends of sentence, if the engine gives them.
        links: which source word each target word comes from, by number from 0, if that was asked.
        ids: the target's, as the model wrote them.
        fault: what is wrong with it in the guard's view, even after a second search; else empty.
    """

    text: str
    score: float = 0.0
    token_scores: tuple[float, ...] = ()
    links: Links = ()
    ids: tuple[int, ...] = ()
    fault: str = ""


BLANK = Translation("")


def word_links(
    src_pieces: Sequence[str],
    tgt_pieces: Sequence[str],
    links: Sequence[tuple[int, int]],
    spaced: tuple[bool, bool],
) -> Links:
    """Links between words, for links between pieces; in languages without spaces characters are words.

    Args:
        src_pieces: of the subword model, `▁` being a space.
        tgt_pieces: likewise.
        links: pairs of places in them.
        spaced: whether the source and the target language put spaces between words.
    """
    src_words = _words(src_pieces, spaced[0])
    tgt_words = _words(tgt_pieces, spaced[1])
    found = {(s, t) for src, tgt in links for s in src_words[src] for t in tgt_words[tgt]}
    return tuple(sorted(found))


def _words(pieces: Sequence[str], spaced: bool) -> list[range]:
    """The words, or the characters, that each piece is of."""
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
