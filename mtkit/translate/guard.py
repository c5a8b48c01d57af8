"""Signs that a translation has gone wrong, whatever its score. Free of torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtkit.data.clean import verdicts
from mtkit.data.read.pair import Pair
from mtkit.text.languages import language_of

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig

MAX_RATIO = 3.0
SLACK = 40
"""A translation may be so many times as large as its source plus so many characters, or as much smaller."""
MAX_REPEATED = 0.5
MIN_WORDS = 4
MIN_LETTERS = 0.0
MIN_SHARE = 0.05
MIN_CHARS = 10
"""Of a translation whose script is looked at: a name or a code may stay as it is."""


class Guard:
    """Judges translations of one language pair by the filters that clean its training data.

    A translation is only blamed for what its source does not do itself: `ha ha ha ha` may be translated.
    """

    def __init__(self, src_lang: str, tgt_lang: str) -> None:
        same = language_of(src_lang).code == language_of(tgt_lang).code
        self._source_repeats = verdicts.repetition(MAX_REPEATED, src_lang, src_lang)
        self._repeats = verdicts.repetition(MAX_REPEATED, tgt_lang, tgt_lang)
        self._ratio = verdicts.ratio(MAX_RATIO, SLACK, src_lang, tgt_lang)
        self._copied = None if same else verdicts.identical(MIN_WORDS)
        self._script = verdicts.script(MIN_LETTERS, MIN_SHARE, tgt_lang, tgt_lang)
        self._source_script = verdicts.script(MIN_LETTERS, MIN_SHARE, src_lang, src_lang)

    def fault(self, src: str, hyp: str) -> str | None:
        """What is wrong with `hyp` as a translation of `src`, in a few words; None if nothing is seen.

        A blank source has no translation that could be wrong.
        """
        if not src.strip():
            return None
        if not hyp.strip():
            return "it is empty"
        if self._repeats(Pair(hyp, hyp)) and not self._source_repeats(Pair(src, src)):
            return "it repeats itself"
        if found := self._ratio(Pair(src, hyp)):
            return f"its length: {found}"
        if self._copied and self._copied(Pair(src, hyp)):
            return "it is the source"
        if (
            len(hyp) >= MIN_CHARS
            and hyp != src
            and self._script(Pair(hyp, hyp))
            and not self._source_script(Pair(src, src))
        ):
            return "it is not in the script of its language"
        return None


def retry_options(options: DecodeConfig) -> DecodeConfig:
    """How to search again after a fault: a wider beam that may not repeat itself."""
    return options.model_copy(
        update={
            "method": "beam",
            "beam_size": max(options.beam_size, 5),
            "min_len": max(options.min_len, 1),
            "no_repeat_ngram_size": 3,
            "repetition_penalty": 1.2,
        }
    )
