"""Writes a starter config that works as it is."""

from __future__ import annotations

import os
from pathlib import Path
from string import Template
from typing import Annotated, Any

import typer

from mtkit.cli.arguments import DEFAULT_CONFIG
from mtkit.cli.console import say
from mtkit.errors import UsageError

PHRASEBOOK = ("en", "fr", "de", "zh")

_PHRASEBOOK_DATA = """\
  # mtkit generates the phrasebook. For your own text, use two files, where line N of one is the
  # translation of line N of the other, or one file with tab-separated columns:
  #   - {reader: plain, src: train.$src_lang.gz, tgt: train.$tgt_lang.gz}
  #   - {reader: tsv, path: corpus.tsv, src_column: 1, tgt_column: 2}
  train:
    - {reader: phrasebook, split: train, pairs: 60000}
  valid: {reader: phrasebook, split: valid, pairs: 500}
  test:
    phrasebook: {reader: phrasebook, split: test, pairs: 500}
  # Sentences of one template are similar on purpose: only equal ones are kept out of training.
  filters:
    - {filter: empty}
    - {filter: duplicate}
    - {filter: overlap, near: null}
    - {filter: tokens}"""

_OWN_DATA = """\
  train:
    - {reader: plain, src: $train_src, tgt: $train_tgt}
  valid: {reader: plain, src: $valid_src, tgt: $valid_tgt}
  # Scored by `mtkit evaluate`; ideally text that is in neither of the above.
  test:
    valid: {reader: plain, src: $valid_src, tgt: $valid_tgt}"""

_PHRASEBOOK_SIZES = {
    "model_type": "bpe",
    "vocab_size": "4000",
    "preset": "tiny",
    "dropout": "0.05",
    "max_steps": "1500",
    "max_time": "6m",
    "batch_tokens": "1536",
    "lr": "3.0e-3",
    "warmup_steps": "200",
    "validate_every": "250",
}
_OWN_SIZES = {
    "model_type": "unigram",
    "vocab_size": "8000",
    "preset": "small",
    "dropout": "0.2",
    "max_steps": "20000",
    "max_time": "2h",
    "batch_tokens": "4096",
    "lr": "1.0e-3",
    "warmup_steps": "1000",
    "validate_every": "500",
}
_EXAMPLES = {
    "en": "Where is the station?",
    "fr": "Où est la gare ?",
    "de": "Wo ist der Bahnhof?",
    "zh": "车站在哪里？",
}


def _file(meaning: str) -> Any:
    return typer.Option(exists=True, dir_okay=False, show_default=False, metavar="FILE", help=meaning)


def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Config file to write.")] = DEFAULT_CONFIG,
    src_lang: Annotated[str, typer.Option(metavar="CODE", help="Source language.")] = "en",
    tgt_lang: Annotated[str, typer.Option(metavar="CODE", help="Target language.")] = "fr",
    train_src: Annotated[
        Path | None, _file("Your training text in the source language, one sentence per line.")
    ] = None,
    train_tgt: Annotated[Path | None, _file("Its translation, line by line.")] = None,
    valid_src: Annotated[Path | None, _file("Your validation text in the source language.")] = None,
    valid_tgt: Annotated[Path | None, _file("Its translation, line by line.")] = None,
) -> None:
    """Write a commented starter config that works as it is.

    Without files of your own, the config trains on a phrasebook that mtkit generates (en, fr, de, zh).

    \b
    Example:
      mtkit init
      mtkit init it.yaml --src-lang en --tgt-lang it \\
        --train-src train.en --train-tgt train.it \\
        --valid-src valid.en --valid-tgt valid.it
    """
    files = {"train_src": train_src, "train_tgt": train_tgt, "valid_src": valid_src, "valid_tgt": valid_tgt}
    text = starter(path, src_lang, tgt_lang, files)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            f"{path}: exists already.", "Choose another name, as in `mtkit init my.yaml`."
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}.") from None
    say(f"Wrote {path}. Next:")
    for command in ("prepare", "train", "evaluate"):
        say(f"  mtkit {command}{_argument(path)}")


def starter(path: Path, src_lang: str, tgt_lang: str, files: dict[str, Path | None]) -> str:
    """The text of the starter config for a path, a pair of languages and, optionally, the user's files."""
    from mtkit.config.load import scalar_text
    from mtkit.text.languages import language_of

    given = {name: file for name, file in files.items() if file is not None}
    if given and len(given) < len(files):
        missing = [f"--{name.replace('_', '-')}" for name in files if name not in given]
        raise UsageError(f"{', '.join(missing)}: missing.", "Give all four files of your own text.")
    if not given and not {language_of(src_lang).code, language_of(tgt_lang).code} <= set(PHRASEBOOK):
        raise UsageError(
            f"{src_lang} → {tgt_lang}: the phrasebook has only {', '.join(PHRASEBOOK)}.",
            "Give your own text with --train-src, --train-tgt, --valid-src and --valid-tgt.",
        )
    values = {"src_lang": scalar_text(src_lang), "tgt_lang": scalar_text(tgt_lang)}
    values |= {name: scalar_text(_seen_from(path.parent, file)) for name, file in given.items()}
    values |= {
        "file": _argument(path),
        "run": scalar_text(f"runs/{src_lang}-{tgt_lang}"),
        "example": _EXAMPLES.get(language_of(src_lang).code, "…"),
        "data": Template(_OWN_DATA if given else _PHRASEBOOK_DATA).substitute(values),
    }
    template = Path(__file__).with_name("starter.yaml").read_text(encoding="utf-8")
    return Template(template).substitute(values, **(_OWN_SIZES if given else _PHRASEBOOK_SIZES))


def _seen_from(folder: Path, file: Path) -> str:
    """The path of the file relative to the folder of the config."""
    return str(file) if file.is_absolute() else os.path.relpath(file, folder)


def _argument(path: Path) -> str:
    """The argument with which a command reads this config."""
    return "" if path == DEFAULT_CONFIG else f" {path}"
