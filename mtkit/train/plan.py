"""Estimates the parameters, memory, speed, time and disk space of a run before it starts. Writes nothing."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from mtkit.config.filters import TokensFilter
from mtkit.config.model import ModelConfig
from mtkit.config.schema import Config
from mtkit.config.train import TrainConfig
from mtkit.data.feed.batch import collate
from mtkit.data.feed.loader import Cursor, PairTable, StepData
from mtkit.data.prepare.prepared import Prepared
from mtkit.data.prepare.shards import open_shard, write_shard
from mtkit.train.machine.distributed import World
from mtkit.train.machine.memory import forget_peak, resident_bytes
from mtkit.train.optim.schedule import learning_rate
from mtkit.train.setup import (
    LargestBatch,
    Planned,
    build_updater,
    fit_micro_batch,
    kept_bytes,
    largest_batch,
    plan_steps,
    read_steps,
)
from mtkit.train.update import Updater

PROBE_STEPS, PROBE_S = 20, 60.0
"""Updates of the probe, and its longest duration."""
_STAND_IN_PAIRS, _STAND_IN_MEDIAN, _STAND_IN_SIGMA = 20_000, 25.0, 0.6


@dataclass(frozen=True, slots=True)
class Plan:
    """The estimated needs of a run.

    Attributes:
        num_parameters: parameters of the model.
        vocab_size: pieces of the target side.
        num_pairs: training pairs; None if random data stood in for data that are not prepared.
        device: such as `cuda` or `cpu`.
        precision: such as `bfloat16`.
        num_ranks: number of processes.
        micro_batch_tokens: most target tokens that a process computes at once; None if a whole step.
        splits: number of parts in which micro-batches had to be computed.
        largest: the batch that takes the most memory.
        memory: estimated bytes, by name.
        measured: measured bytes: `state` for the whole run, and `largest` in addition for the largest batch.
        tokens_per_s: target tokens per second on all ranks.
        probe: updates, seconds and target tokens of the probe.
        steps: updates to the end of the budget.
        seconds: time to the end of the budget, without validation and saving.
        disk: bytes in the run folder, by name.
        disk_free: free bytes on its disk.
    """

    num_parameters: int
    vocab_size: int
    num_pairs: int | None
    device: str
    precision: str
    num_ranks: int
    micro_batch_tokens: int | None
    splits: int
    largest: LargestBatch
    memory: dict[str, int]
    measured: dict[str, int]
    tokens_per_s: float
    probe: tuple[int, float, int]
    steps: float
    seconds: float
    disk: dict[str, int]
    disk_free: int


def plan_run(config: Config, prepared: Prepared | None, world: World) -> Plan:
    """Builds the model, computes the largest batch, makes a few updates, and discards everything.

    Args:
        config: of the run.
        prepared: its data; None for random ids of typical lengths.
        world: the ranks that would train; all of them take part.

    Raises:
        UsageError: the device or the precision is not available.
        MtkitError: not even a single sentence fits into memory.
    """
    with _table(config, prepared) as table:
        # 1. Build the model, and find its largest batch.
        src_vocab_size = tgt_vocab_size = _vocab_size(config)
        if prepared is not None:
            src_vocab_size, tgt_vocab_size = prepared.tokenizer.src.size, prepared.tokenizer.tgt.size
        _warm_up(config)
        meter = _Meter()
        updater = build_updater(config, src_vocab_size, tgt_vocab_size, world)
        meter.device = updater.device
        planned = plan_steps(table, config)
        option = config.train.micro_batch_tokens
        micro = (
            world.on_main(lambda: fit_micro_batch(table, planned, updater)) if option == "auto" else option
        )
        largest = largest_batch(table, planned, updater, micro)
        # 2. Measure the memory of that batch, and the speed of a few updates.
        meter.mark()
        updater.rehearse(table.batch(largest.pairs))
        peak = meter.peak()
        probe = _probe(config, table, updater, micro)
        tokens_per_s = probe[2] / probe[1]
        # 3. Extrapolate to the whole run.
        steps = _steps(config, planned, tokens_per_s)
        numbers, kept = updater.model.num_parameters(), kept_bytes(updater)
        activations = largest.activations // updater.splits
        return Plan(
            num_parameters=numbers,
            vocab_size=tgt_vocab_size,
            num_pairs=len(table.lengths) if prepared else None,
            device=str(updater.device),
            precision=str(updater.objective.dtype).removeprefix("torch."),
            num_ranks=world.size,
            micro_batch_tokens=micro,
            splits=updater.splits,
            largest=largest,
            memory=kept | {"activations": activations},
            measured={"state": meter.state(), "largest": peak},
            tokens_per_s=tokens_per_s,
            probe=probe,
            steps=steps,
            seconds=steps * planned.tokens_per_step / tokens_per_s,
            disk=_disk(config.train, kept),
            disk_free=shutil.disk_usage(_existing(config.run)).free,
        )


# ---------------------------------------------------------------- data


def _vocab_size(config: Config) -> int:
    """The vocabulary size for random data; `auto` counts as 8,000, the size for a small corpus."""
    size = config.tokenizer.vocab_size
    return 8_000 if size == "auto" else size


@contextmanager
def _table(config: Config, prepared: Prepared | None) -> Iterator[PairTable]:
    """The training pairs, or random ones that exist only within the block."""
    if prepared is not None:
        yield PairTable(prepared.train, prepared.matches).at_epoch(0)
        return
    with tempfile.TemporaryDirectory(prefix="mtkit-") as folder:
        yield stand_in(Path(folder), config)


def stand_in(folder: Path, config: Config) -> PairTable:
    """Random pairs of typical lengths; one in a hundred has any length that the filters accept."""
    random = np.random.default_rng(config.seed)
    bounds = [filter_.max_tokens for filter_ in config.data.filters if isinstance(filter_, TokensFilter)]
    longest = min(bounds, default=256)
    count = max(_STAND_IN_PAIRS, round(8 * config.train.batch_tokens / _STAND_IN_MEDIAN))
    src = random.lognormal(np.log(_STAND_IN_MEDIAN), _STAND_IN_SIGMA, count)
    src[::100] = random.uniform(1, longest + 1, len(src[::100]))
    tgt = src * random.lognormal(0, 0.15, count)
    lengths = np.clip(np.stack([src, tgt], 1).astype(np.int64), 1, longest)
    vocab_size = _vocab_size(config)
    shards = []
    for number in range(len(config.data.train)):  # mixing expects this number of corpora
        pairs = (
            (random.integers(4, vocab_size, n).tolist(), random.integers(4, vocab_size, m).tolist())
            for n, m in lengths[number :: len(config.data.train)].tolist()
        )
        write_shard(folder / str(number), pairs, {"vocab_size": vocab_size})
        shards.append(open_shard(folder / str(number)))
    return PairTable(shards)


# ---------------------------------------------------------------- measuring


def _warm_up(config: Config) -> None:
    """Computes a tiny model first, because the memory of libraries that torch then loads is not the run's."""
    model = ModelConfig.model_validate(
        {"d_model": 16, "d_ff": 16, "num_heads": 2, "num_encoder_layers": 1, "num_decoder_layers": 1}
    )
    options = config.train.model_copy(update={"freeze": ()})  # its patterns need not match the tiny model
    tiny = config.model_copy(update={"model": model, "train": options})
    updater = build_updater(tiny, 16, 16, World())
    ids = np.arange(4, 12)
    updater.rehearse(collate([ids], [ids]))


class _Meter:
    """Measures memory: what torch has allocated on a GPU, or the resident memory of the process."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self._before = resident_bytes()[0]
        self._marked = 0

    def _now(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.memory_allocated(self.device)
        return resident_bytes()[0] - self._before

    def mark(self) -> None:
        """Starts the measurement of a peak."""
        self._marked = self._now()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            forget_peak()

    def peak(self) -> int:
        """The highest increase since `mark`."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) - self._marked
        return resident_bytes()[1] - self._before - self._marked

    def state(self) -> int:
        """The current memory."""
        return self._now()


def _probe(
    config: Config, table: PairTable, updater: Updater, micro_batch_tokens: int | None
) -> tuple[int, float, int]:
    """Makes a few updates. Returns their number, seconds and target tokens, without the first update."""
    with closing(read_steps(config, table, micro_batch_tokens, updater, Cursor())) as steps:
        return _timed(config, updater, islice(steps, PROBE_STEPS + 1))


def _timed(config: Config, updater: Updater, steps: Iterable[StepData]) -> tuple[int, float, int]:
    """Makes these updates, or as many as there is time for. Returns the figures of `_probe`."""
    world = updater.world
    updater.model.train()
    begin, made, tokens = time.monotonic(), -1, 0
    start, allowed = begin, None
    for number, data in enumerate(steps, start=1):
        part = data if allowed is None else _shortened(data, allowed)
        updater(part, number, learning_rate(config.train.optimizer, number, 0.0))
        if updater.device.type == "cuda":
            torch.cuda.synchronize()
        made += 1
        if made == 0:
            first, *_ = world.agree(time.monotonic() - begin, stop=False)
            # A slow machine then has time for several updates, each with only a part of the step.
            allowed = max(1, round(len(data.batches) * PROBE_S / PROBE_STEPS / max(first, 1e-9)))
            start = time.monotonic()
            continue
        tokens += part.num_tgt_tokens
        _, over, _ = world.agree(0.0, stop=time.monotonic() - begin > PROBE_S)
        if over:
            break
    return made, time.monotonic() - start, tokens


def _shortened(data: StepData, batches: int) -> StepData:
    """The first micro-batches of a step."""
    if batches >= len(data.batches):
        return data
    share = batches / len(data.batches)
    return replace(data, batches=data.batches[:batches], num_tgt_tokens=round(share * data.num_tgt_tokens))


# ---------------------------------------------------------------- the whole run


def _steps(config: Config, planned: Planned, tokens_per_s: float) -> float:
    """Updates until the first limit of the budget, or the end of the cooldown, without early stopping."""
    train, bounds = config.train, []
    if train.cooldown_steps is not None:
        return float(train.cooldown_steps)
    if train.cooldown is not None:
        return train.cooldown * tokens_per_s / planned.tokens_per_step
    if train.max_steps is not None:
        bounds.append(float(train.max_steps))
    if train.max_epochs is not None:
        bounds.append(train.max_epochs * planned.steps_per_epoch)
    if train.max_time is not None:
        bounds.append(train.max_time * tokens_per_s / planned.tokens_per_step)
    return min(bounds, default=float("inf"))


def _disk(train: TrainConfig, kept: dict[str, int]) -> dict[str, int]:
    """Bytes of the run folder at the end, and of the checkpoint that is written before an old one is deleted.

    Args:
        train: options of the run.
        kept: bytes that stay in memory, by name; a checkpoint contains all but the gradients.
    """
    weights, checkpoint = kept["weights"], sum(kept.values()) - kept["gradients"]
    return {
        f"checkpoints (newest {train.keep_last})": train.keep_last * checkpoint,
        f"best models ({train.keep_best})": train.keep_best * weights,
        **({f"last models ({train.num_last})": train.num_last * weights} if train.num_last else {}),
        "final model": weights,
        "while writing": checkpoint,
    }


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
