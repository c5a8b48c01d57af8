"""Compares prepared data with their hashes when training starts: at once, or beside the training if large."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mtkit.data.prepare.prepared import FORMAT, VERSION, read_data_manifest
from mtkit.disk.manifest import read_manifest
from mtkit.errors import InputError

AT_ONCE = 1 << 28
"""Bytes that are compared before training starts; more take seconds and are compared beside it."""

_UNUSED = ("rejected.tsv.gz", "report.html", "report.json")
"""Files that training does not read."""


@contextmanager
def verified(folder: Path) -> Iterator[Callable[[], None]]:
    """Compares the data in `folder` while the block runs; at its end all of them have been compared.

    Yields a function that raises the error below as soon as it is known.

    Raises:
        InputError: a file differs from what `prepare` wrote.
    """
    sizes = {name: entry["size"] for name, entry in read_data_manifest(folder)["files"].items()}
    faults: list[InputError] = []

    def compare() -> None:
        try:
            read_manifest(folder, FORMAT, VERSION, later=_UNUSED)
        except InputError as error:
            faults.append(InputError(error.message, "The data are damaged. Run `mtkit prepare --force`."))

    def check() -> None:
        if faults:
            raise faults[0]

    thread = threading.Thread(target=compare, name="verify data", daemon=True)
    thread.start()
    if sum(sizes.values()) <= AT_ONCE:
        thread.join()
        check()
    yield check
    thread.join()
    check()
