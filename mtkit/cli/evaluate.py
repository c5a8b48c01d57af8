"""Score translations: of a run's test sets, or in files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli import console
from mtkit.cli.arguments import ConfigArguments, read_arguments
from mtkit.cli.choices import DEVICE_HELP, DEVICES, ENGINE_HELP, ENGINES, engine_name, one_of
from mtkit.config.fixed import METRIC_NAMES, MetricName
from mtkit.errors import GateError, UsageError

if TYPE_CHECKING:
    from mtkit.engine.interface import EngineName
    from mtkit.evaluate.evaluate import Evaluated


def evaluate(
    arguments: ConfigArguments = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics",
            "-m",
            metavar="|".join(METRIC_NAMES),
            help="Metric to compute; repeatable. Default: evaluate.metrics of the config.",
        ),
    ] = None,
    tests: Annotated[
        list[str] | None,
        typer.Option(
            "--test",
            metavar="NAME",
            help="Test set to score; repeatable. Default: all test sets of the config.",
        ),
    ] = None,
    hyps: Annotated[
        list[Path] | None,
        typer.Option(
            "--hyp",
            metavar="FILE",
            help="Score this file of translations instead of a run; repeatable. Requires --ref.",
        ),
    ] = None,
    ref: Annotated[
        Path | None, typer.Option("--ref", metavar="FILE", help="File of reference translations for --hyp.")
    ] = None,
    tgt_lang: Annotated[
        str,
        typer.Option(
            metavar="CODE",
            help="Language of --hyp, such as fr. BLEU is tokenized to suit it, zh by character.",
        ),
    ] = "",
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC=VALUE", help="Exit with code 4 if a test set scores worse than this; repeatable."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the scores as JSON instead of a table.")
    ] = False,
    device: Annotated[str, typer.Option(metavar=DEVICES, help=DEVICE_HELP)] = "auto",
    engine: Annotated[str, typer.Option(metavar=ENGINES, help=ENGINE_HELP)] = "auto",
) -> None:
    """Translate and score the test sets of a run, or score files.

    \b
    Examples:
      mtkit evaluate mtkit.yaml -m bleu -m ter
      mtkit evaluate --hyp out.txt --ref ref.txt
    """
    names = [one_of("--metrics", name, METRIC_NAMES) for name in metrics or ()]
    bounds = _bounds(fail_under or [])
    if hyps or ref:
        if arguments or tests or not (hyps and ref):
            raise UsageError(
                "--hyp: needs --ref, and cannot be combined with a config or --test.",
                "Give the references with --ref, and leave out the config and --test.",
            )
        results = _score_files(hyps, ref, names, bounds, tgt_lang)
    else:
        results = _evaluate_run(arguments, names, bounds, tests or [], device, engine_name(engine))
    if as_json:
        import json

        console.out_lines(json.dumps([_as_json(result) for result in results], indent=2, ensure_ascii=False))
    else:
        _print_table(results)
    _check(results, bounds)


def _bounds(given: list[str]) -> dict[MetricName, float]:
    bounds = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            bounds[one_of("--fail-under", name, METRIC_NAMES)] = float(value)
        except ValueError:
            raise UsageError(
                f"--fail-under {text}: expected METRIC=VALUE.", "Write bleu=30, for example."
            ) from None
    return bounds


def _check(results: list[Evaluated], bounds: dict[MetricName, float]) -> None:
    """Refuses scores that are worse than their bound."""
    from mtkit.metrics.surface import METRICS

    missed = [
        f"{result.name}: {name} {score.value:.2f} is worse than the bound {bound:g}."
        for name, bound in bounds.items()
        for result in results
        for score in result.scores
        if score.metric == name and METRICS[name].quality(score.value) < METRICS[name].quality(bound)
    ]
    if missed:
        raise GateError(" ".join(missed))


def _print_table(results: list[Evaluated]) -> None:
    rows = [
        (result.name, result.num_pairs, score.metric, f"{score.value:.2f}", score.signature)
        for result in results
        for score in result.scores
    ]
    console.table(("test set", "pairs", "metric", "score", "signature"), rows, to_stdout=True)


def _score_files(
    hyps: list[Path], ref: Path, metrics: list[MetricName], bounds: Iterable[MetricName], tgt_lang: str
) -> list[Evaluated]:
    from mtkit.config.schema import EvaluateConfig
    from mtkit.evaluate.evaluate import score_files
    from mtkit.text.languages import warn_if_unknown

    if tgt_lang:
        warn_if_unknown(tgt_lang)
    names = list(dict.fromkeys([*(metrics or EvaluateConfig().metrics), *bounds]))
    return [score_files(hyp, ref, names, tgt_lang) for hyp in hyps]


def _evaluate_run(
    arguments: list[str] | None,
    metrics: list[MetricName],
    bounds: Iterable[MetricName],
    tests: list[str],
    device: str,
    engine: EngineName,
) -> list[Evaluated]:
    config = read_arguments(arguments).config
    from mtkit.evaluate.evaluate import choose_tests, evaluate
    from mtkit.runs.find import Found, read_model, trained_model
    from mtkit.translate.open import open_translator
    from mtkit.translate.request import Request

    choose_tests(config, tests)
    model = Found(trained_model(config.run), config.run)
    console.say(f"model: {model}")
    request = Request(search=config.decode.model_dump(mode="json"))
    translator = read_model(model.run, lambda folder: open_translator(folder, request, device, engine=engine))
    names = list(dict.fromkeys([*(metrics or config.evaluate.metrics), *bounds]))
    with console.progress() as report:
        results = evaluate(config, translator, request, tests, names, report)
    for result in results:
        console.say(f"{result.name}: translations in {result.hyps}, engine {translator.engine.name}")
        if result.leaked:
            console.warn(
                f"{result.name}: {result.leaked:,} of {result.num_pairs:,} sentences are in the "
                "training data, which makes the scores too high. Add the filter overlap to data.filters."
            )
    return results


def _as_json(result: Evaluated) -> dict[str, object]:
    scores = [{"metric": s.metric, "value": s.value, "signature": s.signature} for s in result.scores]
    return {
        "test": result.name,
        "num_pairs": result.num_pairs,
        "hyps": str(result.hyps),
        "scores": scores,
        "leaked": result.leaked,
    }
