"""What a translation must have: numbers, names, addresses, terms, words for words. Free of torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from mtkit.text.languages import UNSPACED_CHARACTERS, language_of
from mtkit.text.protect import build_finder
from mtkit.translate.coverage import Coverage
from mtkit.translate.glossary import Glossary, Term, terms_used

Item = Literal["numbers", "names", "placeholders", "addresses"]

_SPANS = {"placeholders": build_finder(["placeholders"]), "addresses": build_finder(["urls", "emails"])}
_OTHER = build_finder(["urls", "emails", "placeholders"])
_NUMBER = re.compile(r"(?<!\d)\d{1,3}(?:[.,'’ \u00a0\u2009\u202f]\d{3})+(?!\d)|\d+")
"""With separated thousands, or a row of digits: 1.5 is two of them."""
_WORD = re.compile(rf"[^\W\d_{UNSPACED_CHARACTERS}][^\W_{UNSPACED_CHARACTERS}]*(?:[-'’][^\W\d_]+)*")
_ENDS = '.!?:…。！？："“”„«»‘—–-•('
"""Signs after which a word may be capitalised because it begins a sentence or a quotation."""


def numbers_of(text: str) -> list[str]:
    """The numbers in a text, without separators of thousands; none of those in addresses and placeholders."""
    found = _NUMBER.findall(_OTHER.sub(" ", text))
    return ["".join(str(int(char)) for char in number if char.isdecimal()) for number in found]


def names_of(text: str) -> list[str]:
    """Words with a capital inside a sentence, where it is not due to the beginning of one."""
    text = _OTHER.sub(" ", text)
    found = []
    for word in _WORD.finditer(text):
        before = text[: word.start()].rstrip()
        if word[0][0].isupper() and before and before[-1] not in _ENDS:
            found.append(word[0])
    return found


def _words_of(text: str) -> list[str]:
    return _WORD.findall(text)


def _all(kind: Literal["placeholders", "addresses"]) -> Callable[[str], list[str]]:
    finder = _SPANS[kind]
    return lambda text: [found[0] for found in finder.finditer(text)]


_FINDERS: Mapping[Item, tuple[Callable[[str], list[str]], Callable[[str], list[str]]]] = {
    "numbers": (numbers_of, numbers_of),
    "names": (names_of, _words_of),
    "placeholders": (_all("placeholders"), _all("placeholders")),
    "addresses": (_all("addresses"), _all("addresses")),
}
"""What finds the items of a reference, and what finds them in other texts."""


def expected(kind: Item, ref: str, src: str | None) -> Counter[str]:
    """The items that a translation must have.

    These are the items of the reference; of names, placeholders and addresses only those that the source has
    too, because others were not copied. Names are not known without the source.
    """
    if kind == "names" and src is None:
        return Counter()
    of_refs, of_others = _FINDERS[kind]
    items = Counter(of_refs(ref))
    if kind != "numbers" and src is not None:
        items &= Counter(of_others(src))
    return items


def taken_over(kind: Item, wanted: Counter[str], hyp: str) -> int:
    """How many of the wanted items a translation has."""
    return (wanted & Counter(_FINDERS[kind][1](hyp))).total() if wanted else 0


def count_items(
    kind: Item, hyps: Sequence[str], refs: Sequence[Sequence[str]], srcs: Sequence[str] | None
) -> list[tuple[int, int]]:
    """For each line, how many items its translation has, and how many it must have.

    Of several references, the one counts by which the translation lacks fewest.
    """
    found = []
    for place, hyp in enumerate(hyps):
        src = srcs[place] if srcs is not None else None
        of_refs = [expected(kind, version[place], src) for version in refs]
        counts = [(taken_over(kind, wanted, hyp), wanted.total()) for wanted in of_refs]
        found.append(min(counts, key=lambda count: (count[1] - count[0], -count[1])))
    return found


def terms_of(glossary: Glossary, srcs: Sequence[str], src_lang: str) -> list[list[Term]]:
    """The terms of the glossary in each source."""
    spaced = language_of(src_lang).spaced
    return [glossary.find(src, spaced) for src in srcs]


def count_terms(terms: Sequence[Sequence[Term]], hyps: Sequence[str], tgt_lang: str) -> list[tuple[int, int]]:
    """For each line, how many terms of its source the translation has, and how many there are."""
    spaced = language_of(tgt_lang).spaced
    return [(terms_used(own, hyp, spaced), len(own)) for own, hyp in zip(terms, hyps, strict=True)]


def count_covered(
    coverage: Coverage, srcs: Sequence[str], hyps: Sequence[str]
) -> list[list[tuple[int, int]]]:
    """For each line, how many words have a counterpart, and how many there are: of sources, of translations.

    Words that the lexicon does not know count as if they had one.
    """
    sides: list[list[tuple[int, int]]] = [[], []]
    for src, hyp in zip(srcs, hyps, strict=True):
        found = coverage.of(src, hyp)
        for side, missing, num_words in zip(
            sides, (found.missing, found.invented), coverage.num_words(src, hyp), strict=True
        ):
            side.append((num_words - len(missing), num_words))
    return sides
