"""Data sets that the package `datasets` reads: from a local folder, or by name from the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mtkit.config.sources import HuggingFaceSource
from mtkit.data.formats.fields import Fields
from mtkit.data.pair import Pair
from mtkit.data.repairs import Repairs
from mtkit.errors import InputError


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
    )
    where = str(source.path or source.name)
    for number, row in enumerate(_rows(source, where), start=1):
        if pair := fields.pair(row, f"{where}:{source.split}:{number}"):
            yield pair


def _rows(source: HuggingFaceSource, where: str) -> Iterator[Any]:
    """Rows until the end or the first error, whose kinds `datasets` does not promise."""
    if source.path is not None and not source.path.is_dir():
        raise InputError(f"{where}: there is no such folder.", "Check data.root and the paths in data.")
    try:
        import datasets
    except ImportError:
        raise InputError(
            f"{where}: reading data sets needs datasets.", 'Install it: pip install "mtkit[hub]".'
        ) from None
    try:
        yield from _open(datasets, source)
    except Exception as error:
        reason = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
        raise InputError(
            f"{where}: cannot be read: {reason}.", "Check path or name, config and split."
        ) from error


def _open(datasets: Any, source: HuggingFaceSource) -> Iterable[Any]:
    """The split; no code of the data set is run, which `datasets` 4 and later cannot."""
    if source.path is not None and any((source.path / name).is_file() for name in _SAVED):
        found = datasets.load_from_disk(str(source.path))
        return found[source.split] if isinstance(found, datasets.DatasetDict) else found
    if not source.streaming:
        datasets.disable_progress_bars()
    return datasets.load_dataset(
        str(source.path or source.name),
        source.config,
        split=source.split,
        revision=source.revision,
        streaming=source.streaming,
    )


_SAVED = ("state.json", "dataset_dict.json")
"""One of these is in what `save_to_disk` of `datasets` writes."""
