"""Scores by bucket: of lines of one length, domain, document or exposure, and of words of one frequency.

Free of torch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from mtkit.config.fixed import DIVISIONS, Division
from mtkit.data.prepare.shard_texts import TrainingText, open_training_text
from mtkit.data.prepare.stages import ReportProgress
from mtkit.errors import UsageError
from mtkit.evaluate.accuracy import Item, count_covered, count_items, count_terms
from mtkit.evaluate.figures import Counted, Figure, figures_of
from mtkit.evaluate.outputs import Outputs
from mtkit.evaluate.training_text import EXPOSURES, count_words, exposures
from mtkit.evaluate.wording import word_splitter
from mtkit.metrics.recipes import Ratio
from mtkit.metrics.significance import PairedTest

LENGTHS = (1, 5, 10, 20, 30, 40)
"""Words of the reference from which a bucket of lines begins."""
FREQUENCIES = (0, 1, 2, 5, 10, 100, 1000)
"""Occurrences in the training targets from which a bucket of words begins."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Some lines, or words, with the scores of each system on them.

    Attributes:
        label: what they have in common.
        size: how many they are.
        figures: one for each metric.
    """

    label: str
    size: int
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Buckets of one kind; their p-values are adjusted together.

    Attributes:
        by: what divides them.
        unit: of their sizes.
        buckets: those that are not empty.
    """

    by: Division | Literal["stress", "contrast"]
    unit: Literal["lines", "words", "items", "pairs"]
    buckets: tuple[Bucket, ...]


class _F1:
    """F1 of words, from [lines, 3]: matches, words of the translation, words of the reference."""

    @staticmethod
    def aggregate(statistics: Sequence[Sequence[float]]) -> float:
        matches, hyps, refs = np.asarray(statistics).reshape(-1, 3).sum(axis=0)
        return float(200 * matches / (hyps + refs)) if hyps + refs else 0.0


def break_down(
    outputs: Outputs,
    counted: Sequence[Counted],
    by: Sequence[Division],
    test: PairedTest | None,
    progress: ReportProgress | None = None,
) -> list[Breakdown]:
    """The scores of the systems in each bucket.

    Args:
        outputs: translations of a test set.
        counted: the statistics of its lines by each metric.
        by: the divisions to make; all that are possible if empty.
        test: how systems are compared with the first; None to compare none.
        progress: called while training data are read.

    Raises:
        UsageError: a division that was asked for needs what is not there.
    """
    config = outputs.config
    training = open_training_text(config.run, config) if config else None
    found = []
    for name in by or DIVISIONS:
        if name == "frequency":
            made = _by_frequency(outputs, training, test, progress) if training else None
        elif name == "item":
            made = _by_item(outputs, test)
        else:
            labels = _labels(outputs, name, training, progress)
            made = _by_label(name, labels, counted, test) if labels else None
        if made:
            found.append(made)
        elif by:
            raise UsageError(f"--breakdown {name}: {NEEDS[name]}", "Leave it out.")
    return found


def is_possible(by: Division, outputs: Outputs) -> bool:
    """Whether lines can be divided so, as far as is known without reading training data."""
    match by:
        case "frequency" | "exposure":
            config = outputs.config
            return config is not None and open_training_text(config.run, config) is not None
        case "domain" | "document":
            return by in outputs.labels
        case _:
            return True


NEEDS: Mapping[Division, str] = {
    "item": "neither the references nor a glossary have any.",
    "length": "the references have no words.",
    "frequency": "needs a run with its prepared data.",
    "exposure": "needs a run with its prepared data.",
    "domain": "the domain of the lines is not known, or is the same for all of them.",
    "document": "the document of the lines is not known.",
}


# ---------------------------------------------------------------- lines


def _labels(
    outputs: Outputs, by: Division, training: TrainingText | None, progress: ReportProgress | None
) -> tuple[Sequence[str], Sequence[str]] | None:
    """The label of each line, and all labels in their order; None if they are not known."""
    if by == "length":
        split = word_splitter(outputs.tgt_lang)
        names = _ranges(LENGTHS)
        lengths = [max(1, len(split(ref))) for ref in outputs.refs[0]]
        return [names[bisect_right(LENGTHS, length) - 1] for length in lengths], names
    if by == "exposure":
        if training is None or outputs.srcs is None:
            return None
        return exposures(training, outputs.srcs, outputs.refs[0], progress), EXPOSURES
    labels = outputs.labels.get(by)
    return None if labels is None else (labels, list(dict.fromkeys(labels)))


def _ranges(begins: Sequence[int]) -> list[str]:
    """The names of buckets: `0`, `2–4`, `1,000 or more`."""
    names = []
    for first, after in zip(begins, [*begins[1:], None], strict=True):
        if after is None:
            names.append(f"{first:,} or more")
        else:
            names.append(f"{first:,}" if after == first + 1 else f"{first:,}–{after - 1:,}")
    return names


def _by_label(
    by: Division,
    labels: tuple[Sequence[str], Sequence[str]],
    counted: Sequence[Counted],
    test: PairedTest | None,
) -> Breakdown:
    of_lines = np.array(labels[0], object)
    masks = {label: of_lines == label for label in labels[1]}
    masks = {label: mask for label, mask in masks.items() if mask.any()}
    figures = figures_of([[each.at(mask) for each in counted] for mask in masks.values()], test, small=True)
    rows = zip(masks.items(), figures, strict=True)
    return Breakdown(by, "lines", tuple(Bucket(label, int(mask.sum()), own) for (label, mask), own in rows))


# ---------------------------------------------------------------- items and words


def _by_item(outputs: Outputs, test: PairedTest | None) -> Breakdown | None:
    """How many numbers, names, placeholders, addresses, terms and counterparts of words each system has."""
    names: list[str] = []
    groups, sizes = [], []
    for kind, counted in _counted_items(outputs):
        rows = tuple(np.array(each, np.float64) for each in counted)
        if size := int(rows[0][:, 1].sum()):
            names.append(kind)
            sizes.append(size)
            groups.append([Counted("accuracy", True, Ratio(100), rows)])
    figures = figures_of(groups, test, small=True)
    return Breakdown("item", "items", tuple(map(Bucket, names, sizes, figures))) if names else None


def _counted_items(outputs: Outputs) -> Iterator[tuple[str, list[list[tuple[int, int]]]]]:
    """For each kind [systems, lines]: how many items a translation has, and how many it must have."""
    for kind in get_args(Item):
        yield kind, [count_items(kind, hyps, outputs.refs, outputs.srcs) for hyps in outputs.systems.values()]
    if outputs.terms is not None:
        yield (
            "terms",
            [count_terms(outputs.terms, hyps, outputs.tgt_lang) for hyps in outputs.systems.values()],
        )
    if outputs.coverage is not None and outputs.srcs is not None:
        covered = [count_covered(outputs.coverage, outputs.srcs, hyps) for hyps in outputs.systems.values()]
        yield "source words with a counterpart", [own[0] for own in covered]
        yield "translated words with a counterpart", [own[1] for own in covered]


def _by_frequency(
    outputs: Outputs, training: TrainingText, test: PairedTest | None, progress: ReportProgress | None
) -> Breakdown:
    """F1 and recall of words by their frequency in training, as compare-mt's accuracy of words.

    Only the first reference counts.
    """
    split = word_splitter(outputs.tgt_lang)
    refs = _counts(outputs.refs[0], split)
    hyps = [_counts(lines, split) for lines in outputs.systems.values()]
    words = {word.lower() for side in (refs, *hyps) for line in side for word in line}
    frequencies = count_words(training, words, outputs.tgt_lang, progress)
    bucket_of = {word: bisect_right(FREQUENCIES, frequencies[word]) - 1 for word in words}
    rows = np.zeros((len(FREQUENCIES), len(hyps), len(refs), 3))
    for system, lines in enumerate(hyps):
        for place, (hyp, ref) in enumerate(zip(lines, refs, strict=True)):
            for column, found in enumerate((hyp & ref, hyp, ref)):
                for word, times in found.items():
                    rows[bucket_of[word.lower()], system, place, column] += times
    names, groups, sizes = [], [], []
    for name, own in zip(_ranges(FREQUENCIES), rows, strict=True):
        size = int(own[0, :, 2].sum())
        if not size:
            continue
        used = own.any(axis=(0, 2))  # [lines]
        by_system = tuple(own[:, used])
        groups.append([Counted("F1", True, _F1(), by_system), Counted("recall", True, Ratio(100), by_system)])
        names.append(name)
        sizes.append(size)
    figures = figures_of(groups, test, small=True)
    return Breakdown("frequency", "words", tuple(map(Bucket, names, sizes, figures)))


def _counts(texts: Sequence[str], split: Callable[[str], list[str]]) -> list[Counter[str]]:
    return [Counter(split(text)) for text in texts]
