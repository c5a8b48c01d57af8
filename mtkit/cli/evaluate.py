"""Score translations: of the test sets of runs, or in files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli import console
from mtkit.cli.arguments import ConfigArguments, read_runs
from mtkit.cli.choices import DEVICE_HELP, DEVICES, ENGINE_HELP, ENGINES, THREADS_HELP, engine_name, one_of
from mtkit.config.fixed import FORMS, METRIC_NAMES, FormName, MetricName
from mtkit.errors import GateError, UsageError

if TYPE_CHECKING:
    from mtkit.config.schema import Config
    from mtkit.engine.interface import EngineName
    from mtkit.evaluate.evaluate import Evaluated, LoadedSet
    from mtkit.runs.find import Found

logger = logging.getLogger(__name__)


def evaluate(
    arguments: ConfigArguments = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            "-m",
            metavar="PATH",
            help="Run folder, model folder or config file of another model to score on the test sets. "
            "Default: the model of the run. Without CONFIG, the test sets are those of its own config.",
        ),
    ] = None,
    checkpoint: Annotated[
        str,
        typer.Option(
            metavar="best|last|STEP", help="Score this checkpoint of the run instead of its final model."
        ),
    ] = "",
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics",
            metavar="|".join(METRIC_NAMES),
            help="Metrics to compute, separated by commas. Default: evaluate.metrics of the config.",
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            metavar="|".join(FORMS),
            help="Form of the texts for BLEU: as they are, or as papers on Multi30k score (lower case, Moses "
            "tokens). Default: evaluate.form of the config, else raw.",
        ),
    ] = "",
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
    refs: Annotated[
        list[Path] | None,
        typer.Option(
            "--ref",
            metavar="FILE",
            help="File of reference translations for --hyp. Repeat it for several references per line.",
        ),
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
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help=THREADS_HELP, show_default=False)
    ] = None,
) -> None:
    """Translate and score the test sets of runs, or score files.

    CONFIG can also be the folder of a trained run. Configs of different runs are scored one after the other.

    \b
    Examples:
      mtkit evaluate mtkit.yaml --metrics bleu,ter
      mtkit evaluate runs/a runs/b --checkpoint best
      mtkit evaluate mtkit.yaml -m runs/other
      mtkit evaluate --hyp out.txt --ref ref.txt
    """
    bounds = _bounds(fail_under or [])
    names, shape = _metrics(metrics or []), _form(form)
    if shape not in (None, "raw") and names and "bleu" not in {*names, *bounds}:
        raise UsageError(f"--form {form}: has no effect without BLEU.", "Add bleu to --metrics.")
    shown = _ScoreList() if as_json else _ScoreTable()
    if hyps or refs:
        if arguments or tests or model or checkpoint or not (hyps and refs):
            raise UsageError(
                "--hyp: needs --ref, and cannot be combined with a config, --model, --checkpoint or --test.",
                "Give the references with --ref, and leave out the others.",
            )
        results = _score_files(hyps, refs, names, bounds, tgt_lang, shape or "raw")
        shown.begin([(str(hyp), 1_000_000) for hyp in hyps], "")
    else:
        if model and not model.exists() and str(model).lower() in METRIC_NAMES:
            raise UsageError(f"-m {model}: names a model.", f"Write --metrics {model} for the metric.")
        given = arguments or ([str(model)] if model else None)
        configs = [_in_form(config, shape) for config in read_runs(given)]
        jobs = _jobs(configs, model, checkpoint, tests or [])
        results = _evaluate_runs(jobs, checkpoint, names, bounds, device, engine_name(engine), threads, shown)
    found = []
    for result in results:
        shown.add(result)
        for warning in result.warnings():
            logger.warning("%s", warning)
        found.append(result)
    shown.end()
    _say_levels(found)
    _check(found, bounds)


# ---------------------------------------------------------------- options


def _metrics(given: list[str]) -> list[MetricName]:
    """The metrics in lists such as `BLEU,chrF`."""
    words = (word.strip() for text in given for word in text.split(","))
    return [one_of("--metrics", word.lower(), METRIC_NAMES) for word in words if word]


def _form(given: str) -> FormName | None:
    """The form of `--form`; None to use that of the config."""
    return one_of("--form", given.lower(), FORMS) if given else None


def _in_form(config: Config, form: FormName | None) -> Config:
    """The config with another form, if one is given."""
    if form is None:
        return config
    return config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"form": form})})


def _bounds(given: list[str]) -> dict[MetricName, float]:
    bounds = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            bounds[one_of("--fail-under", name.lower(), METRIC_NAMES)] = float(value)
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


# ---------------------------------------------------------------- scoring


def _score_files(
    hyps: list[Path],
    refs: list[Path],
    metrics: list[MetricName],
    bounds: Iterable[MetricName],
    tgt_lang: str,
    form: FormName,
) -> Iterator[Evaluated]:
    from mtkit.config.schema import EvaluateConfig
    from mtkit.evaluate.evaluate import score_files
    from mtkit.metrics.moses import open_form
    from mtkit.text.languages import warn_if_unknown

    if tgt_lang:
        warn_if_unknown(tgt_lang)
    open_form(form, tgt_lang)  # fails before any work
    names = list(dict.fromkeys([*(metrics or EvaluateConfig().metrics), *bounds]))
    return score_files(hyps, refs, names, tgt_lang, form)


def _jobs(
    configs: list[Config], named: Path | None, checkpoint: str, tests: list[str]
) -> list[tuple[Config, Found, list[LoadedSet]]]:
    """The config, the model and the test sets of each run; everything that is missing is found here."""
    from mtkit.evaluate.evaluate import check_form, choose_tests, read_sets
    from mtkit.runs.find import Found, checkpoint_of, find_model, trained_model

    jobs = []
    for config in configs:
        check_form(config, config.evaluate.form, choose_tests(config, tests))
        if checkpoint:
            run = find_model(named).run if named else config.run
            found = Found(checkpoint_of(run, checkpoint), run, f"checkpoint {checkpoint}")
        else:
            found = find_model(named) if named else Found(trained_model(config.run), config.run)
        jobs.append((config, found))
    return [(config, found, read_sets(config, tests)) for config, found in jobs]


def _evaluate_runs(
    jobs: list[tuple[Config, Found, list[LoadedSet]]],
    checkpoint: str,
    metrics: list[MetricName],
    bounds: Iterable[MetricName],
    device: str,
    engine: EngineName,
    threads: int | None,
    shown: _ScoreTable | _ScoreList,
) -> Iterator[Evaluated]:
    """Translates and scores the test sets of each job, and keeps the scores in the run folder."""
    from mtkit.evaluate.evaluate import evaluate
    from mtkit.evaluate.record import is_run, keep_score, results_folder
    from mtkit.runs.find import read_model
    from mtkit.runs.layout import inside
    from mtkit.translate.open import open_translator
    from mtkit.translate.request import Request

    for config, found, sets in jobs:
        # 1. Open the model, and the folder that keeps its scores.
        console.say(f"model: {found}")
        request = Request(search=config.decode.model_dump(mode="json"))
        load = partial(open_translator, request=request, device=device, engine=engine, threads=threads)
        translator = load(found.folder) if checkpoint else read_model(found.run, load)
        home = found.run if is_run(found.run) else config.run
        is_inside = home in found.folder.parents
        model = found.folder.relative_to(home).as_posix() if is_inside else str(found.folder)
        suffix = f".{model.replace('/', '.')}" if checkpoint else ""
        folder = results_folder(home, private=config.private)
        names = list(dict.fromkeys([*(metrics or config.evaluate.metrics), *bounds]))
        # 2. Translate and score each test set.
        shown.begin([(each.name, len(each.pairs)) for each in sets], str(found) if len(jobs) > 1 else "")
        for each in sets:
            path = inside(folder, f"{each.name}{suffix}.hyp.txt")
            with console.progress() as report:
                result = evaluate(
                    each,
                    translator,
                    request,
                    names,
                    path,
                    form=config.evaluate.form,
                    private=config.private,
                    progress=report,
                )
            keep_score(home, result, model, translator.engine.name, config.decode.changed())
            yield result
        console.say(f"translations and scores in {folder}, engine {translator.engine.name}")


# ---------------------------------------------------------------- output


def _say_levels(results: list[Evaluated]) -> None:
    """Says what the BLEU of each result means, in words, unless it is that of a form."""
    from mtkit.runs.verdict import level_of

    for result in results:
        scores = {score.metric: score.value for score in result.scores if score.form is None}
        if "bleu" in scores and (level := level_of(scores, "")):
            console.say(f"{result.name}: {level.meaning}")


class _ScoreList:
    """Prints all results together, as a JSON list."""

    def __init__(self) -> None:
        self._entries: list[dict[str, object]] = []
        self._model = ""

    def begin(self, sets: Sequence[tuple[str, int]], model: str) -> None:
        """Starts the results of a model."""
        self._model = model

    def add(self, result: Evaluated) -> None:
        """Adds a result."""
        from mtkit.evaluate.record import as_json

        self._entries.append(({"model": self._model} if self._model else {}) | as_json(result))

    def end(self) -> None:
        """Prints all of them."""
        import json

        console.out_lines(json.dumps(self._entries, indent=2, ensure_ascii=False))


class _ScoreTable:
    """Prints a row for each result when it is ready, and signatures below each table."""

    def __init__(self) -> None:
        self._sets: Sequence[tuple[str, int]] = ()
        self._rows = 0
        self._signatures: dict[tuple[str, str, str | None], list[str]] = {}

    def begin(self, sets: Sequence[tuple[str, int]], model: str) -> None:
        """Starts the table of a model, whose test sets have these names and numbers of pairs."""
        again = self._rows > 0
        self.end()
        if model:
            if again:
                console.out("")
            console.out(model)
        self._sets = sets

    def add(self, result: Evaluated) -> None:
        """Prints the row of a result."""
        from mtkit.cli.columns import aligned

        head = ("test set", "pairs", *(score.title for score in result.scores))
        row = (result.name, f"{result.num_pairs:,}", *(f"{score.value:.2f}" for score in result.scores))
        widest = [(name, f"{count:,}", *["100.00"] * len(result.scores)) for name, count in self._sets]
        for line in aligned(head, [row, *widest])[2 if self._rows else 0 : 3]:
            console.out("".join(line))
        self._rows += 1
        for score in result.scores:
            key = (score.metric, score.signature, score.form)
            self._signatures.setdefault(key, []).append(result.name)

    def end(self) -> None:
        """Prints the signatures of the scores."""
        if not self._rows:
            return
        metrics = [metric for metric, *_ in self._signatures]
        console.out("")
        for (metric, signature, form), names in self._signatures.items():
            of_some = f" ({', '.join(names)})" if metrics.count(metric) > 1 else ""
            console.out(f"{metric}{of_some}: {signature}")
            if form is not None:
                console.out(f"{metric}{of_some}, form: {form}")
        self._rows, self._signatures = 0, {}
