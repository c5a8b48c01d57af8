"""The text log of a run, `RUN/train.log`: the lines of its training, with their times."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from mtkit.cli.train_view import describe
from mtkit.errors import MtkitError
from mtkit.runs.layout import LOG, claim_in, inside
from mtkit.text.visible import visible
from mtkit.train.watch.monitor import Event, Listener, Stepped

logger = logging.getLogger(__name__)


class _LogLines(logging.Handler):
    """Messages of the library, in the same file."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        self._write(prefix + record.getMessage())


class TextLog:
    """Appends lines to the log of a run. If that fails, it stops: training matters more."""

    def __init__(self, run: Path) -> None:
        self._path: Path | None = inside(run, LOG)
        try:
            claim_in(run, LOG)
        except OSError as error:
            self._give_up(error)

    def __call__(self, event: Event) -> None:
        """Writes what an event is worth."""
        if not isinstance(event, Stepped):
            for line in describe(event):
                self.write(line)

    def write(self, line: str) -> None:
        """Appends a line with the time."""
        if self._path is None:
            return
        try:
            with self._path.open("a", encoding="utf-8", errors="replace", newline="\n") as file:
                file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {visible(line)}\n")
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        path, self._path = self._path, None
        logger.warning("%s: cannot be written: %s. Training continues without it.", path, error.strerror)


@contextmanager
def text_log(run: Path, listen: Listener) -> Iterator[Listener]:
    """A listener that also writes to the log of the run, as messages and errors within the block do."""
    log = TextLog(run)
    handler, root = _LogLines(log.write), logging.getLogger("mtkit")
    root.addHandler(handler)

    def both(event: Event) -> None:
        log(event)
        listen(event)

    try:
        yield both
    except MtkitError as error:
        log.write(f"error: {error}")
        raise
    except BaseException as error:
        log.write(f"error: {type(error).__name__}: {error}")
        raise
    finally:
        root.removeHandler(handler)
