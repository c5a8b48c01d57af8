"""Events of a training run, and their record in metrics.jsonl, TensorBoard and Weights & Biases."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from mtkit.config.fixed import MetricName
from mtkit.disk.files import marked_folder, write_text
from mtkit.disk.reading import WRONG_VALUES, read_ordinary
from mtkit.errors import InputError, MtkitError, UsageError
from mtkit.runs.layout import CURVES, EVENTS_SUFFIX, METRICS_FILE, TENSORBOARD, WANDB_RUN, claim_in, inside
from mtkit.train.watch.curves import MAX_METRICS

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Started:
    """The run starts, or resumes from `step`."""

    step: int
    num_parameters: int
    vocab_size: int
    num_pairs: int
    device: str
    precision: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Logged:
    """Means since the last report. `loss` is -log p per target token, without smoothing.

    `skipped` counts the updates of the whole run that were skipped because the gradient was a spike or not
    finite. `extra` holds the terms that options add to the loss, by name, per target token.
    """

    step: int
    epoch: float
    loss: float
    lr: float
    grad_norm: float
    tokens_per_s: float
    seconds: float
    share: float
    skipped: int = 0
    extra: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stepped:
    """An update was made. Told after each, for whoever watches; not recorded.

    `loss` is the mean since the last report on this rank; NaN on a GPU, which would have to be waited for.
    """

    step: int
    epoch: float
    loss: float
    tokens_per_s: float
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class Working:
    """Work other than updates begins, such as `validating`; it ends with the next event. Not recorded."""

    what: str


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """Update `step` ran out of memory; from then on micro-batches are computed in `splits` parts."""

    step: int
    splits: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A validation sentence, its translation by the model, and the reference."""

    src: str
    hyp: str
    ref: str


@dataclass(frozen=True, slots=True)
class Validated:
    """The loss, -log p per target token, and the scores of the model on a validation set.

    `name` is empty for the main set, which chooses the best model; further sets have the name that the config
    gives them.
    """

    step: int
    loss: float
    scores: Mapping[MetricName, float]
    is_best: bool
    sample: Sample
    seconds: float
    name: str = ""

    @property
    def group(self) -> str:
        """The prefix of its names in metrics.jsonl: `valid` or `valid/NAME`."""
        return f"valid/{self.name}" if self.name else "valid"


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint is on disk."""

    step: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Finished:
    """The final model is in `folder`; `reason` says why training ended.

    It is the mean of `averaged` models, the best or the last ones. `passes` counts how often the training
    data were seen, and `samples` are translated by the final model.
    `best_step` is the step of the best model. `start` holds the loss and scores of the weights that the run
    started with, by validation set, with "" for the main one; `extra` those of the final model on other sets.
    """

    step: int
    folder: Path
    reason: str
    averaged: int
    loss: float
    scores: Mapping[MetricName, float]
    seconds: float
    average_of: str = "best"
    passes: float = 0.0
    stopped_early: bool = False
    samples: tuple[Sample, ...] = ()
    best_step: int = -1
    start: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    extra: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


Event = Started | Stepped | Working | Logged | OutOfMemory | Validated | Saved | Finished
Listener = Callable[[Event], None]


def scalars(event: Event) -> dict[str, float]:
    """The numbers of an event, by their names in metrics.jsonl and TensorBoard."""
    match event:
        case Logged():
            names = ("loss", "lr", "grad_norm", "tokens_per_s", "epoch", "skipped")
            values = {name: getattr(event, name) for name in names} | dict(event.extra)
            return {f"train/{name}": value for name, value in values.items()}
        case OutOfMemory():
            return {"train/splits": event.splits}
        case Validated() | Finished():
            group = event.group if isinstance(event, Validated) else "final"
            values = {"loss": event.loss} | dict(event.scores)
            for name, figures in event.extra.items() if isinstance(event, Finished) else ():
                values |= {f"{name}/{figure}": value for figure, value in figures.items()}
            return {f"{group}/{name}": value for name, value in values.items()}
        case Started() | Stepped() | Working() | Saved():
            return {}


class Recorder:
    """Writes the numbers of events to `metrics.jsonl`, one JSON object a line, and to trackers on request.

    Args:
        run: the run folder.
        step: the step that the run resumes from; later lines of an interrupted part are removed.
        tensorboard: also write TensorBoard events.
        wandb: also send them to this project of Weights & Biases.
        validated: step of the last validation; `step` by default.

    Raises:
        UsageError: `wandb` is given but not installed.
        MtkitError: Weights & Biases cannot be started.
    """

    def __init__(
        self, run: Path, step: int, tensorboard: bool, wandb: str | None = None, validated: int | None = None
    ) -> None:
        validated = step if validated is None else validated
        self._wandb = _open_wandb(run, wandb) if wandb else None
        self._path = inside(run, METRICS_FILE)
        self._file: FileIO | None = None
        try:
            kept = []
            if os.path.lexists(self._path):
                raw = read_ordinary(self._path, MAX_METRICS).decode(errors="replace")
                kept = [line for line in raw.split("\n") if _is_kept(line, step, validated)]
            claim_in(run, self._path.name)
            write_text(self._path, "".join(line + "\n" for line in kept))
            self._file = self._path.open("ab", buffering=0)
        except (OSError, InputError) as error:
            self._give_up(error)
        self._tensorboard: Any = None
        if tensorboard:
            with self._events_may_fail():
                self._tensorboard = _open_tensorboard(run, step)

    def __call__(self, event: Event) -> None:
        """Records one event."""
        # If all updates were skipped, their means are NaN, which JSON cannot express.
        numbers = {name: value for name, value in scalars(event).items() if math.isfinite(value)}
        if not numbers or isinstance(event, Started | Stepped | Working | Saved):
            return
        line = {"step": event.step, "seconds": round(event.seconds, 3), **numbers}
        self._write(json.dumps(line) + "\n")
        if self._tensorboard is not None:
            with self._events_may_fail():
                for name, value in numbers.items():
                    self._tensorboard.add_scalar(name, value, event.step)
        if self._wandb is not None:
            with self._wandb_may_fail():
                self._wandb.log({**numbers, "step": event.step})

    def _write(self, line: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write(line.encode())
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError | InputError) -> None:
        """Stops recording to the file: training matters more than its record."""
        _say_lost(self._path, error)
        if self._file is not None:
            self._file.close()
        self._file = None

    @contextmanager
    def _events_may_fail(self) -> Iterator[None]:
        """Stops recording to TensorBoard if the block cannot write its events."""
        try:
            yield
        except OSError as error:  # raised by its own thread, some time after the call that wrote
            _say_lost(inside(self._path.parent, TENSORBOARD), error)
            self._tensorboard = None

    @contextmanager
    def _wandb_may_fail(self) -> Iterator[None]:
        """Stops recording to Weights & Biases if the block fails."""
        try:
            yield
        except Exception as error:  # its service is a separate process that can fail in any way
            said = " ".join(f"{type(error).__name__}: {error}".split())
            logger.warning("train.wandb: connection lost (%s). Training continues without it.", said)
            self._wandb = None

    def close(self) -> None:
        """Flushes and closes all records."""
        if self._file is not None:
            self._file.close()
        if self._wandb is not None:
            with self._wandb_may_fail():
                self._wandb.finish()
        if self._tensorboard is not None:
            with self._events_may_fail():
                self._tensorboard.close()


def _say_lost(path: Path, error: OSError | InputError) -> None:
    said = (
        error.message.removeprefix(f"{path}: ").rstrip(".")
        if isinstance(error, InputError)
        else error.strerror
    )
    logger.warning("%s: cannot be written: %s. Training continues without it.", path, said or error)


def _is_kept(line: str, step: int, validated: int) -> bool:
    """Whether a line belongs to steps that the resumed run does not repeat."""
    try:
        values = json.loads(line)
        last = 0 if "final/loss" in values else validated if "valid/loss" in values else step
        return float(values["step"]) <= last
    except WRONG_VALUES:
        return False


def _open_tensorboard(run: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    folder = marked_folder(inside(run, TENSORBOARD), CURVES)
    return SummaryWriter(folder, purge_step=step + 1, filename_suffix=EVENTS_SUFFIX)


_UNSENT: Mapping[str, Any] = {
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "save_code": False,
}
"""Settings that keep the machine, the command line and console output from Weights & Biases.

It still receives, under the user's account: the names of the project and of the run folder, a random id, the
numbers of metrics.jsonl with their times, the versions of wandb and Python, and the kind of system
(linux-x86_64).
"""
_IDENTITY = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _open_wandb(run: Path, project: str) -> Any:
    """The run of Weights & Biases that belongs to this run folder, also after the training is resumed."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it would send tracebacks elsewhere
    try:
        import wandb
    except ImportError:
        raise UsageError(
            "train.wandb: Weights & Biases is not installed.", "Install it: pip install wandb."
        ) from None
    name = inside(run, WANDB_RUN)
    if not name.exists():
        claim_in(run, name.name)
        write_text(name, uuid.uuid4().hex + "\n")
    identity = read_ordinary(name).decode(errors="replace").strip()
    if not _IDENTITY.fullmatch(identity):
        raise InputError(f"{name}: contains no run id.", "Delete it to start a new Weights & Biases run.")
    try:
        opened = wandb.init(
            project=project,
            name=run.name,
            dir=str(run),
            id=identity,
            resume="allow",
            settings=wandb.Settings(**_UNSENT),
        )
        opened.define_metric("*", step_metric="step")
    except wandb.Error as error:
        raise MtkitError(
            f"train.wandb: {' '.join(str(error).split())}", "Run `wandb login`, or set WANDB_MODE=offline."
        ) from error
    except Exception as error:  # from its service, over the network, or from its settings
        raise MtkitError(
            f"train.wandb: cannot start: {' '.join(f'{type(error).__name__}: {error}'.split())}.",
            "Update the package wandb, or leave out train.wandb.",
        ) from error
    return opened
