"""Training without padding; that the model computes the same is in tests/contract/test_model.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mtkit.config.model import ModelConfig
from mtkit.config.train import TrainConfig
from mtkit.data.feed.batch import Batch, collate
from mtkit.data.feed.batching import plan_epoch
from mtkit.data.feed.padding import padded_pairs
from mtkit.model.packing import Kernel, has_kernel, load_kernel
from mtkit.model.transformer import build_model
from mtkit.train.machine.packed_batch import is_packing, pack, round_up, rows_needed
from tests.support.updates import LENGTHS, VOCAB, make_batch, make_pairs, make_step, make_updater

WITHOUT_TARGETS = Batch.of(padded_pairs(*make_pairs(LENGTHS[:1])).without_targets())
MANY = (*(11 * LENGTHS), (40, 33), (35, 50), (33, 41))
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def gradients(
    options: dict[str, object], *batches: Batch, splits: int = 1, rounded: bool = False
) -> tuple[Any, list[Tensor]]:
    """What an update reports, and the gradient that it makes."""
    updater = make_updater(options, num_kv_heads=1)
    updater.splits = splits
    updater.objective.rounded = rounded
    sums = updater.gradient(make_step(*batches), 1)
    return sums, [weight.grad for weight in updater.model.parameters() if weight.grad is not None]


@pytest.mark.parametrize(
    "options",
    [{}, {"r_drop": 2.0}, {"simcut": {"alpha": 2.0, "cutoff": 0.3}}, {"label_smoothing": 0.0}],
    ids=str,
)
@pytest.mark.parametrize("splits", [1, 3])
@pytest.mark.parametrize("rounded", [False, True])
def test_an_update_without_padding_is_the_same(
    options: dict[str, object], splits: int, rounded: bool
) -> None:
    batches = (make_batch(), make_batch(MANY), WITHOUT_TARGETS)
    expected, theirs = gradients(options, *batches, splits=splits)
    found, ours = gradients(options | {"packing": True}, *batches, splits=splits, rounded=rounded)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-4)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("passes", [1, 2])
def test_the_batch_above_has_tokens_of_no_sentence(passes: int) -> None:
    exact, rounded = pack(make_batch(MANY), passes), pack(make_batch(MANY), passes, rounded=True)
    assert len(rounded.src.ids) > len(exact.src.ids)
    assert len(rounded.tgt.ids) > len(exact.tgt.ids)


def test_what_a_row_holds() -> None:
    batch = collate([np.array([5, 6]), np.array([7])], [np.array([8]), np.array([9, 10])])
    packed = pack(batch)
    assert packed.src.ids.tolist() == [5, 6, 3, 7, 3]
    assert packed.src.begins.tolist() == [0, 3, 5]
    assert packed.src.positions.tolist() == [0, 1, 2, 0, 1]
    assert packed.tgt.ids.tolist() == [2, 8, 2, 9, 10]
    assert packed.tgt.owners.tolist() == [[0, 0, -1], [1, 1, 1]]
    assert packed.tgt.places.tolist() == [0, 1, 3, 4, 5]
    assert packed.tgt_out.tolist() == [8, 3, 9, 10, 3]
    twice = pack(batch, passes=2)
    assert twice.src.ids.tolist() == 2 * packed.src.ids.tolist()
    assert twice.tgt.begins.tolist() == [0, 2, 5, 7, 10]
    assert twice.tgt_out.tolist() == 2 * packed.tgt_out.tolist()


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=60), st.integers(1, 2)
)
def test_rows_hold_each_sentence_whole(pairs: list[tuple[int, int]], passes: int) -> None:
    batch = collate(*([np.full(pair[side], 5) for pair in pairs] for side in (0, 1)))
    packed = pack(batch, passes)
    rows = []
    for side, own in enumerate((packed.src, packed.tgt)):
        lengths = [pair[side] + 1 for pair in pairs] * passes
        owners = own.owners.flatten()
        assert owners[own.places].tolist() == [n for n, length in enumerate(lengths) for _ in range(length)]
        assert len(set(own.places.tolist())) == (owners >= 0).sum()
        assert own.owners.shape[1] == own.max_len == max(lengths)
        begins = own.places[own.begins[:-1].long()]
        assert torch.equal(own.places, torch.repeat_interleave(begins, torch.tensor(lengths)) + own.positions)
        rows.append((begins // own.max_len).tolist())
        assert torch.equal(begins // own.max_len, own.places[own.begins[1:].long() - 1] // own.max_len)
    assert rows[0] == rows[1]  # a sentence and its translation stand in the same row


@given(st.integers(1, 100_000))
def test_sizes_are_rounded_to_five_bits(size: int) -> None:
    found = round_up(size)
    assert size <= found <= size * 17 / 16
    assert found % (1 << max(0, found.bit_length() - 5)) == 0


@given(st.lists(st.tuples(st.integers(1, 90), st.integers(1, 90)), min_size=1, max_size=60))
def test_rounded_rows_hold_the_same_sentences(pairs: list[tuple[int, int]]) -> None:
    batch = collate(*([np.full(pair[side], 5) for pair in pairs] for side in (0, 1)))
    exact, rounded = pack(batch), pack(batch, rounded=True)
    assert torch.equal(exact.tgt_out, rounded.tgt_out)
    for side, plain in ((rounded.src, exact.src), (rounded.tgt, exact.tgt)):
        real = len(plain.ids)
        assert (len(side.ids), len(side.positions), len(side.places)) == 3 * (round_up(real),)
        assert torch.equal(side.ids[:real], plain.ids)
        assert torch.equal(side.positions[:real], plain.positions)
        assert torch.equal(side.begins, plain.begins)
        assert side.max_len == plain.max_len
        owners = side.owners.flatten()
        assert torch.equal(owners[side.places[:real]], plain.owners.flatten()[plain.places])
        assert (owners >= 0).sum() == real
        assert (owners[side.places[real:]] == -1).all()
        assert side.owners.shape[1] == plain.owners.shape[1]
    assert len(rounded.src.owners) == len(rounded.tgt.owners)
    assert len(exact.src.owners) <= len(rounded.src.owners) <= len(exact.src.owners) + 1


def test_an_estimate_of_rows_is_enough_for_real_lengths() -> None:
    random = np.random.default_rng(1)
    for median, spread in ((12.0, 0.4), (25.0, 0.7)):  # captions, news
        tgt = np.clip(random.lognormal(np.log(median), spread, 5000), 1, 250)
        lengths = np.stack([tgt * random.lognormal(0, 0.2, len(tgt)), tgt], 1).astype(np.int32)
        for step in plan_epoch(lengths, 2048, 1, 0):
            found = pack(collate(*([np.full(n, 5) for n in lengths[step, side]] for side in (0, 1))))
            longest = (lengths[step] + 1).max(0).tolist()
            estimate = rows_needed(len(step), (lengths[step] + 1).sum(0).tolist(), longest)
            assert len(found.tgt.owners) <= estimate


@pytest.fixture
def capability(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    def set_to(major: int, minor: int) -> None:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (major, minor))

    return set_to


def test_auto_packs_where_the_kernel_fits(capability: Callable[[int, int], None]) -> None:
    plain, model = TrainConfig(), ModelConfig(preset="base")
    capability(8, 0)
    assert is_packing(plain, model, CUDA, torch.bfloat16)
    assert is_packing(plain, model, CUDA, torch.float16)
    assert not is_packing(plain, model, CUDA, torch.float32)
    assert is_packing(plain, ModelConfig(preset="base", attention_dropout=0.1), CPU, torch.float32)
    assert not is_packing(TrainConfig(guided_alignment=0.1), model, CPU, torch.float32)
    assert not is_packing(plain, ModelConfig(preset="base", attention_dropout=0.1), CUDA, torch.bfloat16)
    assert not is_packing(TrainConfig(guided_alignment=0.1), model, CUDA, torch.bfloat16)
    assert not is_packing(TrainConfig(packing=False), model, CUDA, torch.bfloat16)
    assert is_packing(TrainConfig(packing=True), model, CPU, torch.float32)
    assert not has_kernel(CUDA, torch.bfloat16, 20)
    assert not has_kernel(CUDA, torch.bfloat16, 512)
    capability(7, 5)
    assert not is_packing(plain, model, CUDA, torch.bfloat16)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"packing": True, "guided_alignment": 0.1}, "packing and guided_alignment"),
        ({"compile": True, "guided_alignment": 0.1}, "compile and guided_alignment"),
        ({"r_drop": 1.0, "simcut": {"alpha": 3.0}}, r"r_drop and simcut cannot be combined: .* to 0\."),
        ({"parallel": "fsdp", "optimizer": {"method": "muon"}}, "muon and parallel = fsdp"),
    ],
)
def test_what_excludes_each_other_is_said(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TrainConfig.model_validate(options)


class Compiled(Exception):  # noqa: N818 - no error: what was to be seen has been seen
    """Ends a pass that a CPU cannot make."""


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # torch's compiler has some of its own
@pytest.mark.parametrize("load", [None, load_kernel], ids=["padded attention", "kernel"])
def test_one_compilation_serves_all_shapes(load: Callable[[], Kernel] | None) -> None:
    """Without a break, forward and backward: else each shape would cost minutes."""
    from torch._dynamo.backends.common import aot_autograd
    from torch._functorch._aot_autograd.utils import make_boxed_func

    layers = {"num_encoder_layers": 1, "num_decoder_layers": 1}
    config = ModelConfig.model_validate({"preset": "tiny", "positions": "rope", "num_kv_heads": 2, **layers})
    model = build_model(config, VOCAB, VOCAB, seed=1).eval()
    kernel = load() if load else None
    graphs: list[str] = []

    def keep(graph: torch.fx.GraphModule, _: Any) -> Any:
        def stop(*_: Any) -> Any:
            raise Compiled

        graphs.append(str(graph.graph))
        return make_boxed_func(stop if kernel else graph.forward)

    compiled = torch.compile(
        model.packed_features,
        dynamic=True,
        fullgraph=True,
        backend=aot_autograd(fw_compiler=keep, bw_compiler=keep),
    )
    random = np.random.default_rng(2)
    for count, longest in ((3, 60), (40, 60), (4, 1000), (200, 60)):
        lengths = random.integers(1, longest, (2, count))
        lengths[:, 0] = longest
        batch = pack(collate(*([random.integers(4, VOCAB, n) for n in side] for side in lengths)))
        if kernel:
            with pytest.raises(Compiled):
                compiled(batch.src, batch.tgt, kernel)
            continue
        found, expected = compiled(batch.src, batch.tgt), model.packed_features(batch.src, batch.tgt)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        torch.autograd.grad(found.sum(), model.tgt_embedding.weight)
    assert len(graphs) == 2, len(graphs)
    for graph, name in zip(graphs, ("_varlen_attn.default", "_varlen_attn_backward.default"), strict=True):
        assert graph.count(f"torch_attn.{name}") == (3 if kernel else 0)
