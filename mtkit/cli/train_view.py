"""The view of a training run: a live panel on a terminal, otherwise a line from time to time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mtkit.cli import console
from mtkit.cli.arguments import shown
from mtkit.cli.bars import bar, duration, sparkline
from mtkit.errors import counted, shortened
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
    Stepped,
    Validated,
    Working,
)

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table
    from rich.text import Text

_WIDEST_BAR = 40
_LABEL = len("reference")
_SAMPLE_LINES = 3
"""Most lines of each text of the sample: an untrained model may repeat a word a hundred times."""
_WIDE = 120
"""Columns from which the numbers and the sample are beside each other."""


def time_left(event: Logged | Stepped) -> str:
    """An estimate of the time to the end of the budget."""
    if not event.share:
        return "time left unknown"
    return f"{duration(event.seconds * (1 - event.share) / event.share)} left"


def describe(event: Event) -> list[str]:
    """The lines that an event is worth off a terminal."""
    match event:
        case Started():
            return [
                *event.notes,
                f"{event.num_parameters:,} parameters, vocabulary {event.vocab_size:,}, "
                f"{counted(event.num_pairs, 'pair')}, {event.device}, {event.precision}",
            ]
        case Logged():
            return [
                f"step {event.step:,}  epoch {event.epoch:.2f}  loss {event.loss:.3f}  lr {event.lr:.2e}  "
                f"{event.tokens_per_s:,.0f} tokens/s  {event.share:.0%}, {time_left(event)}"
            ]
        case Validated():
            name = event.group.replace("/", " ")
            return [
                f"step {event.step:,}  {name}: {_scores(event, '  ')}"
                f"{'  (best so far)' if event.is_best else ''}"
            ]
        case Stepped():
            loss = f"loss {event.loss:.3f}  " if math.isfinite(event.loss) else ""
            return [
                f"step {event.step:,}  epoch {event.epoch:.2f}  {loss}{event.tokens_per_s:,.0f} tokens/s  "
                f"{event.share:.0%}, {time_left(event)}"
            ]
        case Saved() | Working() | OutOfMemory():  # running out of memory is logged as a warning
            return []
        case Finished():
            of = event.average_of
            models = f"mean of the {event.averaged} {of} models" if event.averaged > 1 else f"{of} model"
            if event.averaged == 1 and event.best_step == 0 and of == "best":
                models = "the initial model, because no later one was better"
            return [
                f"Finished: {event.reason} after {counted(event.step, 'step')} "
                f"and {duration(event.seconds)}.",
                f"{shown(event.folder)}: {models}, valid {_scores(event, ', ')}",
                *_gains(event),
            ]


def _scores(event: Validated | Finished, gap: str) -> str:
    """The loss and each score by its title."""
    scores = [f"{METRICS[name].title} {value:.1f}" for name, value in event.scores.items()]
    return gap.join([f"loss {event.loss:.3f}", *scores])


def _gains(event: Finished) -> Iterator[str]:
    """For each validation set, the figures of the weights that the run started with and of the final ones."""
    final: dict[str, float] = {"loss": event.loss}
    final |= {str(name): score for name, score in event.scores.items()}
    for name, start in event.start.items():
        end = event.extra.get(name, {}) if name else final
        figures = [f"loss {start['loss']:.3f} → {end['loss']:.3f}"] if "loss" in end else []
        figures += [
            f"{metric.title} {start[key]:.1f} → {end[key]:.1f}"
            for key, metric in METRICS.items()
            if key in start and key in end
        ]
        yield f"valid {name}".rstrip() + f", from start to end: {', '.join(figures)}"


class PlainView:
    """Lines on stderr: each validation, and progress at most every few seconds."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def __call__(self, event: Event) -> None:
        """Says what is worth saying of an event."""
        if isinstance(event, Logged | Stepped):
            if time.monotonic() - self._last < console.SECONDS_BETWEEN_LINES:
                return
            self._last = time.monotonic()
        for line in describe(event):
            console.say(line)


class Dashboard:
    """The state of a run as something that rich can draw. It moves even while nothing is reported."""

    def __init__(self) -> None:
        self.stepped: Stepped | Logged | None = None
        self.logged: Logged | None = None
        self.losses: list[float] = []
        self.validated: Validated | None = None
        self.best: Validated | None = None
        self.extra: dict[str, Validated] = {}
        self.working = "starting"
        self._since = time.monotonic()

    def take(self, event: Event) -> None:
        """Remembers what the panel shows."""
        if isinstance(event, Working):
            self.working, self._since = event.what, time.monotonic()
            return
        if isinstance(event, Stepped | Logged):
            self.working, self._since = "", time.monotonic()
            self.stepped = event
        if isinstance(event, Logged):
            self.logged = event
            self.losses.append(event.loss)
        elif isinstance(event, Validated) and event.name:
            self.extra[event.name] = event
        elif isinstance(event, Validated):
            self.validated = event
            self.best = event if event.is_best else self.best

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The panel: numbers and a sample, beside each other where there is room."""
        from rich.table import Table

        width = options.max_width
        numbers, sample = self._numbers(min(_WIDEST_BAR, width // 3)), self._sample(width)
        if width < _WIDE:
            yield _grid(numbers + sample)
            return
        both = Table.grid(padding=(0, 4), expand=True)
        both.add_column(ratio=1)
        both.add_column(ratio=1)
        both.add_row(_grid(numbers), _grid(sample))
        yield both

    def _numbers(self, width: int) -> list[tuple[str, RenderableType]]:
        rows = self._progress(width)
        if self.best is not None:
            rows.append(("best", _row(self.best, best=True)))
        if self.validated is not None and self.validated is not self.best:
            rows.append(("valid", _row(self.validated)))
        return rows + [(name, _row(extra)) for name, extra in self.extra.items()]

    def _progress(self, width: int) -> list[tuple[str, RenderableType]]:
        passed = time.monotonic() - self._since
        doing = f"{self.working} … {duration(passed)}" if self.working else ""
        if (now := self.stepped) is None:
            return [("progress", doing)]
        rows: list[tuple[str, RenderableType]] = [
            ("progress", f"{now.share:4.0%} {bar(now.share, width)}"),
            ("", doing or f"{duration(now.seconds + passed)} so far, {time_left(now)}"),
            ("step", f"{now.step:,} (epoch {now.epoch:.2f})"),
        ]
        loss = now.loss if math.isfinite(now.loss) or self.logged is None else self.logged.loss
        if math.isfinite(loss):
            rows.append(("loss", f"{loss:.3f}  {sparkline(self.losses, width // 2)}".rstrip()))
        if self.logged is not None:
            rows.append(("", f"gradient norm {self.logged.grad_norm:.2f}    lr {self.logged.lr:.2e}"))
        return [*rows, ("speed", f"{now.tokens_per_s:,.0f} target tokens/s")]

    def _sample(self, width: int) -> list[tuple[str, RenderableType]]:
        if self.validated is None:
            return []
        room = (width // 2 if width >= _WIDE else width) - _LABEL - 8  # lines break between words
        sample, most = self.validated.sample, _SAMPLE_LINES * room
        texts = {"source": sample.src, "model": sample.hyp, "reference": sample.ref}
        return [(name, shortened(text, most)) for name, text in texts.items()]


def _row(event: Validated, *, best: bool = False) -> Text:
    """The scores of a validation; those of the best one stand out."""
    from rich.text import Text

    mark, style = ("★ ", "bold") if best else ("", "")
    return Text(f"{mark}{_scores(event, '  ')}", style).append(f"  at step {event.step:,}", "dim")


def _grid(rows: list[tuple[str, RenderableType]]) -> Table:
    """Names and values; text is shown as it is."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True, min_width=_LABEL)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(Text(name), Text(visible(value)) if isinstance(value, str) else value)
    return grid


@contextmanager
def training_view() -> Iterator[Listener]:
    """Draws the events of a run within the block."""
    if not console.is_interactive():
        yield PlainView()
        return
    from rich.live import Live

    dashboard = Dashboard()
    with Live(dashboard, console=console.console, refresh_per_second=4, transient=True):

        def listen(event: Event) -> None:
            dashboard.take(event)
            if isinstance(event, Started | Validated | Finished):
                for line in describe(event):
                    console.say(line)

        yield listen
