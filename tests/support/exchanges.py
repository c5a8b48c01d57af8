"""What ranks that train one model send each other, each part against one process; run on two ranks.

`python -m tests.support.exchanges` prints what this rank found, by name, as JSON.
"""

from __future__ import annotations

import json
import sys
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from mtkit.config.model import ModelConfig
from mtkit.config.train import TrainConfig
from mtkit.data.feed.loader import StepData
from mtkit.data.prepare.align import learn_aligner
from mtkit.errors import MtkitError
from mtkit.model.checkpoint import weights_of
from mtkit.model.transformer import build_model
from mtkit.train.losses.guided import Guide, guided_layer
from mtkit.train.machine import gradients
from mtkit.train.machine.distributed import World, join_world
from mtkit.train.machine.exchange import Exchange
from mtkit.train.optim import muon
from mtkit.train.update import Updater
from tests.support.updates import LENGTHS, MODEL, VOCAB, make_batch, make_pairs, make_step

Options = Mapping[str, object]


def make(world: World | None, options: Options, frozen: str = "", tied: str = "all") -> Updater:
    config = ModelConfig.model_validate(
        {**MODEL, "dropout": 0.0, "num_decoder_layers": 2, "tie_embeddings": tied}
    )
    train = TrainConfig.model_validate({"precision": "fp32", **options})
    model = build_model(config, VOCAB, VOCAB, seed=1).train()
    if frozen:
        model.get_parameter(frozen).requires_grad_(False)
    together = [guided_layer(model)] if train.guided_alignment else []
    exchange = Exchange(world or World(), model, shards=train.shards_model, together=together)
    made = Updater(model, train, 1, torch.float32, exchange)
    if train.guided_alignment:
        pairs = list(zip(*make_pairs(), strict=True))
        made.objective.guide = Guide(model, learn_aligner(pairs, VOCAB, VOCAB))
    return made


def gradients_of(made: Updater) -> dict[str, Tensor]:
    named = made.model.named_parameters()
    return {name: weight.grad.clone() for name, weight in named if weight.grad is not None}


def gradient_of_update(made: Updater, data: StepData) -> dict[str, Tensor]:
    """The gradient that an update would apply."""
    kept: dict[str, Tensor] = {}

    def apply(*_: object) -> tuple[Tensor, Tensor]:
        kept.update(gradients_of(made))
        return torch.zeros(()), torch.zeros(())

    with mock.patch.object(made, "_apply", apply):
        made(data, 1, 0.1)
    return kept


def summed(data: StepData, options: Options, tied: str = "all") -> dict[str, Tensor]:
    """The same by torch alone, tensor by tensor and after the backward pass."""
    alone = make(None, {**options, "parallel": "ddp"}, tied=tied)
    alone.gradient(data, 1)
    total = {}
    for name, weight in alone.model.named_parameters():
        total[name] = torch.zeros_like(weight) if weight.grad is None else weight.grad
        dist.all_reduce(total[name])
    return total


def equal(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def close(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(
        torch.allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-6) for name in ours
    )


def sums(world: World, data: StepData, tied: str) -> tuple[bool, bool]:
    """Whether gradients are summed bit for bit, and whether half of them before the last one is complete."""
    expected = summed(data, {}, tied=tied)
    made = make(world, {}, tied=tied)
    made.try_batch(data.batches[0])  # outside of an update nothing is sent
    complete: list[Tensor] = []
    early: list[bool] = []
    embedding: Any = made.model.src_embedding.weight
    embedding.register_post_accumulate_grad_hook(complete.append)
    send = dist.all_reduce

    def recorded(*args: Any, **options: Any) -> Any:
        early.append(len(complete) < len(data.batches))
        return send(*args, **options)

    with mock.patch.object(dist, "all_reduce", recorded):
        kept = gradient_of_update(made, data)
    return equal(kept, expected), sum(early) >= len(early) // 2 > 2


def out_of_memory(world: World, data: StepData) -> tuple[bool, list[int]]:
    """Memory runs out on rank 1 when most of the sum is sent: is it the same on both, and their splits."""
    made = make(world, {})
    calls: list[Tensor] = []

    def fail(gradient: Tensor) -> None:
        calls.append(gradient)
        if len(calls) == len(data.batches):
            raise torch.OutOfMemoryError("CUDA out of memory.")

    if not world.is_main:
        made.model.src_embedding.weight.register_hook(fail)  # type: ignore[no-untyped-call]
    kept = gradient_of_update(made, data)
    ours, theirs = world.gather(kept)
    return close(kept, summed(data, {})) and equal(ours, theirs), world.gather(made.splits)


def missing(world: World, data: StepData) -> bool:
    """Whether rank 1, which computed nothing, has rank 0's gradients, and none of a frozen weight."""
    frozen = "encoder.0.attention.q_proj.weight"
    made = make(world, {}, frozen)
    made.exchange.begin_update()
    if world.is_main:
        made.gradient(data, 1)
    made.exchange.sum_gradients()
    alone = make(None, {}, frozen)
    if world.is_main:
        alone.gradient(data, 1)
    return equal(gradients_of(made), world.gather(gradients_of(alone))[0])


def dealt(world: World, dtype: torch.dtype) -> tuple[bool, bool]:
    """Whether ranks that share Muon's work get the bits of one process, and whether each has a share."""
    found: list[list[nn.Parameter]] = []
    counts: list[int] = []
    orthogonal = muon.orthogonal

    def counted(matrices: Tensor) -> Tensor:
        counts[-1] += len(matrices)
        return orthogonal(matrices)

    for ranks in (world, None):
        random = torch.Generator().manual_seed(3)
        shapes = [(8, 8)] * 9 + [(6, 20)] * 4
        weights = [nn.Parameter(torch.randn(shape, generator=random)) for shape in shapes]
        optimizer = muon.Muon([{"params": weights}], 0.05, 0.95, 0.1, dtype, ranks)
        counts.append(0)
        with mock.patch.multiple(muon, AT_ONCE=200, orthogonal=counted):
            for _ in range(3):
                for weight in weights:
                    weight.grad = torch.randn(weight.shape, generator=random)
                optimizer.found_inf = torch.zeros(())
                optimizer.step()
        found.append(weights)
    shares = world.gather(counts[0])
    same = all(torch.equal(ours, theirs) for ours, theirs in zip(*found, strict=True))
    return same, sum(shares) == counts[1] == 39 and min(shares) > 10


def checksum(world: World) -> str:
    """The error when one weight of rank 1 has changed by the smallest step."""
    made = make(world, {})
    made.exchange.check_equal(7)
    if not world.is_main:
        weight = made.model.get_parameter("decoder.1.feed_forward.inner.weight").detach()
        weight[3, 5] = torch.nextafter(weight[3, 5], torch.tensor(9.0))
    try:
        made.exchange.check_equal(1234)
    except MtkitError as error:
        return error.message
    return ""


def sharded(world: World, data: StepData, options: Options) -> tuple[bool, bool, bool]:
    """Whether all decoder layers are sharded, the first is so amid the second, and gradients are right."""
    made = make(world, {**options, "parallel": "fsdp"})
    first, second = made.model.decoder
    apart: list[bool] = []

    def see(*_: object) -> None:
        apart.append(isinstance(first.get_parameter("attention.q_proj.weight"), DTensor))

    second.get_submodule("feed_forward").register_forward_hook(see)
    made.gradient(data, 1)
    kept = {name: _whole(grad) for name, grad in gradients_of(made).items()}
    layers = all(isinstance(layer, FSDPModule) for layer in (first, second))
    return layers, all(apart), close(kept, summed(data, options))


def _whole(tensor: Tensor) -> Tensor:
    assert isinstance(tensor, DTensor)
    return tensor.full_tensor()


@contextmanager
def watching_whole_tensors() -> Iterator[list[int]]:
    """How many whole tensors were still alive when the next one was gathered."""
    alive: list[weakref.ref[Tensor]] = []
    counts: list[int] = []
    gather = DTensor.full_tensor

    def watched(self: DTensor) -> Tensor:
        counts.append(sum(each() is not None for each in alive))
        full = gather(self)
        alive.append(weakref.ref(full))
        return full

    with mock.patch.object(DTensor, "full_tensor", watched):
        yield counts


def whole(world: World) -> bool:
    """Whether rank 0 gets the whole weights, and the other never holds more than one of them."""
    made = make(world, {"parallel": "fsdp"})
    made.exchange.check_equal(1)  # compares nothing
    with watching_whole_tensors() as counts:
        found = made.exchange.whole(weights_of(made.model))
    if world.is_main:
        return equal(found, weights_of(make(None, {}).model))
    return found == {} and len(counts) > 20 and max(counts) <= 1


def main() -> None:
    with join_world() as world, mock.patch.object(gradients, "BUCKET", 500):
        share = LENGTHS[:4] if world.is_main else LENGTHS[3:]
        data = make_step(make_batch(share), make_batch(share[:2]))
        found = {
            "all": sums(world, data, "all"),
            "none": sums(world, data, "none"),
            "out of memory": out_of_memory(world, data),
            "missing": missing(world, data),
            "fp32": dealt(world, torch.float32),
            "bf16": dealt(world, torch.bfloat16),
            "checksum": checksum(world),
            "sharded": sharded(world, data, {}),
            "packed": sharded(world, data, {"packing": True}),
            "guided": sharded(world, data, {"guided_alignment": 0.1, "packing": False}),
            "whole": whole(world),
        }
        sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
