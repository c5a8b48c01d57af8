"""Scores by a program of the user's, such as COMET in an environment of its own. Does not use torch."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from mtkit.config.fixed import METRIC_NAMES, MODEL_METRIC_NAMES
from mtkit.errors import MtkitError, UsageError, counted, shortened
from mtkit.metrics.recipes import Ratio
from mtkit.metrics.surface import Measure, Measured, measured

_DIRECTIONS = (("",), ("higher", "lower"))
"""What may follow the name of a metric, without and with a colon."""


@dataclass(frozen=True, slots=True)
class MetricCommand:
    """A program that reads a JSON object per line and answers with a number per line.

    Attributes:
        name: of the metric.
        command: the program and its arguments.
        timeout: the longest time for one set of translations, in seconds.
        higher_is_better: whether better translations get higher numbers.
    """

    name: str
    command: str
    timeout: float
    higher_is_better: bool = True

    @property
    def _where(self) -> str:
        return f"--metric-command {self.name}"

    def scores(
        self, hyps: Sequence[str], refs: Sequence[Sequence[str]], srcs: Sequence[str] | None
    ) -> list[float]:
        """The number that the program gives to each translation.

        Raises:
            UsageError: there is no such program.
            MtkitError: it fails, takes too long, or does not answer with one number per line.
        """
        lines = []
        for i, hyp in enumerate(hyps):
            texts = [version[i] for version in refs]
            line = {"src": "" if srcs is None else srcs[i], "hyp": hyp, "ref": texts[0]}
            lines.append(json.dumps(line | ({"refs": texts} if len(texts) > 1 else {}), ensure_ascii=False))
        answers = self._run("".join(f"{line}\n" for line in lines)).splitlines()
        if len(answers) != len(hyps):
            raise MtkitError(
                f"{self._where}: {counted(len(answers), 'line')} came back "
                f"for {counted(len(hyps), 'translation')}.",
                "It must print one number per line, and all else to stderr.",
            )
        return [self._number(answer, place) for place, answer in enumerate(answers, start=1)]

    def _run(self, text: str) -> str:
        try:
            done = subprocess.run(
                shlex.split(self.command),
                input=text.encode(),
                capture_output=True,
                timeout=self.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise MtkitError(
                f"{self._where}: no answer after {self.timeout:g} s.", "Give it longer with --metric-timeout."
            ) from None
        except OSError as error:
            raise UsageError(
                f"{self._where}: cannot be started: {error.strerror}.", "Check the path of the program."
            ) from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise MtkitError(
                f"{self._where}: failed with exit code {done.returncode}: {shortened(said, 200)}",
                "Try it alone, with a line of JSON on its standard input.",
            )
        return done.stdout.decode(errors="replace")

    def _number(self, answer: str, place: int) -> float:
        try:
            value = float(answer)
        except ValueError:
            value = float("nan")
        if not isfinite(value):
            raise MtkitError(
                f"{self._where}: line {place} of its answer is {shortened(answer, 40)!r}, not a number.",
                "It must print one number per line, and all else to stderr.",
            )
        return value

    def measured(
        self,
        hyps: Sequence[str],
        refs: Sequence[Sequence[str]],
        srcs: Sequence[str] | None,
        resamples: int = 0,
    ) -> Measured:
        """The mean of the numbers that the program gives to the translations; raises as `scores`."""
        rows = [[value, 1] for value in self.scores(hyps, refs, srcs)]
        signature = f"nrefs:{len(refs)}|command:{self.command}"
        measure = Measure(self.name, self.higher_is_better)
        return measured(self.name, measure, Ratio(), rows, signature, resamples=resamples)


def metric_commands(given: Sequence[str], timeout: float) -> list[MetricCommand]:
    """The programs in arguments such as `comet=./comet-lines --batch 8` or `metricx:lower=./metricx`.

    Raises:
        UsageError: a name is missing, taken or not one word, or a command cannot be split into words.
    """
    found: dict[str, MetricCommand] = {}
    for text in given:
        named, _, command = text.partition("=")
        name, colon, better = named.partition(":")
        if not (name.isidentifier() and command.strip() and better in _DIRECTIONS[bool(colon)]):
            raise UsageError(
                f"--metric-command {text}: expected NAME=COMMAND, or NAME:lower=COMMAND if lower is better.",
                "Write comet=./comet-lines, for example.",
            )
        if name in {*METRIC_NAMES, *MODEL_METRIC_NAMES, *found}:
            raise UsageError(f"--metric-command {name}: there is a metric of that name.", "Choose another.")
        try:
            shlex.split(command)
        except ValueError as error:
            raise UsageError(f"--metric-command {text}: {error}.", "Close the quotes.") from None
        found[name] = MetricCommand(name, command, timeout, better != "lower")
    return list(found.values())
