"""Translations of a test set by several systems: from files, or stored by `evaluate`. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mtkit.config.schema import Config
from mtkit.data.read.lines import read_lines
from mtkit.data.read.pair import Pair
from mtkit.errors import InputError, UsageError, counted
from mtkit.evaluate.evaluate import LoadedSet, choose_tests, read_sets
from mtkit.evaluate.record import read_scores
from mtkit.runs.find import config_of, trained_model
from mtkit.runs.layout import EVALUATE, MODEL, inside
from mtkit.translate.coverage import Coverage, open_coverage
from mtkit.translate.glossary import Term


@dataclass(frozen=True, slots=True)
class Outputs:
    """Translations of one test set.

    Attributes:
        name: of the test set; empty for files.
        tgt_lang: language of the translations.
        systems: [lines] by the name of a system; the first is the baseline.
        refs: [versions, lines] references.
        srcs: [lines] sources, if they are known.
        labels: [lines] by what they say of a line: its domain or its document.
        config: of the baseline if it is a run.
        terms: [lines] terms of a glossary that are in each source; None without a glossary.
        coverage: which words explain each other, by the lexicon of the baseline's model, if it has one.
    """

    name: str
    tgt_lang: str
    systems: Mapping[str, Sequence[str]]
    refs: Sequence[Sequence[str]]
    srcs: Sequence[str] | None = None
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    config: Config | None = None
    terms: Sequence[Sequence[Term]] | None = None
    coverage: Coverage | None = None

    def __len__(self) -> int:
        return len(self.refs[0])


def read_output_files(
    systems: Sequence[Path],
    refs: Sequence[Path],
    src: Path | None,
    tgt_lang: str,
    labels: Mapping[str, Path] | None = None,
) -> Outputs:
    """The translations in each of the files, line by line.

    Args:
        systems: a file of each system.
        refs: files of references.
        src: file of the sources.
        tgt_lang: language of the translations.
        labels: files with a domain or a document for each line, by what they are.

    Raises:
        InputError: a file cannot be read, is empty, or has another number of lines than the first reference.
    """
    given = [*refs, *systems, *([src] if src else []), *(labels or {}).values()]
    texts: dict[Path, list[str]] = {}
    for path in given:
        if path in texts:
            continue
        texts[path] = list(read_lines(path))
        if len(texts[path]) != len(texts[given[0]]):
            raise InputError(
                f"{path}: has {len(texts[path]):,} lines, but {given[0]} has {len(texts[given[0]]):,}.",
                "Line N of all files must belong together. A missing translation is an empty line.",
            )
    if not texts[given[0]]:
        raise InputError(f"{given[0]}: there are no lines to compare.", "Check the file.")
    return Outputs(
        "",
        tgt_lang,
        {str(path): texts[path] for path in systems},
        [texts[path] for path in refs],
        texts[src] if src else None,
        {name: texts[path] for name, path in (labels or {}).items()},
    )


def read_run_outputs(runs: Sequence[Path], tests: Sequence[str] = ()) -> list[Outputs]:
    """The translations of each test set that all of the runs were evaluated on.

    Args:
        runs: run folders, the baseline first.
        tests: names of test sets; all that the runs have in common if empty.

    Raises:
        InputError: a run has no translations of a test set, or its test set is not that of the others.
        UsageError: a test set is unknown, or the runs have none in common.
    """
    coverage = open_coverage(trained_model(runs[0]))
    configs = [config_of(trained_model(run)).model_copy(update={"run": run}) for run in runs]
    names = choose_tests(configs[0], tests)
    if not tests:
        names = [name for name in names if all(name in config.data.test for config in configs[1:])]
    if not names:
        raise UsageError(
            f"{runs[0]}: shares no test set with {', '.join(map(str, runs[1:]))}.",
            "Compare runs whose configs have a test set of the same name.",
        )
    found = []
    for name in names:
        sets = [read_sets(config, [name])[0] for config in configs]
        for run, other in zip(runs[1:], sets[1:], strict=True):
            if _texts(other) != _texts(sets[0]):
                raise InputError(
                    f"{run}: its test set {name} has other texts than that of {runs[0]}.",
                    "Evaluate both runs on the same files.",
                )
        systems = {str(run): _stored(run, each) for run, each in zip(runs, sets, strict=True)}
        srcs = [pair.src for pair in sets[0].pairs]
        refs = [[pair.tgt for pair in sets[0].pairs], *sets[0].more_refs]
        labels = labels_of(sets[0].pairs)
        found.append(
            Outputs(name, sets[0].tgt_lang, systems, refs, srcs, labels, configs[0], coverage=coverage)
        )
    return found


def labels_of(pairs: Sequence[Pair]) -> dict[str, list[str]]:
    """The domain and the document of each pair, where they differ; without a domain, its tags."""
    found = {
        "domain": [pair.domain or " ".join(pair.tags) for pair in pairs],
        "document": [pair.document for pair in pairs],
    }
    return {name: labels for name, labels in found.items() if len(set(labels)) > 1}


def _texts(found: LoadedSet) -> list[tuple[str, ...]]:
    return [(pair.src, pair.tgt, *pair.refs) for pair in found.pairs]


def _stored(run: Path, found: LoadedSet) -> list[str]:
    """The translations of a test set by the final model of a run, else by the one evaluated last."""
    entries = [entry for entry in read_scores(run) if entry.get("test") == found.name]
    best = [entry for entry in entries if entry.get("model") == MODEL] or entries
    if not best:
        raise InputError(
            f"{run}: there are no translations of the test set {found.name}.", f"Run `mtkit evaluate {run}`."
        )
    path = inside(run, EVALUATE, str(best[-1]["hyps"]))
    lines = list(read_lines(path))
    if len(lines) != len(found.pairs):
        raise InputError(
            f"{path}: has {counted(len(lines), 'line')}, but the test set "
            f"has {counted(len(found.pairs), 'pair')}.",
            f"Run `mtkit evaluate {run}` again.",
        )
    return lines
