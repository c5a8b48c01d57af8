"""Scores of given translations, each computed in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from mtkit.config.decode import DecodeConfig
from mtkit.data.feed.batch import Batch, collate
from mtkit.decode.generate import batch_tokens, plan_batches
from mtkit.decode.hypothesis import Hypothesis
from mtkit.decode.scorer import mean_of_probs
from mtkit.model.transformer import Transformer

_LOGITS_AT_ONCE = 4096
"""Target tokens whose logits are in memory at the same time."""


def score_targets(
    models: Sequence[Transformer],
    src_ids: Sequence[Sequence[int]],
    tgt_ids: Sequence[Sequence[int]],
    options: DecodeConfig,
    device: torch.device | str = "cpu",
    start: Sequence[int] = (),
) -> list[Hypothesis]:
    """Each target as a hypothesis of its source, with the scores that a search would give it.

    Args:
        models: one model, or an ensemble.
        src_ids: sources without end of sentence.
        tgt_ids: a target for each source, without beginning and end of sentence.
        options: length penalty and batch size.
        device: the models' device.
        start: see `generate`.
    """
    hyps: dict[int, Hypothesis] = {}
    for rows, batch in pair_batches(src_ids, tgt_ids, batch_tokens(options, device), device, start):
        scored = [_token_scores(model, batch) for model in models]
        found = iter(mean_of_probs([log_probs for log_probs, _ in scored]).tolist())
        best = iter(scored[0][1].tolist() if len(models) == 1 else [])
        for i in rows:
            count = len(start) + len(tgt_ids[i]) + 1
            tokens = tuple(islice(found, count))[len(start) :]
            score = sum(tokens) / count**options.length_penalty
            hyps[i] = Hypothesis(tuple(tgt_ids[i]), score, tokens, tuple(islice(best, count))[len(start) :])
    return [hyps[i] for i in range(len(src_ids))]


def pair_batches(
    src_ids: Sequence[Sequence[int]],
    tgt_ids: Sequence[Sequence[int]],
    tokens: int,
    device: torch.device | str,
    start: Sequence[int] = (),
) -> Iterator[tuple[list[int], Batch]]:
    """Yields pairs of similar length as batches on `device`, each with the indices of its pairs.

    `tokens` is the maximum batch size, in tokens of the longer side. Each target begins with `start`.
    """
    tgt_ids = [[*start, *ids] for ids in tgt_ids] if start else tgt_ids
    lengths = [max(len(src), len(tgt)) + 1 for src, tgt in zip(src_ids, tgt_ids, strict=True)]
    for rows in plan_batches(lengths, tokens, 1):
        batch = collate([np.asarray(src_ids[i]) for i in rows], [np.asarray(tgt_ids[i]) for i in rows])
        yield rows, batch.to(torch.device(device))


def _token_scores(model: Transformer, batch: Batch) -> tuple[Tensor, Tensor]:
    """The log-probability of each of `batch.tgt_out`, and whether it is the most probable token, [tokens]."""
    features = model.features(batch.src_ids, batch.src_mask, batch.tgt_in)
    real = features.flatten(0, 1).index_select(0, batch.tgt_rows)
    found, best = [], []
    for start in range(0, len(real), _LOGITS_AT_ONCE):
        own = slice(start, start + _LOGITS_AT_ONCE)
        log_probs = model.logits(real[own]).log_softmax(dim=-1)
        found.append(log_probs.gather(1, batch.tgt_out[own, None])[:, 0])
        best.append(log_probs.argmax(dim=-1) == batch.tgt_out[own])
    return torch.cat(found), torch.cat(best)
