"""Fits how certain a model's translations are, to chrF or to human labels. Does not import torch itself."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtkit.config.schema import Config
from mtkit.data.prepare.prepared import Prepared
from mtkit.disk.amend import add_file
from mtkit.errors import InputError, MtkitError
from mtkit.evaluate.confidence_quality import Array, scored_texts
from mtkit.metrics.regression import PENALTIES, ridge, rising_curve
from mtkit.runs.exports import CONFIDENCE, export_of
from mtkit.translate.confidence import MAX_DEVIATIONS, Confidence, Meaning, features
from mtkit.translate.open import open_finished
from mtkit.translate.request import Request, Source
from mtkit.translate.translator import Translator

LEAST = 50
"""Fewest translations that confidence is fitted to."""
MOST, MOST_SPOILED = 750, 250
"""Most validation pairs that are translated for it, and most of those with a spoiled source besides."""
SPOILED_SHARES = (0.15, 0.3, 0.5, 0.8)
"""Shares of the words that are spoiled in them."""
_CONSTANT = 1e-9

Say = Callable[[str], None]


class FitExample(NamedTuple):
    """A translation whose quality is known.

    Attributes:
        values: its features.
        quality: from 0 to 1.
    """

    values: Sequence[float]
    quality: float


def fit_confidence(
    examples: Sequence[FitExample], meaning: Meaning, penalties: Sequence[float] = PENALTIES
) -> Confidence:
    """The estimate that fits the examples: a ridge regression on features and squares, made monotone.

    The curve is fitted to predictions for left-out examples, hence it knows how wrong the regression is on
    text that it has not seen.

    Raises:
        InputError: there are too few examples, or all have the same quality.
    """
    if len(examples) < LEAST:
        raise InputError(
            f"{len(examples):,} translations have a score, expected {LEAST} or more.",
            "Add more of them.",
        )
    qualities = np.array([example.quality for example in examples])
    if np.ptp(qualities) < _CONSTANT:
        raise InputError(
            f"all {len(examples):,} translations have the same score.",
            "Add translations with other scores.",
        )
    # 1. Standardise the features: [examples, features].
    values = np.array([example.values for example in examples])
    means, scales = values.mean(axis=0), values.std(axis=0)
    scales[scales < _CONSTANT] = 1.0
    z: Array = np.clip((values - means) / scales, -MAX_DEVIATIONS, MAX_DEVIATIONS)
    # 2. Regress on them and their squares.
    found = ridge(np.hstack([z, z**2]), qualities, penalties)
    linear, squared = np.split(found.weights, 2)
    # 3. Make it monotone.
    raw, curve = rising_curve(found.left_out, qualities)
    return Confidence(
        meaning=meaning,
        means=tuple(means.tolist()),
        scales=tuple(scales.tolist()),
        linear=tuple(linear.tolist()),
        squared=tuple(squared.tolist()),
        bias=found.bias,
        raw=tuple(raw),
        values=tuple(curve),
        examples=len(examples),
    )


def fit_to_pairs(
    translator: Translator,
    sources: Sequence[Source],
    refs: Sequence[str],
    tgt_lang: str,
    stop: Callable[[], bool] = lambda: False,
) -> Confidence | None:
    """The estimate of sentence chrF that fits the model's translations of some sources, clean and spoiled.

    The spoiled ones teach it how translations look that fail, as they do on text of another domain.

    Args:
        translator: of the model.
        sources: at most some hundreds, since all are translated.
        refs: a reference for each.
        tgt_lang: language of the references.
        stop: called now and then; if it is true, the result is None.

    Raises:
        InputError: see `fit_confidence`.
    """
    if len(sources) < LEAST:  # before any work
        raise InputError(
            f"{len(sources):,} validation pairs, expected {LEAST} or more.",
            "Add some to data.valid.",
        )
    rng = random.Random(0)
    chars = "".join(sorted({char for source in sources for char in source.text if char.isalnum()}))
    chosen = evenly(len(sources), MOST_SPOILED)
    spoiled = [
        sources[place]._replace(
            text=spoil(sources[place].text, SPOILED_SHARES[turn % len(SPOILED_SHARES)], chars, rng),
            number=len(sources) + turn,
        )
        for turn, place in enumerate(chosen)
    ]
    all_refs = [*refs, *(refs[place] for place in chosen)]
    request = Request(token_scores=True)
    found = scored_texts(translator, [*sources, *spoiled], [all_refs], tgt_lang, request, stop)
    if found is None:
        return None
    examples = [
        FitExample(
            features(one.src, one.found.text, one.found.token_scores, translator.coverage), one.quality
        )
        for one in found
    ]
    return fit_confidence(examples, "chrf")


def spoil(text: str, share: float, chars: str, rng: random.Random) -> str:
    """The text with about this share of its words as no model knows them.

    The letters of a word are shuffled. In a text of one word, such as Chinese, characters are replaced.

    Args:
        text: a source.
        share: from 0 to 1.
        chars: characters to draw from.
        rng: draws.
    """
    words = text.split(" ")
    if len(words) == 1:
        return "".join(rng.choice(chars) if chars and rng.random() < share else char for char in text)
    return " ".join("".join(rng.sample(word, len(word))) if rng.random() < share else word for word in words)


def evenly(count: int, most: int) -> list[int]:
    """At most `most` places of `count`, evenly from all of them."""
    chosen = min(count, most)
    return [turn * count // chosen for turn in range(chosen)]


def chosen_pairs(
    srcs: Sequence[str], refs: Sequence[str], tags: Sequence[Sequence[str]] | None = None
) -> tuple[list[Source], list[str]]:
    """At most `MOST` of some pairs, evenly from all of them, as what is translated and the references."""
    chosen = evenly(len(srcs), MOST)
    sources = [Source(srcs[place], place, tags[place] if tags else None) for place in chosen]
    return sources, [refs[place] for place in chosen]


def fit_finished(
    folder: Path, prepared: Prepared, config: Config, say: Say, stop: Callable[[], bool] = lambda: False
) -> None:
    """Adds confidence to the model of a finished training. Failures are reported to `say`, not raised."""
    sources, refs = chosen_pairs(prepared.valid_srcs, prepared.valid_refs, prepared.valid_tags)
    tgt_lang = config.data.languages_of(config.data.valid)[1]
    try:
        translator = open_finished(folder, config.train.device)
        found = fit_to_pairs(translator, sources, refs, tgt_lang, stop)
        if found is not None:
            store_confidence(folder, found)
    except MtkitError as error:
        say(f"confidence not fitted: {error}")


def store_confidence(folder: Path, found: Confidence) -> list[Path]:
    """Writes the estimate into a model folder, and into the export of the model; gives the folders."""
    own = export_of(folder)
    written = [folder, *([own] if own is not None and own != folder else [])]
    for each in written:
        add_file(each, CONFIDENCE, found.to_bytes())
    return written
