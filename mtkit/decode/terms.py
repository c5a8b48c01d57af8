"""Recognises terms in what is being written, whatever the pieces: an automaton over their text."""

from __future__ import annotations

import unicodedata
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from mtkit.decode.hypothesis import Terms
from mtkit.text.tokenizer import Tokenizer

EOS = Tokenizer.EOS
_BOUNDARY = "\b"


@dataclass(slots=True)
class _Node:
    """A beginning of a spelling.

    Attributes:
        children: nodes by the next symbol.
        fail: the longest proper suffix that is a node, too.
        ends: the terms that end here.
        said: of each term, how many of its tokens have been said here; absent inside a token.
        following: tokens with which spellings continue.
    """

    children: dict[str, int] = field(default_factory=dict)
    fail: int = 0
    ends: set[int] = field(default_factory=set)
    said: dict[int, int] = field(default_factory=dict)
    following: set[int] = field(default_factory=set)


class TermStates:
    """The progress of hypotheses through the terms of one sentence, as numbered states; `START` is the first.

    It is the automaton of Aho and Corasick (1975) over characters, together with how often each term has been
    met. A term is met in any segmentation. Between words it begins and ends at the bounds of words. Terms may
    overlap, but one that is part of another has to stand elsewhere, too.

    Attributes:
        goal: tokens of all terms.
        said: of each state, how many tokens of terms a hypothesis has said, the term that it is in included.
    """

    START = 0

    def __init__(self, terms: Terms) -> None:
        self._pieces, self._spaced = terms.pieces, terms.spaced
        times = Counter(terms.wanted)
        self._lengths = [max(map(len, spellings)) for spellings in times]
        self._nodes = [_Node()]
        for term, spellings in enumerate(times):
            for ids in spellings:
                self._add(term, ids)
        self._link()
        self._needs = [0] * len(times)
        for spellings, count in times.items():
            for term, found in enumerate(self._occurrences(spellings[0])):
                self._needs[term] += count * found
        self.goal = sum(need * length for need, length in zip(self._needs, self._lengths, strict=True))
        self.said: list[int] = []
        self._states: list[tuple[int, bool, tuple[int, ...]]] = []
        self._numbers: dict[tuple[int, bool, tuple[int, ...]], int] = {}
        self._after: dict[tuple[int, int], int] = {}
        self._wanted: dict[int, tuple[int, ...]] = {}
        self._number((0, False, (0,) * len(times)))

    def after(self, state: int, token: int) -> int:
        """The state of a hypothesis in `state` after `token`, which may be the end of sentence."""
        found = self._after.get((state, token))
        if found is None:
            node, inside, counts = self._states[state]
            met = list(counts)
            for symbol in self._symbols(token, inside):
                node = self._next(node, symbol)
                for term in self._nodes[node].ends:
                    met[term] = min(met[term] + 1, self._needs[term])
            found = self._number((node, self._is_inside(token, inside), tuple(met)))
            self._after[state, token] = found
        return found

    def wanted(self, state: int) -> tuple[int, ...]:
        """The tokens that take a hypothesis in `state` further with its terms, or that end it with all."""
        if state not in self._wanted:
            tokens = {token for node in self._suffixes(self._states[state][0]) for token in node.following}
            further = (token for token in tokens if self.said[self.after(state, token)] > self.said[state])
            ends = (EOS,) if self.said[self.after(state, EOS)] == self.goal else ()
            self._wanted[state] = (*ends, *sorted(further))
        return self._wanted[state]

    # ---- building

    def _add(self, term: int, ids: tuple[int, ...]) -> None:
        node, inside = 0, False
        for said, token in enumerate(ids, start=1):
            self._nodes[node].following.add(token)
            for symbol in self._symbols(token, inside):
                node = self._child(node, symbol)
            inside = self._is_inside(token, inside)
            tokens = self._nodes[node].said
            tokens[term] = max(tokens.get(term, 0), self._lengths[term] - len(ids) + said)
        if inside and self._spaced:
            node = self._child(node, _BOUNDARY)
        self._nodes[node].ends.add(term)

    def _child(self, node: int, symbol: str) -> int:
        children = self._nodes[node].children
        if symbol not in children:
            children[symbol] = len(self._nodes)
            self._nodes.append(_Node())
        return children[symbol]

    def _link(self) -> None:
        """Sets the failure links, in the order of depth."""
        queue = deque(self._nodes[0].children.values())
        while queue:
            node = self._nodes[queue.popleft()]
            for symbol, child in node.children.items():
                fail = self._next(node.fail, symbol)
                self._nodes[child].fail = fail
                self._nodes[child].ends |= self._nodes[fail].ends
                queue.append(child)

    def _occurrences(self, ids: tuple[int, ...]) -> list[int]:
        """The number of times each term is in the text of `ids`."""
        counts, node, inside = [0] * len(self._lengths), 0, False
        for token in (*ids, EOS):
            for symbol in self._symbols(token, inside):
                node = self._next(node, symbol)
                for term in self._nodes[node].ends:
                    counts[term] += 1
            inside = self._is_inside(token, inside)
        return counts

    # ---- walking

    def _next(self, node: int, symbol: str) -> int:
        while node and symbol not in self._nodes[node].children:
            node = self._nodes[node].fail
        return self._nodes[node].children.get(symbol, 0)

    def _suffixes(self, node: int) -> Iterator[_Node]:
        """The node and all that end it, down to the empty one."""
        while node:
            yield self._nodes[node]
            node = self._nodes[node].fail
        yield self._nodes[0]

    def _symbols(self, token: int, inside: bool) -> Iterator[str]:
        """The characters of a token, and the bounds of words before and between them where words have any."""
        if token == EOS:
            yield _BOUNDARY
            return
        for character in self._pieces[token]:
            if self._spaced and not (inside and _of_word(character)):
                yield _BOUNDARY
            inside = _of_word(character)
            yield character

    def _is_inside(self, token: int, inside: bool) -> bool:
        """Whether a letter of a word comes last when `token` has been said."""
        return _of_word(self._pieces[token][-1]) if self._pieces[token] else inside

    def _number(self, state: tuple[int, bool, tuple[int, ...]]) -> int:
        if state not in self._numbers:
            self._numbers[state] = len(self._states)
            self._states.append(state)
            node, _, counts = state
            met = sum(count * length for count, length in zip(counts, self._lengths, strict=True))
            begun = [
                tokens
                for suffix in self._suffixes(node)
                for term, tokens in suffix.said.items()
                if counts[term] < self._needs[term]
            ]
            self.said.append(met + max(begun, default=0))
        return self._numbers[state]


@lru_cache(maxsize=4096)
def _of_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] == "M"
