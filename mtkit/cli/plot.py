"""Plots the learning curves of runs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mtkit.cli.console import out_coloured, say, width_on
from mtkit.errors import InputError

if TYPE_CHECKING:
    from mtkit.train.watch.curves import Panel

_HEIGHT, _LEAST_HEIGHT = 12, 5
_AROUND = 3
"""Rows of a chart that are its title and its x axis."""
_MIN_WIDTH, _MAX_WIDTH = 40, 120


def plot(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN",
            help="Run folders, or config files of runs. Default: the run of ./mtkit.yaml, else the newest "
            "run under ./runs.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the plot to this .png, .svg or .pdf file; repeatable.",
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="Metric to plot, by its name in metrics.jsonl: loss, bleu, lr and so on; repeatable. "
            "Default: loss and all scores.",
        ),
    ] = None,
    axis: Annotated[
        Literal["steps", "time"], typer.Option("--x", metavar="steps|time", help="Quantity on the x axis.")
    ] = "steps",
) -> None:
    """Plot the learning curves of one or more runs.

    Loss, BLEU and chrF are plotted in the terminal or, with -o, to image files, which requires matplotlib.
    Runs that are still training can be plotted too; those without a training are skipped.

    \b
    Example:
      mtkit plot runs/one runs/two -o curves.svg
    """
    from mtkit.text.picture import picture_format
    from mtkit.train.watch.curves import read_panels, write_picture, x_unit

    for path in output or ():
        picture_format(path)
    names = [name.lower() for name in metrics or ()]
    folders = [_run_folder(run) for run in runs] if runs else [_run_here()]
    panels = read_panels(folders, axis, names)
    for path in output or ():
        write_picture(path, panels, axis)
        say(f"{path}: {', '.join(panel.title for panel in panels)}")
    if output:
        return
    from mtkit.cli.chart import chart

    columns, rows = shutil.get_terminal_size()
    width, height, most = max(_MIN_WIDTH, min(_MAX_WIDTH, columns - 1)), _HEIGHT, None
    fitting: Sequence[Panel] = panels
    if width_on(sys.stdout) is not None:  # else there is a pipe, which has no end of rows
        most = max(1, (rows - 1 - _AROUND) // 3)
        height, fitting = _fitting(panels, rows - 1, most)
    unit, divisor = x_unit(panels, axis)
    for number, panel in enumerate(fitting):
        if number:
            out_coloured([])
        for line in chart(panel, width, height, unit, divisor, most):
            out_coloured(line)
    if len(fitting) < len(panels):
        others = " ".join(f"--metric {panel.metric}" for panel in panels[len(fitting) :])
        say(f"Not shown, for want of rows: {others}")


def _fitting(panels: Sequence[Panel], rows: int, most: int) -> tuple[int, Sequence[Panel]]:
    """The height of the charts that fit into so many rows, and the panels that do: at least the first.

    Args:
        panels: to be shown below each other.
        rows: of the terminal that are free.
        most: lines of a legend.
    """
    for count in range(len(panels), 0, -1):
        other = sum(_AROUND + min(most, len(panel.curves)) for panel in panels[:count]) + count
        height = (rows - other) // count
        if height >= _LEAST_HEIGHT or count == 1:
            return max(_LEAST_HEIGHT, min(_HEIGHT, height)), panels[:count]
    raise AssertionError("there is at least one panel")


def _run_here() -> Path:
    from mtkit.cli.arguments import shown
    from mtkit.runs.find import find_run

    return Path(shown(find_run()))


def _run_folder(path: Path) -> Path:
    """The run folder that `path` refers to: itself, or that of the config, which may not be trained yet.

    Raises:
        InputError: it is not a folder.
    """
    if path.suffix not in (".yaml", ".yml"):
        if path.is_dir():
            return path
        from difflib import get_close_matches

        beside = (
            [other.name for other in path.parent.iterdir() if other.is_dir()] if path.parent.is_dir() else []
        )
        close = get_close_matches(path.name, beside, 1)
        hint = f"Did you mean {path.parent / close[0]}?" if close else "Give the folder of a trained run."
        raise InputError(f"{path}: there is no such folder.", hint)
    from mtkit.cli.arguments import shown
    from mtkit.config.load import load_config

    return Path(shown(load_config([path]).config.run))
