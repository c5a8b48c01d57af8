"""Translate text: a Unix filter, one line out for each line in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

from mtkit.cli import console
from mtkit.cli.engines import ENGINE_HELP, engine_name
from mtkit.errors import InputError, UsageError

if TYPE_CHECKING:
    import typer

    from mtkit.documents.formats import FileFormat, LineFormat
    from mtkit.engine.request import Translation
    from mtkit.engine.translator import Translator
else:
    from mtkit.cli.quick import typer  # of which nothing is needed but for help and errors

INPUT_HELP = "Text to translate; .gz, .xz and .zst are decompressed. Standard input if left out or -."
OUTPUT_HELP = "Where to write, whole or not at all. Standard output if left out or -."
MODEL_HELP = "A run folder, a model folder or a config file; see above if left out. Several are an ensemble."
FORMAT_HELP = "What the input is: text, tsv (--column), jsonl (--field), md, html, srt, po or xliff."

Windows = Iterator[list[bytes]]

_LINES: dict[str, LineFormat] = {"tsv": "tsv", "jsonl": "jsonl"}
_FILES: dict[str, FileFormat] = {"md": "md", "html": "html", "srt": "srt", "po": "po", "xliff": "xliff"}


def translate(
    model: Annotated[
        list[Path] | None, typer.Option("--model", "-m", help=MODEL_HELP, show_default=False)
    ] = None,
    source: Annotated[Path | None, typer.Option("--input", "-i", help=INPUT_HELP)] = None,
    target: Annotated[Path | None, typer.Option("--output", "-o", help=OUTPUT_HELP)] = None,
    kind: Annotated[str, typer.Option("--format", help=FORMAT_HELP)] = "text",
    column: Annotated[
        str, typer.Option(help="Of tsv: the text's column, by number from 1 or by name.")
    ] = "1",
    field: Annotated[str, typer.Option(help="Of jsonl: the text's field, as in translation.en.")] = "text",
    beam_size: Annotated[int | None, typer.Option(help="Hypotheses per sentence; 1 is greedy.")] = None,
    length_penalty: Annotated[float | None, typer.Option(help="Scores are divided by length ^ this.")] = None,
    patience: Annotated[float | None, typer.Option(help="Above 1 a beam goes on for longer.")] = None,
    method: Annotated[str | None, typer.Option(help="beam, diverse_beam, sample or mbr.")] = None,
    num_samples: Annotated[int | None, typer.Option(help="Of sample and mbr: how many are drawn.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Of sample and mbr: among how many tokens.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Of sample and mbr: of which probability.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Of sample and mbr: 1 is the model's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of sample and mbr: the same one draws the same.")] = None,
    diversity_groups: Annotated[int | None, typer.Option(help="Of diverse_beam: parts of the beam.")] = None,
    diversity_penalty: Annotated[
        float | None, typer.Option(help="Of diverse_beam: for a token of another part.")
    ] = None,
    min_len: Annotated[int | None, typer.Option(help="Shortest output, in tokens.")] = None,
    no_repeat_ngram: Annotated[int | None, typer.Option(help="No run of so many tokens comes twice.")] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option(help="Above 1 tokens that were used are less likely.")
    ] = None,
    banned: Annotated[Path | None, typer.Option(help="File of phrases, one a line, never to write.")] = None,
    glossary: Annotated[
        Path | None, typer.Option(help="Terms to use: TSV of source and target term, one a line.")
    ] = None,
    target_prefix: Annotated[str, typer.Option(help="What each translation begins with.")] = "",
    n_best: Annotated[
        int, typer.Option(min=1, help="Translations of each line, as `number ||| text ||| score`.")
    ] = 1,
    scores: Annotated[bool, typer.Option("--scores", help="A tab and the score after each line.")] = False,
    token_scores: Annotated[
        bool, typer.Option("--token-scores", help="A tab and the log-probability of each token.")
    ] = False,
    alignment: Annotated[
        bool, typer.Option("--alignment", help="A tab and word links such as 0-0 1-2 after each line.")
    ] = False,
    guard: Annotated[
        bool, typer.Option(help="Search again where a translation repeats itself, copies or is cut off.")
    ] = True,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at a line that is not UTF-8, instead of repairing it.")
    ] = False,
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", help="What each source begins with, such as 2fr or domain:legal; repeatable."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    engine: Annotated[str, typer.Option(help=ENGINE_HELP)] = "auto",
) -> None:
    """Translate lines of text, one line out for each line in; or files that keep their markup.

    Without -m the model is that of $MTKIT_MODEL, else of the config in this folder, else of the newest
    run under ./runs. Search options that are left out are those of the run's config.

    Example: mtkit translate < input.txt > output.txt
    """
    from mtkit.cli.streams import open_output, read_windows
    from mtkit.engine.find import find_model
    from mtkit.engine.open import open_translator
    from mtkit.engine.request import Request

    given: dict[str, Any] = {
        "beam_size": beam_size,
        "length_penalty": length_penalty,
        "patience": patience,
        "method": method,
        "num_samples": num_samples,
        "top_k": top_k,
        "top_p": top_p,
        "temperature": temperature,
        "seed": seed,
        "diversity_groups": diversity_groups,
        "diversity_penalty": diversity_penalty,
        "min_len": min_len,
        "no_repeat_ngram_size": no_repeat_ngram,
        "repetition_penalty": repetition_penalty,
        "banned": _phrases(banned) if banned else None,
        "tags": tags or None,
    }
    given = {name: value for name, value in given.items() if value is not None}
    details = (scores, token_scores, alignment)
    if kind not in ("text", *_LINES, *_FILES):
        known = ", ".join(("text", *_LINES, *_FILES))
        raise UsageError(f"--format {kind}: is unknown.", f"Choose from {known}.")
    if kind != "text" and (any(details) or n_best > 1):
        raise UsageError(
            f"--format {kind}: keeps what else is in the input, so that nothing can be added.",
            "Leave out --n-best, --scores, --token-scores and --alignment.",
        )
    named: list[Path | None] = [*model] if model else [None]
    found, *others = [find_model(path) for path in named]
    console.say(f"model: {found}{''.join(f' + {other}' for other in others)}")
    windows = read_windows(None if source == Path("-") else source)
    request = Request(n_best, token_scores, alignment, target_prefix, scores=scores or n_best > 1)
    translator = open_translator(
        found.folder,
        device=device,
        engine=engine_name(engine),
        given=given,
        request=request,
        glossary=glossary,
        guarded=guard,
        others=[other.folder for other in others],
    )
    name = "standard input" if source in (None, Path("-")) else str(source)
    with open_output(None if target == Path("-") else target) as output:
        if kind == "text":
            show = _show(details, n_best)
            _run(translator, _answers(translator, _decoded(windows, name, strict), show), output)
        elif kind in _LINES:
            _run(translator, _refilled(translator, windows, _LINES[kind], name, column, field), output)
        else:
            _run(translator, _rendered(translator, windows, _FILES[kind], name), output)
    if glossary:
        terms = translator.request.terms
        console.say(f"terms: {terms.asked:,} asked, {terms.hit:,} hit, {terms.missed:,} missed")


def _phrases(path: Path) -> list[str]:
    from mtkit.data.lines import read_lines

    return [line.strip() for line in read_lines(path) if line.strip()]


def _run(translator: Translator, answers: Iterable[tuple[int, bytes]], output: IO[bytes]) -> None:
    """Writes answers, each to so many lines, and says how fast that was."""
    done, begin = 0, time.monotonic()
    with nullcontext() if output.isatty() else console.progress() as report:
        for lines, answer in answers:
            output.write(answer)
            output.flush()
            done += lines
            if report:
                report("lines translated", done, None)
    seconds = time.monotonic() - begin
    speed = f"{done:,} lines in {seconds:,.1f} s, {done / max(seconds, 1e-3):,.0f} lines/s"
    console.say(f"{speed}, by {translator.engine.name}")


# ---------------------------------------------------------------- plain text


def _decoded(windows: Windows, name: str, strict: bool) -> Iterator[list[str]]:
    """The lines as text; what is not UTF-8 becomes U+FFFD, or with `strict` an error."""
    number = 0
    for window in windows:
        lines = []
        for raw in window:
            number += 1
            line = raw.removesuffix(b"\n")
            try:
                lines.append(line.decode())
            except UnicodeDecodeError as error:
                if strict:
                    raise InputError(
                        f"{name}:{number}: byte {error.start + 1} of the line, 0x{line[error.start]:02x}, "
                        "is not UTF-8.",
                        "Convert it, or leave out --strict.",
                    ) from None
                lines.append(line.decode(errors="replace"))
        yield lines


def _answers(
    translator: Translator, windows: Iterator[list[str]], show: Callable[[int, Sequence[Translation]], str]
) -> Iterator[tuple[int, bytes]]:
    number = 0
    for found in translator.results(windows):
        shown = [show(number + i, translations) for i, translations in enumerate(found)]
        number += len(found)
        yield len(found), "".join(shown).encode()


def _show(details: tuple[bool, bool, bool], n_best: int) -> Callable[[int, Sequence[Translation]], str]:
    """How the translations of a line are written: as Moses lines if there may be several."""

    def columns(found: Translation) -> list[str]:
        scores, token_scores, alignment = details
        shown = [f"{found.score:.4f}"] if scores or n_best > 1 else []
        shown += [" ".join(f"{score:.4f}" for score in found.token_scores)] if token_scores else []
        shown += [" ".join(f"{src}-{tgt}" for src, tgt in found.links)] if alignment else []
        return [found.text, *shown]

    def show(number: int, translations: Sequence[Translation]) -> str:
        if n_best > 1:
            return "".join(f"{number} ||| {' ||| '.join(columns(found))}\n" for found in translations)
        return "\t".join(columns(translations[0])) + "\n"

    return show


# ---------------------------------------------------------------- other formats


def _refilled(
    translator: Translator, windows: Windows, kind: LineFormat, name: str, column: str, field: str
) -> Iterator[tuple[int, bytes]]:
    """Each line of a TSV or of JSON lines with its text translated, and all else as it was."""
    from mtkit.documents.formats import line_format

    place = int(column) if column.isdecimal() else column
    reader = line_format(kind, name, column=place, field=field)
    for window in windows:
        documents = [reader.read(line) for line in window]
        texts = [text for document in documents for text in document.texts]
        done = iter(translator.translate_window(texts))
        filled = [document.render(list(islice(done, len(document.texts)))) for document in documents]
        yield len(window), b"".join(filled)


def _rendered(
    translator: Translator, windows: Windows, kind: FileFormat, name: str
) -> Iterator[tuple[int, bytes]]:
    """A whole file with its texts translated, and all else as it was."""
    from mtkit.documents.formats import open_document

    document = open_document(kind, name, b"".join(line for window in windows for line in window))
    yield len(document.texts), document.render(list(translator.translate(document.texts)))
