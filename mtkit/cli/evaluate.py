"""Score translations: of a run's test sets, or in files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli import console
from mtkit.cli.arguments import ConfigArguments, read_arguments
from mtkit.cli.choices import ENGINE_HELP, engine_name
from mtkit.errors import GateError, UsageError

if TYPE_CHECKING:
    from mtkit.engine.base import EngineName
    from mtkit.evaluate.evaluate import Evaluated


def evaluate(
    arguments: ConfigArguments = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metrics", "-m", help="bleu, chrf or ter; repeatable. As configured if left out."),
    ] = None,
    tests: Annotated[
        list[str] | None, typer.Option("--test", help="Only this test set; repeatable. All if left out.")
    ] = None,
    hyps: Annotated[
        list[Path] | None, typer.Option("--hyp", help="Score this file instead; repeatable. Needs --ref.")
    ] = None,
    ref: Annotated[Path | None, typer.Option("--ref", help="The references of --hyp.")] = None,
    tgt_lang: Annotated[str, typer.Option(help="Language of --hyp; zh is scored by character.")] = "",
    fail_under: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=VALUE", help="Exit 4 if a test set scores worse; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    engine: Annotated[str, typer.Option(help=ENGINE_HELP)] = "auto",
) -> None:
    """Translate and score the test sets of a run, or score files.

    Examples: mtkit evaluate mtkit.yaml -m bleu -m ter; mtkit evaluate --hyp out.txt --ref ref.txt
    """
    from mtkit.metrics.surface import build_metric

    bounds = _bounds(fail_under or [])
    for name in (*(metrics or ()), *bounds):
        build_metric(name, tgt_lang)  # an unknown one is refused before any work
    if hyps or ref:
        if arguments or tests or not (hyps and ref):
            raise UsageError("--hyp and --ref go together, without a config and --test.")
        results = _score_files(hyps, ref, metrics or [], bounds, tgt_lang)
    else:
        results = _evaluate_run(arguments, metrics or [], bounds, tests or [], device, engine_name(engine))
    if as_json:
        console.out_lines(json.dumps([_as_json(result) for result in results], indent=2, ensure_ascii=False))
    else:
        _print_table(results)
    _check(results, bounds)


def _bounds(given: list[str]) -> dict[str, float]:
    bounds = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            bounds[name] = float(value)
        except ValueError:
            raise UsageError(f"--fail-under {text}: is not METRIC=VALUE.", "Write bleu=30, say.") from None
    return bounds


def _check(results: list[Evaluated], bounds: dict[str, float]) -> None:
    """Refuses scores that miss their bound; TER is better when lower."""
    missed = []
    for name, bound in bounds.items():
        found = [(r.name, s.value) for r in results for s in r.scores if s.metric == name]
        worse = [
            (test, value) for test, value in found if (value > bound if name == "ter" else value < bound)
        ]
        missed += [f"{test}: {name} {value:.2f} is worse than {bound:g}." for test, value in worse]
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
    hyps: list[Path], ref: Path, metrics: list[str], bounds: Iterable[str], tgt_lang: str
) -> list[Evaluated]:
    from mtkit.config.schema import EvaluateConfig
    from mtkit.evaluate.evaluate import score_files

    names = list(dict.fromkeys([*(metrics or EvaluateConfig().metrics), *bounds]))
    return [score_files(hyp, ref, names, tgt_lang) for hyp in hyps]


def _evaluate_run(
    arguments: list[str] | None,
    metrics: list[str],
    bounds: Iterable[str],
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
        console.say(f"{result.name}: translations in {result.hyps}, by {translator.engine.name}")
        if result.leaked:
            console.say(
                f"Warning: {result.name}: {result.leaked:,} of {result.num_pairs:,} sentences stand in the "
                "training data, so that the scores are too good. Add the filter overlap to data.filters."
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
