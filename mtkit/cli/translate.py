"""Translate text: a Unix filter, one line out for each line in."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from mtkit.cli import console
from mtkit.cli.choices import ENGINE_HELP, engine_name, one_of

if TYPE_CHECKING:
    import typer

    from mtkit.cli.streams import Flush
else:
    from mtkit.cli.quick import typer  # of which nothing is needed but for help and errors

MODEL_HELP = "A run folder, a model folder or a config file; see above if left out. Several are an ensemble."

INPUT, LINES, RESULT = "Input and output", "Lines that are not in order", "What is shown"
SEARCH, RULES, ENGINE = "Search", "What translations must or must not say", "Model and engine"


def _option(panel: str, text: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel, show_default=False, **more)


def describe_search(params: Iterable[Any]) -> None:
    """Says in the help of search flags what `DecodeConfig` says; only help waits for its import."""
    from mtkit.config.decode import DecodeConfig
    from mtkit.config.fields import bare, choices

    for param in params:
        field = DecodeConfig.model_fields.get(param.name)
        if field is None or param.help:
            continue
        param.help = field.description
        param.show_default = "the run's" + (
            "" if field.default is None else f"; {field.default} unless configured"
        )
        if known := choices(bare(field.annotation)):
            param.metavar = "|".join(known)


def translate(
    model: Annotated[list[Path] | None, _option(ENGINE, MODEL_HELP, "--model", "-m")] = None,
    engine: Annotated[str, _option(ENGINE, ENGINE_HELP)] = "auto",
    device: Annotated[str, _option(ENGINE, "auto, cpu or cuda.")] = "auto",
    tags: Annotated[
        list[str] | None,
        _option(ENGINE, "What each source begins with, as 2fr or domain:legal; repeatable.", "--tag"),
    ] = None,
    source: Annotated[
        Path | None,
        _option(
            INPUT,
            "File to translate; .gz, .bz2, .xz and .zst are decompressed. Standard input if left out or -.",
            "--input",
            "-i",
        ),
    ] = None,
    target: Annotated[
        Path | None,
        _option(
            INPUT, "File to write, whole or not at all. Standard output if left out or -.", "--output", "-o"
        ),
    ] = None,
    resume: Annotated[
        bool,
        _option(
            INPUT,
            "With -i and -o: after an interruption the same command goes on, from OUTPUT.partial.",
            "--resume",
        ),
    ] = False,
    kind: Annotated[
        str,
        _option(INPUT, "text (the default), tsv, jsonl, md, html, srt, po or xliff.", "--format"),
    ] = "text",
    column: Annotated[str, _option(INPUT, "Of tsv: the text's column, by number from 1 or by name.")] = "1",
    field: Annotated[str, _option(INPUT, "Of jsonl: the text's field; text, if left out.")] = "text",
    flush: Annotated[
        str,
        _option(
            INPUT,
            "When to answer. auto: what has come, when the sender pauses; line: each line before the next is "
            "read; batch: full windows only.",
        ),
    ] = "auto",
    quiet: Annotated[bool, _option(INPUT, "Say nothing but errors.", "--quiet", "-q")] = False,
    invalid: Annotated[
        str, _option(LINES, "Bytes that are not UTF-8. replace: read as U+FFFD, and counted; error: stop.")
    ] = "replace",
    on_error: Annotated[
        str,
        _option(
            LINES,
            "A line without the column or field, or at which the engine fails. fail: stop; blank: an empty "
            "line or text stands for it; source: it stays as it is.",
        ),
    ] = "fail",
    strict: Annotated[
        bool,
        _option(
            LINES,
            "Nothing is mended: stop at a line that is not UTF-8, too long for the model, or without text.",
            "--strict",
        ),
    ] = False,
    guard: Annotated[
        bool,
        _option(LINES, "Search again where a translation loops, copies or is cut off; on by default."),
    ] = True,
    method: Annotated[str | None, _option(SEARCH, "")] = None,
    beam_size: Annotated[int | None, _option(SEARCH, "")] = None,
    length_penalty: Annotated[float | None, _option(SEARCH, "")] = None,
    patience: Annotated[float | None, _option(SEARCH, "")] = None,
    diversity_groups: Annotated[int | None, _option(SEARCH, "")] = None,
    diversity_penalty: Annotated[float | None, _option(SEARCH, "")] = None,
    num_samples: Annotated[int | None, _option(SEARCH, "")] = None,
    top_k: Annotated[int | None, _option(SEARCH, "")] = None,
    top_p: Annotated[float | None, _option(SEARCH, "")] = None,
    temperature: Annotated[float | None, _option(SEARCH, "")] = None,
    seed: Annotated[int | None, _option(SEARCH, "")] = None,
    glossary: Annotated[
        Path | None, _option(RULES, "Terms to use: TSV of source and target term, one a line.")
    ] = None,
    terms: Annotated[
        str, _option(RULES, 'Of jsonl: the field of a line\'s own terms, {"source term": "target term"}.')
    ] = "",
    target_prefix: Annotated[str, _option(RULES, "What each translation begins with.")] = "",
    banned: Annotated[Path | None, _option(RULES, "File of phrases, one a line, never to write.")] = None,
    min_len: Annotated[int | None, _option(RULES, "")] = None,
    no_repeat_ngram_size: Annotated[int | None, _option(RULES, "")] = None,
    repetition_penalty: Annotated[float | None, _option(RULES, "")] = None,
    n_best: Annotated[
        int, _option(RESULT, "Translations of each line, as `number ||| text ||| score`.", min=1)
    ] = 1,
    as_json: Annotated[
        bool,
        _option(RESULT, "A JSON object a line: its number, and its hypotheses with their scores.", "--json"),
    ] = False,
    scores: Annotated[bool, _option(RESULT, "A tab and the score after each line.", "--scores")] = False,
    token_scores: Annotated[
        bool, _option(RESULT, "A tab and the log-probability of each token.", "--token-scores")
    ] = False,
    alignment: Annotated[
        bool, _option(RESULT, "A tab and word links such as 0-0 1-2 after each line.", "--alignment")
    ] = False,
) -> None:
    """Translate lines of text, one line out for each line in; or files that keep their markup.

    Without -m the model is that of $MTKIT_MODEL, else of the config in this folder, else of the newest
    run under ./runs. Search options that are left out are those of the run's config.

    \b
    Examples:
      mtkit translate < input.txt > output.txt
      mtkit translate -i big.txt.gz -o big.out.txt --resume
      mtkit translate --format jsonl --field en.text < in.jsonl > out.jsonl

    Exit codes are those of mtkit; 3 is unusable input, such as a line that --strict refuses.
    """
    from mtkit.cli.translate_run import run, run_resumable
    from mtkit.runs.find import find_model, read_model
    from mtkit.translate.glossary import read_glossary
    from mtkit.translate.job import Input, job
    from mtkit.translate.open import open_translator
    from mtkit.translate.request import Request

    if quiet:
        console.set_up(quiet=True, debug=console.state.debug)
    search = {
        "method": method,
        "beam_size": beam_size,
        "length_penalty": length_penalty,
        "patience": patience,
        "diversity_groups": diversity_groups,
        "diversity_penalty": diversity_penalty,
        "num_samples": num_samples,
        "top_k": top_k,
        "top_p": top_p,
        "temperature": temperature,
        "seed": seed,
        "min_len": min_len,
        "no_repeat_ngram_size": no_repeat_ngram_size,
        "repetition_penalty": repetition_penalty,
        "banned": _phrases(banned) if banned else None,
        "tags": tags or None,
    }
    request = Request(
        search={name: value for name, value in search.items() if value is not None},
        n_best=n_best,
        scores=scores,
        token_scores=token_scores,
        alignment=alignment,
        as_json=as_json,
        prefix=target_prefix,
        glossary=read_glossary(glossary) if glossary else None,
        own_terms=bool(terms),
        guard=guard,
        invalid="error" if strict else one_of("--invalid", invalid, ("error", "replace")),
        on_error="fail" if strict else one_of("--on-error", on_error, ("fail", "blank", "source")),
        strict=strict,
    )
    source, target = (None if path == Path("-") else path for path in (source, target))
    input = Input(source, kind, column, field, terms)
    when: Flush = one_of("--flush", flush, ("auto", "line", "batch"))
    input.check(request)
    if resume:
        input.check_resumable(target)
    if target is not None:
        from mtkit.disk.output import check_not_read

        read = {"the input": source} | ({"the glossary": glossary} if glossary else {})
        check_not_read(target, read | ({"the file of banned phrases": banned} if banned else {}))
    named: list[Path | None] = [*model] if model else [None]
    found, *others = models = [find_model(path) for path in named]
    console.say(f"model: {found}{''.join(f' + {other}' for other in others)}")
    translator = read_model(
        found.run,
        lambda folder: open_translator(
            folder,
            request,
            device=device,
            engine=engine_name(engine),
            others=[other.folder for other in others],
        ),
    )
    account = input.account()
    if resume and target is not None:
        this = job(translator, input, request, models, glossary)
        run_resumable(translator, input, target, request, account, when, this)
    else:
        run(translator, input, target, request, account, when)
    if account.counts:
        console.say(f"of these: {account}")
    if glossary or terms:
        asked, used = account.terms_requested, account.terms_used
        console.say(f"terms: {asked:,} asked, {used:,} hit, {asked - used:,} missed")


def _phrases(path: Path) -> list[str]:
    from mtkit.data.read.lines import read_lines

    return [line.strip() for line in read_lines(path) if line.strip()]
