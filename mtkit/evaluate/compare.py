"""Compares translations of a test set: scores, lines that changed, n-grams gained and lost. Free of torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mtkit.config.fixed import Division, MetricName
from mtkit.data.prepare.stages import ReportProgress
from mtkit.evaluate.buckets import Breakdown, break_down
from mtkit.evaluate.figures import Counted, Figure, count, figures_of
from mtkit.evaluate.outputs import Outputs
from mtkit.evaluate.wording import word_splitter
from mtkit.metrics.significance import PairedTest, seed

FORMAT = "mtkit-comparison"
VERSION = 1
LONGEST = 4
"""Words of the longest n-grams, as in BLEU."""


@dataclass(frozen=True, slots=True)
class ChangedLine:
    """A line that two systems translated differently.

    Attributes:
        number: of the line, from 1.
        hyps: the translations of the baseline and of the other system.
        scores: their sentence chrF.
        refs: the references.
        src: the source, if it is known.
    """

    number: int
    hyps: tuple[str, str]
    scores: tuple[float, float]
    refs: tuple[str, ...]
    src: str | None = None

    @property
    def change(self) -> float:
        """The sentence chrF of the other system minus that of the baseline."""
        return self.scores[1] - self.scores[0]


@dataclass(frozen=True, slots=True)
class Ngram:
    """A sequence of words, and how often each system has it where a reference has it too.

    Attributes:
        text: the words, separated by spaces.
        matches: of the baseline and of the other system, at most as many in a line as a reference has.
        in_refs: how often it is in the references; in the one that has most of them.
    """

    text: str
    matches: tuple[int, int]
    in_refs: int

    @property
    def salience(self) -> float:
        """The share of the other system in the matches, smoothed by one, as in compare-mt (Neubig 2019)."""
        return (self.matches[1] + 1) / (sum(self.matches) + 2)


@dataclass(frozen=True, slots=True)
class SystemChange:
    """What changed from the baseline to another system.

    Attributes:
        system: name of the other system.
        lines: those that changed, the greatest loss of sentence chrF first.
        lost: n-grams that the baseline has right more often, the most typical first.
        gained: n-grams that the other system has right more often.
    """

    system: str
    lines: tuple[ChangedLine, ...]
    lost: tuple[Ngram, ...]
    gained: tuple[Ngram, ...]


@dataclass(frozen=True, slots=True)
class ComparedSet:
    """Several systems on one test set.

    Attributes:
        name: of the test set; empty for files.
        tgt_lang: language of the translations.
        systems: their names, the baseline first.
        num_lines: number of lines.
        figures: one for each metric.
        signatures: of the metrics, by name.
        test: how differences were tested.
        changes: one for each system but the baseline.
        breakdowns: the scores by bucket.
    """

    name: str
    tgt_lang: str
    systems: tuple[str, ...]
    num_lines: int
    figures: tuple[Figure, ...]
    signatures: Mapping[str, str]
    test: PairedTest
    changes: tuple[SystemChange, ...]
    breakdowns: tuple[Breakdown, ...] = ()


def compare(
    outputs: Outputs,
    metrics: Sequence[MetricName],
    test: PairedTest,
    num_ngrams: int,
    by: Sequence[Division] | None = (),
    progress: ReportProgress | None = None,
) -> ComparedSet:
    """Compares the systems with the first of them.

    Args:
        outputs: their translations.
        metrics: names of metrics.
        test: how differences are tested.
        num_ngrams: most n-grams that are given as gained, and as lost.
        by: the buckets to make; all that are possible if empty, none if None.
        progress: called while training data are read.

    Raises:
        UsageError: buckets that were asked for need what is not there.
    """
    hyps = list(outputs.systems.values())
    counted = count(hyps, outputs.refs, metrics, outputs.tgt_lang, outputs.srcs)
    [chrf] = count(hyps, outputs.refs, ["chrf"], outputs.tgt_lang)
    grams = [_matches(outputs, lines) for lines in hyps]
    in_refs = _matches(outputs, None)
    changes = []
    for number, name in enumerate(list(outputs.systems)[1:], start=1):
        lines = sorted(_changed(outputs, chrf, number), key=lambda line: (line.change, line.number))
        lost, gained = _salient(grams[0], grams[number], in_refs, num_ngrams)
        changes.append(SystemChange(name, tuple(lines), lost, gained))
    return ComparedSet(
        outputs.name,
        outputs.tgt_lang,
        tuple(outputs.systems),
        len(outputs),
        figures_of([counted], test)[0],
        {
            name: each.metric.signature()  # type: ignore[attr-defined]
            for name, each in zip(metrics, counted, strict=True)
        },
        test,
        tuple(changes),
        () if by is None else tuple(break_down(outputs, counted, by, test, progress)),
    )


def _changed(outputs: Outputs, chrf: Counted, system: int) -> Iterator[ChangedLine]:
    """The lines in which a system differs from the baseline."""
    one, other = (list(outputs.systems.values())[place] for place in (0, system))
    for place, hyps in enumerate(zip(one, other, strict=True)):
        if hyps[0] == hyps[1]:
            continue
        rows = (chrf.rows[0][place], chrf.rows[system][place])
        scores = chrf.metric.aggregate([rows[0]]), chrf.metric.aggregate([rows[1]])
        refs = tuple(version[place] for version in outputs.refs)
        yield ChangedLine(place + 1, hyps, scores, refs, outputs.srcs[place] if outputs.srcs else None)


def _matches(outputs: Outputs, hyps: Sequence[str] | None) -> Counter[tuple[str, ...]]:
    """How often each n-gram is in translations and in references too; without translations, in references."""
    split = word_splitter(outputs.tgt_lang)
    found: Counter[tuple[str, ...]] = Counter()
    for place, versions in enumerate(zip(*outputs.refs, strict=True)):
        in_refs: Counter[tuple[str, ...]] = Counter()
        for ref in versions:
            in_refs |= _ngrams(split(ref))
        found.update(in_refs if hyps is None else in_refs & _ngrams(split(hyps[place])))
    return found


def _ngrams(words: Sequence[str]) -> Counter[tuple[str, ...]]:
    return Counter(
        tuple(words[begin : begin + size])
        for size in range(1, LONGEST + 1)
        for begin in range(len(words) - size + 1)
    )


def _salient(
    one: Counter[tuple[str, ...]],
    other: Counter[tuple[str, ...]],
    in_refs: Counter[tuple[str, ...]],
    most: int,
) -> tuple[tuple[Ngram, ...], tuple[Ngram, ...]]:
    """The n-grams that tell `one` from `other` best, and those that tell `other` from `one`."""
    changed = [gram for gram in one.keys() | other.keys() if one[gram] != other[gram]]
    found = [Ngram(" ".join(gram), (one[gram], other[gram]), in_refs[gram]) for gram in changed]
    found.sort(key=lambda gram: (gram.salience, gram.text))
    lost = [gram for gram in found if gram.matches[0] > gram.matches[1]][:most]
    gained = [gram for gram in reversed(found) if gram.matches[0] < gram.matches[1]][:most]
    return tuple(lost), tuple(gained)


def as_json(found: ComparedSet) -> dict[str, Any]:
    """The comparison in plain JSON values; `docs/compare.md` describes them."""
    values = asdict(found)
    for change, given in zip(values["changes"], found.changes, strict=True):
        for line, own in zip(change["lines"], given.lines, strict=True):
            line["change"] = own.change
    head = {"format": FORMAT, "version": VERSION}
    return head | values | {"test": {"method": found.test.name, "trials": found.test.trials, "seed": seed()}}
