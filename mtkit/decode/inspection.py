"""A translation token by token: how probable each is, what else was, and where the model looked."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mtkit.decode.alignment import attended_features
from mtkit.decode.forced import pair_batches
from mtkit.decode.hypothesis import Inspected
from mtkit.model.transformer import Transformer
from mtkit.text.subwords import EOS


def inspect(
    model: Transformer,
    src_ids: Sequence[Sequence[int]],
    tgt_ids: Sequence[Sequence[int]],
    num_likely: int,
    tokens: int,
    device: torch.device | str = "cpu",
    start: Sequence[int] = (),
) -> list[Inspected]:
    """Each target with what the model makes of its tokens.

    Args:
        model: in evaluation mode.
        src_ids: sources without end of sentence.
        tgt_ids: a target for each source, without beginning and end of sentence.
        num_likely: number of most probable tokens of each place.
        tokens: maximum batch size, in tokens of the longer side.
        device: the model's device.
        start: see `generate`.
    """
    found: dict[int, Inspected] = {}
    for rows, batch in pair_batches(src_ids, tgt_ids, tokens, device, start):
        features, attention = attended_features(model, batch)
        for row, i in enumerate(rows):
            ids = [*tgt_ids[i], EOS]
            own_places = slice(len(start), len(start) + len(ids))
            log_probs = model.logits(features[row, own_places]).log_softmax(-1)  # [tokens, vocab]
            best = log_probs.topk(min(num_likely, log_probs.shape[1]))
            own = log_probs.gather(1, torch.tensor(ids, device=log_probs.device)[:, None])[:, 0]
            found[i] = Inspected(
                tuple(ids),
                tuple(own.tolist()),
                tuple(
                    tuple(zip(names, probs, strict=True))
                    for names, probs in zip(best.indices.tolist(), best.values.exp().tolist(), strict=True)
                ),
                tuple(map(tuple, attention[row, own_places, : len(src_ids[i]) + 1].tolist())),
            )
    return [found[i] for i in range(len(src_ids))]
