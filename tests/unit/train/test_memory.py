from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, UntypedStorage

from mtkit.config.model import ModelConfig
from mtkit.config.train import TrainConfig
from mtkit.data.feed.batch import Batch, collate
from mtkit.model.transformer import Transformer, build_model
from mtkit.train.machine.memory import BatchSide, ComputeMode, activation_bytes, scratch_bytes, state_bytes
from mtkit.train.machine.packed_batch import pack
from mtkit.train.objective import Objective, token_losses
from mtkit.train.optim.optim import build_optimizers, optimizer_state
from tests.support.attention import sentence_by_sentence
from tests.support.choices import METHODS

VOCAB = 500


def make_batch(rows: int, src_len: int, tgt_len: int) -> Batch:
    random = np.random.default_rng(0)
    srcs = [random.integers(4, VOCAB, src_len - 1) for _ in range(rows)]
    return collate(srcs, [random.integers(4, VOCAB, tgt_len - 1) for _ in range(rows)])


def kept_bytes(
    model: Transformer,
    batch: Batch,
    dtype: torch.dtype,
    packing: object = False,
    options: Mapping[str, object] | None = None,
) -> int:
    """What autograd really keeps between the passes, weights aside; asked of autograd itself."""
    own = {weight.untyped_storage().data_ptr() for weight in (*model.parameters(), *model.buffers())}
    kept: dict[int, UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        if packing or options:
            config = TrainConfig.model_validate({"packing": bool(packing), **(options or {})})
            objective = Objective(model, config, dtype)
            objective.kernel = sentence_by_sentence if packing == "kernel" else None
            objective(batch)
        else:
            token_losses(model, batch, 0.1, dtype)
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"norm": "post", "bias": "feed_forward"},
        {"activation": "swiglu", "norm_type": "rmsnorm", "positions": "rope"},
        {"num_kv_heads": 2, "activation": "gelu"},
        {"decoder": "ssru"},
        {"attention_dropout": 0.1, "activation_dropout": 0.1},
        {"num_encoder_layers": 4, "num_decoder_layers": 1, "tie_embeddings": "none", "dropout": 0.0},
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(8, 40, 30), (4, 60, 90)])
def test_the_formula_counts_what_autograd_keeps(
    options: dict[str, object], dtype: torch.dtype, shape: tuple[int, int, int]
) -> None:
    sizes = {"preset": "tiny", "num_encoder_layers": 2, "num_decoder_layers": 2}
    config = ModelConfig.model_validate(sizes | options)
    model = build_model(config, VOCAB, VOCAB, seed=1)
    mode = ComputeMode(4, keeps_scores=False) if dtype == torch.float32 else ComputeMode(2, keeps_scores=True)
    rows, src_len, tgt_len = shape
    sides = BatchSide(rows * src_len, rows, src_len), BatchSide(rows * tgt_len, rows, tgt_len)
    formula = activation_bytes(config, model.num_parameters(), VOCAB, mode, *sides)
    # An estimate: a kernel may keep a little more or less than the formula knows of.
    assert formula == pytest.approx(kept_bytes(model, make_batch(*shape), dtype), rel=0.25)


@pytest.mark.parametrize(
    "options", [{}, {"activation": "swiglu", "norm": "post"}, {"num_kv_heads": 4}, {"decoder": "ssru"}]
)
@pytest.mark.parametrize("kernel", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_formula_knows_of_rows_without_padding(
    options: dict[str, object], kernel: bool, dtype: torch.dtype
) -> None:
    sizes = {"preset": "tiny", "num_encoder_layers": 2, "num_decoder_layers": 2}
    config = ModelConfig.model_validate(sizes | options)
    model = build_model(config, VOCAB, VOCAB, seed=1)
    random = np.random.default_rng(0)
    lengths = np.array([[60, 90], [10, 12], [11, 8], [5, 20], [25, 3], [30, 31]])
    batch = collate(*([random.integers(4, VOCAB, n - 1) for n in side] for side in lengths.T))
    rows = len(pack(batch).src.owners)
    src, tgt = (BatchSide(int(side.sum()), rows, int(side.max())) for side in lengths.T)
    mode = ComputeMode(
        dtype.itemsize, keeps_scores=dtype == torch.bfloat16 and not kernel, pads_attention=not kernel
    )
    formula = activation_bytes(config, model.num_parameters(), VOCAB, mode, src, tgt)
    kept = kept_bytes(model, batch, dtype, "kernel" if kernel else "padded")
    assert formula == pytest.approx(kept, rel=0.25)


def test_the_attention_kernel_needs_scratch_memory() -> None:
    """FlashAttention's mha_varlen_bwd: dq_accum [total_q + 128 · batch, heads, d_head] and softmax_d."""
    base = ModelConfig(preset="base")
    src, tgt = BatchSide(30_000, 1_000, 60), BatchSide(25_000, 1_000, 40)
    dq_accum, softmax_d = 4 * (25_000 + 128 * 1_000) * 8 * 64, 4 * (25_000 + 128 * 1_000) * 8
    packed = ComputeMode(2, keeps_scores=False, pads_attention=False)
    assert scratch_bytes(base, packed, tgt) == dq_accum + softmax_d
    assert scratch_bytes(base, ComputeMode(2, keeps_scores=False), tgt) == 0
    # Heads are rounded up to 32 numbers, and to 64 if they are wider than 128.
    for d_head, rounded in ((40, 64), (136, 192)):
        config = ModelConfig.model_validate({"preset": "tiny", "d_model": 2 * d_head, "num_heads": 2})
        assert scratch_bytes(config, packed, src) == 4 * (30_000 + 128_000) * 2 * (rounded + 1)


@pytest.mark.parametrize("options", [{"r_drop": 5.0}, {"simcut": {"alpha": 3.0}}], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_two_passes_keep_what_twice_the_rows_keep(dtype: torch.dtype, options: dict[str, object]) -> None:
    config = ModelConfig(preset="tiny")
    model = build_model(config, VOCAB, VOCAB, seed=1)
    mode = ComputeMode(dtype.itemsize, keeps_scores=dtype == torch.bfloat16)
    sides = BatchSide(2 * 8 * 40, 2 * 8, 40), BatchSide(2 * 8 * 30, 2 * 8, 30)
    formula = activation_bytes(config, model.num_parameters(), VOCAB, mode, *sides)
    kept = kept_bytes(model, make_batch(8, 40, 30), dtype, options=options)
    assert formula == pytest.approx(kept, rel=0.25)


@pytest.mark.parametrize("method", METHODS)
def test_the_state_is_what_the_optimizers_hold(method: str) -> None:
    model = build_model(ModelConfig(preset="tiny"), VOCAB, VOCAB, seed=1)
    averages = {"schedule_free": 0.0}.get(method, 0.999)
    options = TrainConfig.model_validate(
        {"ema": averages, "optimizer": {"method": method, "schedule": "constant"}}
    )
    optimizers = build_optimizers(model, options.optimizer, model.layer_matrices())
    loss, _ = token_losses(model, make_batch(2, 5, 5), 0.1, torch.float32)
    loss.backward()  # type: ignore[no-untyped-call]
    for optimizer in optimizers:
        optimizer.step()
    in_layers = sum(
        p.numel() for p in [*model.encoder.parameters(), *model.decoder.parameters()] if p.dim() > 1
    )
    found = state_bytes(model.num_parameters(), in_layers, options)
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert found["gradients"] == sum(grad.nbytes for grad in gradients)
    moments = optimizer_state(model, optimizers).items()
    assert found["optimizer"] == sum(
        tensor.nbytes for name, tensor in moments if not name.startswith(("step.", "schedule_free."))
    )
    assert found["weights"] == sum(weight.nbytes for weight in model.parameters())
    assert found.get("moving average", 0) == (found["weights"] if averages else 0)
    assert "moving average" not in state_bytes(model.num_parameters(), in_layers, TrainConfig())
