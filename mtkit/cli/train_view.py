"""The view of a training run: a live panel on a terminal, otherwise a line from time to time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mtkit.cli import console
from mtkit.cli.bars import duration
from mtkit.metrics.surface import METRICS
from mtkit.text.visible import visible
from mtkit.train.watch.monitor import (
    Event,
    Finished,
    Listener,
    Logged,
    OutOfMemory,
    Saved,
    Started,
    Validated,
)

if TYPE_CHECKING:
    from rich.console import RenderableType


def time_left(event: Logged) -> str:
    """An estimate of the time to the end of the budget."""
    return duration(event.seconds * (1 - event.share) / event.share) if event.share else "unknown"


def describe(event: Event) -> list[str]:
    """The lines that an event is worth off a terminal."""
    match event:
        case Started():
            return [
                *event.notes,
                f"{event.num_parameters:,} parameters, vocabulary {event.vocab_size:,}, "
                f"{event.num_pairs:,} pairs, {event.device}, {event.precision}",
            ]
        case Logged():
            return [
                f"step {event.step:,}  epoch {event.epoch:.2f}  loss {event.loss:.3f}  lr {event.lr:.2e}  "
                f"{event.tokens_per_s:,.0f} tokens/s  {event.share:.0%}, {time_left(event)} left"
            ]
        case Validated():
            name = event.group.replace("/", " ")
            return [
                f"step {event.step:,}  {name}: {_scores(event, '  ')}"
                f"{'  (best so far)' if event.is_best else ''}"
            ]
        case Saved() | OutOfMemory():  # running out of memory is logged as a warning
            return []
        case Finished():
            models = f"mean of the {event.averaged} best models" if event.averaged > 1 else "best model"
            return [
                f"done after {event.step:,} steps and {duration(event.seconds)}: {event.reason}",
                f"{event.folder}: {models}, valid {_scores(event, ', ')}",
            ]


def _scores(event: Validated | Finished, gap: str) -> str:
    """The loss and each score by its title."""
    scores = [f"{METRICS[name].title} {value:.1f}" for name, value in event.scores.items()]
    return gap.join([f"loss {event.loss:.3f}", *scores])


class PlainView:
    """Lines on stderr: each validation, and progress at most every few seconds."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def __call__(self, event: Event) -> None:
        """Says what is worth saying of an event."""
        if isinstance(event, Logged):
            if time.monotonic() - self._last < console.SECONDS_BETWEEN_LINES:
                return
            self._last = time.monotonic()
        for line in describe(event):
            console.say(line)


class Dashboard:
    """The state of a run as something that rich can draw."""

    def __init__(self) -> None:
        self.logged: Logged | None = None
        self.validated: Validated | None = None
        self.best: Validated | None = None
        self.extra: dict[str, Validated] = {}

    def take(self, event: Event) -> None:
        """Remembers what the panel shows."""
        if isinstance(event, Logged):
            self.logged = event
        elif isinstance(event, Validated) and event.name:
            self.extra[event.name] = event
        elif isinstance(event, Validated):
            self.validated = event
            self.best = event if event.is_best else self.best

    def __rich__(self) -> RenderableType:
        """The panel."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")

        def row(name: str, value: RenderableType) -> None:
            grid.add_row(Text(name), Text(visible(value)) if isinstance(value, str) else value)

        def scores(name: str, event: Validated) -> None:
            row(name, f"{_scores(event, '    ')}    at step {event.step:,}")

        if (now := self.logged) is not None:
            row("progress", ProgressBar(total=1.0, completed=now.share, width=40))
            row("", f"{now.share:.0%}, {duration(now.seconds)} so far, {time_left(now)} left")
            row("step", f"{now.step:,} (epoch {now.epoch:.2f})")
            row("loss", f"{now.loss:.3f}    gradient norm {now.grad_norm:.2f}    lr {now.lr:.2e}")
            row("speed", f"{now.tokens_per_s:,.0f} target tokens/s")
        else:
            row("progress", "starting …")
        if (valid := self.validated) is not None:
            scores("valid", valid)
            if self.best is not None and self.best is not valid:
                scores("best", self.best)
            for name, extra in self.extra.items():
                scores(name, extra)
            row("source", valid.sample.src)
            row("model", valid.sample.hyp)
            row("reference", valid.sample.ref)
        return Group(grid)


@contextmanager
def training_view() -> Iterator[Listener]:
    """Draws the events of a run within the block."""
    if not console.is_interactive():
        yield PlainView()
        return
    from rich.live import Live

    dashboard = Dashboard()
    with Live(dashboard, console=console.console, refresh_per_second=4, transient=True) as live:

        def listen(event: Event) -> None:
            dashboard.take(event)
            if isinstance(event, Started | Validated | Finished):
                for line in describe(event):
                    live.console.print(visible(line))

        yield listen
