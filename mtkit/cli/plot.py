"""Plots the learning curves of runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer

from mtkit.cli.console import out_coloured, say

_HEIGHT = 12
_MIN_WIDTH, _MAX_WIDTH = 40, 120


def plot(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders, or config files of runs.")],
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write the plot to this .png or .svg file; repeatable."
        ),
    ] = None,
    axis: Annotated[
        Literal["steps", "time"], typer.Option("--x", metavar="steps|time", help="Quantity on the x axis.")
    ] = "steps",
) -> None:
    """Plot the learning curves of one or more runs.

    Loss, BLEU and chrF are plotted in the terminal or, with -o, to image files, which requires matplotlib.
    Runs that are still training can be plotted too.

    \b
    Example:
      mtkit plot runs/one runs/two -o curves.svg
    """
    from mtkit.train.watch.curves import picture_format, read_panels, write_picture, x_unit

    for path in output or ():
        picture_format(path)
    panels = read_panels([_run_folder(run) for run in runs], axis)
    for path in output or ():
        write_picture(path, panels, axis)
        say(f"{path}: {', '.join(panel.title for panel in panels)}")
    if output:
        return
    from mtkit.cli.chart import chart

    width = max(_MIN_WIDTH, min(_MAX_WIDTH, shutil.get_terminal_size().columns - 1))
    unit, divisor = x_unit(panels, axis)
    for number, panel in enumerate(panels):
        if number:
            out_coloured([])
        for line in chart(panel, width, _HEIGHT, unit, divisor):
            out_coloured(line)


def _run_folder(path: Path) -> Path:
    """The run folder that `path` refers to: itself, or that of the config."""
    if path.suffix not in (".yaml", ".yml"):
        return path
    from mtkit.cli.arguments import shown
    from mtkit.config.load import load_config

    return Path(shown(load_config([path]).config.run))
