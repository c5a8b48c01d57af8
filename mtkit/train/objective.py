"""The loss that a training step minimises."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from mtkit.config.train import TrainConfig
from mtkit.data.feed.batch import Batch, on_device
from mtkit.engine.native import autocast
from mtkit.model.loss import cross_entropy, with_bias
from mtkit.model.packing import load_kernel
from mtkit.model.transformer import Kept, Transformer
from mtkit.model.tricks import tricks
from mtkit.train.losses.divergence import divergence
from mtkit.train.losses.guided import Guide
from mtkit.train.losses.keep_close import FrozenStart, divergence_from
from mtkit.train.losses.simcut import TokenCutoff
from mtkit.train.machine.packed_batch import is_packing, kernel_fits, pack

Features = Callable[[Tensor, Tensor, Tensor, Kept | None], Tensor]
"""`Transformer.features`, possibly compiled."""

_PARTS = 4
"""Micro-batches, each of similar lengths, in which a step of random pairs is computed with padding."""


class Objective:
    """The loss of a micro-batch, according to the options of a run.

    Attributes:
        packing: whether batches are computed without padding.
        kernel: attention without padding; None if attention pads.
        rounded: whether the tokens of batches without padding are rounded up.
        parts: micro-batches of a step, which limit padding.
        passes: forward passes of each batch; R-Drop and SimCut make two.
        cutoff: draws the tokens that SimCut cuts; None if it is off.
        guide: gives the alignments to learn; None if there are none.
        start: the model to keep close to; None if there is none.
    """

    def __init__(self, model: Transformer, options: TrainConfig, dtype: torch.dtype) -> None:
        self.model = model
        self.options = options
        self.dtype = dtype
        self.device = model.output.weight.device
        self.cutoff = TokenCutoff(options.simcut.cutoff) if options.simcut.alpha else None
        self.passes = 2 if options.r_drop or self.cutoff is not None else 1
        self.packing = is_packing(options, model.config, self.device, dtype)
        fits = self.packing and kernel_fits(model.config, self.device, dtype)
        self.kernel = load_kernel() if fits else None
        self.rounded = tricks.few_shapes and self.device.type == "cpu" and dtype == torch.bfloat16
        self.features: Features = model.features
        self.packed_features = model.packed_features
        if options.compile:  # one graph for all shapes, because compiling each would take too long
            self.features = torch.compile(model.features, dynamic=True)
            self.packed_features = torch.compile(model.packed_features, dynamic=True)
        self.parts = _PARTS if not self.packing and options.batching == "random" else 1
        self.guide: Guide | None = None
        self.start = FrozenStart(model) if options.keep_close else None
        terms = {
            "r_drop": options.r_drop,
            "simcut": options.simcut.alpha,
            "keep_close": options.keep_close,
            "guided_alignment": options.guided_alignment,
        }
        self.names = ("loss", *(name for name, share in terms.items() if share))

    def __call__(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch on the CPU, and the values to report by name, all summed over target tokens.

        The names are `self.names`: `loss`, which is -log p without smoothing, and further terms without their
        weights.
        """
        # 1. Cross-entropy, the mean of all passes, but only of the first one with SimCut.
        options, passes = self.options, self.passes
        targets = self.guide.targets(batch) if self.guide is not None else None
        features, tgt_out = self._predicted(batch, passes)  # [passes * tokens or more, d_model]
        features, weight = with_bias(features, self.model.output)  # whole now, if it is sharded otherwise
        learned = 1 if self.cutoff is not None else passes
        tokens = len(tgt_out) // passes * learned
        fused = options.compile and self.device.type == "cuda"
        learned_from = features if tokens == len(tgt_out) else features[:tokens]
        loss, nll = cross_entropy(
            learned_from, weight, tgt_out[:tokens], options.label_smoothing, self.dtype, fused
        )
        features = features[: len(tgt_out)]
        loss, sums = loss / learned, {"loss": nll / learned}
        # 2. The divergence of both passes, each [tokens, d_model].
        if options.r_drop:
            first, second = features.chunk(2)
            apart = divergence(first, second, weight, both_ways=True, dtype=self.dtype)
            # Half of the paper's equation 4, since the loss above is the mean of both passes, not their sum.
            loss = loss + options.r_drop / 2 * apart
            sums["r_drop"] = apart.detach()
        elif self.cutoff is not None:
            first, second = features.chunk(2)
            apart = divergence(first, second, weight, both_ways=False, dtype=self.dtype)
            loss = loss + options.simcut.alpha * apart
            sums["simcut"] = apart.detach()
        # 3. The divergence from the start, on average over the passes that are learned from.
        if self.start is not None:
            with torch.no_grad():
                kept, _ = self._predicted(batch, 1, self.start.model)
                kept = kept[: len(tgt_out) // passes]  # [tokens, d_model]
            kept, kept_weight = with_bias(kept, self.start.model.output)
            apart = divergence_from(
                kept.repeat(learned, 1), kept_weight, features[:tokens], weight, self.dtype
            )
            loss = loss + options.keep_close * apart / learned
            sums["keep_close"] = apart.detach() / learned
        # 4. Guided alignment; targets are [passes * batch, tgt_len, src_len].
        if self.guide is not None and targets is not None:
            targets = on_device(targets, self.device).repeat(passes, 1, 1)
            misaligned = self.guide.loss(targets) / passes
            loss = loss + options.guided_alignment * misaligned
            sums["guided_alignment"] = misaligned.detach()
        return loss, sums

    def _predicted(
        self, batch: Batch, passes: int, other: Transformer | None = None
    ) -> tuple[Tensor, Tensor]:
        """The features that predict each target token, [passes * tokens, d_model] in fp32, and the tokens.

        More rows may follow, which predict nothing. The features are those of the trained model, or of
        another one, from which no tokens are cut.
        """
        model, plain, packing = other or self.model, self.features, self.packed_features
        if other is not None:
            plain, packing = other.features, other.packed_features
        model.reserve_positions(max(batch.src_ids.shape[1], batch.tgt_in.shape[1]))
        cutoff = self.cutoff if other is None else None
        kept = cutoff.draw(batch, self.packing, self.device) if cutoff is not None else None
        if not self.packing:
            batch = batch.to(self.device)
            found = token_features(plain, batch, passes, self.dtype, kept)
            return found, batch.tgt_out.repeat(passes)
        rounded = self.rounded and self.kernel is None
        packed = pack(batch, passes, rounded).to(self.device)
        if kept is not None:
            kept = Kept(_extended(kept.src, packed.src.ids), _extended(kept.tgt, packed.tgt.ids))
        with autocast(self.dtype, self.device):
            found = packing(packed.src, packed.tgt, self.kernel, kept)
        found = found.float()
        return (found if rounded else found[: len(packed.tgt_out)]), packed.tgt_out


def _extended(kept: Tensor, ids: Tensor) -> Tensor:
    """`kept` [tokens] for the tokens of no sentence too, which are at the end of `ids`."""
    return F.pad(kept, (0, len(ids) - len(kept)), value=True)


def token_features(
    features: Features, batch: Batch, passes: int, dtype: torch.dtype, kept: Kept | None = None
) -> Tensor:
    """The features that predict each target token, [passes * tokens, d_model] in fp32.

    The passes differ only in dropout and in the tokens that are `kept`.
    """
    src_ids, src_mask, tgt_in = batch.src_ids, batch.src_mask, batch.tgt_in
    if passes > 1:
        src_ids, src_mask, tgt_in = (ids.repeat(passes, 1) for ids in (src_ids, src_mask, tgt_in))
    with autocast(dtype, src_ids.device):
        found = features(src_ids, src_mask, tgt_in, kept)
    rows = [batch.tgt_rows + number * batch.tgt_in.numel() for number in range(passes)]
    return found.flatten(0, 1).index_select(0, torch.cat(rows)).float()


def token_losses(
    model: Transformer, batch: Batch, label_smoothing: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Sums of the smoothed loss and of -log p over the batch's target tokens; see `cross_entropy`."""
    real = token_features(model.features, batch, 1, dtype)
    return cross_entropy(*with_bias(real, model.output), batch.tgt_out, label_smoothing, dtype)
