"""Validation: loss of the references, and BLEU and chrF of really decoded text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from mtkit.config.schema import Config
from mtkit.data.feed.batch import Batch
from mtkit.data.feed.loader import PairTable
from mtkit.data.prepare.prepared import Prepared, ValidSet
from mtkit.decode.hypothesis import Hypothesis
from mtkit.engine.native import NativeEngine
from mtkit.metrics.surface import score_corpus
from mtkit.model.transformer import Transformer
from mtkit.train.objective import token_losses
from mtkit.train.watch.monitor import Sample

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


@dataclass(frozen=True, slots=True)
class _Task:
    """What is translated, and what the loss is taken of."""

    srcs: list[str]
    refs: list[str]
    tgt_lang: str
    src_ids: list[list[int]]
    batches: list[Batch]


class Validator:
    """Scores a model on the validation sets of a run.

    The first `train.validate_pairs` pairs are translated. The loss is that of all pairs, but of further sets
    that of the same first ones, so that their cost has a bound.
    """

    def __init__(self, config: Config, prepared: Prepared, device: torch.device, dtype: torch.dtype) -> None:
        self.count = config.train.validate_pairs
        self.tokenizer = prepared.tokenizer
        self.options = config.decode.model_copy(update={"beam_size": config.train.validate_beam_size})
        self.device = device
        self.dtype = dtype
        micro, tokens = config.train.micro_batch_tokens, config.train.batch_tokens
        self.tokens = min(micro, tokens) if isinstance(micro, int) else tokens
        valid = ValidSet(prepared.valid, prepared.valid_srcs, prepared.valid_refs, prepared.valid_tags)
        data = config.data
        self._main = self._task(valid, data.languages_of(data.valid)[1], None)
        self._extra = {
            name: self._task(found, data.languages_of(data.extra_valid[name])[1], self.count)
            for name, found in prepared.extra_valid.items()
        }

    def _task(self, found: ValidSet, tgt_lang: str, loss_pairs: int | None) -> _Task:
        batches = PairTable([found.shard]).batches(self.tokens, loss_pairs)
        srcs, refs = found.srcs[: self.count], found.refs[: self.count]
        src_ids = [found.shard.src(index).tolist() for index in range(len(srcs))]
        return _Task(srcs, refs, tgt_lang, src_ids, [batch.to(self.device) for batch in batches])

    def __call__(
        self, model: Transformer, turn: int, stop: Callable[[], bool] = lambda: False
    ) -> Scores | None:
        """The scores of `model` on the set that steers; None if `stop` says so meanwhile.

        Args:
            model: to be scored.
            turn: picks the sentence that is shown.
            stop: asked now and then.
        """
        return self._scores(model, self._main, turn, stop)

    def extra(self, model: Transformer, turn: int, stop: Callable[[], bool]) -> dict[str, Scores] | None:
        """Those on the further sets, by name; None if `stop` says so meanwhile."""
        found = {}
        for name, task in self._extra.items():
            if (scores := self._scores(model, task, turn, stop)) is None:
                return None
            found[name] = scores
        return found

    def _scores(self, model: Transformer, task: _Task, turn: int, stop: Callable[[], bool]) -> Scores | None:
        loss = self._loss(model, task.batches)
        engine = NativeEngine(model, self.device)
        found: list[list[Hypothesis]] = []
        for start in range(0, len(task.src_ids), _PAIRS_AT_ONCE):
            if stop():
                return None
            found += engine.decode(task.src_ids[start : start + _PAIRS_AT_ONCE], self.options)
        hyps = self.tokenizer.decode([best[0].ids for best in found], task.srcs)
        bleu, chrf = score_corpus(hyps, task.refs, ["bleu", "chrf"], task.tgt_lang)
        shown = turn % len(hyps)
        sample = Sample(task.srcs[shown], hyps[shown], task.refs[shown])
        return Scores(loss, bleu.value, chrf.value, sample)

    @torch.inference_mode()
    def _loss(self, model: Transformer, batches: Sequence[Batch]) -> float:
        training = model.training
        model.eval()
        total = torch.zeros((), device=self.device)
        for batch in batches:
            total += token_losses(model, batch, 0.0, self.dtype)[1]
        model.train(training)
        return total.item() / sum(batch.num_tgt_tokens for batch in batches)
