"""Validation: the loss of the references, and the scores of translations of the sources."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from mtkit.config.fixed import BestMetric, MetricName
from mtkit.config.schema import Config
from mtkit.data.feed.batch import Batch
from mtkit.data.feed.loader import PairTable
from mtkit.data.prepare.prepared import Prepared, ValidSet
from mtkit.engine.native import NativeEngine
from mtkit.metrics.surface import METRICS, quality_of, score_corpus
from mtkit.model.transformer import Transformer
from mtkit.train.machine.distributed import World
from mtkit.train.machine.memory import is_out_of_memory
from mtkit.train.objective import token_losses
from mtkit.train.progress import Quality
from mtkit.train.watch.monitor import Sample

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

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

    Attributes:
        splits: number of parts in which each batch is computed; doubled when memory runs out.
    """

    def __init__(self, config: Config, prepared: Prepared, device: torch.device, dtype: torch.dtype) -> None:
        self.splits = 1
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
        self,
        model: Transformer,
        turn: int,
        stop: Callable[[], bool] = lambda: False,
        world: World | None = None,
    ) -> Validation | None:
        """Validates `model` on the main set. Returns None as soon as `stop()` is true.

        Args:
            model: the model to validate.
            turn: selects the samples.
            stop: called between batches.
            world: ranks that share the work, each with the same model. The result does not depend on them.
        """
        return self._validate(model, self._main, turn, stop, world or World())

    def on_all(
        self, model: Transformer, turn: int, stop: Callable[[], bool], world: World
    ) -> tuple[Validation, dict[str, Validation]] | None:
        """Validates on the main set, and on the further sets by name. The arguments are as above."""
        validation = self(model, turn, stop, world)
        extra = self.extra(model, turn, stop, world) if validation is not None else None
        return (validation, extra) if validation is not None and extra is not None else None

    def extra(
        self, model: Transformer, turn: int, stop: Callable[[], bool], world: World | None = None
    ) -> dict[str, Validation] | None:
        """Validates on the further sets, by name. Returns None as soon as `stop()` is true."""
        found = {}
        for name, scored in self._extra.items():
            if (validation := self._validate(model, scored, turn, stop, world or World())) is None:
                return None
            found[name] = validation
        return found

    def _validate(
        self, model: Transformer, scored: _ScoredSet, turn: int, stop: Callable[[], bool], world: World
    ) -> Validation | None:
        loss = self._loss(model, scored.batches, world)
        found = self._translated(model, scored.src_ids, stop, world)
        return None if found is None else world.on_main(lambda: self._scored(scored, found, loss, turn))

    def _translated(
        self, model: Transformer, src_ids: list[list[int]], stop: Callable[[], bool], world: World
    ) -> list[list[int]] | None:
        """The translations of `src_ids`; None as soon as `stop()` is true on any rank.

        Each rank translates some of the batches, which are the same for any number of ranks.
        """
        engine = NativeEngine(model, self.device, tokenizer=self.tokenizer)
        at_once = _PAIRS_ON_CPU if self.device.type == "cpu" else _PAIRS_ON_GPU
        batches = [src_ids[at : at + at_once] for at in range(0, len(src_ids), at_once)]
        found: list[list[int]] = []
        for first in range(0, len(batches), world.size):
            mine = batches[first + world.rank : first + world.rank + 1]
            stopped = stop()
            hyps: list[list[int]] = []
            for batch in mine if not stopped else []:
                hyps += self._best(engine, batch)
            given = world.gather((stopped, hyps))
            if any(asked for asked, _ in given):
                return None
            found += [ids for _, share in given for ids in share]
        return found

    def _scored(self, scored: _ScoredSet, ids: list[list[int]], loss: float, turn: int) -> Validation:
        hyps = self.tokenizer.decode(ids, scored.srcs)
        scores = score_corpus(hyps, scored.refs, self.metrics, scored.tgt_lang, scored.srcs)
        shown = dict.fromkeys((turn + part * len(hyps) // _SAMPLES) % len(hyps) for part in range(_SAMPLES))
        samples = tuple(Sample(scored.srcs[index], hyps[index], scored.refs[index]) for index in shown)
        values = {name: score.value for name, score in zip(self.metrics, scores, strict=True)}
        return Validation(loss, values, samples)

    @torch.inference_mode()
    def _loss(self, model: Transformer, batches: Sequence[Batch], world: World) -> float:
        training = model.training
        model.eval()
        sums = torch.zeros(len(batches), dtype=torch.float64, device=self.device)
        for number in range(world.rank, len(batches), world.size):
            sums[number] = self._nll(model, batches[number])
        model.train(training)
        shares = world.gather(sums.tolist())
        # Each batch counts on the rank that computed it, and they are added in the same order by any number.
        total = sum(shares[number % world.size][number] for number in range(len(batches)))
        return total / sum(batch.num_tgt_tokens for batch in batches)

    def _nll(self, model: Transformer, batch: Batch) -> Tensor:
        """The sum of -log p over the target tokens of a batch, computed in `splits` parts."""

        def compute() -> Tensor:
            parts = batch.split(self.splits)
            return torch.stack([token_losses(model, part, 0.0, self.dtype)[1] for part in parts]).sum()

        return self._within_memory(len(batch.src_ids), compute)

    def _best(self, engine: NativeEngine, src_ids: list[list[int]]) -> list[list[int]]:
        """The best translations of some sources, computed in `splits` parts."""

        def translate() -> list[list[int]]:
            size = -(-len(src_ids) // self.splits)
            parts = [src_ids[start : start + size] for start in range(0, len(src_ids), size)]
            return [list(best[0].ids) for part in parts for best in engine.decode(part, self.options)]

        return self._within_memory(len(src_ids), translate)

    def _within_memory(self, pairs: int, compute: Callable[[], Result]) -> Result:
        """The result of `compute`, which has `pairs` to compute in `splits` parts; more until they fit."""
        while True:
            try:
                return compute()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or self.splits >= pairs:
                    raise
            # The traceback, which kept tensors alive, is gone.
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            self.splits *= 2
            logger.warning("validation: out of memory. Each batch is now computed in %d parts.", self.splits)
