"""What a training step minimises."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mtkit.config.train import TrainConfig
from mtkit.data.batch import Batch
from mtkit.model.loss import cross_entropy
from mtkit.model.transformer import Transformer
from mtkit.train.guided import Guide
from mtkit.train.precision import autocast
from mtkit.train.r_drop import divergence

Features = Callable[[Tensor, Tensor, Tensor], Tensor]
"""`Transformer.features`, or what torch.compile made of it."""


class Objective:
    """The loss of a micro-batch by the options of a run."""

    def __init__(self, model: Transformer, options: TrainConfig, dtype: torch.dtype) -> None:
        self.model = model
        self.options = options
        self.dtype = dtype
        # One graph for all shapes: buckets of lengths and numbers of rows are too many to compile each.
        self.features: Features = (
            torch.compile(model.features, dynamic=True) if options.compile else model.features
        )
        self.guide: Guide | None = None
        self.device = model.output.weight.device
        self.names = ("loss", *(name for name in ("r_drop", "guided_alignment") if getattr(options, name)))

    def __call__(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch on the CPU, and what is reported of it, all summed over target tokens.

        Reported are `self.names`: `loss`, which is -log p without smoothing, and further terms without
        their weights.
        """
        passes = 2 if self.options.r_drop else 1
        targets = self.guide.targets(batch) if self.guide is not None else None
        batch = batch.to(self.device)
        features = token_features(self.features, batch, passes, self.dtype)
        loss, nll = cross_entropy(
            features,
            self.model.output.weight,
            batch.tgt_out.repeat(passes),
            self.options.label_smoothing,
            self.dtype,
        )
        loss, sums = loss / passes, {"loss": nll / passes}
        if self.options.r_drop:
            first, second = features.chunk(2)
            apart = divergence(first, second, self.model.output.weight, self.dtype)
            # Half of the paper's equation 4, so that the loss stays that of one pass and α means the same.
            loss = loss + self.options.r_drop / 2 * apart
            sums["r_drop"] = apart.detach()
        if self.guide is not None and targets is not None:
            targets = targets.to(self.device).repeat(passes, 1, 1)
            misaligned = self.guide.loss(targets) / passes
            loss = loss + self.options.guided_alignment * misaligned
            sums["guided_alignment"] = misaligned.detach()
        return loss, sums


def token_features(features: Features, batch: Batch, passes: int, dtype: torch.dtype) -> Tensor:
    """What predicts each target token, [passes · tokens, d_model] in fp32; the passes differ by dropout."""
    src_ids, src_mask, tgt_in = batch.src_ids, batch.src_mask, batch.tgt_in
    if passes > 1:
        src_ids, src_mask, tgt_in = (ids.repeat(passes, 1) for ids in (src_ids, src_mask, tgt_in))
    with autocast(dtype, src_ids.device):
        found = features(src_ids, src_mask, tgt_in)
    rows = [batch.tgt_rows + number * batch.tgt_in.numel() for number in range(passes)]
    return found.flatten(0, 1).index_select(0, torch.cat(rows)).float()


def token_losses(
    model: Transformer, batch: Batch, label_smoothing: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Sums over the batch's target tokens of the smoothed loss and of -log p; see `cross_entropy`."""
    real = token_features(model.features, batch, 1, dtype)
    return cross_entropy(real, model.output.weight, batch.tgt_out, label_smoothing, dtype)
