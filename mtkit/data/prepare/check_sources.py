"""What is missing or wrong in the corpora of a config, as far as their first lines show."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mtkit.config.schema import Config
from mtkit.config.sources import CutSource, HeldOutSource, HuggingFaceSource, PhrasebookSource, PlainSource
from mtkit.data.prepare.inputs import given_models
from mtkit.data.read.lines import expand
from mtkit.data.read.readers import read_corpus
from mtkit.data.read.repairs import Repairs
from mtkit.errors import InputError

Fault = tuple[str, InputError]
"""The dotted key of an option, and what is wrong with its value."""


def faults_of_sources(config: Config) -> Iterator[Fault]:
    """The corpora and subword models that cannot be used; of each corpus at most its first pair is read."""
    data = config.data
    sources: dict[str, HeldOutSource] = {f"train.{number}": each for number, each in enumerate(data.train)}
    sources |= {"valid": data.valid}
    sources |= {f"extra_valid.{name}": source for name, source in data.extra_valid.items()}
    sources |= {f"test.{name}": source for name, source in data.test.items()}
    for name, source in sources.items():
        yield from _faults(config, f"data.{name}", source)
    for model in given_models(config.tokenizer):
        if not model.is_file():
            yield "tokenizer.path", InputError(f"{model}: there is no such file.")


def _faults(config: Config, key: str, source: HeldOutSource) -> Iterator[Fault]:
    if isinstance(source, CutSource | PhrasebookSource):
        return
    # 1. The files are there.
    files: dict[str, list[Path]] = {}
    for option, path in _paths(source):
        try:
            files[option] = expand(path)
        except InputError as error:
            yield f"{key}.{option}", error
            return
    missing = {option: _missing(found, source) for option, found in files.items()}
    yield from ((f"{key}.{option}", fault) for option, fault in missing.items() if fault is not None)
    if any(missing.values()):
        return
    # 2. They can be read as the options say. Two plain files always can, if they are equally many.
    if isinstance(source, PlainSource):
        counts = len(files["src"]), len(files["tgt"])
        if counts[0] != counts[1]:
            text = f"{source.src}: matches {counts[0]:,} files, but {source.tgt} matches {counts[1]:,}."
            yield (
                key,
                InputError(text, "Both sides need the same number of files, in the same order of names."),
            )
        return
    if not all(path.is_file() or path.is_dir() for found in files.values() for path in found):
        return  # a pipe can be read only once
    if isinstance(source, HuggingFaceSource):
        return  # to open one takes seconds, or the network
    try:
        if next(read_corpus(config.data, source, Repairs()), None) is None:
            yield key, InputError("there are no pairs in it.", "Check its files, columns and languages.")
    except InputError as error:
        yield key, error


def _paths(source: HeldOutSource) -> Iterator[tuple[str, Path]]:
    """The options of a corpus that name files."""
    for option, value in source:
        if isinstance(value, Path):
            yield option, value
        elif option == "refs":
            paths = enumerate(value)
            yield from ((f"refs.{number}", path) for number, path in paths if isinstance(path, Path))


def _missing(files: list[Path], source: HeldOutSource) -> InputError | None:
    """The first file that is not there or must not be read."""
    for path in files:
        if not path.exists():
            return InputError(f"{path}: there is no such file.", "Check data.root and the path.")
        if path.is_dir() and not isinstance(source, HuggingFaceSource):
            return InputError(
                f"{path}: is a folder, expected a file.", "Write a pattern, such as folder/*.txt."
            )
        if not os.access(path, os.R_OK):
            return InputError(f"{path}: cannot be read: no permission.", "Change its permissions.")
    return None
