"""Writes a config: for somebody's own text, or for the phrasebook that mtkit composes."""

from __future__ import annotations

import os
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtkit.cli.arguments import DEFAULT_CONFIG
from mtkit.cli.console import say
from mtkit.errors import UsageError, counted

if TYPE_CHECKING:
    from mtkit.data.read.discover import Discovery
    from mtkit.data.read.recognise import FoundCorpus

PHRASEBOOK = ("en", "fr", "de", "zh")
SCHEMA = "mtkit.schema.json"
"""The file beside the config by which editors check and complete it."""

_EXAMPLES = {
    "en": "Where is the station?",
    "fr": "Où est la gare ?",
    "de": "Wo ist der Bahnhof?",
    "zh": "车站在哪里？",
}
_MAX_EXAMPLE = 60


def init(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DATA|CONFIG.yaml",
            help="Your parallel text, and the config to write. [default: a phrasebook, mtkit.yaml]",
            show_default=False,
        ),
    ] = None,
    src_lang: Annotated[
        str | None, typer.Option(metavar="CODE", help="Source language. Default: what the text says.")
    ] = None,
    tgt_lang: Annotated[
        str | None, typer.Option(metavar="CODE", help="Target language. Default: what the text says.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="SRC,TGT",
            help="The two columns or fields of the text, by number from 1 or by name.",
        ),
    ] = None,
) -> None:
    """Write a commented config for your own text, ready to be trained.

    DATA is a TMX, TSV, CSV, JSON lines, XLIFF, SDLXLIFF or PO file, two text files with a sentence and its
    translation on the same line, a folder of such files, or the name of a data set on the Hugging Face Hub.
    Without DATA, the config trains on a phrasebook that mtkit composes (en, fr, de, zh).

    \b
    Examples:
      mtkit init my.tmx
      mtkit init train.en train.it it.yaml
      mtkit init corpus.csv --columns 2,5 --src-lang en --tgt-lang it
    """
    names = arguments or []
    configs = [name for name in names if name.endswith((".yaml", ".yml"))]
    if len(configs) > 1:
        raise UsageError(f"{', '.join(configs)}: name one config to write.")
    path = Path(configs[0]) if configs else DEFAULT_CONFIG
    if path.exists():
        raise UsageError(
            f"{path}: exists already.",
            f"Choose another name: `{_typed(names, configs)} my.yaml`.",
        )
    if data := [name for name in names if name not in configs]:
        text, example = _own(path, data, src_lang, tgt_lang, columns)
    else:
        text, example = starter(path, src_lang or "en", tgt_lang or "fr"), ""
    _write(path, text)
    say(f"Wrote {path}. Next:")
    for command in ("prepare", "train", "evaluate"):
        say(f"  mtkit {command}{_argument(path)}")
    if example:
        say(f'  echo "{example}" | mtkit translate{_model(path)}')


def _typed(names: list[str], configs: list[str]) -> str:
    import shlex

    return shlex.join(["mtkit", "init", *(name for name in names if name not in configs)])


def _write(path: Path, text: str) -> None:
    """Writes the config and, unless it is there, the schema."""
    from mtkit.cli.config import json_schema

    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        schema = path.with_name(SCHEMA)
        if not schema.exists():
            import json

            schema.write_text(json.dumps(json_schema(), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}.") from None


# ---------------------------------------------------------------- own text


def _own(
    path: Path, names: list[str], src_lang: str | None, tgt_lang: str | None, columns: str | None
) -> tuple[str, str]:
    """The config for somebody's own text, and a sentence of it; says what was found."""
    from mtkit.data.read.discover import discover
    from mtkit.runs.verdict import expectation

    both = tuple(part.strip() for part in (columns or "").split(","))
    if columns and (len(both) != 2 or not all(both)):
        raise UsageError(f"--columns {columns}: expected two columns.", "Write 2,5 or source,target.")
    found = discover(names, src_lang, tgt_lang, (both[0], both[1]) if columns else None)
    for line in describe(found):
        say(line)
    if expected := expectation(found.pairs):
        say(expected)
    example = next((corpus.sample.src for corpus in found.of("train") if corpus.sample), "")
    plain = example if len(example) <= _MAX_EXAMPLE and not set(example) & set('"`$\\!') else "…"
    return own_config(path, found, plain), plain


def describe(found: Discovery) -> list[str]:
    """What was found, in a few lines."""
    from mtkit.data.read.discover import MAX_COUNTED
    from mtkit.text.languages import english_name

    lines = []
    for corpus in found.corpora:
        count = f"{'more than ' if corpus.pairs >= MAX_COUNTED else ''}{counted(corpus.pairs, 'pair')}"
        languages = f"{english_name(found.src_lang)} to {english_name(found.tgt_lang)}"
        columns = [str(value) for key, value in corpus.options.items() if key.endswith(("_column", "_field"))]
        where = f", columns {' and '.join(columns)}" if columns else ""
        where += "".join(
            f", {value}" for key, value in corpus.options.items() if key in ("encoding", "tgt_encoding")
        )
        use = {"valid": ", for validation", "test": ", for testing"}.get(corpus.split, "")
        why = f" ({corpus.why})" if corpus.why else ""
        lines.append(f"{corpus.name}: {corpus.kind}{where}, {count}, {languages}{why}{use}")
        lines += [f"  skipped: {fault}" for fault in corpus.skipped]
        if corpus.sample:
            lines.append(f"  {_cut(corpus.sample.src)} → {_cut(corpus.sample.tgt)}")
    lines += [f"{name}: not used: {why}" for name, why in found.omitted]
    return lines


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_EXAMPLE else f"{text[: _MAX_EXAMPLE - 1]}…"


def own_config(path: Path, found: Discovery, example: str = "…") -> str:
    """The text of a config for what was found; missing held-out sets are cut from the training text."""
    from mtkit.config.auto import choose_held_out, choose_max_time
    from mtkit.config.load import scalar_text
    from mtkit.text.languages import english_name, language_of

    pairs = choose_held_out(found.pairs)
    valid, tests = found.of("valid"), found.of("test")
    lines = []
    if not valid or not tests:
        lines.append("  # Cut from the training text, together with all pairs that share a side with them.")
    cut = f"{{reader: cut, pairs: {pairs}}}"
    lines.append(f"  valid: {_flow(valid[0], path.parent) if valid else cut}")
    if len(valid) > 1:
        lines.append("  extra_valid:")
        lines += _named(valid[1:], path.parent)
    lines.append("  test:")
    lines += _named(tests, path.parent) or [f"    held-out: {cut}"]
    train = found.of("train")
    values = {
        "title": f"{english_name(found.src_lang)} to {english_name(found.tgt_lang)}",
        "pairs": f"{found.pairs:,}",
        "files": " ".join(train[0].name.split())
        + (f" and {len(train) - 1:,} more" if len(train) > 1 else ""),
        "src_lang": scalar_text(found.src_lang),
        "tgt_lang": scalar_text(found.tgt_lang),
        "train": "\n".join(f"    - {_flow(corpus, path.parent)}" for corpus in train),
        "held_out": "\n".join(lines),
        "fallback": "}",
        "max_time": choose_max_time(found.pairs),
    }
    if any(language_of(code).many_characters for code in (found.src_lang, found.tgt_lang)):
        values["fallback"] = ", byte_fallback: true}  # rare characters are written as bytes"
    run = _run_name(found.src_lang, found.tgt_lang) if path == DEFAULT_CONFIG else f"runs/{path.stem}"
    return _filled("own.yaml", path, example, run, values)


def _named(corpora: list[FoundCorpus], folder: Path) -> list[str]:
    """The lines of held-out sets, each with a name of its own from that of its file."""
    lines: dict[str, str] = {}
    for corpus in corpora:
        stem = corpus.name.split(" + ", maxsplit=1)[0].split(".")[0]
        name = (
            "".join(char if char.isalnum() and char.isascii() else "-" for char in stem).strip("-") or "set"
        )
        name = f"{name}-{len(lines) + 1}" if name in lines else name
        lines[name] = f"    {name}: {_flow(corpus, folder)}"
    return list(lines.values())


def _flow(corpus: FoundCorpus, folder: Path) -> str:
    """The options of a corpus as YAML on one line, with paths that start at the folder of the config."""
    from mtkit.config.load import scalar_text

    def text(value: object) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        return str(value) if isinstance(value, int) else scalar_text(_seen_from(folder, value))

    return "{" + ", ".join(f"{key}: {text(value)}" for key, value in corpus.options.items()) + "}"


def _seen_from(folder: Path, value: Any) -> str:
    """A path relative to the folder of the config, unless it is absolute; any other value as text."""
    if not isinstance(value, Path):
        return str(value)
    return str(value) if value.is_absolute() else os.path.relpath(value, folder)


# ---------------------------------------------------------------- the phrasebook


def starter(path: Path, src_lang: str, tgt_lang: str) -> str:
    """The text of the config for the phrasebook in two of its languages."""
    from mtkit.config.load import scalar_text
    from mtkit.text.languages import language_of

    if not {language_of(src_lang).code, language_of(tgt_lang).code} <= set(PHRASEBOOK):
        raise UsageError(
            f"{src_lang} → {tgt_lang}: the phrasebook has only {', '.join(PHRASEBOOK)}.",
            "Give your own text: mtkit init FILE.",
        )
    values = {"src_lang": scalar_text(src_lang), "tgt_lang": scalar_text(tgt_lang)}
    example = _EXAMPLES.get(language_of(src_lang).code, "…")
    return _filled("starter.yaml", path, example, _run_name(src_lang, tgt_lang), values)


def _run_name(src_lang: str, tgt_lang: str) -> str:
    return f"runs/{src_lang}-{tgt_lang}"


def _filled(template: str, path: Path, example: str, run: str, values: dict[str, str]) -> str:
    from mtkit.config.load import scalar_text

    text = Path(__file__).with_name(template).read_text(encoding="utf-8")
    shared = {"schema": SCHEMA, "file": _argument(path), "run": scalar_text(run), "example": example}
    return Template(text).substitute(shared | values)


def _argument(path: Path) -> str:
    """The argument with which a command reads this config."""
    return "" if path == DEFAULT_CONFIG else f" {path}"


def _model(path: Path) -> str:
    """The argument with which `translate` finds the model of this config."""
    return "" if path == DEFAULT_CONFIG else f" -m {path}"
