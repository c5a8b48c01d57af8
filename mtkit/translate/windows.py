"""Lines that are translated together, and the pauses of their sender. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from mtkit.translate.request import Source, Translation

FIRST_WINDOW = 256
WINDOW = 2048
WINDOW_CHARS = 1 << 20

Line = TypeVar("Line", str, bytes)
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Window(Generic[Answer]):
    """Texts that are translated together.

    Attributes:
        sources: the texts.
        render: makes the answer from the translations of each text, the best one first.
    """

    sources: Sequence[Source]
    render: Callable[[list[list[Translation]]], Answer]


@dataclass(frozen=True, slots=True)
class Pause:
    """The sender has nothing more for now: everything under way is answered before it is asked again."""


PAUSE = Pause()


def windows(lines: Iterable[Line], size: int = WINDOW) -> Iterator[list[Line]]:
    """`lines` in lists of at most `size` lines and about `WINDOW_CHARS` characters or bytes.

    The first lists are smaller, because somebody may wait for the first answers.
    """
    window: list[Line] = []
    chars, limit = 0, min(size, FIRST_WINDOW)
    for line in lines:
        window.append(line)
        chars += len(line)
        if len(window) == limit or chars >= WINDOW_CHARS:
            yield window
            window, chars, limit = [], 0, min(size, 2 * limit)
    if window:
        yield window
