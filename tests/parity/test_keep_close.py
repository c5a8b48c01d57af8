"""The divergence from the start of a training, against torch's own functions."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mtkit.config.train import TrainConfig
from mtkit.data.feed.batch import Batch
from mtkit.model.transformer import Transformer
from tests.support.updates import make_batch, make_step, make_updater

OPTIONS: dict[str, object] = {"init_from": Path("/unused"), "keep_close": 0.7}


def log_probs(model: Transformer, batch: Batch) -> Tensor:
    """[target tokens, vocab]."""
    logits = model(batch.src_ids, batch.src_mask, batch.tgt_in)
    return logits.flatten(0, 1)[batch.tgt_rows].log_softmax(-1)


def moved(model: Transformer) -> Transformer:
    """Another model near this one."""
    other = copy.deepcopy(model)
    torch.manual_seed(3)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return other


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize("model", [{}, {"output_bias": True}, {"positions": "rope"}], ids=str)
def test_the_loss_is_cross_entropy_and_divergence(packing: bool, model: dict[str, object]) -> None:
    updater = make_updater(OPTIONS | {"packing": packing, "label_smoothing": 0.1}, **model)
    start = moved(updater.model).eval()
    assert updater.objective.start is not None
    updater.objective.start.begin(start)
    theirs, batch = copy.deepcopy(updater.model), make_batch()
    loss, sums = updater.objective(batch)
    own = log_probs(theirs, batch)
    apart = F.kl_div(own, log_probs(start, batch).detach(), reduction="sum", log_target=True)
    assert apart > 1
    entropy = F.cross_entropy(own, batch.tgt_out, reduction="sum", label_smoothing=0.1)
    expected = entropy + 0.7 * apart
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(sums["keep_close"], apart, rtol=1e-4, atol=1e-4)
    loss.backward()  # type: ignore[no-untyped-call]
    expected.backward()  # type: ignore[no-untyped-call]
    for name, weight in theirs.named_parameters():
        torch.testing.assert_close(updater.model.get_parameter(name).grad, weight.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("more", [{"r_drop": 2.0}, {"simcut": {"alpha": 2.0, "cutoff": 0.3}}], ids=str)
@pytest.mark.parametrize("packing", [False, True])
def test_it_goes_with_two_passes(packing: bool, more: dict[str, object]) -> None:
    """Without dropout both passes of R-Drop are the same, and SimCut learns from the first alone."""
    updater = make_updater(OPTIONS | {"packing": packing} | more)
    start = moved(updater.model).eval()
    assert updater.objective.start is not None
    updater.objective.start.begin(start)
    batch = make_batch()
    _, sums = updater.objective(batch)
    apart = F.kl_div(
        log_probs(updater.model, batch), log_probs(start, batch), reduction="sum", log_target=True
    )
    torch.testing.assert_close(sums["keep_close"], apart, rtol=1e-4, atol=1e-4)


def test_the_start_stays_and_holds_the_model_back() -> None:
    """A model that is held ends nearer to its start, which never changes and has no dropout."""
    ends = []
    for weight in (0.0, 20.0):
        updater = make_updater(OPTIONS | {"keep_close": weight}, dropout=0.1)
        begun = copy.deepcopy(updater.model).eval()
        updater.begin_from_weights()
        for step in range(1, 21):
            updater(make_step(make_batch()), step, 0.01)
        if updater.objective.start is not None:
            for name, kept in updater.objective.start.model.named_parameters():
                assert torch.equal(kept, begun.get_parameter(name))
        own, other = (log_probs(model, make_batch()) for model in (updater.model.eval(), begun))
        apart = F.kl_div(own, other, reduction="sum", log_target=True)
        ends.append(apart.item())
    assert ends[1] < 0.3 * ends[0]


def test_it_is_part_of_what_is_saved() -> None:
    one, other = make_updater(OPTIONS), make_updater(OPTIONS)
    one.begin_from_weights()
    for step in (1, 2):
        one(make_step(make_batch()), step, 0.01)
    other.model.load_state_dict(one.model.state_dict())
    other.set_state({name: value.clone() for name, value in one.state().items()})
    for updater in (one, other):
        updater(make_step(make_batch()), 3, 0.01)
    for name, weight in one.model.named_parameters():
        assert torch.equal(weight, other.model.get_parameter(name))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"keep_close": 1}, "keep_close needs init_from"),
        ({"keep_close": 1, "init_from": Path("/x"), "parallel": "fsdp"}, "keep_close and parallel = fsdp"),
        ({"keep_close": -1}, "greater than or equal to 0"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TrainConfig.model_validate(options)
