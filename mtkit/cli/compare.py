"""Compares translations of several systems."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mtkit.cli import compare_options as options
from mtkit.cli import console
from mtkit.cli.choices import one_of
from mtkit.cli.closer_view import divisions
from mtkit.config.fixed import METRIC_NAMES, MetricName
from mtkit.errors import InputError, UsageError

if TYPE_CHECKING:
    from mtkit.evaluate.compare import ComparedSet
    from mtkit.evaluate.outputs import Outputs
    from mtkit.metrics.significance import PairedTest

_METRICS: tuple[MetricName, ...] = ("bleu", "chrf")
NGRAMS = 50
"""N-grams of the page and of the JSON, of those that were lost, and of those that were gained."""


def compare(
    systems: options.Systems,
    refs: options.Refs = None,
    src: options.Src = None,
    tgt_lang: options.TgtLang = "",
    tests: options.Tests = None,
    metrics: options.Metrics = None,
    breakdown: options.Breakdown = "all",
    domains: options.Domains = None,
    documents: options.Documents = None,
    show: options.Show = 5,
    html: options.Html = None,
    as_json: options.AsJson = False,
    paired_ar: options.PairedAr = False,
    paired_bs: options.PairedBs = False,
    ar_trials: options.ArTrials = None,
    bs_trials: options.BsTrials = None,
) -> None:
    """Show how translations of several systems differ: scores with significance, lines and n-grams.

    Differences are tested as by `sacrebleu --paired-ar` or `--paired-bs`, with the seed in $SACREBLEU_SEED.

    \b
    Examples:
      mtkit compare runs/a runs/b
      mtkit compare a.txt b.txt --ref ref.txt --src src.txt --html changes.html
    """
    from mtkit.evaluate.compare import as_json as in_json
    from mtkit.evaluate.compare import compare as compare_outputs

    test = _test(paired_ar, paired_bs, ar_trials, bs_trials)
    names, by = _metrics(metrics or []), None if breakdown == "none" else divisions(breakdown)
    labels = {"domain": domains, "document": documents}
    given = {name: path for name, path in labels.items() if path is not None}
    found = []
    for outputs in _outputs(systems, refs or [], src, tgt_lang, tests or [], given):
        console.say(f"comparing {outputs.name or 'the files'} …")
        with console.progress() as report:
            found.append(compare_outputs(outputs, names, test, max(show, NGRAMS), by, report))
    if html is not None:
        _write_page(html, found, [*systems, *(refs or ()), *([src] if src else ())])
    if as_json:
        values = [in_json(each) for each in found]
        console.out_lines(json.dumps(values, indent=1, ensure_ascii=False))
        return
    from mtkit.cli.compare_view import show_comparison

    for number, each in enumerate(found):
        if number:
            console.out("")
        show_comparison(each, show)


def _metrics(given: Sequence[str]) -> list[MetricName]:
    """The metrics in lists such as `BLEU,chrF`."""
    words = [word.strip().lower() for text in given for word in text.split(",")]
    return [one_of("--metrics", word, METRIC_NAMES) for word in dict.fromkeys(words) if word] or list(
        _METRICS
    )


def _test(ar: bool, bs: bool, ar_trials: int | None, bs_trials: int | None) -> PairedTest:
    from mtkit.metrics.significance import TRIALS, PairedTest, seed

    bs = bs or bs_trials is not None
    if bs and (ar or ar_trials is not None):
        raise UsageError(
            "--paired-ar and --paired-bs: only one of them can be used.", "Leave out one of them."
        )
    seed()  # fails before any work
    if bs:
        return PairedTest("bs", bs_trials or TRIALS["bs"])
    return PairedTest("ar", ar_trials or TRIALS["ar"])


def _outputs(
    systems: list[Path],
    refs: list[Path],
    src: Path | None,
    tgt_lang: str,
    tests: list[str],
    labels: Mapping[str, Path],
) -> list[Outputs]:
    """The translations of each test set."""
    from mtkit.evaluate.outputs import read_output_files, read_run_outputs
    from mtkit.text.languages import warn_if_unknown

    if len(systems) < 2 or len(set(systems)) < len(systems):
        raise UsageError("mtkit compare: needs at least two different systems.", "Name run folders or files.")
    if missing := [str(path) for path in systems if str(path) != "-" and not path.exists()]:
        raise InputError(f"{missing[0]}: there is no such file or folder.", "Name run folders or files.")
    folders = [path for path in systems if path.is_dir()]
    if folders:
        files = [path for path in systems if path not in folders]
        if files or refs or src or tgt_lang or labels:
            raise UsageError(
                f"{folders[0]}: a run folder cannot be combined with files, --ref and the like.",
                "Compare RUN/evaluate/NAME.hyp.txt with the file, with --ref.",
            )
        return read_run_outputs(folders, tests)
    if not refs or tests:
        raise UsageError(
            "mtkit compare: files need --ref, and have no --test.", "Give the references with --ref."
        )
    if tgt_lang:
        warn_if_unknown(tgt_lang)
    return [read_output_files(systems, refs, src, tgt_lang, labels)]


def _write_page(path: Path, found: list[ComparedSet], read: Sequence[Path]) -> None:
    from mtkit.disk.output import check_not_read, output_file
    from mtkit.evaluate.compare_page import compare_page

    check_not_read(path, {f"the input {each}": each for each in read})
    with output_file(path) as file:
        file.write(compare_page(found).encode())
    console.say(f"{path}: the comparison as a page")
