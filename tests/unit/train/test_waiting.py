"""Nothing between two reports waits for the device.

On torch's `meta` device tensors have shapes but no values: whatever asks for one, or has a shape that depends
on values, fails there as it would wait on a GPU.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mtkit.config.model import ModelConfig
from mtkit.config.train import TrainConfig
from mtkit.data.prepare.align import learn_aligner
from mtkit.model.transformer import build_model
from mtkit.train.losses.guided import Guide
from mtkit.train.machine import packed_batch
from mtkit.train.machine.distributed import World
from mtkit.train.update import Updater
from mtkit.train.watch.window import LogWindow
from tests.support.updates import LENGTHS, VOCAB, make_batch, make_pairs, make_step


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"packing": False},
        {"compile": True},
        {"simcut": {"alpha": 3.0}},
        {"simcut": {"alpha": 3.0}, "packing": False},
        {"r_drop": 1.0, "ema": 0.9, "optimizer": {"skip_spikes": 4.0}},
        {"optimizer": {"method": "muon", "weight_decay": 0.1}},
        {"optimizer": {"method": "schedule_free", "schedule": "constant", "weight_decay": 0.1}},
        {"guided_alignment": 0.1, "packing": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("model", [{}, {"norm": "post", "positions": "rope", "num_kv_heads": 2}], ids=str)
def test_updates_and_their_means_ask_for_no_value(
    options: dict[str, Any], model: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda features, **_: features)
    # As on a GPU: rows without padding, by torch's kernel.
    monkeypatch.setattr(packed_batch, "has_kernel", lambda *_: True)
    # These of torch do not know the device: their forms for a GPU ask for nothing.
    clip = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda grads, limit, foreach: clip(grads, limit))
    network = build_model(ModelConfig.model_validate({"preset": "tiny", **model}), VOCAB, VOCAB, seed=1)
    updater = Updater(network.train().to("meta"), TrainConfig.model_validate(options), 1, torch.float32)
    if isinstance(adam := updater.optimizers[-1], torch.optim.AdamW):
        monkeypatch.setattr(adam, "step", lambda: None)
    assert updater.objective.packing is options.get("packing", True)
    if "guided_alignment" in options:
        pairs = list(zip(*make_pairs(), strict=True))
        updater.objective.guide = Guide(network, learn_aligner(pairs, VOCAB, VOCAB))
    window = LogWindow(updater.device, World())
    for number in (1, 2):
        window.add(updater(make_step(make_batch(), make_batch(LENGTHS[:3])), number, 0.1))
    with pytest.raises(RuntimeError, match="meta"):  # it can fail
        int(window.counted)
