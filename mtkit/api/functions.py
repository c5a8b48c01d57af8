"""The commands as functions: `evaluate_texts`, `prepare_data` and `train_model`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mtkit.api.given import check_choice

if TYPE_CHECKING:
    from mtkit.config.fixed import MetricName
    from mtkit.config.load import Loaded
    from mtkit.data.prepare.prepare import PrepareReport
    from mtkit.metrics.surface import Score
    from mtkit.train.watch.monitor import Event, Finished


def evaluate_texts(
    hyps: Sequence[str],
    refs: Sequence[str] | Sequence[Sequence[str]],
    metrics: Sequence[MetricName] = ("bleu", "chrf"),
    *,
    tgt_lang: str = "",
    srcs: Sequence[str] | None = None,
    confidence: bool = False,
) -> list[Score]:
    """The scores of translations, in the order of `metrics`, each with its signature.

    Args:
        hyps: detokenised translations.
        refs: one reference for each translation, or several such lists.
        metrics: names of metrics; `mtkit evaluate --help` lists them.
        tgt_lang: language of the translations; decides how BLEU splits words.
        srcs: the sources, for metrics that need them.
        confidence: add the 95 % interval of each score, from 1,000 bootstrap samples.

    Raises:
        InputError: the numbers of translations and references differ, or there are none.
    """
    from mtkit.config.fixed import METRIC_NAMES
    from mtkit.metrics.surface import score_corpus

    for name in metrics:
        check_choice("metrics", name, METRIC_NAMES)
    versions = [refs] if not refs or isinstance(refs[0], str) else refs
    first, *more = [[str(ref) for ref in version] for version in versions]
    return score_corpus(hyps, first, metrics, tgt_lang, srcs, more, resamples=1000 if confidence else 0)


def prepare_data(
    config: str | Path | Sequence[str | Path], overrides: Sequence[str] = (), *, force: bool = False
) -> PrepareReport:
    """`mtkit prepare`: cleans and tokenizes the corpora of a config, unless that is done.

    Args:
        config: a YAML file, or several that are merged.
        overrides: `KEY=VALUE`, as on the command line.
        force: prepare again even if the data are up to date.

    Raises:
        ConfigError: the config is invalid; lists every problem.
        InputError: a corpus is missing or unusable.
    """
    from mtkit.config.refuse import refuse
    from mtkit.data.prepare.check_sources import faults_of_sources
    from mtkit.data.prepare.prepare import prepare
    from mtkit.data.prepare.prepared import has_settings

    loaded = _loaded(config, overrides)
    refuse(loaded, () if has_settings(loaded.config) and not force else faults_of_sources(loaded.config))
    return prepare(loaded.config, force=force)


def train_model(
    config: str | Path | Sequence[str | Path],
    overrides: Sequence[str] = (),
    *,
    listen: Callable[[Event], None] = lambda event: None,
    stop: Callable[[], bool] = lambda: False,
) -> Finished:
    """`mtkit train`: prepares the data if necessary, trains or resumes, and exports the model.

    Args:
        config: a YAML file, or several that are merged.
        overrides: `KEY=VALUE`, as on the command line.
        listen: called with each event, such as a validation.
        stop: asked after each step; once it returns true, everything is saved and `StoppedError` is raised.

    Raises:
        ConfigError: the config is invalid; lists every problem.
        InputError: a corpus or the run folder is unusable.
        StoppedError: `stop` returned true. The same call resumes.
    """
    from mtkit.config.refuse import refuse
    from mtkit.convert.run import export_finished
    from mtkit.data.prepare.check_sources import faults_of_sources
    from mtkit.data.prepare.prepare import prepare
    from mtkit.data.prepare.prepared import has_settings, open_prepared
    from mtkit.disk.lock import only_writer
    from mtkit.evaluate.confidence_fit import fit_finished
    from mtkit.evaluate.model_card import write_card
    from mtkit.runs.layout import open_run
    from mtkit.train.machine.distributed import World
    from mtkit.train.requirements import faults_of_training
    from mtkit.train.settle import settle_run
    from mtkit.train.trainer import train

    loaded = _loaded(config, overrides)
    asked = loaded.config
    sources = () if has_settings(asked) else faults_of_sources(asked)
    refuse(loaded, (*sources, *faults_of_training(asked)))
    open_run(asked.run)
    with only_writer(asked.run):
        prepare(asked, locked=True)
        prepared = open_prepared(asked)
        settled, _ = settle_run(asked, prepared, World())
        finished = train(settled, prepared, listen, stop)
        fit_finished(finished.folder, prepared, settled, lambda _: None, stop)
        export_finished(finished.folder, settled.export, lambda _: None)
        write_card(settled.run, settled.card)
    return finished


def _loaded(config: str | Path | Sequence[str | Path], overrides: Sequence[str]) -> Loaded:
    from mtkit.config.load import load_config

    paths = [config] if isinstance(config, str | Path) else config
    return load_config([Path(path) for path in paths], overrides)
