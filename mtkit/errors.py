"""The failures that mtkit expects: each has one clear line, what to do, and an exit code."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

_MOST_NAMES = 20


class MtkitError(Exception):
    """A failure that the user can understand and act on.

    Args:
        message: one line, "where: what is wrong, with the value and the bound."
        hint: what to do about it, one sentence.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def lines(self) -> list[str]:
        """The message in lines: one, unless several failures are reported together."""
        return [str(self)]


class UsageError(MtkitError):
    """A command line or a configuration that cannot be carried out."""

    exit_code = 2


class ConfigError(UsageError):
    """All problems of a configuration at once, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    def lines(self) -> list[str]:
        """One line for each problem."""
        return self.problems


class InputError(MtkitError):
    """Data, a model or a checkpoint that cannot be used."""

    exit_code = 3


class OtherLanguagesError(InputError):
    """A file has no text in the languages that are asked for."""


class InputsError(InputError):
    """Several inputs that cannot be used, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    def lines(self) -> list[str]:
        """One line for each problem."""
        return self.problems


class WriteError(MtkitError):
    """A file or folder that cannot be written: the disk is full, read-only or gone."""


class GateError(MtkitError):
    """The work was done, but a quality bound was missed."""

    exit_code = 4


class StoppedError(MtkitError):
    """Stopped on request after saving; the same command resumes."""

    exit_code = 75


def shortened(name: str, limit: int = 80) -> str:
    """A name from a file, for a message: on one line, cut after `limit` characters."""
    line = " ".join(name[: limit + 1].splitlines())
    return line if len(line) <= limit else f"{line[:limit]}…"


def listed(names: Collection[object]) -> str:
    """Names from a file, for a message: the first 20, and how many more there are."""
    shown = ", ".join(shortened(str(name), 40) for name in islice(names, _MOST_NAMES))
    more = len(names) - _MOST_NAMES
    return f"{shown} and {more:,} more" if more > 0 else shown


def counted(number: int, noun: str) -> str:
    """A number of things in words: 1 pair, 2,000 pairs."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
