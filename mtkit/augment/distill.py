"""Training pairs with the translations of a teacher (Kim and Rush 2016, sequence-level interpolation)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from mtkit.augment.pair_folder import PAIRS_AT_ONCE, PairFolder, Report, Row
from mtkit.config.data import DataConfig
from mtkit.config.schema import Config
from mtkit.data.prepare.prepared import Prepared, train_name
from mtkit.data.prepare.shard_texts import TrainingText
from mtkit.data.prepare.shards import Shard
from mtkit.disk.partial import Job
from mtkit.errors import UsageError
from mtkit.metrics.surface import METRICS, inputs_of, segment_scores
from mtkit.runs.find import Found
from mtkit.translate.job import decisions
from mtkit.translate.request import Request, Source, Translation
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Window

N_BEST = 8


def teacher_request(translator: Translator, data: DataConfig, n_best: int = N_BEST) -> Request:
    """Asks for the `n_best` best translations of a beam that is wide enough for them.

    Raises:
        UsageError: the teacher does not know a tag of a corpus.
    """
    translator.tokenizer.tag_ids(data.tags)
    wide = max(n_best, translator.options.beam_size if translator.options.method == "beam" else 0)
    return Request(search={"method": "beam", "beam_size": wide}, n_best=n_best)


def table_names(prepared: Prepared) -> list[str]:
    """The name of the table of each training corpus."""
    return [f"{train_name(number)}.tsv" for number in range(len(prepared.train))]


def distillation_job(
    translator: Translator, request: Request, models: Sequence[Found], prepared: Prepared
) -> Job:
    """Everything that decides the pairs."""
    decided = decisions(translator, request, models)
    return {"the training data": prepared.fingerprint, "--n-best": request.n_best, **decided}


def check_form(config: Config) -> None:
    """Refuses prepared data from which texts cannot be read back.

    Raises:
        UsageError: spans are protected, and the data have only symbols in their place.
    """
    if config.text.protect:
        raise UsageError(
            "text.protect: the prepared data have symbols in place of protected text, so sources are lost.",
            "Prepare without it, into another run: add run=runs/plain 'text.protect=[]', and name the "
            "teacher with -m.",
        )


def distill(
    translator: Translator,
    request: Request,
    config: Config,
    prepared: Prepared,
    folder: PairFolder,
    report: Report,
) -> None:
    """Writes a table for each training corpus: source, chosen translation, and its sentence chrF.

    Of the translations of a source the one with the highest sentence chrF against the reference is chosen;
    of equal ones the most probable.

    Args:
        translator: of the teacher.
        request: see `teacher_request`.
        config: of the run whose training pairs are translated.
        prepared: its data.
        folder: where the tables go.
        report: called with the pairs made so far.
    """
    training = TrainingText(prepared.train, prepared.tokenizer)
    corpora = zip(table_names(prepared), prepared.train, config.data.corpora, strict=True)
    for name, shard, source in corpora:
        tags, language = config.data.tags_of(source), config.data.languages_of(source)[1]
        windows = partial(_windows, training, shard, tags, language)
        folder.fill(name, partial(_answers, translator, request, windows), report)


def _answers(
    translator: Translator,
    request: Request,
    windows: Callable[[int], Iterator[Window[list[Row]]]],
    begin: int,
) -> Iterator[list[Row]]:
    return translator.results(windows(begin), request)


def _windows(
    training: TrainingText, shard: Shard, tags: Sequence[str], language: str, begin: int
) -> Iterator[Window[list[Row]]]:
    for srcs, refs in training.blocks_of(shard, begin, PAIRS_AT_ONCE):
        sources = [Source(src, number, tags) for number, src in enumerate(srcs, begin)]
        begin += len(srcs)
        yield Window(sources, partial(_rows, srcs, refs, language))


def _rows(
    srcs: Sequence[str],
    refs: Sequence[str],
    language: str,
    found: Sequence[Sequence[Translation]],
) -> list[Row]:
    both = zip(found, refs, strict=True)
    chosen = [closest([one.text for one in own], ref, language) for own, ref in both]
    return [(src, text, f"{score:.2f}") for src, (text, score) in zip(srcs, chosen, strict=True)]


def closest(texts: Sequence[str], ref: str, language: str) -> tuple[str, float]:
    """The text with the highest sentence chrF against the reference, the first of equals; and its chrF."""
    inputs = inputs_of([[ref] * len(texts)], None)
    scores = segment_scores(METRICS["chrf"], texts, inputs, language)
    best = max(range(len(texts)), key=scores.__getitem__)
    return texts[best], scores[best]
