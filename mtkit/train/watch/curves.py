"""Learning curves: read from metrics.jsonl, drawn by matplotlib. Free of torch."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mtkit.disk.reading import WRONG_VALUES, read_ordinary
from mtkit.errors import InputError, UsageError
from mtkit.metrics.surface import METRICS
from mtkit.runs.layout import METRICS_FILE, inside
from mtkit.text.picture import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

Axis = Literal["steps", "time"]

_PANELS = {"loss": "loss"} | {str(name): metric.title for name, metric in METRICS.items()}
"""Titles of panels by metric, in the order in which they are shown; others are shown only on demand."""
MAX_METRICS = 1 << 30
"""Largest metrics.jsonl that is read, in bytes: enough for a few million steps."""
_ENOUGH = 3
"""Numbers beside a logarithmic axis."""
_MOST_TICKS = 8
"""Numbers beside an axis of a picture."""
_PANEL_CHARACTERS = 44.0
"""Digits that fit along the horizontal axis of a picture."""
_FEW = 20
"""Points up to which each one is marked."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One metric of one run.

    Attributes:
        run: its folder, as the user named it.
        group: `train`, `valid`, or `valid/NAME` for a further validation set.
        x: optimizer steps, or seconds of training.
        y: finite values.
    """

    run: str
    group: str
    x: tuple[float, ...]
    y: tuple[float, ...]

    @property
    def label(self) -> str:
        """Its name in a legend."""
        return f"{self.run} {self.group}"


@dataclass(frozen=True, slots=True)
class Panel:
    """The curves of one metric; `log` asks for a logarithmic axis, which suits a loss."""

    title: str
    curves: tuple[Curve, ...]
    log: bool
    metric: str = ""


def read_panels(runs: Sequence[Path], axis: Axis = "steps", metrics: Sequence[str] = ()) -> list[Panel]:
    """The learning curves of these runs, with a panel for each metric that at least one of them has.

    Args:
        runs: run folders; their metrics.jsonl may still grow, or end in an incomplete line.
        axis: the unit of x.
        metrics: which of them to read, by their names in metrics.jsonl; losses and scores if there are none.

    Raises:
        InputError: no run has a metrics.jsonl, or none has any measurements.
        UsageError: a metric was not measured in any run.
    """
    curves: dict[str, list[Curve]] = {metric: [] for metric in _PANELS}
    for run, own in {run: _curves(run, axis) for run in _trained(runs)}.items():
        if not own:
            logger.warning("%s: is skipped, because it has no measurements yet.", run)
        for metric, curve in own:
            curves.setdefault(metric, []).append(curve)
    curves = {metric: found for metric, found in curves.items() if found}
    if not curves:
        raise InputError(
            f"{', '.join(map(str, runs))}: no measurements yet.",
            "Wait for train.log_every steps or the first validation.",
        )
    for metric in metrics:
        if metric not in curves:
            raise UsageError(f"--metric {metric}: was not measured.", f"Choose from {', '.join(curves)}.")
    shown = metrics or [metric for metric in curves if metric in _PANELS] or list(curves)
    return [
        Panel(_PANELS.get(metric, metric), tuple(curves[metric]), log=metric == "loss", metric=metric)
        for metric in dict.fromkeys(shown)
    ]


def _curves(run: Path, axis: Axis) -> list[tuple[str, Curve]]:
    """Everything that was measured in a run, by metric; training comes first."""
    lines = read_metrics(run)
    names = [name for name in dict.fromkeys(name for line in lines for name in line) if "/" in name]
    found = []
    for name in sorted(names, key=lambda name: not name.startswith("train")):
        group, _, metric = name.rpartition("/")
        if group.split("/")[0] in ("train", "valid"):
            found.append((metric, _curve(str(run), name, lines, axis)))
    return [(metric, curve) for metric, curve in found if curve.x]


def _trained(runs: Sequence[Path]) -> list[Path]:
    """The runs that have measurements; all of them if none has, so that the reason is told."""
    found = [run for run in runs if inside(run, METRICS_FILE).exists()]
    for run in runs if found else ():
        if run not in found:
            logger.warning("%s: is skipped, because it has not been trained.", run)
    return found or list(runs)


def ticks(low: float, high: float, most: int, *, log: bool = False) -> list[float]:
    """Round numbers from `low` to `high`, at most `most` of them.

    Args:
        low: where the axis begins.
        high: where it ends, above `low`.
        most: at least 2.
        log: whether the axis is logarithmic; then numbers are 1, 2 or 5 times a power of ten, unless there
            are few of them, or every so many powers if there are many.
    """
    if log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for factors, stride in (((1, 2, 5), 1), ((1,), 1), ((1,), 2), ((1,), 5), ((1,), 10)):
            found = [factor * 10.0**power for power in powers for factor in factors if power % stride == 0]
            found = [value for value in found if low <= value <= high]
            if min(_ENOUGH, most) <= len(found) <= most:
                return found
    size = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (size, 2 * size, 5 * size, 10 * size):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [float(f"{number * step:.10g}") for number in range(first, last + 1)]
    return []


def tick_text(value: float) -> str:
    """The number beside a tick."""
    return f"{value:,.10g}" if 1e-4 <= abs(value) < 1e6 or not value else f"{value:.6g}"


def ticks_apart(low: float, high: float, most: int, room: float) -> list[float]:
    """As many round numbers on a horizontal axis as do not touch each other.

    Args:
        low: where the axis begins.
        high: where it ends, above `low`.
        most: at most so many, at least 2.
        room: characters that fit along the axis.
    """
    for count in range(most, 2, -1):
        found = ticks(low, high, count)
        ends = [((value - low) / (high - low) * room, len(tick_text(value)) / 2) for value in found]
        if all(place + half + 1 <= other - half_ for (place, half), (other, half_) in pairwise(ends)):
            return found
    return ticks(low, high, 2)


def read_metrics(run: Path) -> list[dict[str, float]]:
    """The lines of a run's metrics.jsonl without invalid ones, each with a warning unless it is the last.

    Raises:
        InputError: the file does not exist or cannot be read.
    """
    path = inside(run, METRICS_FILE)
    try:
        raw = read_ordinary(path, MAX_METRICS).split(b"\n")
    except FileNotFoundError:
        raise InputError(f"{path}: does not exist.", "Give the folder of a trained run.") from None
    lines = []
    for number, line in enumerate(raw, start=1):
        try:
            values = {str(name): float(value) for name, value in json.loads(line).items()}
            if not all(map(math.isfinite, (values["step"], values["seconds"]))):
                raise ValueError
            lines.append(values)
        except WRONG_VALUES:
            if number < len(raw):
                logger.warning("%s:%d: is damaged and skipped.", path, number)
    return lines


def _curve(run: str, name: str, lines: Sequence[dict[str, float]], axis: Axis) -> Curve:
    key = "step" if axis == "steps" else "seconds"
    points = [
        (line[key], line[name]) for line in lines if key in line and math.isfinite(line.get(name, math.nan))
    ]
    return Curve(run, name.rpartition("/")[0], tuple(x for x, _ in points), tuple(y for _, y in points))


def x_unit(panels: Sequence[Panel], axis: Axis) -> tuple[str, float]:
    """The label of the x axis, and the number to divide x by."""
    if axis == "steps":
        return "steps", 1.0
    longest = max(max(curve.x) for panel in panels for curve in panel.curves)
    return ("minutes", 60.0) if longest < 3 * 3600 else ("hours", 3600.0)


def write_picture(path: Path, panels: Sequence[Panel], axis: Axis = "steps") -> None:
    """Draws the panels side by side, as PNG, SVG or PDF according to the suffix of `path`.

    Raises:
        UsageError: the suffix is another one, or matplotlib is not installed.
    """
    save_figure(path, lambda: draw_panels(panels, axis))


def draw_panels(panels: Sequence[Panel], axis: Axis) -> Figure:
    """The panels side by side, as a figure of matplotlib."""
    from matplotlib.figure import Figure

    unit, divisor = x_unit(panels, axis)
    figure = Figure(figsize=(5.2 * len(panels), 3.8), layout="constrained", dpi=150)
    curves = [curve for panel in panels for curve in panel.curves]
    runs = list(dict.fromkeys(curve.run for curve in curves))
    groups = list(dict.fromkeys(curve.group for curve in curves if curve.group != "train"))
    for number, panel in enumerate(panels, start=1):
        axes: Any = figure.add_subplot(1, len(panels), number)
        for curve in panel.curves:
            axes.plot(
                [x / divisor for x in curve.x],
                curve.y,
                label=curve.label,
                color=f"C{runs.index(curve.run) % 10}",
                marker="o"
                if (len(curve.x) <= _FEW and curve.group != "train") or len(curve.x) == 1
                else None,
                markersize=4,
                **_style(curve.group, groups),
            )
        log = panel.log and min(min(curve.y) for curve in panel.curves) > 0
        if log:
            axes.set_yscale("log")
            axes.minorticks_off()
        left, right = axes.get_xlim()
        across = ticks_apart(left, right, _MOST_TICKS, _PANEL_CHARACTERS)
        axes.set_xticks(across, [tick_text(value) for value in across])
        low, high = axes.get_ylim()
        up = ticks(low, high, _MOST_TICKS, log=log)
        axes.set_yticks(up, [tick_text(value) for value in up])
        axes.set(xlabel=unit, ylabel=f"{panel.title} (logarithmic)" if panel.log else panel.title)
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize="small")
    return figure


def _style(group: str, groups: Sequence[str]) -> dict[str, Any]:
    """Line style of a group: training is pale, and each validation set has its own dashes."""
    if group == "train":
        return {"linewidth": 1.0, "alpha": 0.45}
    return {"linewidth": 1.4, "linestyle": ("-", "--", ":", "-.")[groups.index(group) % 4]}
