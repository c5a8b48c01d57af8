"""Data sets of the Hugging Face Hub: from a local folder, or by name, read by the package `datasets`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mtkit.config.sources import HuggingFaceSource
from mtkit.data.read.fields import Fields
from mtkit.data.read.folder import read_folder
from mtkit.data.read.pair import Pair
from mtkit.data.read.repairs import Repairs
from mtkit.errors import InputError, shortened


def read_hub(source: HuggingFaceSource, src_lang: str, tgt_lang: str, repairs: Repairs) -> Iterator[Pair]:
    """The two columns of each row.

    Raises:
        InputError: `datasets` is not installed, cannot find or read the data set, or a row lacks a column
            and is not to be skipped.
    """
    fields = Fields(
        source.src_column or f"translation.{src_lang}",
        source.tgt_column or f"translation.{tgt_lang}",
        source.score_column,
        source.on_error,
        repairs,
        source.refs,
        source.domain_column,
        source.document_column,
    )
    where = str(source.path or source.name)
    for number, row in enumerate(hub_rows(source, repairs), start=1):
        if pair := fields.pair(row, f"{where}:{source.split}:{number}"):
            yield pair


def hub_rows(source: HuggingFaceSource, repairs: Repairs) -> Iterator[Any]:
    """The rows, each by column; `datasets` and `pyarrow` do not document which exceptions they raise.

    Raises:
        InputError: the data set cannot be read.
    """
    where = str(source.path or source.name)
    try:
        if source.path is not None:
            yield from read_folder(source.path, source.config, source.split, repairs)
        else:
            yield from _open(source)
    except InputError:
        raise
    except Exception as error:
        reason = shortened(" ".join(str(error).split()), 300).rstrip(".") or type(error).__name__
        raise InputError(
            f"{where}: cannot be read: {reason}.", "Check path or name, config and split."
        ) from error


def _open(source: HuggingFaceSource) -> Iterable[Any]:
    """The split on the Hub. No code of the data set is run: `datasets` 4 and later cannot do so."""
    import datasets

    if not source.streaming:
        datasets.disable_progress_bars()
    found: Iterable[Any] = datasets.load_dataset(
        source.name, source.config, split=source.split, revision=source.revision, streaming=source.streaming
    )
    return found
