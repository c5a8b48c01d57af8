"""Validation: the loss of the references, and the scores of translations of the sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from mtkit.config.fixed import BestMetric, MetricName
from mtkit.config.schema import Config
from mtkit.data.feed.batch import Batch
from mtkit.data.feed.loader import PairTable
from mtkit.data.prepare.prepared import Prepared, ValidSet
from mtkit.decode.hypothesis import Hypothesis
from mtkit.engine.native import NativeEngine
from mtkit.metrics.surface import METRICS, quality_of, score_corpus
from mtkit.model.transformer import Transformer
from mtkit.train.objective import token_losses
from mtkit.train.progress import Quality
from mtkit.train.watch.monitor import Sample

_PAIRS_ON_CPU, _PAIRS_ON_GPU = 64, 1024
"""Pairs that are translated between two questions whether to stop."""
_SAMPLES = 3
"""Translations of a validation that people see."""
_ALWAYS: tuple[MetricName, ...] = ("bleu", "chrf")
"""Metrics that are cheap: half a second each for 500 pairs. TER takes some 15 seconds."""


@dataclass(frozen=True, slots=True)
class Validation:
    """The result of one validation.

    Attributes:
        loss: -log p per target token.
        scores: of the translations.
        samples: some of the translations.
    """

    loss: float
    scores: Mapping[MetricName, float]
    samples: tuple[Sample, ...]

    def quality(self, metric: BestMetric) -> Quality:
        """The quality by `metric`, see `quality_of`."""
        return quality_of(metric, self.loss, self.scores)

    def figures(self) -> dict[str, float]:
        """The loss and the scores by name."""
        return {"loss": self.loss, **{str(name): score for name, score in self.scores.items()}}


@dataclass(frozen=True, slots=True)
class _ScoredSet:
    """A validation set: the pairs that are translated, and the batches that give the loss."""

    srcs: list[str]
    refs: list[str]
    tgt_lang: str
    src_ids: list[list[int]]
    batches: list[Batch]


class Validator:
    """Scores a model on the validation sets of a run: BLEU, chrF and the metric that chooses the best model.

    The first `train.validate_pairs` pairs are translated. The loss covers all pairs of the main set, but only
    these first ones of further sets, which bounds their cost.
    """

    def __init__(self, config: Config, prepared: Prepared, device: torch.device, dtype: torch.dtype) -> None:
        self.count = config.train.validate_pairs
        self.tokenizer = prepared.tokenizer
        self.options = config.decode.plain_beam(config.train.validate_beam_size)
        wanted = (*_ALWAYS, *config.train.best_metric)
        self.metrics = [name for name in METRICS if name in wanted]
        self.device = device
        self.dtype = dtype
        micro, tokens = config.train.micro_batch_tokens, config.train.batch_tokens
        self.tokens = min(micro, tokens) if isinstance(micro, int) else tokens
        valid = ValidSet(prepared.valid, prepared.valid_srcs, prepared.valid_refs, prepared.valid_tags)
        data = config.data
        self._main = self._scored_set(valid, data.languages_of(data.valid)[1], None)
        self._extra = {
            name: self._scored_set(found, data.languages_of(data.extra_valid[name])[1], self.count)
            for name, found in prepared.extra_valid.items()
        }

    def _scored_set(self, found: ValidSet, tgt_lang: str, loss_pairs: int | None) -> _ScoredSet:
        batches = PairTable([found.shard]).batches(self.tokens, loss_pairs)
        srcs, refs = found.srcs[: self.count], found.refs[: self.count]
        src_ids = [found.shard.src(index).tolist() for index in range(len(srcs))]
        return _ScoredSet(srcs, refs, tgt_lang, src_ids, [batch.to(self.device) for batch in batches])

    def __call__(
        self, model: Transformer, turn: int, stop: Callable[[], bool] = lambda: False
    ) -> Validation | None:
        """Validates `model` on the main set. Returns None as soon as `stop()` is true.

        Args:
            model: the model to validate.
            turn: selects the samples.
            stop: called between batches.
        """
        return self._validate(model, self._main, turn, stop)

    def extra(self, model: Transformer, turn: int, stop: Callable[[], bool]) -> dict[str, Validation] | None:
        """Validates on the further sets, by name. Returns None as soon as `stop()` is true."""
        found = {}
        for name, scored in self._extra.items():
            if (validation := self._validate(model, scored, turn, stop)) is None:
                return None
            found[name] = validation
        return found

    def _validate(
        self, model: Transformer, scored: _ScoredSet, turn: int, stop: Callable[[], bool]
    ) -> Validation | None:
        loss = self._loss(model, scored.batches)
        engine = NativeEngine(model, self.device)
        found: list[list[Hypothesis]] = []
        at_once = _PAIRS_ON_CPU if self.device.type == "cpu" else _PAIRS_ON_GPU
        for start in range(0, len(scored.src_ids), at_once):
            if stop():
                return None
            found += engine.decode(scored.src_ids[start : start + at_once], self.options)
        hyps = self.tokenizer.decode([best[0].ids for best in found], scored.srcs)
        scores = score_corpus(hyps, scored.refs, self.metrics, scored.tgt_lang, scored.srcs)
        shown = dict.fromkeys((turn + part * len(hyps) // _SAMPLES) % len(hyps) for part in range(_SAMPLES))
        samples = tuple(Sample(scored.srcs[index], hyps[index], scored.refs[index]) for index in shown)
        return Validation(loss, {score.metric: score.value for score in scores}, samples)

    @torch.inference_mode()
    def _loss(self, model: Transformer, batches: Sequence[Batch]) -> float:
        training = model.training
        model.eval()
        total = torch.zeros((), device=self.device)
        for batch in batches:
            total += token_losses(model, batch, 0.0, self.dtype)[1]
        model.train(training)
        return total.item() / sum(batch.num_tgt_tokens for batch in batches)
