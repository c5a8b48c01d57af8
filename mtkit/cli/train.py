"""Train a model from prepared data."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtkit.cli.arguments import ConfigArguments, read_arguments, shown
from mtkit.cli.choices import ON_HELP, RAY, one_of
from mtkit.cli.console import confirm, is_answerable, progress, say, say_next, silence, working
from mtkit.errors import StoppedError, UsageError

if TYPE_CHECKING:
    from mtkit.config.auto import Choice
    from mtkit.config.load import Loaded
    from mtkit.config.schema import Config
    from mtkit.train.machine.distributed import World


_MOST_REASONS = 5
_RESTARTS = 3
"""How often Ray starts lost workers again, unless the user says otherwise."""


@dataclass(frozen=True, slots=True)
class Resuming:
    """What may differ from the last checkpoint.

    Attributes:
        allowed: options and sections.
        patience_anew: forget how many validations have passed without improvement.
    """

    allowed: tuple[str, ...] = ()
    patience_anew: bool = False


def train(
    arguments: ConfigArguments = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the memory, time and disk space that the run will need, without training.",
        ),
    ] = False,
    from_scratch: Annotated[
        bool,
        typer.Option(
            "--from-scratch",
            help="Delete the checkpoints, the model and its export, and start over. A terminal asks first.",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before --from-scratch deletes a model.")
    ] = False,
    allow_change: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Resume although this option or section has changed; repeatable."),
    ] = None,
    reset_patience: Annotated[
        bool,
        typer.Option(
            "--reset-patience",
            help="Forget how many validations have passed without improvement, to resume a run that stopped "
            "early.",
        ),
    ] = False,
    on: Annotated[
        str | None,
        typer.Option(metavar="ray", help=ON_HELP, rich_help_panel=RAY, show_default=False),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, metavar="N", help="Processes that train together.", rich_help_panel=RAY)
    ] = 1,
    max_restarts: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="How often workers start again, from the last checkpoint, after one was lost. Default: 3.",
            rich_help_panel=RAY,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Train a model, or resume from the latest checkpoint.

    Prepares the data first if necessary. Press Ctrl-C to save and stop; run the same command to resume.
    Press Ctrl-C twice to quit without saving.

    \b
    Examples:
      mtkit train mtkit.yaml train.max_time=30m
      torchrun --nproc-per-node 8 -m mtkit train mtkit.yaml   (8 GPUs)
      mtkit train mtkit.yaml --on ray --workers 8

    \b
    Values of model.preset, and their parameters with a vocabulary of 8,000:
      tiny 2.4 M, small 7.6 M, base 48.2 M, big 184.6 M, deep 54.5 M,
      paper-base 48.2 M, paper-big 184.5 M (see `mtkit config presets`)
    """
    from mtkit.train.machine.distributed import World, join_world

    _check_flags(on, workers, max_restarts, dry_run=dry_run, from_scratch=from_scratch)
    with stop_signals() as stop, nullcontext(World()) if on else join_world() as world:
        if not world.is_main:
            silence()
        loaded = read_arguments(arguments)
        config = loaded.config
        world.on_main(lambda: _check(loaded))
        if dry_run:
            _plan(config, world)
            return
        if from_scratch and not yes:
            world.on_main(lambda: _ask_to_forget(config.run))
        resuming = Resuming(tuple(allow_change or ()), reset_patience)
        with _prepared(config, world, from_scratch):
            if not on:
                _run(config, world, stop, resuming)
        if on:
            from mtkit.cli.train_on_ray import train_on_ray

            restarts = _RESTARTS if max_restarts is None else max_restarts
            train_on_ray(arguments, resuming, config.train.device, workers, restarts, stop)
    if config.data.test:
        say_next(shlex.join(["mtkit", "evaluate", *(arguments or ())]))
    else:
        say_next(f"{shlex.join(['mtkit', 'translate', '-m', shown(config.run)])} < input.txt")


def _check_flags(
    on: str | None, workers: int, max_restarts: int | None, *, dry_run: bool, from_scratch: bool
) -> None:
    """Refuses flags that do not go together.

    Raises:
        UsageError: they do not.
    """
    if on is None:
        if workers > 1 or max_restarts is not None:
            flag = "--workers" if workers > 1 else "--max-restarts"
            raise UsageError(f"{flag}: needs --on ray.", "Or start the processes with torchrun.")
        if from_scratch and int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")):
            raise UsageError(
                "--from-scratch: each restart by torchrun would delete the checkpoints again.",
                "Leave out --max-restarts, or delete the run first.",
            )
        return
    from mtkit.cluster import check_ray

    one_of("--on", on, ("ray",))
    if dry_run:
        raise UsageError(
            "--dry-run and --on ray: exclude each other.", "Plan on one machine, or by torchrun."
        )
    check_ray("--on ray")


def _ask_to_forget(run: Path) -> None:
    """Asks whether the trained model may be deleted, if there is one and somebody to ask.

    Raises:
        UsageError: it may not.
    """
    from mtkit.runs.find import model_folder

    if not is_answerable() or (model := model_folder(run)) is None:
        return
    if not confirm(f"{shown(model)} and the checkpoints and exports of {shown(run)} will be deleted."):
        raise UsageError(f"{shown(run)}: nothing was deleted.", "Leave out --from-scratch to resume.")


def _check(loaded: Loaded) -> None:
    """Refuses what would fail later: missing inputs, unless they are prepared, and options of `train`."""
    from mtkit.config.refuse import refuse
    from mtkit.data.prepare.check_sources import faults_of_sources
    from mtkit.data.prepare.prepared import has_settings
    from mtkit.train.requirements import faults_of_training

    config = loaded.config
    sources = () if has_settings(config) else faults_of_sources(config)
    refuse(loaded, (*sources, *faults_of_training(config)))


@contextmanager
def _prepared(config: Config, world: World, anew: bool) -> Iterator[None]:
    """The run folder: no other training writes to it within the block, and the data are prepared.

    Args:
        config: of the run.
        world: the ranks that use it.
        anew: whether to delete what an earlier training left.
    """
    from mtkit.disk.lock import only_writer
    from mtkit.runs.layout import forget_training, open_run

    world.on_main(lambda: open_run(config.run))
    with only_writer(config.run) if world.is_main else nullcontext():
        if anew:
            world.on_main(lambda: forget_training(config.run))
        world.on_main(lambda: _prepare(config))
        yield


def train_rank(arguments: list[str] | None, world: World, stop: StopSignals, resuming: Resuming) -> None:
    """Trains on one of several ranks, with data that are prepared."""
    if not world.is_main:
        silence()
    config = read_arguments(arguments).config
    with _prepared(config, world, anew=False):
        _run(config, world, stop, resuming)


def _run(config: Config, world: World, stop: StopSignals, resuming: Resuming) -> None:
    from mtkit.data.prepare.prepared import open_prepared

    prepared = open_prepared(config)
    with working("starting torch"):
        from mtkit.cli.train_log import text_log
        from mtkit.cli.train_verdict import show_expectation, show_outcome
        from mtkit.cli.train_view import training_view
        from mtkit.convert.run import export_finished
        from mtkit.evaluate.confidence_fit import fit_finished
        from mtkit.evaluate.model_card import write_card
        from mtkit.train.settle import settle_run
        from mtkit.train.trainer import train as run
        from mtkit.train.watch.monitor import Working

    config, choices = world.on_main(lambda: settle_run(config, prepared, world))
    for line in folded(choices):
        say(line)
    show_expectation(prepared.num_pairs)
    with (
        training_view() as view,
        text_log(config.run, view) if world.is_main else nullcontext(view) as listen,
    ):
        allowed, patience_anew = resuming.allowed, resuming.patience_anew
        finished = run(config, prepared, listen, stop.asked, world, allowed, patience_anew)
        folder = Path(shown(finished.folder))
        listen(Working("fitting confidence"))
        world.on_main(lambda: fit_finished(folder, prepared, config, say, stop.asked))
        listen(Working("exporting"))
        world.on_main(lambda: export_finished(folder, config.export, say))
    tgt_lang = config.data.languages_of(config.data.valid)[1]
    world.on_main(lambda: show_outcome(config.run, finished, prepared.num_pairs, tgt_lang))
    world.on_main(lambda: write_card(config.run, config.card))


def _plan(config: Config, world: World) -> None:
    """Measures and prints the resources that the run will need."""
    from mtkit.config.auto import is_auto
    from mtkit.data.prepare.prepared import is_prepared, open_prepared, read_ledger
    from mtkit.data.prepare.unknown import check_unknown

    prepared = open_prepared(config) if is_prepared(config) else None
    if prepared is not None:
        check_unknown(read_ledger(config), config.tokenizer)
    with working("starting torch"):
        from mtkit.cli.train_plan import show_plan
        from mtkit.train.plan import plan_run
        from mtkit.train.settle import settle_run

    if prepared is None and is_auto(config):
        raise UsageError(
            "auto: needs prepared data, because it chooses by the number of pairs.",
            "Run `mtkit prepare` first.",
        )
    if prepared is not None:
        data = prepared
        config, choices = world.on_main(lambda: settle_run(config, data, world, keep=False))
        show_choices(choices)
    plan = plan_run(config, prepared, world)
    if world.is_main:
        show_plan(plan)


def show_choices(choices: Sequence[Choice]) -> None:
    """Prints the values that `auto` chose, and why."""
    for choice in choices:
        say(f"{choice.key}: {choice.value} ({choice.reason})")


def folded(choices: Sequence[Choice]) -> list[str]:
    """The choices of `auto` in at most five lines: values that follow from one reason share a line."""
    reasons: dict[str, dict[str, Any]] = {}
    for choice in choices:
        reasons.setdefault(choice.reason, {})[choice.key] = choice.value
    if len(reasons) > _MOST_REASONS:
        groups = [*reasons.items()]
        rest = {key: value for _, values in groups[_MOST_REASONS - 1 :] for key, value in values.items()}
        reasons = {**dict(groups[: _MOST_REASONS - 1]), "`mtkit train --dry-run` says why": rest}
    return [f"{_short(values)} ({reason})" for reason, values in reasons.items()]


def _short(values: Mapping[str, Any]) -> str:
    """Keys with their values; a section is named only where it begins."""
    shown, before = [], ""
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        shown.append(f"{name if section == before else key} {value}")
        before = section
    return ", ".join(shown)


def _prepare(config: Config) -> None:
    from mtkit.cli.prepare import print_ledger
    from mtkit.data.prepare.prepare import prepare
    from mtkit.data.prepare.prepared import is_prepared, read_ledger
    from mtkit.data.prepare.unknown import check_unknown

    if is_prepared(config):
        check_unknown(read_ledger(config), config.tokenizer)
    else:
        with progress() as show:
            print_ledger(prepare(config, show, locked=True))


class StopSignals:
    """Signals that request a stop.

    Before `asked` is first called, a signal ends the command at once, which loses nothing. Afterwards the
    first signal requests a stop after saving, and the second one ends the program.
    """

    def __init__(self) -> None:
        self._watched = self._received = self._told = False

    def asked(self) -> bool:
        """Whether to stop as soon as everything is saved."""
        if self.received() and not self._told:
            self._told = True
            say("Saving. Press Ctrl-C again to quit without saving.")
        return self._received

    def received(self) -> bool:
        """The same without a word: another process that is told says it."""
        self._watched = True
        return self._received

    def request(self) -> None:
        """Does what a signal does, in a process that another one tells of it."""
        self._received = True

    # Prints nothing: the signal may interrupt a write to stderr, which is not reentrant.
    def handle(self, number: int, _: FrameType | None) -> None:
        """The handler."""
        if self._received or (number == signal.SIGINT and not self._watched):
            signal.signal(number, signal.SIG_DFL)
            raise KeyboardInterrupt
        self._received = True
        for name in _NUMBERS:
            if name != signal.SIGINT and signal.getsignal(name) == self.handle:
                signal.signal(name, signal.SIG_DFL)  # at once, even amid a computation that hangs
        if not self._watched:
            raise StoppedError("stopped before training resumed.", "Run the same command to resume.")


_NUMBERS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name)
]


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Within the block, signals request a stop. Ignored signals stay ignored (nohup)."""
    stop = StopSignals()
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, stop.handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
