"""How often words and sentences of a test set occur in the training data of a run. Free of torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from mtkit.config.filters import OverlapFilter
from mtkit.data.clean.column import column_of
from mtkit.data.clean.leaks import KINDS, NEAR, LeakGuard
from mtkit.data.prepare.shard_texts import TrainingText
from mtkit.data.prepare.stages import ReportProgress
from mtkit.data.read.pair import Pair
from mtkit.evaluate.wording import word_splitter

EXPOSURES = ("occurs", "nearly occurs", "does not occur")
"""How a line of a test set occurs in the training data, on either side."""


def count_words(
    training: TrainingText, words: Collection[str], lang: str, progress: ReportProgress | None = None
) -> Counter[str]:
    """How often each of the words occurs in the training targets; upper and lower case are the same.

    Args:
        training: the pairs.
        words: in lower case.
        lang: target language, which says how words are split.
        progress: called with the pairs read so far.
    """
    split, wanted = word_splitter(lang), set(words)
    found: Counter[str] = Counter()
    done = 0
    for _, tgts in training.blocks():
        for text in tgts:
            found.update(word for word in split(text.lower()) if word in wanted)
        done += len(tgts)
        if progress:
            progress("words in the training data", done, len(training))
    return found


def exposures(
    training: TrainingText, srcs: Sequence[str], refs: Sequence[str], progress: ReportProgress | None = None
) -> list[str]:
    """[lines], one of `EXPOSURES` for each pair of a test set: whether training pairs repeat either side.

    Case, punctuation and spaces are ignored. Near copies are found by the leak guard of `prepare`, as near as
    its filter `overlap` looks for them by default.
    """
    form = training.tokenizer.form
    pairs = [Pair(form.normalize(src), form.normalize(ref)) for src, ref in zip(srcs, refs, strict=True)]
    guard = LeakGuard(pairs, OverlapFilter.model_fields["near"].default)
    closest = [len(KINDS)] * len(pairs)
    done = 0
    for texts in training.blocks():
        src, tgt = (column_of([form.normalize(text) for text in side]) for side in texts)
        for hits in guard.find_all(src, tgt).values():
            for hit in hits:
                for owner in guard.owners[hit.text]:
                    closest[owner] = min(closest[owner], hit.kind)
        done += len(src)
        if progress:
            progress("test sentences in the training data", done, len(training))
    names = ["occurs"] * NEAR + ["nearly occurs", "does not occur"]
    return [names[kind] for kind in closest]
