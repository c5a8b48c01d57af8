"""Prepares a training run: device, model, updater, and the largest batch."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch

from mtkit.config.schema import Config
from mtkit.data.feed.batching import Indices, cut_step, plan_epoch
from mtkit.data.feed.loader import Cursor, PairTable, StepData, Steps
from mtkit.data.feed.mixing import build_stages
from mtkit.data.feed.prefetch import prefetch
from mtkit.engine.native import choose_device, limit_threads
from mtkit.errors import MtkitError, UsageError
from mtkit.model.transformer import build_model
from mtkit.train.losses.guided import guided_layer
from mtkit.train.machine.allocator import keep_blocks
from mtkit.train.machine.distributed import World, check_device
from mtkit.train.machine.exchange import Exchange
from mtkit.train.machine.memory import (
    BatchSide,
    ComputeMode,
    activation_bytes,
    available_bytes,
    scratch_bytes,
    state_bytes,
)
from mtkit.train.machine.packed_batch import round_up, rows_needed
from mtkit.train.machine.precision import training_dtype
from mtkit.train.optim.freeze import freeze
from mtkit.train.optim.lora import LowRank
from mtkit.train.update import Updater

_PREFETCHED = 4
"""Steps that are prepared ahead for a GPU."""
_MOST_PLANNED = 1_000_000
"""Most pairs in the search for the largest batch; larger corpora are sampled, including the longest pairs."""
_CPU_SHARE, _GPU_SHARE = 0.6, 0.92
"""Share of the available memory that a plan may use."""


def build_updater(config: Config, src_vocab_size: int, tgt_vocab_size: int, world: World) -> Updater:
    """The updater of a run, with a freshly initialised model on the run's device.

    Raises:
        UsageError: the device or the precision is not available, or `freeze` matches no weights.
    """
    device = choose_device(config.train.device)
    check_device(world, device)
    dtype = training_dtype(config.train.precision, device)
    if device.type == "cpu":
        keep_blocks()
    limit_threads(config.train.num_threads)
    model = build_model(config.model, src_vocab_size, tgt_vocab_size, config.seed).to(device)
    freeze(model, config.train.freeze)
    lora = config.train.lora
    low_rank = LowRank(model, lora, config.seed) if lora.rank else None
    together = [guided_layer(model)] if config.train.guided_alignment else []
    exchange = Exchange(world, model, shards=config.train.shards_model, together=together)
    return Updater(model, config.train, config.seed, dtype, exchange, low_rank)


def read_steps(
    config: Config, table: PairTable, micro_batch_tokens: int | None, updater: Updater, cursor: Cursor
) -> Generator[StepData, None, None]:
    """The steps of a run from `cursor` on, as this rank computes them. The caller closes the generator."""
    options, world = config.train, updater.world
    stages = build_stages(config.data.mixing, table.sizes)
    steps = Steps(
        table,
        options.batch_tokens,
        micro_batch_tokens,
        config.seed,
        stages,
        world.rank,
        world.size,
        options.batching,
        updater.objective.parts,
    )
    depth = options.prefetch
    if depth == "auto":
        depth = _PREFETCHED if updater.device.type == "cuda" else 0
    return prefetch(steps, cursor, depth) if depth else steps.read(cursor)


@dataclass(frozen=True, slots=True)
class LargestBatch:
    """The micro-batch of one rank that takes the most memory.

    Attributes:
        pairs: their numbers.
        src_len: length of the longest source, including its end.
        tgt_len: length of the longest target, including its end.
        activations: estimated bytes that it keeps between the passes, with the scratch memory of attention.
    """

    pairs: Indices
    src_len: int
    tgt_len: int
    activations: int


@dataclass(frozen=True, slots=True)
class Planned:
    """The steps of an epoch.

    Attributes:
        steps: the pairs of each step; only a sample of a large corpus.
        tokens_per_step: target tokens, on average.
        steps_per_epoch: number of steps for the whole corpus.
    """

    steps: list[Indices]
    tokens_per_step: float
    steps_per_epoch: float


def plan_steps(table: PairTable, config: Config) -> Planned:
    """The steps of the first epoch."""
    lengths, chosen = table.lengths, np.arange(len(table.lengths))
    if len(lengths) > _MOST_PLANNED:
        longest = np.argpartition(lengths.sum(1), -_MOST_PLANNED // 100)[-_MOST_PLANNED // 100 :]
        drawn = np.random.default_rng(config.seed).choice(len(lengths), _MOST_PLANNED, replace=False)
        chosen = np.union1d(drawn, longest)
    options = config.train
    planned = plan_epoch(lengths[chosen], options.batch_tokens, config.seed, 0, batching=options.batching)
    steps = [chosen[step] for step in planned]
    tokens = lengths[:, 1].astype(np.int64) + 1
    per_step = float(tokens[chosen].sum()) / len(steps)
    return Planned(steps, per_step, float(tokens.sum()) / per_step)


def largest_batch(
    table: PairTable, planned: Planned, updater: Updater, micro_batch_tokens: int | None
) -> LargestBatch:
    """The micro-batch of rank 0 with the highest estimate of memory."""
    model, size = updater.model, updater.world.size
    numbers, mode = model.num_parameters(), compute_mode(updater)
    found: list[LargestBatch] = []
    for step in planned.steps:
        tokens = table.lengths[step, 1].astype(np.int64) + 1
        most = micro_batch_tokens and micro_batch_tokens * size
        for part in cut_step(step, tokens, most, updater.objective.parts):
            lengths = table.lengths[part] + 1
            rows = updater.objective.passes * -(-len(part) // size)
            src_len, tgt_len = lengths.max(0).tolist()
            positions = [rows * src_len, rows * tgt_len]
            if updater.objective.packing:
                positions = (updater.objective.passes * -(-lengths.sum(0) // size)).tolist()
                rows = rows_needed(rows, positions, (src_len, tgt_len))
            if updater.objective.rounded:
                positions = [round_up(count) for count in positions]
            sides = (BatchSide(positions[0], rows, src_len), BatchSide(positions[1], rows, tgt_len))
            needed = activation_bytes(model.config, numbers, model.output.weight.shape[0], mode, *sides)
            needed += scratch_bytes(model.config, mode, sides[1])
            if not found or needed > found[0].activations:
                found = [LargestBatch(part[::size], src_len, tgt_len, needed)]
    return found[0]


def kept_bytes(updater: Updater) -> dict[str, int]:
    """Estimated bytes that stay in memory for the whole run, by name."""
    model = updater.model
    in_layers = sum(model.get_parameter(name).numel() for name in model.layer_matrices())
    found = state_bytes(model.num_parameters(), in_layers, updater.options)
    if updater.objective.start is not None:
        found["start"] = 4 * model.num_parameters()
    if (low_rank := updater.low_rank) is not None:
        matrices = 4 * sum(weight.numel() for weight in low_rank.weights.values())
        factors = 4 * low_rank.num_trained()
        found |= {"gradients": matrices, "optimizer": 2 * factors, "LoRA": matrices + factors}
    return found


def compute_mode(updater: Updater) -> ComputeMode:
    """The number type and attention of a run, for the formulas of memory."""
    num_bytes = updater.objective.dtype.itemsize
    return ComputeMode(
        num_bytes,
        keeps_scores=updater.device.type == "cpu" and num_bytes < 4,
        pads_attention=updater.objective.kernel is None,
    )


# ---------------------------------------------------------------- micro-batches that fit


def fit_micro_batch(table: PairTable, planned: Planned, updater: Updater) -> int:
    """The largest micro-batch, in target tokens, that fits in memory and divides a step evenly.

    On a GPU it is found by trial. On a CPU it is estimated, because running out of memory kills the process.

    Raises:
        MtkitError: even the smallest micro-batch does not fit.
        UsageError: the model is sharded, so rank 0 cannot try alone.
    """
    if updater.exchange.is_sharded:
        raise UsageError(
            "train.micro_batch_tokens = auto is not supported with train.parallel = fsdp.", "Set a number."
        )
    whole = -(-updater.options.batch_tokens // updater.world.size)
    parts, fits = 1, _fits_gpu if updater.device.type == "cuda" else _fits_cpu
    while not fits(table, planned, updater, -(-whole // parts)):
        if parts >= whole // 16:
            raise MtkitError(
                f"train.micro_batch_tokens = auto: no micro-batch fits in the memory of {updater.device}.",
                "Choose a smaller model.preset, or lower max_tokens of the filter tokens in data.filters.",
            )
        parts *= 2
    low, high = parts // 2 + 1, parts  # the smallest number of parts that fits lies between these
    while low < high:
        middle = (low + high) // 2
        if fits(table, planned, updater, -(-whole // middle)):
            high = middle
        else:
            low = middle + 1
    return -(-whole // high)


def _fits_cpu(table: PairTable, planned: Planned, updater: Updater, micro_batch_tokens: int) -> bool:
    state = sum(kept_bytes(updater).values())
    needed = largest_batch(table, planned, updater, micro_batch_tokens).activations + state
    return needed <= _CPU_SHARE * available_bytes() / updater.world.local_size


def _fits_gpu(table: PairTable, planned: Planned, updater: Updater, micro_batch_tokens: int) -> bool:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(updater.device)
    largest = largest_batch(table, planned, updater, micro_batch_tokens)
    if not updater.try_batch(table.batch(largest.pairs)):
        return False
    used = torch.cuda.max_memory_reserved(updater.device)
    free, _ = torch.cuda.mem_get_info(updater.device)
    return used <= _GPU_SHARE * (free + torch.cuda.memory_reserved(updater.device))
