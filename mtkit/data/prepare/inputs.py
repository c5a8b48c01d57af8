"""The options and input files that prepared data depend on, and whether they have changed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtkit.config.data import TokenizerConfig
from mtkit.config.schema import Config
from mtkit.config.sources import (
    CutSource,
    HeldOutSource,
    JsonlSource,
    MonoSource,
    PhrasebookSource,
    PlainSource,
    Source,
    TsvSource,
    more_refs,
)
from mtkit.data.read.lines import count_lines, digest, expand
from mtkit.data.read.readers import source_files
from mtkit.errors import InputError
from mtkit.text.tokenizer import SEPARATE

logger = logging.getLogger(__name__)

_PACKED = {".gz", ".bz2", ".xz", ".zst"}


def settings_of(config: Config) -> dict[str, Any]:
    """The options that prepared data depend on, in the form in which JSON returns them."""
    data = config.data
    return {
        "seed": config.seed,
        "languages": [data.src_lang, data.tgt_lang],
        "train": [_source_settings(source) for source in data.train],
        "valid": _source_settings(data.valid),
        "extra_valid": {name: _source_settings(source) for name, source in data.extra_valid.items()},
        "test": [_source_settings(source) for source in data.test.values()],
        "filters": [options.model_dump(mode="json") for options in data.filters],
        "text": config.text.model_dump(mode="json"),
        "tokenizer": tokenizer_settings(config.tokenizer),
        "sampling": config.tokenizer.sampling.model_dump(mode="json") if config.tokenizer.sampling else None,
        "memory": data.memory.model_dump(mode="json") if data.memory else None,
        "terms": data.terms.model_dump(mode="json") if data.terms else None,
        "target_tag": config.decode.target_tag,
        "tags": [list(data.tags_of(source)) for source in (*data.train, data.valid, *data.test.values())],
    }


def _source_settings(source: HeldOutSource) -> dict[str, Any]:
    """The options of `source` with file names instead of paths, because data may be moved."""
    values = source.model_dump(exclude={"refs"})
    names = {key: value.name for key, value in values.items() if isinstance(value, Path)}
    refs = [ref.name if isinstance(ref, Path) else ref for ref in more_refs(source)]
    others = {"refs": refs} if refs else {}  # so that data prepared without any stay as they are
    return {**source.model_dump(mode="json", exclude={"refs"}), **names, **others}


def said(settings: Any) -> Any:
    """Settings without the options that are not set, so that an option of a newer mtkit changes nothing."""
    if isinstance(settings, dict):
        return {key: said(value) for key, value in settings.items() if value is not None}
    return [said(value) for value in settings] if isinstance(settings, list | tuple) else settings


def _input_files(config: Config) -> list[tuple[str, Path]]:
    """Each input file after the option that names it, such as `data.train.0` or `data.test.one`."""
    sources: dict[str, Source] = {f"data.train.{n}": source for n, source in enumerate(config.data.train)}
    for name, source in held_out_sources(config).items():
        kind, dot, rest = name.partition(".")
        sources[f"data.{'extra_valid' if dot and kind == 'valid' else kind}{dot}{rest}"] = source
    found = [("tokenizer.path", path) for path in given_models(config.tokenizer)]
    return found + [(key, path) for key, source in sources.items() for path in source_files(source)]


def given_models(options: TokenizerConfig) -> tuple[Path, ...]:
    """The files of existing subword models that the config names; none if they are to be trained."""
    if options.path is None:
        return ()
    return tuple(options.path / name for name in SEPARATE) if options.separate else (options.path,)


def tokenizer_settings(options: TokenizerConfig) -> dict[str, Any]:
    """The options that decide the subword models; for existing ones, their name."""
    if options.path:
        extended = {"extend": True, "character_coverage": options.character_coverage}
        return {
            "path": options.path.name,
            "separate": options.separate,
            **(extended if options.extend else {}),
        }
    return options.model_dump(mode="json", exclude={"path", "extend", "sampling", "max_unknown"})


def held_out_sources(config: Config) -> dict[str, Source]:
    """The validation and test corpora that are not cut, as `valid`, `valid.NAME` and `test.NAME`."""
    data = config.data
    found: dict[str, HeldOutSource] = {"valid": data.valid}
    found |= {f"valid.{name}": source for name, source in data.extra_valid.items()}
    found |= {f"test.{name}": source for name, source in data.test.items()}
    return {name: source for name, source in found.items() if not isinstance(source, CutSource)}


def origins_of(sources: Sequence[Source], recorded: Sequence[dict[str, Any]]) -> list[list[Any]]:
    """The options of each corpus and the hashes of its files, which decide its text."""
    hashes = {old["path"]: old["sha256"] for old in recorded}
    return [
        [_source_settings(source), [hashes[str(path)] for path in source_files(source)]] for source in sources
    ]


def record_inputs(config: Config) -> list[dict[str, Any]]:
    """Size, modification time and hash of each input file, and the option that names it.

    Raises:
        InputError: a file cannot be read.
    """
    result = []
    for key, path in _input_files(config):
        content, status = digest(path)
        found = {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": content}
        result.append({"of": key, "path": str(path), **found})
    return result


def count_pairs(source: Source) -> int | None:
    """The estimated number of pairs, for progress; None where counting is not cheap."""
    encoding: str | None = None
    match source:
        case PhrasebookSource():
            return source.pairs
        case PlainSource():
            files, encoding = expand(source.src), source.encoding
        case TsvSource() | JsonlSource() | MonoSource():
            files, encoding = expand(source.path), source.encoding
        case _:
            return None
    return (
        None
        if any(file.suffix in _PACKED for file in files)
        else sum(count_lines(file, encoding) for file in files)
    )


def check_inputs(config: Config, recorded: Sequence[dict[str, Any]]) -> None:
    """Compares the input files with those recorded; raises InputError if one has changed."""
    paths = [path for _, path in _input_files(config)]
    if len(paths) != len(recorded) and any(path.exists() for path in paths):
        raise InputError(
            "The list of input files has changed since the data were prepared.", "Run `mtkit prepare` again."
        )
    for path, old in zip(paths, recorded, strict=False):  # a pattern without its files is one path
        if _has_changed(path, old):
            raise InputError(
                f"{path}: has changed since the data were prepared.", "Run `mtkit prepare` again."
            )


def _has_changed(path: Path, old: dict[str, Any]) -> bool:
    try:
        status = path.stat()
    except OSError:
        logger.warning("%s: does not exist. The data prepared from it are used.", path)
        return False
    if status.st_size != old.get("size"):
        return True
    return status.st_mtime_ns != old.get("mtime_ns") and digest(path)[0] != old.get("sha256")
