"""The grammar of the phrasebook: categories of rows, each row written in four languages at once.

A row is a word, a fixed text, or a text with slots that are filled by rows of other categories, the same rows
in every language. A sentence template is such a row too. A meaning is a number below the size of its
category. README.md describes the format of the files in `lexicon/` and `scenes/`.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from types import MappingProxyType

from mtkit.data.read.phrasebook import chinese, english, french, german
from mtkit.data.read.phrasebook.words import Adjective, Grammar, Noun

GRAMMARS: MappingProxyType[str, Grammar] = MappingProxyType(
    {"en": english, "fr": french, "de": german, "zh": chinese}
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word inside braces that names a slot: `city2`, `activity.ing`, `job@person`."""

    slot: str
    form: str
    agrees: str


@dataclass(frozen=True, slots=True)
class Placeholder:
    """The content of braces: a phrase `{einen color shirt}` or a choice `{person:he/she}`.

    Attributes:
        determiner: begins the phrase; with `agrees`, alternatives by gender, such as `sein/ihr`.
        tokens: the slots, the head last.
        options: the alternatives of a choice.
    """

    determiner: str
    agrees: str
    tokens: tuple[Token, ...]
    options: tuple[str, ...] = ()


Pattern = tuple[str | Placeholder, ...]


@dataclass(eq=False)
class Row:
    """One way to fill a slot.

    Attributes:
        where: file and line, for messages.
        name: its first cell, in English, as written.
        words: language -> word, if the row is one.
        texts: (language, form) -> pattern, if it is a text; the usual form is the empty one.
        gender: `m` or `f` of a person.
        person: index of the subject for agreement: 0 I, 1 he or she, 2 we, 3 they.
        slots: name -> category of each slot, in order.
    """

    where: str
    name: str
    words: dict[str, Noun | Adjective]
    texts: dict[tuple[str, str], Pattern]
    gender: str
    person: int
    slots: dict[str, Category]

    @cached_property
    def size(self) -> int:
        """The number of meanings of the row."""
        size = 1
        for category in self.slots.values():
            size *= category.size
        return size

    @cached_property
    def may_repeat(self) -> bool:
        """Whether two slots, here or nested, have the same category."""
        categories = list(self.slots.values())
        return len({*categories}) < len(categories) or any(category.may_repeat for category in categories)

    def repeats(self, meaning: int) -> bool:
        """Whether two slots of the same category, here or nested, have the same filler."""
        seen = set()
        for category in reversed(self.slots.values()):
            meaning, choice = divmod(meaning, category.size)
            if (category, choice) in seen or (category.may_repeat and category.repeats(choice)):
                return True
            seen.add((category, choice))
        return False

    def draw(self, rng: random.Random) -> int:
        """A meaning of the row."""
        meaning = 0
        for category in self.slots.values():
            meaning = meaning * category.size + category.draw(rng)
        return meaning

    def fill(self, meaning: int) -> Filler:
        """The row with its slots filled."""
        fillers: dict[str, Filler] = {}
        for name, category in reversed(self.slots.items()):
            meaning, choice = divmod(meaning, category.size)
            fillers[name] = category.fill(choice)
        return Filler(self, fillers)


@dataclass(eq=False)
class Category:
    """A set of rows that may fill the same slot."""

    name: str
    rows: list[Row] = field(default_factory=list)

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(row.size for row in self.rows))

    @cached_property
    def _weights(self) -> list[float]:
        return list(accumulate(row.size ** (1 / 3) for row in self.rows))

    @cached_property
    def size(self) -> int:
        """The number of meanings of the category."""
        return self._ends[-1]

    @cached_property
    def may_repeat(self) -> bool:
        """Whether two nested slots have the same category."""
        return any(row.may_repeat for row in self.rows)

    def draw(self, rng: random.Random) -> int:
        """A random meaning; a row is drawn with the cube root of its size as weight, to favour small rows."""
        if self.size == len(self.rows):
            return int(rng.random() * self.size)
        index = bisect_right(self._weights, rng.random() * self._weights[-1], hi=len(self.rows) - 1)
        row = self.rows[index]
        return self._ends[index] - row.size + row.draw(rng)

    def fill(self, meaning: int) -> Filler:
        """The row and the parts of a meaning."""
        row, rest = self._row(meaning)
        return row.fill(rest)

    def repeats(self, meaning: int) -> bool:
        """Whether two nested slots of the same category have the same filler."""
        row, rest = self._row(meaning)
        return row.repeats(rest)

    def _row(self, meaning: int) -> tuple[Row, int]:
        index = bisect_right(self._ends, meaning)
        row = self.rows[index]
        return row, meaning - self._ends[index] + row.size


@dataclass(frozen=True, slots=True)
class Filler:
    """A row with filled slots, which can be written in any of the languages."""

    row: Row
    parts: dict[str, Filler]

    def text(self, lang: str, form: str = "") -> str:
        """The text in a language; the usual form if the row lacks the requested one."""
        pattern = self.row.texts.get((lang, form)) or self.row.texts.get((lang, ""))
        if pattern is None:
            return self._phrase(lang, "", ())
        return "".join(part if isinstance(part, str) else self._say(part, lang) for part in pattern)

    def gender(self, lang: str) -> str:
        """`m`, `f` or `n`, from the row or its only part; empty if it has no gender."""
        word = self.row.words.get(lang)
        if isinstance(word, Noun) and word.gender:
            return word.gender
        if self.row.gender or len(self.parts) != 1:
            return self.row.gender
        (part,) = self.parts.values()
        return part.gender(lang)

    def _say(self, placeholder: Placeholder, lang: str) -> str:
        *tokens, head = placeholder.tokens
        if placeholder.options:
            return _choose(placeholder.options, self.parts[head.slot], lang)
        determiner = placeholder.determiner
        if placeholder.agrees:
            determiner = _choose(determiner.split("/"), self.parts[placeholder.agrees], lang)
        filler = self.parts[head.slot]
        word = filler.row.words.get(lang)
        if isinstance(word, Noun) and not head.form and not head.agrees:
            return filler._phrase(lang, determiner, [self.parts[token.slot] for token in tokens])
        if isinstance(word, Adjective) and not head.form:
            gender = self.parts[head.agrees].gender(lang) if head.agrees else "m"
            return GRAMMARS[lang].predicate(word, gender)
        form = self.parts[head.agrees].gender(lang) if head.agrees else head.form
        return filler.text(lang, form)

    def _phrase(self, lang: str, determiner: str, attributes: Sequence[Filler]) -> str:
        noun = self.row.words[lang]
        assert isinstance(noun, Noun)
        count, adjectives = "", []
        for attribute in attributes:
            word = attribute.row.words.get(lang)
            if isinstance(word, Adjective):
                adjectives.append(word)
            else:
                count = attribute.text(lang)
        return GRAMMARS[lang].noun_phrase(determiner, count, adjectives, noun)


def _choose(options: Sequence[str], filler: Filler, lang: str) -> str:
    """The option that agrees; their order is documented in README.md."""
    gender = filler.gender(lang)
    if len(options) == 2:
        return options[gender == "f"]
    if isinstance(filler.row.words.get(lang), Noun):
        return options["mfn".index(gender)]
    return options[min(filler.row.person, len(options) - 1)]
