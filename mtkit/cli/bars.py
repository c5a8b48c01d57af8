"""How far long work is, as lines that a terminal shows while it goes on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rich.progress import Progress, ProgressColumn
from rich.text import Text

from mtkit.text.visible import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task

    from mtkit.data.prepare.stages import ReportProgress

_WIDEST = 40
_BLOCKS = "▁▂▃▄▅▆▇█"


def bar(share: float, width: int) -> str:
    """A bar whose undone part is seen without colours, too."""
    done = max(0, min(width, round(share * width)))
    return "━" * done + "─" * (width - done)


def sparkline(values: Sequence[float], width: int) -> str:
    """The course of the values in at most `width` characters, each for the mean of its share of them."""
    finite = [value for value in values if math.isfinite(value)]
    size = max(1, -(-len(finite) // width))
    means = [fmean(finite[begin : begin + size]) for begin in range(0, len(finite), size)]
    if not means:
        return ""
    low, high = min(means), max(means)
    top = len(_BLOCKS) - 1
    return "".join(_BLOCKS[round(top * (mean - low) / (high - low)) if high > low else 0] for mean in means)


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as `1:02:03` or `2:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def progress_line(
    label: str, done: int, total: int | None, seconds: float, left: float | None, width: int
) -> str:
    """The numbers first, then as much of the label as there is room for.

    Args:
        label: names the work.
        done: number of its parts that are done.
        total: number of all parts, if that is known.
        seconds: time so far.
        left: time to the end, if that is known.
        width: columns of the line.
    """
    if total is None:
        speed = f"  {done / seconds:,.0f}/s" if seconds and done else ""
        numbers = f"{done:,} so far{speed}  {duration(seconds)}"
    else:
        share = done / total if total else 1.0
        rest = "" if left is None or share >= 1 else f"  {duration(left)} left"
        numbers = f"{share:4.0%} {bar(share, min(_WIDEST, width // 4))} {done:,} of {total:,}{rest}"
    room = max(width - len(numbers) - 2, 10)
    return f"{numbers}  {label if len(label) <= room else f'{label[: room - 1]}…'}"


class _TaskLine(ProgressColumn):
    """The whole line of a task."""

    max_refresh = None

    def __init__(self, width: int) -> None:
        super().__init__()
        self._width = width

    def render(self, task: Task) -> Text:
        """The line as it is now."""
        total = None if task.total is None else int(task.total)
        seconds, left = task.elapsed or 0.0, task.time_remaining
        text = progress_line(task.description, int(task.completed), total, seconds, left, self._width)
        return Text(text, no_wrap=True, overflow="crop")


@contextmanager
def bars(console: Console) -> Iterator[ReportProgress]:
    """A callable that shows how far each work is, as a line of its own."""
    with Progress(_TaskLine(console.width), console=console, transient=True) as shown:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                for task in shown.tasks:  # what was before has come to its end
                    if task.total is None:
                        shown.update(task.id, total=task.completed)
                tasks[what] = shown.add_task(visible(what), total=total)
            shown.update(tasks[what], completed=done, total=total)

        yield report
