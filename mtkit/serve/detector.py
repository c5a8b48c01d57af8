"""Which of some languages a text is in, by py3langid."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import Any, NamedTuple

from mtkit.data.read.identify import load_identifier
from mtkit.serve.values import RefusedError
from mtkit.text.languages import language_of

_MOST_CHARACTERS = 5_000


class Detected(NamedTuple):
    """A language, and how likely it is among all that are known, from 0 to 1."""

    language: str
    probability: float


class Detector:
    """Several threads may use it; py3langid is loaded when it is first needed."""

    def __init__(self) -> None:
        self._lock = Lock()

    @cached_property
    def _identifier(self) -> Any:
        return load_identifier()

    def rank(self, text: str, languages: Sequence[str]) -> list[Detected]:
        """The languages in the order of their likelihood.

        Raises:
            RefusedError: there are several, and py3langid is not installed.
        """
        try:
            with self._lock:
                ranked = dict(self._identifier.rank(text[:_MOST_CHARACTERS]))
        except ImportError:
            if len(languages) > 1:
                raise RefusedError(
                    400, "this server cannot detect languages.", "Name the source language."
                ) from None
            return [Detected(languages[0], 0.0)]
        found = [Detected(own, float(ranked.get(language_of(own).code, 0.0))) for own in languages]
        return sorted(found, key=lambda one: -one.probability)
