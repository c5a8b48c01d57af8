"""Scores of each document of a test set. Does not use torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtkit.data.read.lines import read_lines
from mtkit.errors import InputError, counted
from mtkit.evaluate.evaluate import Evaluated
from mtkit.evaluate.systems import Job


@dataclass(frozen=True, slots=True)
class DocumentIds:
    """The document of each line of a test set.

    Attributes:
        path: the file that they were read from.
        ids: one for each line.
    """

    path: Path
    ids: Sequence[str]

    def check(self, name: str, count: int) -> None:
        """Checks that there is an id for each of `count` lines.

        Raises:
            InputError: there are more or fewer.
        """
        if len(self.ids) != count:
            raise InputError(
                f"{self.path}: has {counted(len(self.ids), 'line')}, but {name} has {count:,}.",
                "Give the id of a document for each line; choose one test set with --test.",
            )


@dataclass(frozen=True, slots=True)
class DocumentScores:
    """The scores of a document.

    Attributes:
        system: the name of the system.
        test: the name of the test set; empty if there is none.
        document: its id.
        num_pairs: number of its lines.
        scores: by metric.
    """

    system: str
    test: str
    document: str
    num_pairs: int
    scores: dict[str, float]


def read_ids(path: Path) -> DocumentIds:
    """The ids in a file, one a line.

    Raises:
        InputError: it cannot be read.
    """
    return DocumentIds(path, list(read_lines(path)))


def check_documents(docs: DocumentIds, jobs: Sequence[Job]) -> None:
    """Checks that there is an id for each line of all test sets, before any work.

    Raises:
        InputError: there are more or fewer.
    """
    for job in jobs:
        for each in job.sets:
            docs.check(each.name, len(each.pairs))


def document_scores(result: Evaluated, docs: DocumentIds) -> list[DocumentScores]:
    """The scores of each document, in the order in which they begin; lines need not be together.

    Raises:
        InputError: the number of ids differs from that of translations.
    """
    docs.check(result.system, result.num_pairs)
    lines: dict[str, list[int]] = {}
    for place, document in enumerate(docs.ids):
        lines.setdefault(document, []).append(place)
    return [
        DocumentScores(
            result.system,
            result.test,
            document,
            len(places),
            {each.score.metric: each.of_lines(places) for each in result.measured},
        )
        for document, places in lines.items()
    ]
