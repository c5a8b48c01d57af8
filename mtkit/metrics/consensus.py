"""Which of several translations is most like all others: minimum Bayes risk with chrF. Free of torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ORDER = 6
BETA = 2


def chrf_matrix(texts: Sequence[str]) -> NDArray[np.float64]:
    """SacreBLEU's sentence chrF of each of `texts` as a hypothesis against each as a reference, [hyps, refs].

    Popović 2015: F2 of the mean precision and recall of character n-grams of 1 to 6, spaces apart.
    """
    count = len(texts)
    precision, recall, orders = np.zeros((3, count, count))
    stripped = ["".join(text.split()) for text in texts]
    for n in range(1, ORDER + 1):
        grams = [Counter(text[i : i + n] for i in range(len(text) - n + 1)) for text in stripped]
        places = {gram: place for place, gram in enumerate(set().union(*grams))}
        counts = np.zeros((count, len(places)), np.int32)
        for row, own in enumerate(grams):
            for gram, times in own.items():
                counts[row, places[gram]] = times
        totals = counts.sum(axis=1)
        matches = np.stack([np.minimum(counts, own).sum(axis=1) for own in counts]).astype(np.float64)
        both = (totals[:, None] > 0) & (totals[None, :] > 0)
        precision += np.divide(matches, totals[:, None], out=np.zeros_like(matches), where=both)
        recall += np.divide(matches, totals[None, :], out=np.zeros_like(matches), where=both)
        orders += both
    # The mean of each is over equally many orders, so that sums give the same F-score but for a factor.
    weight = BETA**2
    sums = weight * precision + recall
    score = np.divide((1 + weight) * precision * recall, sums, out=np.zeros_like(sums), where=sums > 0)
    return 100 * np.divide(score, orders, out=np.zeros_like(score), where=orders > 0)


def consensus(texts: Sequence[str]) -> list[float]:
    """The expected chrF of each of `texts`, each being as likely right as it is often among them.

    Eikema and Aziz 2022, equation 4, with `texts` as candidates and as pseudo-references.
    """
    distinct = list(dict.fromkeys(texts))
    often = Counter(texts)
    utility = chrf_matrix(distinct) @ np.array([often[text] for text in distinct]) / len(texts)
    found = dict(zip(distinct, utility.tolist(), strict=True))
    return [found[text] for text in texts]
