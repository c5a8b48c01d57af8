"""Fits and checks how certain a model's translations are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli import console
from mtkit.cli.arguments import ConfigArguments, read_arguments, shown
from mtkit.cli.choices import (
    DEVICE_HELP,
    DEVICES,
    ENGINE_HELP,
    ENGINES,
    MODEL_HELP,
    THREADS_HELP,
    engine_name,
)
from mtkit.errors import InputError, UsageError, counted

if TYPE_CHECKING:
    from mtkit.evaluate.confidence_quality import ConfidenceQuality
    from mtkit.translate.confidence import Confidence
    from mtkit.translate.request import Request
    from mtkit.translate.translator import Translator

_Engine = Annotated[str, typer.Option(metavar=ENGINES, help=ENGINE_HELP)]
_Device = Annotated[str, typer.Option(metavar=DEVICES, help=DEVICE_HELP)]
_Threads = Annotated[int | None, typer.Option(min=1, metavar="N", help=THREADS_HELP, show_default=False)]


def fit(
    model: Annotated[
        Path | None, typer.Argument(metavar="MODEL", help=MODEL_HELP, show_default=False)
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Human scores: lines of source, translation and score between tabs; higher is better. The "
            "model scores these translations as `mtkit score` does.",
        ),
    ] = None,
    worst: Annotated[
        float | None,
        typer.Option(metavar="X", help="Score that becomes confidence 0. Default: the lowest in FILE."),
    ] = None,
    best: Annotated[
        float | None,
        typer.Option(metavar="X", help="Score that becomes confidence 1. Default: the highest in FILE."),
    ] = None,
    src: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Sources to translate, instead of validation pairs.")
    ] = None,
    ref: Annotated[Path | None, typer.Option(metavar="FILE", help="Their references, line by line.")] = None,
    engine: _Engine = "auto",
    device: _Device = "auto",
    threads: _Threads = None,
) -> None:
    """Fit how certain a model's translations are, and store it with the model.

    `mtkit train` does this at its end, on validation pairs: confidence is then the expected sentence chrF
    divided by 100. With --labels it is the expected human score, from the worst to the best one. The model
    and its export to ctranslate2 are rewritten, each with the same weights as before.

    \b
    Examples:
      mtkit confidence fit runs/en-fr
      mtkit confidence fit runs/en-fr --labels scores.tsv --worst 0 --best 100
    """
    from mtkit.evaluate.confidence_fit import store_confidence
    from mtkit.runs.find import find_model

    _check_options(labels, worst, best, src, ref)
    found = find_model(model)
    console.say(f"model: {found}")
    translator = _open(found.run, None, engine, device, threads)
    if labels is not None:
        fitted = _fit_to_labels(translator, labels, worst, best)
    else:
        fitted = _fit_to_pairs(translator, found.run, found.folder, src, ref)
    for folder in store_confidence(found.folder, fitted):
        console.say(f"{shown(folder)}: confidence fitted to {fitted.examples:,} translations")


def _check_options(
    labels: Path | None, worst: float | None, best: float | None, src: Path | None, ref: Path | None
) -> None:
    if labels is not None and (src or ref):
        raise UsageError("--labels: excludes --src and --ref.", "Leave one of them out.")
    if (src is None) != (ref is None):
        raise UsageError("--src and --ref: need each other.", "Give both, line by line.")
    if labels is None and (worst is not None or best is not None):
        raise UsageError("--worst and --best: need --labels.", "Leave them out.")
    if worst is not None and best is not None and worst >= best:
        raise UsageError(f"--worst {worst:g}: is not below --best {best:g}.", "Higher scores are better.")


def _fit_to_labels(translator: Translator, path: Path, worst: float | None, best: float | None) -> Confidence:
    from mtkit.evaluate.labels import fit_to_labels, read_labels

    read = read_labels(path)
    with console.working("scoring the translations"):
        return fit_to_labels(translator, read, worst, best)


def _fit_to_pairs(
    translator: Translator, run: Path, folder: Path, src: Path | None, ref: Path | None
) -> Confidence:
    from mtkit.data.prepare.prepared import read_split
    from mtkit.data.read.lines import read_lines
    from mtkit.evaluate.confidence_fit import chosen_pairs, fit_to_pairs
    from mtkit.runs.layout import DATA, inside

    tags = None
    if src is not None and ref is not None:
        srcs, refs = list(read_lines(src)), list(read_lines(ref))
        if len(srcs) != len(refs):
            raise InputError(
                f"{ref}: {counted(len(refs), 'line')}, but {src} has {len(srcs):,}.",
                "Give a reference per source.",
            )
    elif (data := inside(run, DATA)).is_dir():
        srcs, refs, tags = read_split(data, "valid")
    else:
        raise InputError(
            f"{shown(folder)}: its validation pairs are not there.", "Give pairs with --src and --ref."
        )
    sources, chosen = chosen_pairs(srcs, refs, tags)
    with console.working("translating validation pairs"):
        found = fit_to_pairs(translator, sources, chosen, translator.languages[1])
    assert found is not None
    return found


def check(
    arguments: ConfigArguments = None,
    tests: Annotated[
        list[str] | None,
        typer.Option("--test", metavar="NAME", help="Test set to use; repeatable. Default: all."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    engine: _Engine = "auto",
    device: _Device = "auto",
    threads: _Threads = None,
) -> None:
    """Compare confidence with sentence chrF on the test sets of a run.

    Translations are grouped by confidence; a good estimate has the same mean of chrF / 100 in each group.
    ECE is the mean distance of the two. AUROC says how often one of the worst fifth has a lower confidence
    than one of the others. Spearman is the correlation of ranks, also for the mean log-probability alone.
    The figures are kept in the run folder for `mtkit report`.

    \b
    Example:
      mtkit confidence check mtkit.yaml
    """
    from mtkit.evaluate.confidence_quality import quality_on
    from mtkit.evaluate.evaluate import read_sets
    from mtkit.evaluate.record import is_run
    from mtkit.evaluate.stored_reliability import keep_reliability
    from mtkit.evaluate.systems import place_of
    from mtkit.runs.find import find_model
    from mtkit.translate.request import Request

    config = read_arguments(arguments).config
    sets = read_sets(config, tests or [])
    found = find_model(config.run)
    console.say(f"model: {found}")
    translator = _open(found.run, Request(confidence=True, token_scores=True), engine, device, threads)
    results = {}
    for each in sets:
        with console.working(f"translating {each.name}"):
            results[each.name] = quality_on(each, translator)
    home, model = place_of(found, config)
    if is_run(home) and not Path(model).is_absolute():
        keep_reliability(home, model, results, private=config.private)
    if as_json:
        shown_results = {name: asdict(result) for name, result in results.items()}
        console.out(json.dumps({"meaning": translator.confidence.meaning, "tests": shown_results}))
    else:
        _show(results)


def _show(results: Mapping[str, ConfidenceQuality]) -> None:
    rows = [
        [
            name,
            f"{one.count:,}",
            f"{one.calibration_error:.3f}",
            _figure(one.worst_auroc),
            _figure(one.spearman),
            _figure(one.spearman_mean),
        ]
        for name, one in results.items()
    ]
    head = ["test set", "sentences", "ECE", "AUROC", "Spearman", "of the mean log-probability"]
    console.table(head, rows, to_stdout=True)
    for name, one in results.items():
        console.out("")
        console.table(
            [name, "sentences", "confidence", "chrF / 100"],
            [
                [
                    f"{each.low:.1f} to {each.high:.1f}",
                    f"{each.count:,}",
                    f"{each.confidence:.3f}",
                    f"{each.quality:.3f}",
                ]
                for each in one.bins
            ],
            to_stdout=True,
        )


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _open(run: Path, request: Request | None, engine: str, device: str, threads: int | None) -> Translator:
    from mtkit.runs.find import read_model
    from mtkit.translate.open import open_translator

    name = engine_name(engine)
    return read_model(
        run, lambda folder: open_translator(folder, request, device=device, engine=name, threads=threads)
    )
