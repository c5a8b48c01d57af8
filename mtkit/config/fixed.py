"""Constants and names that are needed without pydantic."""

from typing import Literal, get_args

LANGUAGE = r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$"
"""Pattern of a language code, such as en, pt-BR or zh-Hans."""
MAX_TOKENS = 512
"""Most source tokens that are translated in one part, with the match from a translation memory."""
WAVE_BASE = 10_000.0
"""Base of the wavelengths of positions, in tables and rotations (Vaswani et al. 2017, section 3.5)."""

MetricName = Literal["bleu", "chrf", "chrf++", "ter", "exact", "length"]
"""Each is an entry of `METRICS` in `metrics/surface.py`."""
METRIC_NAMES: tuple[MetricName, ...] = get_args(MetricName)
ModelMetricName = Literal["ppl", "accuracy"]
"""Metrics of a model that predicts the references; each is an entry of `MODEL_METRICS`."""
MODEL_METRIC_NAMES: tuple[ModelMetricName, ...] = get_args(ModelMetricName)
FormName = Literal["raw", "moses-lc"]
"""Forms of text in which BLEU is computed; `metrics/moses.py` makes them."""
FORMS: tuple[FormName, ...] = get_args(FormName)
Batching = Literal["random", "by_length"]
"""How pairs are grouped into steps."""
BestMetric = Literal["bleu", "chrf", "chrf++", "ter", "exact", "loss"]
"""Metrics that can choose the best model; a length alone says nothing of it."""
BEST_METRICS: tuple[BestMetric, ...] = get_args(BestMetric)
Division = Literal["item", "length", "frequency", "exposure", "domain", "document"]
"""What divides a test set into buckets; `evaluate/buckets.py` makes them."""
DIVISIONS: tuple[Division, ...] = get_args(Division)

DecodeMethod = Literal["beam", "diverse_beam", "sample", "mbr"]
_SAMPLING = ("num_samples", "top_k", "top_p", "epsilon_cutoff", "temperature", "seed")
OPTIONS_OF_METHOD: dict[DecodeMethod, tuple[str, ...]] = {
    "beam": (),
    "sample": _SAMPLING,
    "mbr": _SAMPLING,
    "diverse_beam": ("diversity_groups", "diversity_penalty"),
}
"""The options of `decode` that have an effect with some methods only."""


def options_of_other_methods(method: object) -> set[str]:
    """The options of `decode` without an effect with this method; none if there is no such method."""
    if not isinstance(method, str) or method not in OPTIONS_OF_METHOD:
        return set()
    groups = OPTIONS_OF_METHOD.items()
    own = {name for key, names in groups if key == method for name in names}
    return {name for _, names in groups for name in names} - own


DATA_SUFFIXES = {
    ".tmx": "tmx",
    **dict.fromkeys((".xlf", ".xliff", ".sdlxliff", ".mqxliff", ".mxliff"), "xliff"),
    **dict.fromkeys((".po", ".pot"), "po"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    **dict.fromkeys((".tsv", ".tab"), "tsv"),
    ".csv": "csv",
}
"""The reader of a file of parallel text, by the suffix of its name."""
