"""Translate text: a Unix filter that writes one line for each line read."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from mtkit.cli import console
from mtkit.cli.choices import (
    DEVICE_HELP,
    DEVICES,
    ENGINE_HELP,
    ENGINES,
    MODEL_HELP,
    ON_HELP,
    RAY,
    THREADS_HELP,
    engine_name,
    one_of,
)
from mtkit.cli.quick import Flag
from mtkit.documents.formats import FORMATS, SUFFIXES
from mtkit.errors import UsageError, shortened

if TYPE_CHECKING:
    from mtkit.cli.streams import Flush

INPUT, LINES, RESULT = "Input and output", "Invalid input and bad translations", "Output of each line"
SEARCH, RULES, ENGINE = "Search", "Terms and constraints", "Model and engine"


def _flag(panel: str, text: str = "", *names: str, **more: Any) -> Flag:
    return Flag(panel, text, names, **more)


def describe_search(params: Iterable[Any]) -> None:
    """Says in the help of search flags what `DecodeConfig` says; only help waits for its import."""
    from mtkit.config.decode import DecodeConfig
    from mtkit.config.option_types import bare, choices

    for param in params:
        field = DecodeConfig.model_fields.get(param.name)
        if field is None or param.help:
            continue
        param.help = field.description
        unless = "" if field.default is None else f", else {field.default}"
        param.show_default = f"the config of the run{unless}"
        kind = bare(field.annotation)
        param.metavar = "|".join(choices(kind)) or ("N" if kind is int else "X")


def no_argument(given: Sequence[str]) -> UsageError:
    """For a text or files that are given as arguments."""
    if Path(given[0]).suffix in SUFFIXES or os.path.lexists(given[0]):
        hint = f"To translate a file: mtkit translate -i {shlex.quote(given[0])}"
    else:
        hint = f"To translate a text: echo {shlex.quote(' '.join(given))} | mtkit translate"
    return UsageError(f"unexpected argument: {shortened(given[0])}.", hint)


def translate(
    model: Annotated[
        list[Path] | None,
        _flag(ENGINE, f"{MODEL_HELP} Repeat to translate with an ensemble.", "--model", "-m", metavar="PATH"),
    ] = None,
    adapter: Annotated[
        list[str] | None,
        _flag(
            ENGINE,
            "Add an adapter (train.lora) of the model, with weight 1 unless another is given; repeatable.",
            metavar="FOLDER[=WEIGHT]",
        ),
    ] = None,
    engine: Annotated[str, _flag(ENGINE, f"{ENGINE_HELP} [default: auto]", metavar=ENGINES)] = "auto",
    device: Annotated[str, _flag(ENGINE, f"{DEVICE_HELP} [default: auto]", metavar=DEVICES)] = "auto",
    threads: Annotated[int | None, _flag(ENGINE, THREADS_HELP, low=1, metavar="N")] = None,
    tags: Annotated[
        list[str] | None,
        _flag(
            ENGINE,
            "Tag to put before each source, such as 2fr or domain:legal; repeatable.",
            "--tag",
            metavar="TAG",
        ),
    ] = None,
    sources: Annotated[
        list[Path] | None,
        _flag(
            INPUT,
            "File to translate; .gz, .bz2, .xz and .zst files are decompressed. Repeat it, or name a folder, "
            "to translate several into the folder OUTPUT. Default: -, standard input.",
            "--input",
            "-i",
            metavar="PATH",
        ),
    ] = None,
    target: Annotated[
        Path | None,
        _flag(
            INPUT,
            "File to write, compressed if it ends in .gz, .bz2, .xz or .zst; it appears when it is complete. "
            "With several inputs, a new folder. Default: -, standard output.",
            "--output",
            "-o",
            metavar="PATH",
        ),
    ] = None,
    resume: Annotated[
        bool,
        _flag(
            INPUT,
            "Resume an interrupted translation from OUTPUT.partial, or in the folder OUTPUT. Requires "
            "--input and --output.",
            "--resume",
        ),
    ] = False,
    part: Annotated[
        str | None,
        _flag(
            INPUT,
            "Translate only part K of N of a large input, which can be resumed, and keep it beside OUTPUT.",
            metavar="K/N",
        ),
    ] = None,
    join: Annotated[
        int | None,
        _flag(INPUT, "Join the N parts of an input that were translated with --part.", low=1, metavar="N"),
    ] = None,
    on: Annotated[str | None, _flag(RAY, ON_HELP, metavar="ray")] = None,
    workers: Annotated[
        int,
        _flag(
            RAY,
            "Processes that translate parts of the input, each with its part of the cores, or with THREADS. "
            "[default: 1]",
            low=1,
            metavar="N",
        ),
    ] = 1,
    kind: Annotated[
        str,
        _flag(
            INPUT,
            "Format of the input and the output. auto: by the name of the file; text for standard input. "
            "[default: auto]",
            "--format",
            metavar="|".join(("auto", *FORMATS)),
        ),
    ] = "auto",
    encoding: Annotated[
        str,
        _flag(
            INPUT,
            "Encoding of input and output, such as utf-16 or windows-1252. auto: by the byte order mark of a "
            "file, else utf-8. [default: auto]",
            metavar="NAME",
        ),
    ] = "auto",
    ignore_language: Annotated[
        bool,
        _flag(
            INPUT,
            "Translate documents that declare other languages than the model's.",
            "--ignore-language",
        ),
    ] = False,
    column: Annotated[
        str,
        _flag(
            INPUT,
            "tsv and csv: column of the text, by number from 1 or by name. [default: 1]",
            metavar="COLUMN",
        ),
    ] = "1",
    field: Annotated[
        str, _flag(INPUT, "jsonl only: dotted path of the text. [default: text]", metavar="FIELD")
    ] = "text",
    bilingual: Annotated[
        bool,
        _flag(
            INPUT,
            "Keep the original beside each translation, in text, tsv, csv, srt, vtt, ass, html and docx.",
            "--bilingual",
        ),
    ] = False,
    fuzzy: Annotated[bool, _flag(INPUT, "po only: mark translations as fuzzy.", "--fuzzy")] = False,
    redo_fuzzy: Annotated[
        bool, _flag(INPUT, "po only: translate messages marked as fuzzy again.", "--redo-fuzzy")
    ] = False,
    split: Annotated[str | None, _flag(INPUT)] = None,
    flush: Annotated[
        str,
        _flag(
            INPUT,
            "When to write translations. auto: when the sender pauses. line: after each line. batch: when a "
            "window of lines is full, which is the fastest. [default: auto]",
            metavar="auto|line|batch",
        ),
    ] = "auto",
    quiet: Annotated[bool, _flag(INPUT, "Print only translations and errors.", "--quiet", "-q")] = False,
    invalid: Annotated[
        str,
        _flag(
            LINES,
            "Bytes that are not UTF-8. replace: read them as U+FFFD and count them. error: stop. "
            "[default: replace]",
            metavar="replace|error",
        ),
    ] = "replace",
    on_error: Annotated[
        str,
        _flag(
            LINES,
            "Lines without the column or field, and lines on which the engine fails. fail: stop. blank: "
            "write an empty translation. source: copy the source. [default: fail]",
            metavar="fail|blank|source",
        ),
    ] = "fail",
    strict: Annotated[
        bool,
        _flag(
            LINES,
            "Repair nothing: stop at lines that are not UTF-8, are too long for the model, or lack the "
            "column or field.",
            "--strict",
        ),
    ] = False,
    guard: Annotated[
        bool,
        _flag(
            LINES,
            "Search again if a translation loops, copies its source or is cut off. [default: guard]",
        ),
    ] = True,
    min_confidence: Annotated[
        float | None,
        _flag(
            LINES,
            "Count lines whose translation has a confidence below X, from 0 to 1, and treat them as "
            "--on-unsure says.",
            metavar="X",
        ),
    ] = None,
    on_unsure: Annotated[
        str,
        _flag(
            LINES,
            "Lines below --min-confidence. report: only note them. blank: write an empty translation. "
            "source: copy the source. [default: report]",
            metavar="report|blank|source",
        ),
    ] = "report",
    method: Annotated[str | None, _flag(SEARCH)] = None,
    beam_size: Annotated[int | None, _flag(SEARCH)] = None,
    length_penalty: Annotated[float | None, _flag(SEARCH)] = None,
    patience: Annotated[float | None, _flag(SEARCH)] = None,
    diversity_groups: Annotated[int | None, _flag(SEARCH)] = None,
    diversity_penalty: Annotated[float | None, _flag(SEARCH)] = None,
    num_samples: Annotated[int | None, _flag(SEARCH)] = None,
    top_k: Annotated[int | None, _flag(SEARCH)] = None,
    top_p: Annotated[float | None, _flag(SEARCH)] = None,
    epsilon_cutoff: Annotated[float | None, _flag(SEARCH)] = None,
    temperature: Annotated[float | None, _flag(SEARCH)] = None,
    seed: Annotated[int | None, _flag(SEARCH)] = None,
    glossary: Annotated[
        Path | None,
        _flag(
            RULES,
            "Glossary of terms to use: TSV or CSV with a source and a target term per row, or TBX.",
            metavar="FILE",
        ),
    ] = None,
    glossary_mode: Annotated[
        str,
        _flag(
            RULES,
            "soft: write terms into the source, for a model trained with data.terms. hard: constrain the "
            "search. auto: soft with such a model, then hard where a translation lacks a term; hard with "
            "others. [default: auto]",
            metavar="auto|soft|hard",
        ),
    ] = "auto",
    memory: Annotated[
        list[Path] | None,
        _flag(
            RULES,
            "Translation memory: lines and sentences that are in it get its translation. TMX, TSV, CSV, JSON "
            "lines, XLIFF or PO; repeatable, the last file counts.",
            metavar="FILE",
        ),
    ] = None,
    min_match: Annotated[
        float | None,
        _flag(
            RULES,
            "Least similarity of the fuzzy matches in --memory that the model is given; 1 for exact matches "
            "only. Default: that of data.memory if the model was trained with it, otherwise 1.",
            metavar="NUMBER",
        ),
    ] = None,
    terms: Annotated[
        str,
        _flag(
            RULES,
            'jsonl only: dotted path of terms for that line, {"source term": "target term"}.',
            metavar="FIELD",
        ),
    ] = "",
    target_prefix: Annotated[
        str, _flag(RULES, "Start every translation with this text.", metavar="TEXT")
    ] = "",
    banned: Annotated[
        Path | None,
        _flag(RULES, "File of phrases, one per line, that no translation may contain.", metavar="FILE"),
    ] = None,
    min_len: Annotated[int | None, _flag(RULES)] = None,
    no_repeat_ngram_size: Annotated[int | None, _flag(RULES)] = None,
    repetition_penalty: Annotated[float | None, _flag(RULES)] = None,
    n_best: Annotated[
        int,
        _flag(
            RESULT,
            "Number of translations per line. Above 1, they are printed as `number ||| text ||| score`. "
            "[default: 1]",
            low=1,
            metavar="N",
        ),
    ] = 1,
    as_json: Annotated[
        bool,
        _flag(RESULT, "Print a JSON object per line, with its number, translations and scores.", "--json"),
    ] = False,
    scores: Annotated[bool, _flag(RESULT, "Append a tab and the score.", "--scores")] = False,
    token_scores: Annotated[
        bool, _flag(RESULT, "Append a tab and the log-probability of each token.", "--token-scores")
    ] = False,
    alignment: Annotated[
        bool, _flag(RESULT, "Append a tab and the word alignment, such as 0-0 1-2.", "--alignment")
    ] = False,
    confidence: Annotated[
        bool, _flag(RESULT, "Append a tab and the expected quality, sentence chrF / 100.", "--confidence")
    ] = False,
) -> None:
    """Translate text line by line, or documents with their markup.

    Each line of text gives one line of output. Search options default to the `decode`
    section of the run's config.

    \b
    Examples:
      mtkit translate < input.txt > output.txt
      mtkit translate -i big.txt.gz -o big.out.txt --resume
      mtkit translate -i docs/ -o docs.fr/
      mtkit translate --format jsonl --field en.text < in.jsonl > out.jsonl
    """
    from mtkit.cli.translate_asked import (
        check_single,
        divided_part,
        members_of,
        read_adapter,
        read_phrases,
        say_notes,
        with_memory,
    )
    from mtkit.cli.translate_folder import run_folder
    from mtkit.cli.translate_run import run, run_join, run_resumable
    from mtkit.runs.find import find_model, languages_of, read_model
    from mtkit.translate.input import AUTO, Input
    from mtkit.translate.job import asked_job, job
    from mtkit.translate.many_files import OutputFolder
    from mtkit.translate.open import open_translator
    from mtkit.translate.recoding import check_encoding
    from mtkit.translate.request import Request
    from mtkit.translate.term_files import read_glossary

    if quiet:
        console.set_up(quiet=True, debug=console.state.debug)
    search = {
        "split": split,
        "method": method,
        "beam_size": beam_size,
        "length_penalty": length_penalty,
        "patience": patience,
        "diversity_groups": diversity_groups,
        "diversity_penalty": diversity_penalty,
        "num_samples": num_samples,
        "top_k": top_k,
        "top_p": top_p,
        "epsilon_cutoff": epsilon_cutoff,
        "temperature": temperature,
        "seed": seed,
        "min_len": min_len,
        "no_repeat_ngram_size": no_repeat_ngram_size,
        "repetition_penalty": repetition_penalty,
        "banned": read_phrases(banned) if banned else None,
        "tags": tags or None,
    }
    found, *others = models = [find_model(path) for path in model or (None,)]
    adapters = [read_adapter(text) for text in adapter or ()]
    request = Request(
        search={name: value for name, value in search.items() if value is not None},
        n_best=n_best,
        scores=scores,
        token_scores=token_scores,
        alignment=alignment,
        confidence=confidence,
        min_confidence=min_confidence,
        min_match=min_match,
        on_unsure=one_of("--on-unsure", on_unsure, ("report", "blank", "source")),
        as_json=as_json,
        prefix=target_prefix,
        glossary=read_glossary(glossary, languages_of(models[0].folder)) if glossary else None,
        own_terms=bool(terms),
        glossary_mode=one_of("--glossary-mode", glossary_mode, ("auto", "soft", "hard")),
        guard=guard,
        invalid="error" if strict else one_of("--invalid", invalid, ("error", "replace")),
        on_error="fail" if strict else one_of("--on-error", on_error, ("fail", "blank", "source")),
        strict=strict,
    )
    sources = [] if sources == [Path("-")] else sources or []
    several = len(sources) > 1 or any(path.is_dir() for path in sources)
    source, target = (sources[0] if sources else None), (None if target == Path("-") else target)
    encoding = encoding if encoding == AUTO else check_encoding(encoding)
    base = Input(source, kind, column, field, terms, fuzzy, redo_fuzzy, encoding, ignore_language, bilingual)
    when: Flush = one_of("--flush", flush, ("auto", "line", "batch"))
    input = base if several else base.settled()
    own = divided_part(input, target, part, join, on, workers, several=several, resume=resume)
    members = members_of(sources, target, kind) if several else []
    if not several:
        flag = "--on ray" if on else "--resume" if resume and part is None and join is None else ""
        check_single(input, request, target, flag, glossary, banned, memory or ())
    if target is not None and (on or join):
        if on:
            _on_ray(locals(), target, workers)
        else:
            wanted = asked_job(input, request, models, glossary, (), adapters, memory or ())
            run_join(input, target, join or 0, wanted)
        return
    console.say(f"model: {found}{''.join(f' + {other}' for other in others)}")
    translator = read_model(
        found.run,
        lambda folder: open_translator(
            folder,
            request,
            device=device,
            engine=engine_name(engine),
            others=[other.folder for other in others],
            threads=threads,
            adapters=adapters,
        ),
    )
    request = with_memory(request, memory or (), translator)
    account = input.account()
    this = partial(job, translator, input, request, models, glossary, adapters=adapters, memory=memory or ())
    if several:
        assert target is not None
        output = OutputFolder(target, this(sources=sources), resume)
        run_folder(translator, input, members, output, target, request, account)
    elif (resume or own) and target is not None:
        run_resumable(translator, input, target, request, account, when, this(part=own), own)
    else:
        run(translator, input, target, request, account, when)
    say_notes(account, with_terms=bool(glossary or terms))


def _on_ray(known: Mapping[str, Any], target: Path, workers: int) -> None:
    """Translates on Ray; `known` has the arguments of `translate` by name, among others."""
    from inspect import signature

    from mtkit.cli.translate_on_ray import translate_on_ray

    given = {name: known[name] for name in signature(translate).parameters}
    given["model"] = given["model"] or [known["found"].run]  # workers may have another environment
    translate_on_ray(given, target, workers)
