"""Train a model from prepared data."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from mtkit.cli.arguments import ConfigArguments, read_arguments
from mtkit.cli.console import progress, say


def train(arguments: ConfigArguments = None) -> None:
    """Train a model; typed again, go on from the last checkpoint.

    Prepares the data first if that has not been done.

    Example: mtkit train mtkit.yaml train.max_time=30m
    """
    config = read_arguments(arguments).config
    from mtkit.data.prepare import is_prepared, open_prepared, prepare

    if not is_prepared(config):
        from mtkit.cli.prepare import print_ledger

        with progress() as show:
            print_ledger(prepare(config, show))
    prepared = open_prepared(config)
    say("starting torch …")
    from mtkit.cli.train_view import training_view
    from mtkit.train.trainer import train as run

    with training_view() as listen:
        run(config, prepared, listen)
    if config.data.test:
        say(f"Next: {shlex.join(['mtkit', 'evaluate', *(arguments or ())])}")
    say(f"Next: {shlex.join(['mtkit', 'translate', '-m', shown(config.run)])} < input.txt")


def shown(path: Path) -> str:
    """A path as one would type it here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
