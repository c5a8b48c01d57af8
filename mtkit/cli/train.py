"""Train a model from prepared data."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli.arguments import ConfigArguments, read_arguments
from mtkit.cli.console import progress, say, silence

if TYPE_CHECKING:
    from mtkit.config.schema import Config
    from mtkit.train.distributed import World


def train(
    arguments: ConfigArguments = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what the run will need: memory, time, disk. Writes nothing."),
    ] = False,
) -> None:
    """Train a model; typed again, go on from the last checkpoint.

    Prepares the data first if that has not been done. Ctrl-C saves and stops; twice, it stops at once.
    On 8 GPUs: torchrun --nproc-per-node 8 -m mtkit train mtkit.yaml

    Example: mtkit train mtkit.yaml train.max_time=30m

    \b
    Values of model.preset, and parameters for a vocabulary of 8,000:
      tiny 2.4 M, small 7.6 M, base 48.2 M, big 184.6 M, deep 54.5 M,
      paper-base 48.2 M, paper-big 184.5 M; more by `mtkit config presets`
    """
    from mtkit.train.distributed import join_world

    with join_world() as world:
        if not world.is_main:
            silence()
        config = read_arguments(arguments).config
        if dry_run:
            _plan(config, world)
            return
        _train(config, world)
    if config.data.test:
        say(f"Next: {shlex.join(['mtkit', 'evaluate', *(arguments or ())])}")
    say(f"Next: {shlex.join(['mtkit', 'translate', '-m', shown(config.run)])} < input.txt")


def _train(config: Config, world: World) -> None:
    """Prepares the data if that has not been done, and trains."""
    from mtkit.data.prepare import open_prepared

    world.on_main(lambda: _prepare(config))
    prepared = open_prepared(config)
    say("starting torch …")
    from mtkit.cli.train_view import training_view
    from mtkit.train.trainer import train as run

    with stop_signals() as stop, training_view() as listen:
        run(config, prepared, listen, stop, world)


def _plan(config: Config, world: World) -> None:
    """Measures what the run will need, and prints it."""
    from mtkit.data.prepare import is_prepared, open_prepared

    prepared = open_prepared(config) if is_prepared(config) else None
    say("starting torch …")
    from mtkit.cli.train_plan import show_plan
    from mtkit.train.plan import plan_run

    plan = plan_run(config, prepared, world)
    if world.is_main:
        show_plan(plan)


def _prepare(config: Config) -> None:
    from mtkit.cli.prepare import print_ledger
    from mtkit.data.prepare import is_prepared, prepare

    if not is_prepared(config):
        with progress() as show:
            print_ledger(prepare(config, show))


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Tells whether a signal asked to stop; a second one ends the program at once."""
    received: list[int] = []

    # Says nothing: the signal may have come amid a write to stderr, which cannot be entered twice.
    def handle(number: int, _: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    def asked() -> bool:
        if received:
            say("saving … once more to stop at once")
        return bool(received)

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield asked
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def shown(path: Path) -> str:
    """A path as one would type it here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
