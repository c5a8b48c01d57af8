"""What a training step minimises."""

from __future__ import annotations

import torch
from torch import Tensor

from mtkit.config.train import TrainConfig
from mtkit.data.batch import Batch
from mtkit.model.loss import cross_entropy
from mtkit.model.transformer import Transformer
from mtkit.train.precision import autocast


class Objective:
    """The loss of a micro-batch by the options of a run."""

    def __init__(self, model: Transformer, options: TrainConfig, dtype: torch.dtype) -> None:
        self.model = model
        self.options = options
        self.dtype = dtype

    def __call__(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to minimise and what is reported of it, all summed over target tokens.

        Reported are `loss`, which is -log p without smoothing, and a sum for each further term.
        """
        loss, nll = token_losses(self.model, batch, self.options.label_smoothing, self.dtype)
        return loss, {"loss": nll}


def token_losses(
    model: Transformer, batch: Batch, label_smoothing: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Sums over the batch's target tokens of the smoothed loss and of -log p; see `cross_entropy`."""
    with autocast(dtype, batch.src_ids.device):
        features = model.features(batch.src_ids, batch.src_mask, batch.tgt_in)
    real = features.flatten(0, 1).index_select(0, batch.tgt_rows).float()
    return cross_entropy(real, model.output.weight, batch.tgt_out, label_smoothing, dtype)
