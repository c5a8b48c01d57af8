"""What a training run reports, and its record in metrics.jsonl, TensorBoard and Weights & Biases."""

from __future__ import annotations

import json
import logging
import math
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from mtkit.errors import MtkitError, UsageError
from mtkit.files import marked_folder, write_text
from mtkit.run import CURVES, EVENTS_SUFFIX, claim_in

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Started:
    """The run begins, or goes on from `step`."""

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

    `skipped` counts the updates of the whole run that left the weights alone, their gradients being spikes
    or not finite; `extra` holds what some options add to the loss, by name, per target token.
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
class OutOfMemory:
    """Memory ran out in update `step`; micro-batches are computed in `splits` parts from then on."""

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
    """Scores of the model on validation data. `loss` is -log p per target token.

    `name` is that of a further validation set, which steers nothing; empty for the one that does.
    """

    step: int
    loss: float
    bleu: float
    chrf: float
    is_best: bool
    sample: Sample
    seconds: float
    name: str = ""

    @property
    def group(self) -> str:
        """What its metrics' names begin with: `valid` or `valid/NAME`."""
        return f"valid/{self.name}" if self.name else "valid"


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint is on disk."""

    step: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Finished:
    """The final model stands in `folder`; `reason` ended the training."""

    step: int
    folder: Path
    reason: str
    averaged: int
    bleu: float
    chrf: float
    loss: float
    seconds: float


Event = Started | Logged | OutOfMemory | Validated | Saved | Finished
Listener = Callable[[Event], None]


def scalars(event: Event) -> dict[str, float]:
    """The numbers of an event under the names they have in metrics.jsonl and TensorBoard."""
    match event:
        case Logged():
            names = ("loss", "lr", "grad_norm", "tokens_per_s", "epoch", "skipped")
            values = {name: getattr(event, name) for name in names} | dict(event.extra)
            return {f"train/{name}": value for name, value in values.items()}
        case OutOfMemory():
            return {"train/splits": event.splits}
        case Validated() | Finished():
            group = event.group if isinstance(event, Validated) else "final"
            return {f"{group}/{name}": getattr(event, name) for name in ("loss", "bleu", "chrf")}
        case Started() | Saved():
            return {}


class Recorder:
    """Writes the numbers of events to `metrics.jsonl`, one JSON object a line, and wherever else is wanted.

    Args:
        run: the run folder.
        step: where the run goes on; later lines of an interrupted part are removed.
        tensorboard: also write TensorBoard events.
        wandb: project of Weights & Biases to send them to as well.
        validated: step of the last validation; `step` if left out.

    Raises:
        UsageError: `wandb` is given but not installed.
        MtkitError: it does not take the run.
    """

    def __init__(
        self, run: Path, step: int, tensorboard: bool, wandb: str | None = None, validated: int | None = None
    ) -> None:
        validated = step if validated is None else validated
        self._wandb = _open_wandb(run, wandb) if wandb else None
        self._path = run / "metrics.jsonl"
        self._file: FileIO | None = None
        try:
            kept = []
            if self._path.exists():
                kept = [
                    line
                    for line in self._path.read_text("utf-8").split("\n")
                    if _is_kept(line, step, validated)
                ]
            claim_in(run, self._path.name)
            write_text(self._path, "".join(line + "\n" for line in kept))
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            self._give_up(error)
        self._tensorboard: Any = None
        if tensorboard:
            with self._events_may_fail():
                self._tensorboard = _open_tensorboard(run, step)

    def __call__(self, event: Event) -> None:
        """Records one event."""
        # The means of updates that were all skipped are no numbers, and JSON has no word for them.
        numbers = {name: value for name, value in scalars(event).items() if math.isfinite(value)}
        if not numbers or isinstance(event, Started | Saved):
            return
        line = {"step": event.step, "seconds": round(event.seconds, 3), **numbers}
        self._write(json.dumps(line) + "\n")
        if self._tensorboard is not None:
            with self._events_may_fail():
                _add_events(self._tensorboard, event, numbers)
        if self._wandb is not None:
            self._wandb.log({**numbers, "step": event.step})

    def _write(self, line: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write(line.encode())
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """No record is worth a training."""
        _say_lost(self._path, error)
        if self._file is not None:
            self._file.close()
        self._file = None

    @contextmanager
    def _events_may_fail(self) -> Iterator[None]:
        """Within the block TensorBoard's events are written, until they cannot be."""
        try:
            yield
        except OSError as error:  # of its own thread, some time after it was asked to write
            _say_lost(self._path.parent / "tensorboard", error)
            self._tensorboard = None

    def close(self) -> None:
        """Flushes and closes all records."""
        if self._file is not None:
            self._file.close()
        if self._wandb is not None:
            self._wandb.finish()
        if self._tensorboard is not None:
            with self._events_may_fail():
                self._tensorboard.close()


def _say_lost(path: Path, error: OSError) -> None:
    logger.warning("%s: cannot be written: %s. Training goes on without it.", path, error.strerror or error)


def _add_events(
    tensorboard: Any, event: Logged | OutOfMemory | Validated | Finished, numbers: Mapping[str, float]
) -> None:
    for name, value in numbers.items():
        tensorboard.add_scalar(name, value, event.step)
    if isinstance(event, Validated):
        sample = event.sample
        text = f"source: {sample.src}\n\nmodel: {sample.hyp}\n\nreference: {sample.ref}"
        tensorboard.add_text(f"{event.group}/sample", text, event.step)


def _is_kept(line: str, step: int, validated: int) -> bool:
    """Whether a line was written up to `step`, and none of what is now made anew will repeat it."""
    try:
        values = json.loads(line)
        last = 0 if "final/loss" in values else validated if "valid/loss" in values else step
        return float(values["step"]) <= last
    except (ValueError, KeyError, TypeError):
        return False


def _open_tensorboard(run: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    folder = marked_folder(run / "tensorboard", CURVES)
    return SummaryWriter(folder, purge_step=step + 1, filename_suffix=EVENTS_SUFFIX)


def _open_wandb(run: Path, project: str) -> Any:
    """The run of Weights & Biases that belongs to this run folder; a resumed run goes on in the same."""
    try:
        import wandb
    except ImportError:
        raise UsageError(
            "train.wandb: Weights & Biases is not installed.", 'Install it: pip install "mtkit[wandb]".'
        ) from None
    name = run / "wandb-run.txt"
    if not name.exists():
        claim_in(run, name.name)
        write_text(name, uuid.uuid4().hex + "\n")
    identity = name.read_text("utf-8").strip()
    try:
        opened = wandb.init(project=project, name=run.name, dir=str(run), id=identity, resume="allow")
    except wandb.Error as error:
        raise MtkitError(
            f"train.wandb: {' '.join(str(error).split())}", "Run `wandb login`, or set WANDB_MODE=offline."
        ) from error
    opened.define_metric("*", step_metric="step")
    return opened
