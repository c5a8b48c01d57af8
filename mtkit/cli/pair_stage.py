"""The parts that the commands which make pairs share: options, models, and the last lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli import console
from mtkit.cli.arguments import shown
from mtkit.cli.choices import DEVICE_HELP, DEVICES, ENGINE_HELP, ENGINES, THREADS_HELP, engine_name
from mtkit.errors import StoppedError, counted

if TYPE_CHECKING:
    from mtkit.augment.pair_folder import PairFolder, Report
    from mtkit.runs.find import Found
    from mtkit.translate.request import Request
    from mtkit.translate.translator import Translator

OutputFolderOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write.", show_default=False)
]
EngineOption = Annotated[str, typer.Option(metavar=ENGINES, help=ENGINE_HELP)]
DeviceOption = Annotated[str, typer.Option(metavar=DEVICES, help=DEVICE_HELP)]
ThreadsOption = Annotated[int | None, typer.Option(min=1, metavar="N", help=THREADS_HELP, show_default=False)]
SEARCH_DEFAULT = "Default: as the config of the model says."


def open_models(
    models: Sequence[Path | None], request: Request, engine: str, device: str, threads: int | None
) -> tuple[Translator, list[Found]]:
    """A translator for a model or an ensemble, and the models; says which they are."""
    from mtkit.runs.find import find_model, read_model
    from mtkit.translate.open import open_translator

    found = [find_model(path) for path in models]
    console.say(f"model: {' + '.join(map(str, found))}")
    name, others = engine_name(engine), [other.folder for other in found[1:]]

    def load(folder: Path) -> Translator:
        return open_translator(folder, request, device, engine=name, others=others, threads=threads)

    return read_model(found[0].run, load), found


@contextmanager
def resumable(output: Path) -> Iterator[Report]:
    """Within the block Ctrl-C and SIGTERM keep what is finished; gives a callable that shows progress."""
    from mtkit.cli.streams import say_unwritable
    from mtkit.cli.translate_run import until_stopped

    def stopped() -> StoppedError:
        return StoppedError(
            f"stopped; finished pairs are kept in {output}.", "Run the same command to resume."
        )

    with say_unwritable(output), until_stopped(stopped), console.progress() as report:
        yield report


def say_made(folder: PairFolder, names: Sequence[str]) -> None:
    """Says what the finished tables contain."""
    for name in names:
        rows, usable = folder.count(name)
        unusable = f", {rows - usable:,} of them without a usable translation" if rows > usable else ""
        console.say(f"{shown(folder.path / name)}: {counted(rows, 'pair')}{unusable}")
