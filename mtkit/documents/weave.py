"""Places the spans of a text between the words of its translation. Pure: knows offsets, not markup."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from mtkit.text.languages import UNSPACED_CHARACTERS

Anchors = Sequence[tuple[int, int]]
"""Offsets in a text and in its translation at which words begin that belong together."""

_STOP = r".,;:!?…)\]»”"
_WORD = re.compile(
    rf"[{UNSPACED_CHARACTERS}]|[{_STOP}]++(?=\s|$)|(?:[^\s{UNSPACED_CHARACTERS}{_STOP}]++|[{_STOP}]++(?!\s|$))+"
)
_MAX_WORK = 200_000
"""Spans times words up to which all places are compared; beyond, spans go as far along as in the source."""
_STICKS = 1.5
"""Cost, in crossed links, of separating a span such as `<sup>1</sup>` from its word."""
_AT_EDGE = 1000.0
"""Cost of a break that does not stand between words."""
_UNLINKED = 0.01
"""Cost of a word without links inside a pair that has a word with links, if few words have any."""
_MIN_SAME = 4
"""Letters from which a word that stands once in both texts is taken for the same word."""


def words_of(text: str) -> list[tuple[int, int]]:
    """The start and end of each word of `text`; a final stop is a word, and so is a Chinese character."""
    return [found.span() for found in _WORD.finditer(text)]


@dataclass(slots=True)
class SpanNode:
    """A span, or an opening and a closing span with what is between them.

    Attributes:
        first: number of the span, or of the opening one.
        at: characters of the source text before it.
        last: number of the closing span; -1 if there is none.
        end: characters of the source text before the closing span.
        sticks: whether letters stand directly before the span, and directly behind it.
        divides: it is a break, which stands between words.
        children: the nodes between the two.
    """

    first: int
    at: int
    last: int = -1
    end: int = 0
    sticks: tuple[bool, bool] = (False, False)
    divides: bool = False
    children: list[SpanNode] = field(default_factory=list)

    @property
    def need(self) -> int:
        """The number of words that its spans must enclose, so that no pair is empty."""
        return max(1, sum(child.need for child in self.children)) if self.last >= 0 else 0


def place(
    nodes: Sequence[SpanNode], src: str, tgt: str, words: Sequence[tuple[int, int]], anchors: Anchors
) -> dict[int, int]:
    """The gap between `words` of `tgt` at which each span goes, by its number; gap 0 is before all words.

    Spans keep their order. A span goes where the fewest links between words cross it, and a pair encloses as
    many words that belong to its source words, and as few others, as one stretch can. Among equals the place
    that is as far along as in the source is chosen.

    Args:
        nodes: in order.
        src: the source text.
        tgt: its translation.
        words: of `tgt`, by `words_of`.
        anchors: links between the two; without any, words belong to what is as far along.
    """
    target = _Target(src, tgt, words, anchors)
    placed: dict[int, int] = {}
    pending = [(list(nodes), 0, len(words))]
    while pending:
        siblings, low, high = pending.pop()
        if sum(node.need for node in siblings) > target.real[high] - target.real[low]:
            spread(siblings, low, high, placed)
            continue
        if len(siblings) * (high - low) > _MAX_WORK:
            target.put_along(siblings, low, high, placed)
        else:
            target.put_best(siblings, low, high, placed)
        pending += [
            (node.children, placed[node.first], placed[node.last]) for node in siblings if node.children
        ]
    return placed


def spread(siblings: Sequence[SpanNode], low: int, high: int, placed: dict[int, int]) -> None:
    """Puts each node around the next word, and what finds none behind the last."""
    pending = [(siblings, low, high)]
    while pending:
        nodes, gap, high = pending.pop()
        for node in nodes:
            placed[node.first] = gap
            if node.last >= 0:
                end = min(high, gap + node.need)
                pending.append((node.children, gap, end))
                placed[node.last] = gap = end


class _Target:
    """A translation and what its words come from.

    Attributes:
        real: how many words with a letter or a figure are before each gap.
    """

    def __init__(self, src: str, tgt: str, words: Sequence[tuple[int, int]], anchors: Anchors) -> None:
        self._src, self._scale = src, len(tgt) / max(1, len(src))
        self._starts = [start for start, _ in words]
        self._votes = _votes(src, tgt, words, anchors)
        spelled = (any(map(str.isalnum, tgt[start:end])) for start, end in words)
        self.real = list(accumulate(spelled, initial=0))

    def put_best(self, siblings: Sequence[SpanNode], low: int, high: int, placed: dict[int, int]) -> None:
        """The cheapest places in order, by dynamic programming over nodes and gaps."""
        count = high - low + 1
        total = [0.0] * count  # the least cost of the nodes so far, the last of them at or before each gap
        choices: list[list[tuple[int, int]]] = []
        for node in siblings:
            ends = (self._pair_ends if node.last >= 0 else self._span_ends)(node, low, high, total)
            best: list[tuple[float, int, int]] = []
            for end in ends:
                best.append(end if not best or end[0] < best[-1][0] else best[-1])
            total = [cost for cost, *_ in best]
            choices.append([(begin, end) for _, begin, end in best])
        gap = count - 1
        for node, own in zip(reversed(siblings), reversed(choices), strict=True):
            placed[node.first] = low + own[gap][0]
            if node.last >= 0:
                placed[node.last] = low + own[gap][1]
            gap = own[gap][0]

    def _span_ends(
        self, node: SpanNode, low: int, high: int, total: Sequence[float]
    ) -> list[tuple[float, int, int]]:
        """For each gap the cost with the span there: the links that it crosses."""
        steps = [
            sum(weight if src >= node.at else -weight for src, weight in self._votes[word])
            for word in range(low, high)
        ]
        before = sum(
            weight for word in range(low, high) for src, weight in self._votes[word] if src < node.at
        )
        costs = list(accumulate(steps, initial=before))
        if node.sticks[0]:
            begin = self._src.rfind(" ", 0, node.at) + 1
            for word in range(low, high):
                costs[word - low + 1] -= _STICKS * self._share(word, begin, node.at)
        if node.sticks[1]:
            end = self._src.find(" ", node.at)
            for word in range(low, high):
                costs[word - low] -= _STICKS * self._share(word, node.at, end if end >= 0 else len(self._src))
        if node.divides:
            for gap, real in enumerate(self.real[low : high + 1]):
                costs[gap] += 0.0 if 0 < real < self.real[-1] else _AT_EDGE
        far = self._distances(node.at, low, high)
        return [(total[g] + costs[g] + far[g], g, g) for g in range(len(costs))]

    def _pair_ends(
        self, node: SpanNode, low: int, high: int, total: Sequence[float]
    ) -> list[tuple[float, int, int]]:
        """For each gap the least cost with the pair closed there, and where it opens then."""
        shares = [self._share(word, node.at, node.end) for word in range(low, high)]
        weights = [sum(weight for _, weight in self._votes[word]) for word in range(low, high)]
        are_few = 2 * sum(map(bool, weights)) < len(weights)
        unlinked = _UNLINKED if are_few and any(shares) else 0.0
        inside = list(
            accumulate(
                (all - 2 * own if all else unlinked for all, own in zip(weights, shares, strict=True)),
                initial=0.0,
            )
        )
        far, far_end = self._distances(node.at, low, high), self._distances(node.end, low, high)
        ends, opening, begin = [], (float("inf"), 0), 0
        for gap in range(len(inside)):
            while self.real[low + gap] - self.real[low + begin] >= node.need:
                opening = min(opening, (total[begin] - inside[begin] + far[begin], begin))
                begin += 1
            ends.append((opening[0] + inside[gap] + far_end[gap], opening[1], gap))
        return ends

    def _share(self, word: int, begin: int, end: int) -> float:
        """The share of a word that comes from a range of the source."""
        return sum(weight for src, weight in self._votes[word] if begin <= src < end)

    def _distances(self, at: int, low: int, high: int) -> list[float]:
        """For each gap how far it is from the span's share of the text; any link counts for more."""
        size = max(1.0, self._starts[-1] if self._starts else 1.0)
        starts = [*self._starts[low:high], self._starts[high] if high < len(self._starts) else size]
        return [1e-3 * abs(start - at * self._scale) / size for start in starts]

    def put_along(self, siblings: Sequence[SpanNode], low: int, high: int, placed: dict[int, int]) -> None:
        """Each as far along as in the source, in time that grows with their number alone."""
        needed = sum(node.need for node in siblings)
        gap = low
        for node in siblings:
            gap = max(gap, min(high - needed, _nearest(self._starts, node.at * self._scale)))
            placed[node.first] = gap
            if node.last >= 0:
                needed -= node.need
                end = _nearest(self._starts, node.end * self._scale)
                gap = max(gap + node.need, min(high - needed, end))
                placed[node.last] = gap


def _votes(
    src: str, tgt: str, words: Sequence[tuple[int, int]], anchors: Anchors
) -> list[list[tuple[int, float]]]:
    """For each word of the translation the source offsets that it comes from, with weights of sum 1."""
    starts = [start for start, _ in words]
    scale = len(src) / max(1, len(tgt))
    found: list[set[int]] = [set() for _ in words]
    for src_at, tgt_at in anchors:
        word = bisect_right(starts, tgt_at) - 1
        if word >= 0:
            found[word].add(src_at)
    votes = [[(at, 1 / len(own)) for at in own] for own in found]
    same = _once(src, words_of(src))
    for name, at in _once(tgt, words).items():
        if name in same:
            votes[bisect_right(starts, at) - 1] = [(same[name], 1.0)]
    if not anchors:
        return [
            own or [(int((start + end) / 2 * scale), 1.0)]
            for own, (start, end) in zip(votes, words, strict=True)
        ]
    return votes


def _once(text: str, words: Sequence[tuple[int, int]]) -> dict[str, int]:
    """The start of each number, stop or longer word that occurs once in `text`."""
    seen: dict[str, int] = {}
    for start, end in words:
        word = text[start:end].casefold()
        if len(word) >= _MIN_SAME or word.isdecimal() or not word[0].isalnum():
            seen[word] = -1 if word in seen else start
    return {word: start for word, start in seen.items() if start >= 0}


def _nearest(starts: Sequence[int], place: float) -> int:
    """The gap that is nearest to a place in the translation."""
    gap = bisect_right(starts, place)
    return gap - 1 if gap and (gap == len(starts) or place - starts[gap - 1] < starts[gap] - place) else gap
