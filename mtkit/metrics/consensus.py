"""Minimum Bayes risk: finds the translation most similar to all others, by chrF. Does not use torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ORDER = 6
BETA = 2


def chrf_matrix(texts: Sequence[str]) -> NDArray[np.float64]:
    """[hyps, refs], sentence chrF of each text as hypothesis against each as reference.

    Equals sacreBLEU's. Popović 2015: F2 of the mean precision and mean recall of character n-grams of 1 to 6,
    ignoring spaces.
    """
    count = len(texts)
    precision, recall, orders = np.zeros((3, count, count))
    stripped = ["".join(text.split()) for text in texts]
    for n in range(1, ORDER + 1):
        # 1. The n-grams of each text, counted: [texts, n-grams].
        grams = [Counter(text[i : i + n] for i in range(len(text) - n + 1)) for text in stripped]
        places = {gram: place for place, gram in enumerate(set().union(*grams))}
        counts = np.zeros((count, len(places)), np.int32)
        for row, own in enumerate(grams):
            for gram, times in own.items():
                counts[row, places[gram]] = times
        # 2. Precision and recall of this order, where both texts have n-grams.
        totals = counts.sum(axis=1)  # [texts]
        matches = np.stack([np.minimum(counts, own).sum(axis=1) for own in counts]).astype(np.float64)
        both = (totals[:, None] > 0) & (totals[None, :] > 0)
        precision += np.divide(matches, totals[:, None], out=np.zeros_like(matches), where=both)
        recall += np.divide(matches, totals[None, :], out=np.zeros_like(matches), where=both)
        orders += both
    # 3. Precision and recall are summed over the same orders, so the F-score of the sums is the F-score of
    #    the means times the number of orders.
    weight = BETA**2
    sums = weight * precision + recall
    score = np.divide((1 + weight) * precision * recall, sums, out=np.zeros_like(sums), where=sums > 0)
    return 100 * np.divide(score, orders, out=np.zeros_like(score), where=orders > 0)


def consensus(texts: Sequence[str]) -> list[float]:
    """The expected chrF of each text, taking the relative frequencies of the texts as probabilities.

    Eikema and Aziz 2022, equation 4, with `texts` both as candidates and as pseudo-references.
    """
    distinct = list(dict.fromkeys(texts))
    count = Counter(texts)
    utility = chrf_matrix(distinct) @ np.array([count[text] for text in distinct]) / len(texts)
    found = dict(zip(distinct, utility.tolist(), strict=True))
    return [found[text] for text in texts]
