from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mtkit.data.feed.batch import Batch, collate
from mtkit.errors import InputError, MtkitError
from mtkit.model.checkpoint import weights_of
from mtkit.train import update
from mtkit.train.machine.distributed import World
from mtkit.train.optim.freeze import freeze
from mtkit.train.update import Updater
from tests.support.updates import LENGTHS, make_batch, make_pairs, make_step, make_updater

SCHEDULE_FREE = {"method": "schedule_free", "lr": 0.01, "warmup_steps": 2, "schedule": "constant"}


def fail_above(updater: Updater, pairs: int, error: BaseException) -> list[int]:
    """Lets `error` come of any batch of more than `pairs` pairs; the sizes that were tried."""
    sizes = []
    objective = updater.objective

    def limited(batch: Batch) -> object:
        sizes.append(len(batch.src_ids))
        if len(batch.src_ids) > pairs:
            raise error
        return objective(batch)

    limited.names = objective.names  # type: ignore[attr-defined]
    updater.objective = limited  # type: ignore[assignment]
    return sizes


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError(
        "[enforce fail] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
    ),
    MemoryError(),
    torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


@pytest.mark.parametrize("error", ERRORS, ids=["gpu", "cpu", "numpy", "accelerator", "cublas"])
def test_out_of_memory_splits_the_micro_batch_and_keeps_the_update(error: BaseException) -> None:
    whole, split = make_updater(), make_updater()
    sizes = fail_above(split, 3, error)
    step = make_step(make_batch(), make_batch(LENGTHS[:3]))
    for number in (1, 2):
        ours, theirs = split(step, number, 0.01), whole(step, number, 0.01)
        assert ours.num_tgt_tokens == theirs.num_tgt_tokens == step.num_tgt_tokens
        # The same sums over another grouping of the pairs, in fp32.
        torch.testing.assert_close(ours.norm, theirs.norm, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(ours.sums["loss"], theirs.sums["loss"], rtol=1e-5, atol=1e-4)
    assert split.splits == 2
    assert sizes == [6, *[3, 3, 2, 1] * 2]  # the second update begins with the smaller size


def test_a_gradient_half_made_is_dropped() -> None:
    """Memory runs out in the second micro-batch, when the first has left its gradient."""
    whole, split = make_updater(), make_updater()
    fail_above(split, 3, ERRORS[0])
    step = make_step(make_batch(LENGTHS[:3]), make_batch())
    torch.testing.assert_close(split(step, 1, 0.01).norm, whole(step, 1, 0.01).norm, rtol=1e-4, atol=1e-6)


SIMCUT = {"simcut": {"alpha": 3.0, "cutoff": 0.4}}


@pytest.mark.parametrize("options", [{}, SIMCUT], ids=str)
def test_what_a_repeated_update_drops_is_drawn_anew_from_the_step(options: dict[str, object]) -> None:
    straight, repeated = make_updater(options, dropout=0.3), make_updater(options, dropout=0.3)
    straight.splits = 2
    fail_above(repeated, 3, ERRORS[0])
    step = make_step(make_batch())
    assert torch.equal(straight(step, 5, 0.01).norm, repeated(step, 5, 0.01).norm)


def test_tokens_are_cut_by_seed_step_and_rank() -> None:
    """Not by what was drawn before."""
    step, updater = make_step(make_batch(), make_batch(LENGTHS[:3])), make_updater(SIMCUT)

    def apart(seed: int = 1, number: int = 1, rank: int = 0) -> float:
        updater.seed, updater.world = seed, World(rank)
        sums = updater.gradient(step, number)
        assert sums is not None
        return sums["simcut"].item()

    first = apart()
    assert len({first, apart(seed=2), apart(number=2), apart(rank=1), apart(rank=2)}) == 5
    assert apart() == first


def test_a_single_sentence_that_does_not_fit_is_told_with_what_to_change() -> None:
    updater = make_updater()
    sizes = fail_above(updater, 0, ERRORS[0])
    with pytest.raises(MtkitError, match=r"single sentence of 8 tokens.* max_tokens .*model\.preset"):
        updater(make_step(make_batch()), 1, 0.01)
    assert sizes == [6, 3, 2, 1]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes do not match"),
        torch.AcceleratorError("CUDA error: device-side assert triggered"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(...)`"),
    ],
    ids=["shapes", "assert", "cublas"],
)
def test_other_errors_are_not_swallowed(error: RuntimeError) -> None:
    updater = make_updater()
    fail_above(updater, 0, error)
    with pytest.raises(RuntimeError, match=re.escape(str(error))):
        updater(make_step(make_batch()), 1, 0.01)


@pytest.mark.parametrize("error", ERRORS[-2:], ids=["accelerator", "cublas"])
def test_no_room_for_the_optimizers_state_is_no_fit(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(update, "optimizer_state", fail)
    assert not make_updater().try_batch(make_batch())


@pytest.mark.parametrize("options", [{"ema": 0.9}, {"optimizer": SCHEDULE_FREE}], ids=str)
def test_state_put_back_gives_the_same_updates(options: dict[str, object]) -> None:
    first, second = make_updater(options, dropout=0.2), make_updater(options, dropout=0.2)
    first.splits = 2
    step = make_step(make_batch())
    for number in (1, 2):
        first(step, number, 0.01)
    with torch.no_grad():
        for name, weight in weights_of(second.model).items():
            weight.copy_(weights_of(first.model)[name])
    second.set_state({name: value.clone() for name, value in first.state().items()})
    for updater in (first, second):
        updater(step, 3, 0.01)
    for ours, theirs in (
        (weights_of(first.model), weights_of(second.model)),
        (first.kept_weights(), second.kept_weights()),
    ):
        assert all(torch.equal(weight, theirs[name]) for name, weight in ours.items())
    assert second.splits == 2


@pytest.mark.parametrize("sizes", [(6,), (3, 3), (1, 2, 3), (1,) * 6])
def test_the_gradient_is_that_of_the_whole_batch(sizes: tuple[int, ...]) -> None:
    """Against torch's cross-entropy over all tokens at once: micro-batches change nothing but rounding."""
    updater, theirs = make_updater({"label_smoothing": 0.1}), make_updater().model
    srcs, tgts = make_pairs()
    ends = np.cumsum(sizes)
    parts = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    updater.gradient(make_step(*(collate(srcs[part], tgts[part]) for part in parts)), 1)

    whole = collate(srcs, tgts)
    logits = theirs(whole.src_ids, whole.src_mask, whole.tgt_in).flatten(0, 1)[whole.tgt_rows]
    F.cross_entropy(logits, whole.tgt_out, label_smoothing=0.1).backward()  # type: ignore[no-untyped-call]
    for ours, expected in zip(updater.model.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, expected.grad, rtol=1e-4, atol=1e-6)


def test_a_spike_leaves_the_weights_and_is_counted() -> None:
    options = {"optimizer": {"lr": 0.01, "warmup_steps": 0, "schedule": "constant", "skip_spikes": 2.0}}
    updater = make_updater(options)
    step = make_step(make_batch())
    for number in range(1, 26):
        assert not updater(step, number, 0.001).skipped
    before = {name: weight.clone() for name, weight in weights_of(updater.model).items()}
    spiked = dataclasses.replace(step, num_tgt_tokens=step.num_tgt_tokens // 10)  # ten times the gradient
    assert updater(spiked, 26, 0.001).skipped
    assert all(torch.equal(before[name], weight) for name, weight in weights_of(updater.model).items())
    assert not updater(step, 27, 0.001).skipped
    assert not any(torch.equal(before[name], w) for name, w in weights_of(updater.model).items())
    other = make_updater(options)
    other.set_state(updater.state())
    assert other.spikes is not None
    assert other.spikes.mean == updater.spikes.mean  # type: ignore[union-attr]
    assert other.spikes.seen == 27


def test_within_the_block_the_model_has_the_weights_that_are_kept() -> None:
    updater = make_updater({"optimizer": SCHEDULE_FREE})
    for number in (1, 2, 3):
        updater(make_step(make_batch()), number, 0.01)
    own = {name: weight.clone() for name, weight in weights_of(updater.model).items()}
    kept = {name: weight.clone() for name, weight in updater.kept_weights().items()}
    with updater.averaged():
        assert all(torch.equal(weight, kept[name]) for name, weight in weights_of(updater.model).items())
    assert all(torch.equal(weight, own[name]) for name, weight in weights_of(updater.model).items())
    assert not all(torch.equal(weight, kept[name]) for name, weight in own.items())


@pytest.mark.parametrize("options", [{}, {"optimizer": SCHEDULE_FREE}], ids=str)
def test_frozen_weights_stay(options: dict[str, object]) -> None:
    updater = make_updater(options)
    freeze(updater.model, ["encoder"])
    updater = Updater(updater.model, updater.options, 1, torch.float32)
    before = {name: weight.clone() for name, weight in weights_of(updater.model).items()}
    updater(make_step(make_batch()), 1, 0.01)
    for name, weight in weights_of(updater.model).items():
        assert torch.equal(before[name], weight) == name.startswith("encoder"), name
    assert updater.kept_weights().keys() == before.keys()


def test_missing_state_is_refused() -> None:
    updater = make_updater()
    updater(make_step(make_batch()), 1, 0.01)
    state = updater.state()
    del state["splits"]
    with pytest.raises(InputError, match="'splits' is missing"):
        make_updater().set_state(state)


def test_a_checkpoint_of_fp32_goes_on_in_fp16_with_a_new_loss_scale() -> None:
    """As on a V100 or T4, where `auto` is fp16."""
    plain = make_updater()
    plain(make_step(make_batch()), 1, 0.01)
    half = Updater(make_updater().model, plain.options, 1, torch.float16)
    scale = half.scaler.get_scale()
    half.set_state(plain.state())
    assert half.scaler.get_scale() == scale


def test_a_rehearsal_changes_nothing_but_the_splits() -> None:
    rehearsed, plain = make_updater(dropout=0.3), make_updater(dropout=0.3)
    rehearsed.rehearse(make_batch())
    assert all(parameter.grad is None for parameter in rehearsed.model.parameters())
    step = make_step(make_batch())
    for number in (1, 2):
        ours, theirs = rehearsed(step, number, 0.01), plain(step, number, 0.01)
        assert ours.norm == theirs.norm
    for name, weight in weights_of(rehearsed.model).items():
        assert torch.equal(weight, weights_of(plain.model)[name])


def test_a_rehearsal_finds_what_fits() -> None:
    updater = make_updater()
    sizes = fail_above(updater, 2, MemoryError())
    updater.rehearse(make_batch())
    assert updater.splits == 4
    assert sizes == [6, 3, 2, 2, 2]
    fail_above(updater, 0, MemoryError())
    with pytest.raises(MtkitError, match="out of memory on cpu with a single sentence"):
        updater.rehearse(make_batch())


class Waits(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations for whose result Python would have to wait for a GPU."""

    NAMES = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "equal")

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func.overloadpacket.__name__ in self.NAMES:
            self.found.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def test_an_update_waits_once_for_its_guard() -> None:
    updater = make_updater({"ema": 0.9}, dropout=0.2)
    step = make_step(make_batch(), make_batch(LENGTHS[:3]))
    updater(step, 1, 0.01)  # the optimizer's state is made
    with Waits() as waits:
        updater(step, 2, 0.01)
    assert waits.found == ["_local_scalar_dense"]  # on a CPU, at each step; on a GPU, when it logs


def test_loss_scaling_leaves_out_what_is_infinite_and_what_is_a_spike() -> None:
    """As `torch.amp.GradScaler.step` would, but without asking whether there is a spike."""
    updater = make_updater({"optimizer": {"skip_spikes": 2.0}})
    half = Updater(updater.model, updater.options, 1, torch.float16)
    assert half.spikes is not None
    step, scale = make_step(make_batch()), half.scaler.get_scale()

    def weights() -> list[torch.Tensor]:
        return [weight.detach().clone() for weight in half.model.parameters()]

    before = weights()
    assert not half(step, 1, 0.01).skipped
    assert not all(map(torch.equal, before, weights()))
    before = weights()
    half.spikes.seen.fill_(1000)
    half.spikes.mean.fill_(1e-6)
    assert half(step, 2, 0.01).skipped
    assert all(map(torch.equal, before, weights()))
    assert half.scaler.get_scale() == scale
    half.spikes.mean.fill_(1e6)
    half.scaler._scale.fill_(2.0**120)  # type: ignore[union-attr]
    assert half(step, 3, 0.01).skipped
    assert all(map(torch.equal, before, weights()))
    assert half.scaler.get_scale() == 2.0**119
    half.scaler._scale.fill_(scale)  # type: ignore[union-attr]
    assert not half(step, 4, 0.01).skipped
    assert int(half.num_skipped) == 2
