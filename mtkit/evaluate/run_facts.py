"""What is known of a run: its config, data, curves, scores, samples and environment. Does not use torch.

Nothing is computed anew but confidence intervals, from the translations that are stored.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import mtkit
from mtkit.config.fixed import FORMS, METRIC_NAMES, FormName
from mtkit.config.schema import Config
from mtkit.cores import num_cores
from mtkit.data.prepare.prepared import read_data_manifest
from mtkit.data.prepare.report import read_report
from mtkit.data.read.lines import read_lines
from mtkit.disk.manifest import MANIFEST
from mtkit.disk.reading import read_object, using
from mtkit.engine.threads import cpu_flags
from mtkit.errors import MtkitError
from mtkit.evaluate.buckets import Breakdown
from mtkit.evaluate.confidence_quality import ConfidenceQuality
from mtkit.evaluate.evaluate import Texts, read_sets
from mtkit.evaluate.record import read_scores
from mtkit.evaluate.stored_looks import read_looks
from mtkit.evaluate.stored_reliability import read_reliability
from mtkit.metrics.surface import METRICS, inputs_of, score_corpus, segment_scores
from mtkit.runs.find import config_of, model_folder
from mtkit.runs.layout import DATA, EVALUATE, MODEL, SCORES, inside
from mtkit.train.watch.curves import Panel, read_panels

FORMAT, VERSION = "mtkit-run-report", 1
NUM_SAMPLES = 5
"""Worst, and best, translations of a test set that are shown."""
RESAMPLES = 1000
_PACKAGES = ("torch", "ctranslate2", "sentencepiece", "sacrebleu")
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


@dataclass(frozen=True, slots=True)
class StoredScore:
    """A score of a test set, as `mtkit evaluate` stored it.

    Attributes:
        metric: its name.
        value: from 0 to 100 for most metrics.
        signature: how it was computed.
        form: signature of the form of the texts; None if they are as they were.
        margin: half of the 95 % confidence interval; None if it is not known.
    """

    metric: str
    value: float
    signature: str
    form: str | None = None
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class SampleLine:
    """A translation with its sentence chrF."""

    number: int
    src: str
    ref: str
    hyp: str
    chrf: float


@dataclass(frozen=True, slots=True)
class SetFacts:
    """A model on a test set.

    Attributes:
        test: name of the test set.
        model: folder of the model, relative to the run.
        num_pairs: number of translations.
        engine: that translated.
        search: search options that differ from their defaults.
        leaked: pairs with a side that is in the training data; None if unknown.
        scores: as they are stored.
        breakdowns: closer looks that were stored.
        worst: the translations with the lowest sentence chrF.
        best: those with the highest.
        note: why there are no samples; empty if there are.
    """

    test: str
    model: str
    num_pairs: int
    engine: str
    search: Mapping[str, Any]
    leaked: int | None
    scores: tuple[StoredScore, ...]
    breakdowns: tuple[Breakdown, ...] = ()
    worst: tuple[SampleLine, ...] = ()
    best: tuple[SampleLine, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a run; a part that is missing is empty, and its note says why.

    Attributes:
        run: the run folder.
        config: of its newest model, or of the config that was named.
        model: its newest model, relative to the run; empty if there is none.
        fingerprints: of data, tokenizer and model, by name.
        data: the content of the report of prepare.
        curves: learning curves.
        tests: results of test sets.
        environment: versions, and the machine on which this was written.
        notes: what is missing or cannot be read, by section.
        reliability: how well the confidence of the model agrees with quality, by test set.
    """

    run: Path
    config: Config | None
    model: str
    fingerprints: Mapping[str, str]
    data: Mapping[str, Any] | None
    curves: Sequence[Panel]
    tests: Sequence[SetFacts]
    environment: Mapping[str, str]
    notes: Mapping[str, str] = field(default_factory=dict)
    reliability: Mapping[str, ConfidenceQuality] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The facts as values for `json.dump`."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "run": str(self.run),
            "config": self.config.model_dump(mode="json") if self.config else None,
            "model": self.model or None,
            "fingerprints": dict(self.fingerprints),
            "data": self.data,
            "curves": [asdict(panel) for panel in self.curves],
            "tests": [asdict(test) for test in self.tests],
            "reliability": {test: asdict(quality) for test, quality in self.reliability.items()},
            "environment": dict(self.environment),
            "notes": dict(self.notes),
        }


def read_facts(run: Path, config: Config | None = None, *, details: bool = True) -> RunFacts:
    """The facts of a run folder, whatever is there of it.

    Args:
        run: the folder.
        config: of the run; that of its newest model if None.
        details: whether curves, intervals, samples and closer looks are read too, which takes longer.
    """
    notes: dict[str, str] = {}
    model = model_folder(run)
    if config is None and model is not None:
        try:
            config = config_of(model)
        except MtkitError as error:
            notes["config"] = str(error)
    if config is None:
        notes.setdefault("config", "The run has no model yet, so its config is not known. Name the config.")
    data: dict[str, Any] | None = None
    try:
        data = read_report(inside(run, DATA))
    except FileNotFoundError:
        notes["data"] = "The data are not prepared. Run `mtkit prepare CONFIG`."
    except MtkitError as error:
        notes["data"] = str(error)
    curves: Sequence[Panel] = ()
    try:
        curves = read_panels([run]) if details else ()
    except MtkitError:
        notes["curves"] = "There are no measurements yet. Run `mtkit train CONFIG`."
    if model != run / MODEL:
        notes["model"] = "The training has not ended. Run `mtkit train CONFIG`."
    tests: list[SetFacts] = []
    try:
        tests = [
            _with_details(run, config, entry) if details else _test(run, entry) for entry in read_scores(run)
        ]
        if not tests:
            notes["scores"] = f"No test set was scored. Run `mtkit evaluate {run if model else 'CONFIG'}`."
    except MtkitError as error:
        notes["scores"] = str(error)
    name = model.relative_to(run).as_posix() if model else ""
    reliability: Mapping[str, ConfidenceQuality] = {}
    try:
        reliability = read_reliability(run, name) if name else {}
    except MtkitError as error:
        notes["reliability"] = str(error)
    if not reliability:
        notes.setdefault(
            "reliability", f"Not measured. Run `mtkit confidence check {run if model else 'CONFIG'}`."
        )
    prints, environment = _fingerprints(run, model), _environment(model)
    return RunFacts(run, config, name, prints, data, curves, tests, environment, notes, reliability)


def _fingerprints(run: Path, model: Path | None) -> dict[str, str]:
    found = {}
    try:
        manifest = read_data_manifest(inside(run, DATA))
        found = {"data": str(manifest["fingerprint"]), "tokenizer": str(manifest["tokenizer"])}
    except (OSError, MtkitError, LookupError, TypeError):
        pass  # the data section says so
    if model and (digest := _manifest(model).get("digest")):
        found["model"] = str(digest)
    return found


def _manifest(model: Path) -> dict[str, Any]:
    try:
        return read_object(model / MANIFEST)
    except (OSError, MtkitError):
        return {}


def _environment(model: Path | None) -> dict[str, str]:
    """The versions that trained, and those and the machine that write the report."""
    found = {"mtkit": mtkit.__version__, "Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    flags = set(cpu_flags())
    found |= {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": f"{num_cores()} of {os.cpu_count() or '?'} usable",
        "instructions": " ".join(name for name in _FLAGS if name in flags) or "unknown",
        "threads": os.environ.get("OMP_NUM_THREADS", "by the number of cores"),
    }
    trained = _manifest(model) if model else {}
    names = {"mtkit": "mtkit that trained", "torch": "torch that trained"}
    return {name: str(trained[key]) for key, name in names.items() if key in trained} | found


# ---------------------------------------------------------------- test sets


def _test(run: Path, entry: Mapping[str, Any]) -> SetFacts:
    """What `mtkit evaluate` stored of a test set."""
    with using(inside(run, EVALUATE, SCORES), "Run `mtkit evaluate` again."):
        return SetFacts(
            str(entry["test"]),
            str(entry["model"]),
            int(entry["num_pairs"]),
            str(entry["engine"]),
            dict(entry["search"]),
            entry["leaked"],
            tuple(map(_score, entry["scores"])),
        )


def _with_details(run: Path, config: Config | None, entry: Mapping[str, Any]) -> SetFacts:
    """The same with intervals, samples and closer looks, if the translations still have these scores."""
    facts, hyps_file = _test(run, entry), str(entry.get("hyps"))
    if config is None:
        return replace(facts, note="The config is not known, so samples are not shown.")
    try:
        found = read_sets(config.model_copy(update={"run": run}), [facts.test])[0]
        texts = found.texts(list(read_lines(inside(run, EVALUATE, hyps_file))))
    except (MtkitError, OSError) as error:
        return replace(facts, note=f"Samples are not shown: {' '.join(str(error).split())}")
    if not len(texts.hyps) == len(found.pairs) == facts.num_pairs:
        return replace(facts, note="The test set has changed. Run `mtkit evaluate` again.")
    measured = _with_intervals(facts.scores, texts)
    if measured is None:
        return replace(
            facts, note="The translations or the test set have changed. Run `mtkit evaluate` again."
        )
    worst, best = _samples(texts)
    looks = read_looks(run, facts.model, facts.test, texts.hyps)
    return replace(facts, scores=measured, breakdowns=tuple(looks), worst=worst, best=best)


def _score(values: Mapping[str, Any]) -> StoredScore:
    interval = values.get("interval")
    return StoredScore(
        str(values["metric"]),
        float(values["value"]),
        str(values["signature"]),
        values.get("form"),
        float(interval["margin"]) if interval else None,
    )


def _with_intervals(scores: Sequence[StoredScore], texts: Texts) -> tuple[StoredScore, ...] | None:
    """The scores with intervals where they lack one; None if the texts do not have these scores."""
    first, *more = texts.refs
    found = []
    for score in scores:
        form = _form(score.form)
        if score.metric not in METRIC_NAMES or form is None:
            found.append(score)
            continue
        name = METRIC_NAMES[METRIC_NAMES.index(score.metric)]
        resamples = RESAMPLES if score.margin is None else 0
        (anew,) = score_corpus(texts.hyps, first, [name], texts.tgt_lang, texts.srcs, more, form, resamples)
        if abs(anew.value - score.value) > 1e-6:
            return None
        margin = anew.interval.margin if anew.interval else score.margin
        signature = anew.signature if anew.interval else score.signature
        found.append(StoredScore(score.metric, score.value, signature, score.form, margin))
    return tuple(found)


def _form(signature: str | None) -> FormName | None:
    """The name of the form of a signature; None for one that this mtkit does not know."""
    wanted = "raw" if signature is None else signature.partition("|")[0]
    return next((name for name in FORMS if name == wanted), None)


def _samples(texts: Texts) -> tuple[tuple[SampleLine, ...], tuple[SampleLine, ...]]:
    """The worst and the best translations, none of them twice."""
    values = segment_scores(METRICS["chrf"], texts.hyps, inputs_of(texts.refs, texts.srcs), texts.tgt_lang)
    order = sorted(range(len(values)), key=lambda place: (values[place], place))
    count = min(NUM_SAMPLES, len(order) // 2)
    srcs = texts.srcs or [""] * len(order)

    def line(place: int) -> SampleLine:
        return SampleLine(
            place + 1, srcs[place], texts.refs[0][place], texts.hyps[place], round(values[place], 2)
        )

    return tuple(map(line, order[:count])), tuple(map(line, order[::-1][:count]))
