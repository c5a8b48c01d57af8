"""Shows what is in a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mtkit.cli import console
from mtkit.cli.arguments import RunArgument, find_folder, shown
from mtkit.errors import InputError, MtkitError

if TYPE_CHECKING:
    from mtkit.config.fixed import MetricName
    from mtkit.config.schema import Config

_WIDEST_LINE = 40


def show_run(
    run: RunArgument = None,
) -> None:
    """Show the settings, data, learning curve, scores and sizes of a run, and what is missing.

    \b
    Example:
      mtkit show runs/en-fr
    """
    folder, _ = find_folder(run)
    config = _config(folder)
    _head(folder, config)
    _data(folder)
    _curve(folder, config)
    _scores(folder)
    _sizes(folder)
    name = shown(folder)
    if missing := [*_missing(folder, name)]:
        console.out("")
        for what, command in missing:
            console.out_prose(f"missing   {what}: `{command}`", indent=10)


def _config(folder: Path) -> Config | None:
    """The config of the newest model of the run; None if there is no model yet."""
    from mtkit.runs.find import config_of, model_folder

    model = model_folder(folder)
    if model is None or not (model / "config.yaml").is_file():
        return None
    return config_of(model)


def _head(folder: Path, config: Config | None) -> None:
    from mtkit.cli.config import summary
    from mtkit.runs.find import model_folder
    from mtkit.runs.layout import DATA, MODEL

    model = model_folder(folder)
    if model is None:
        state = "prepared, not trained" if (folder / DATA).is_dir() else "empty"
    elif model == folder / MODEL:
        state = "finished"
    else:
        state = f"unfinished; the newest model is {model.relative_to(folder)}"
    console.out("run       ", console.strong(shown(folder)), f", {state}")
    if config is not None:
        console.out_prose(f"settings  {summary(config).rpartition(', run ')[0]}", indent=10)


def _data(folder: Path) -> None:
    from mtkit.data.prepare.prepared import read_data_manifest
    from mtkit.runs.layout import DATA

    try:
        manifest = read_data_manifest(folder / DATA)
        names = ("train_pairs", "valid_pairs", "src_tokens", "tgt_tokens")
        train, valid, src, tgt = (int(manifest[name]) for name in names)
        sizes = " and ".join(f"{int(size):,}" for size in dict.fromkeys(manifest["vocab_sizes"]))
    except (OSError, MtkitError, KeyError, TypeError, ValueError):
        return
    console.out_prose(
        "data      ",
        console.strong(f"{train:,}"),
        f" training pairs of {src:,} and {tgt:,} tokens, {valid:,} validation pairs, {sizes} pieces",
        indent=10,
    )


def _curve(folder: Path, config: Config | None) -> None:
    from mtkit.cli.bars import duration, sparkline
    from mtkit.train.watch.curves import read_metrics

    try:
        lines = read_metrics(folder)
    except InputError:
        return
    losses = [line["train/loss"] for line in lines if "train/loss" in line]
    if losses:
        last = lines[-1]
        console.out(
            f"loss      {losses[0]:.3f} {sparkline(losses, _WIDEST_LINE)} {losses[-1]:.3f}, "
            f"step {last['step']:,.0f}, {duration(last['seconds'])}"
        )
    valid = [line for line in lines if "valid/loss" in line]
    if not valid:
        return
    for name, line in {"best": _best(valid, config), "last": valid[-1]}.items():
        console.out(f"{name:8}  step {line['step']:,.0f}: {_figures(line)}")


def _best(valid: list[dict[str, float]], config: Config | None) -> dict[str, float]:
    """The best validation, as training ranks them by `best_metric`: of equal ones the newer."""
    from mtkit.config.fixed import METRIC_NAMES
    from mtkit.config.train import TrainConfig
    from mtkit.metrics.surface import quality_of

    def scores(line: dict[str, float]) -> dict[MetricName, float]:
        return {name: line[f"valid/{name}"] for name in METRIC_NAMES if f"valid/{name}" in line}

    known = {"loss", *METRIC_NAMES}.intersection(*({"loss", *scores(line)} for line in valid))
    wanted = (config.train if config else TrainConfig()).best_metric
    metrics = [metric for metric in wanted if metric in known] or ["loss"]

    def rank(line: dict[str, float]) -> list[float]:
        qualities = [quality_of(metric, line["valid/loss"], scores(line)) for metric in metrics]
        return [*(quality[0] for quality in qualities), -line["valid/loss"], line["step"]]

    return max(valid, key=rank)


def _figures(line: dict[str, float]) -> str:
    """The loss and the scores of a validation."""
    from mtkit.metrics.surface import METRICS

    values = {metric.title: line.get(f"valid/{name}") for name, metric in METRICS.items()}
    scores = [f"{title} {value:.1f}" for title, value in values.items() if value is not None]
    return "  ".join([f"loss {line['valid/loss']:.3f}", *scores])


def _scores(folder: Path) -> None:
    from mtkit.evaluate.record import read_scores

    rows = [
        (
            str(entry["test"]),
            " ".join(filter(None, (str(score["metric"]), str(score.get("form") or "")))),
            f"{float(score['value']):.2f}",
            str(entry.get("model", "")),
        )
        for entry in read_scores(folder)
        for score in entry["scores"]
    ]
    if rows:
        console.out("")
        console.table(["test set", "metric", "score", "model"], rows, to_stdout=True, strong={"score"})


def _sizes(folder: Path) -> None:
    from mtkit.runs.exports import EXPORTS
    from mtkit.runs.layout import BEST, CHECKPOINTS, DATA, EVALUATE, MODEL, PARTS

    names = (DATA, PARTS, CHECKPOINTS, BEST, MODEL, EXPORTS, EVALUATE)
    found = {name: _bytes_in(folder / name) for name in names}
    total = console.size(sum(found.values()))
    parts = ", ".join(f"{name} {console.size(number)}" for name, number in found.items() if number)
    console.out("")
    console.out_prose(f"sizes     {total}: {parts}", indent=10)


def _bytes_in(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _missing(folder: Path, name: str) -> Iterator[tuple[str, str]]:
    """What a complete run has and this one lacks, with the command that makes it."""
    from mtkit.evaluate.record import read_scores
    from mtkit.runs.exports import EXPORTS
    from mtkit.runs.find import model_folder
    from mtkit.runs.layout import DATA, MODEL

    if not (folder / DATA).is_dir():
        yield "prepared data", "mtkit prepare CONFIG"
    if model_folder(folder) != folder / MODEL:
        yield "the final model", "mtkit train CONFIG"
        return
    if not (folder / EXPORTS / "ctranslate2").is_dir():
        yield "an export to CTranslate2, which translates faster", f"mtkit export {name} --to ctranslate2"
    if not read_scores(folder):
        yield "scores of test sets", "mtkit evaluate CONFIG"
