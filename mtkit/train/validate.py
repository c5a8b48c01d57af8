"""Validation: loss of the references, and BLEU and chrF of really decoded text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from mtkit.config.schema import Config
from mtkit.data.loader import PairTable
from mtkit.data.prepare import Prepared
from mtkit.decode.hypothesis import Hypothesis
from mtkit.engine.native import NativeEngine
from mtkit.metrics.surface import score_corpus
from mtkit.model.transformer import Transformer
from mtkit.train.monitor import Sample
from mtkit.train.objective import token_losses

_PAIRS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Scores:
    """Validation scores of one model. `loss` is -log p per target token."""

    loss: float
    bleu: float
    chrf: float
    sample: Sample

    def value(self, metric: str) -> float:
        """The score called `metric`, higher is better."""
        return {"bleu": self.bleu, "chrf": self.chrf, "loss": -self.loss}[metric]


class Validator:
    """Scores a model on the validation set of a run.

    The first `train.validate_pairs` pairs are translated; the loss is that of all pairs.
    """

    def __init__(self, config: Config, prepared: Prepared, device: torch.device, dtype: torch.dtype) -> None:
        count = config.train.validate_pairs
        self.srcs = prepared.valid_srcs[:count]
        self.refs = prepared.valid_refs[:count]
        self.src_ids = prepared.tokenizer.encode(self.srcs, prepared.valid_tags)
        self.tokenizer = prepared.tokenizer
        self.tgt_lang = config.data.languages_of(config.data.valid)[1]
        self.options = config.decode.model_copy(update={"beam_size": config.train.validate_beam_size})
        self.device = device
        self.dtype = dtype
        micro, tokens = config.train.micro_batch_tokens, config.train.batch_tokens
        if isinstance(micro, int):
            tokens = min(micro, tokens)
        self.batches = [batch.to(device) for batch in PairTable([prepared.valid]).batches(tokens)]

    def __call__(
        self, model: Transformer, turn: int, stop: Callable[[], bool] = lambda: False
    ) -> Scores | None:
        """The scores of `model`; None if `stop` says so meanwhile.

        Args:
            model: to be scored.
            turn: picks the sentence that is shown.
            stop: asked now and then.
        """
        loss = self._loss(model)
        engine = NativeEngine(model, self.device)
        found: list[list[Hypothesis]] = []
        for start in range(0, len(self.src_ids), _PAIRS_AT_ONCE):
            if stop():
                return None
            found += engine.decode(self.src_ids[start : start + _PAIRS_AT_ONCE], self.options)
        hyps = self.tokenizer.decode([best[0].ids for best in found], self.srcs)
        bleu, chrf = score_corpus(hyps, self.refs, ["bleu", "chrf"], self.tgt_lang)
        shown = turn % len(hyps)
        sample = Sample(self.srcs[shown], hyps[shown], self.refs[shown])
        return Scores(loss, bleu.value, chrf.value, sample)

    @torch.inference_mode()
    def _loss(self, model: Transformer) -> float:
        training = model.training
        model.eval()
        total = torch.zeros((), device=self.device)
        for batch in self.batches:
            total += token_losses(model, batch, 0.0, self.dtype)[1]
        model.train(training)
        return total.item() / sum(batch.num_tgt_tokens for batch in self.batches)
