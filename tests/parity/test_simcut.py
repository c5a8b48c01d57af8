"""SimCut's place in the loss, against torch's own functions and an id whose embedding is zero."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mtkit.config.model import ModelConfig
from mtkit.config.train import TrainConfig
from mtkit.data.feed.batch import Batch, collate
from mtkit.model.transformer import Kept, Transformer, build_model
from mtkit.text.tokenizer import Tokenizer
from mtkit.train.losses.simcut import TokenCutoff
from mtkit.train.objective import Objective
from tests.support.updates import MODEL, VOCAB, make_batch

ZERO = VOCAB
"""An id that no text has, and whose embedding the tests set to zero."""
CPU = torch.device("cpu")


def objective(options: dict[str, object], dropout: float = 0.0, **model: object) -> Objective:
    config = ModelConfig.model_validate({**MODEL, "dropout": dropout, "tie_embeddings": "none", **model})
    network = build_model(config, VOCAB + 1, VOCAB + 1, seed=1).train()
    with torch.no_grad():
        network.src_embedding.weight[ZERO] = network.tgt_embedding.weight[ZERO] = 0
    return Objective(network, TrainConfig.model_validate(options), torch.float32)


def expected_loss(model: Transformer, batch: Batch, kept: Kept, alpha: float) -> tuple[Tensor, Tensor]:
    """CE(p) + α · KL(p‖q), where the ids of cut tokens are replaced by ZERO; and the divergence alone."""

    def log_probs(src_ids: Tensor, tgt_in: Tensor) -> Tensor:
        return model(src_ids, batch.src_mask, tgt_in).flatten(0, 1)[batch.tgt_rows].log_softmax(-1)

    pairs = len(batch.src_ids)
    p = log_probs(batch.src_ids, batch.tgt_in)
    q = log_probs(
        batch.src_ids.masked_fill(~kept.src[pairs:], ZERO), batch.tgt_in.masked_fill(~kept.tgt[pairs:], ZERO)
    )
    apart = F.kl_div(q, p, reduction="sum", log_target=True)  # torch's order is the other way round
    return F.cross_entropy(p, batch.tgt_out, reduction="sum", label_smoothing=0.1) + alpha * apart, apart


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize("positions", ["sinusoidal", "rope"])
def test_the_loss_is_that_of_the_paper(packing: bool, positions: str) -> None:
    """Values and gradients, of the first and of the second pass."""
    options: dict[str, object] = {
        "simcut": {"alpha": 3.0, "cutoff": 0.4},
        "label_smoothing": 0.1,
        "packing": packing,
    }
    ours, theirs = (objective(options, positions=positions) for _ in range(2))
    batch = make_batch()
    assert ours.cutoff is not None
    ours.cutoff.reseed(7)
    loss, sums = ours(batch)
    ours.cutoff.reseed(7)
    kept = ours.cutoff.draw(batch, False, CPU)
    assert not kept.src.all()
    assert not kept.tgt.all()
    expected, apart = expected_loss(theirs.model, batch, kept, 3.0)
    assert apart > 0.1
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(sums["simcut"], apart, rtol=1e-4, atol=1e-4)
    loss.backward()  # type: ignore[no-untyped-call]
    expected.backward()  # type: ignore[no-untyped-call]
    for name, weight in theirs.model.named_parameters():
        our, their = ours.model.get_parameter(name).grad, weight.grad
        assert our is not None
        assert their is not None
        if name.endswith("embedding.weight"):
            our, their = our[:ZERO], their[:ZERO]  # ours has no embedding of cut tokens
        torch.testing.assert_close(our, their, rtol=1e-4, atol=1e-4)  # sums in another order


def test_without_weight_it_is_plain() -> None:
    batch = make_batch()
    plain, off = objective({}), objective({"simcut": {"alpha": 0.0, "cutoff": 0.4}})
    assert off.passes == 1
    assert off.names == ("loss",)
    assert torch.equal(off(batch)[0], plain(batch)[0])


@pytest.mark.parametrize("packing", [False, True])
def test_without_cut_tokens_and_dropout_it_adds_nothing(packing: bool) -> None:
    options: dict[str, object] = {"packing": packing}
    plain, _ = objective(options)(make_batch())
    loss, sums = objective(options | {"simcut": {"alpha": 5.0, "cutoff": 0.0}})(make_batch())
    assert sums["simcut"].item() == pytest.approx(0.0, abs=1e-4)
    torch.testing.assert_close(loss, plain, rtol=1e-5, atol=1e-4)


def test_the_reported_loss_is_that_of_the_first_pass() -> None:
    _, plain = objective({})(make_batch())
    _, sums = objective({"simcut": {"alpha": 5.0, "cutoff": 0.5}})(make_batch())
    torch.testing.assert_close(sums["loss"], plain["loss"], rtol=1e-5, atol=1e-4)


# ---------------------------------------------------------------- the draws


def test_tokens_are_cut_as_often_as_asked_but_no_ends() -> None:
    random = np.random.default_rng(0)
    sides = [[random.integers(4, VOCAB, n) for n in random.integers(5, 40, 400)] for _ in range(2)]
    batch = collate(*sides)
    kept = TokenCutoff(0.1).draw(batch, False, CPU)
    for side, ids in ((kept.src, batch.src_ids), (kept.tgt, batch.tgt_in)):
        first, second = side.chunk(2)
        assert first.all()
        words = ids > Tokenizer.EOS
        assert second[(ids == Tokenizer.EOS) | (ids == Tokenizer.BOS)].all()
        # Four standard deviations of a share of some 9,000 draws.
        assert (~second[words]).float().mean().item() == pytest.approx(0.1, abs=4 * (0.09 / 9000) ** 0.5)


def test_draws_are_the_same_without_padding() -> None:
    batch, cutoff = make_batch(), TokenCutoff(0.5)
    cutoff.reseed(1, 2)
    padded = cutoff.draw(batch, False, CPU)
    cutoff.reseed(1, 2)
    packed = cutoff.draw(batch, True, CPU)
    twice = batch.src_mask.repeat(2, 1), (batch.tgt_in != Tokenizer.PAD).repeat(2, 1)
    assert torch.equal(packed.src, padded.src[twice[0]])
    assert torch.equal(packed.tgt, padded.tgt[twice[1]])
