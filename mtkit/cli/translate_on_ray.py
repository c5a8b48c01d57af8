"""`mtkit translate --on ray`: workers on several machines translate the parts of an input, then it is joined.

A worker does what `--part` does, part after part; if it is lost, Ray starts another one, which resumes.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from mtkit.cli import console
from mtkit.cli.failures import report
from mtkit.cli.translate_run import until_stopped
from mtkit.cluster import enter_folder, ray_cluster, use_gpus
from mtkit.cores import num_cores
from mtkit.errors import MtkitError, StoppedError
from mtkit.translate.divided import FilePart, parts_begun, parts_of

_PARTS_EACH = 4
"""Parts for each worker, so that fast ones do not wait long for slow ones."""
_MOST_LOSSES = 3
"""How often a part is tried again because its worker was lost."""


class _FailedPartError(MtkitError):
    """A part failed, and why has been said. The command exits with the same code."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("")
        self.exit_code = exit_code


class _PartWorker:
    """Translates parts, in a process of Ray.

    Args:
        given: the arguments of the command.
        folder: in which it was started.
        debug: whether tracebacks are shown.
    """

    def __init__(self, given: Mapping[str, Any], folder: str, debug: bool) -> None:
        self._given, self._folder, self._debug = given, folder, debug

    def translate(self, part: FilePart) -> tuple[FilePart, int, str]:
        """The part, the exit code, and what was said on stderr."""
        from mtkit.cli.translate import translate

        with redirect_stderr(StringIO()) as said:
            try:
                enter_folder(self._folder)
                console.set_up(quiet=self._given["quiet"], debug=self._debug)
                translate(**self._given, part=str(part))
                code = 0
            except (Exception, KeyboardInterrupt) as error:
                code = report(error)
        return part, code, said.getvalue()


def translate_on_ray(given: Mapping[str, Any], target: Path, workers: int) -> None:
    """Translates and joins the parts; those that an earlier attempt has finished are kept.

    Args:
        given: the arguments of the command by the names of the parameters of `translate`.
        target: the file to write.
        workers: the number of processes.

    Raises:
        MtkitError: a part failed, or a worker was lost again and again.
        StoppedError: a signal came.
    """
    from mtkit.cli.translate import translate

    parts = parts_of(parts_begun(target) or _PARTS_EACH * workers)
    cores = given["threads"] or max(1, num_cores() // workers)
    each = {**given, "on": None, "workers": 1, "threads": cores, "quiet": console.state.quiet}
    del each["part"]
    console.say("starting Ray …")
    finished = 0
    with (
        until_stopped(lambda: _stopped(finished, len(parts))),
        ray_cluster(workers, cores) as ray,
        console.progress() as show,
    ):
        from ray.util import ActorPool

        gpus = use_gpus(given["device"].partition(":")[0], workers)
        make = ray.remote(num_cpus=cores, num_gpus=int(gpus), max_restarts=-1, max_task_retries=_MOST_LOSSES)(
            _PartWorker
        )
        pool = ActorPool([make.remote(each, str(Path.cwd()), console.state.debug) for _ in range(workers)])
        try:
            for part, code, said in pool.map_unordered(
                lambda actor, part: actor.translate.remote(part), parts
            ):
                console.pass_on("".join(f"{part}: {line}\n" for line in said.splitlines()))
                if code:
                    raise _FailedPartError(code)
                finished += 1
                show("parts translated", finished, len(parts))
        except ray.exceptions.RayActorError as error:
            raise MtkitError(
                f"a worker was lost {_MOST_LOSSES + 1} times: {' '.join(str(error).split())[:300]}",
                "Check for a process that was killed or ran out of memory. Run the same command to resume.",
            ) from error
    translate(**{**each, "join": len(parts)})


def _stopped(finished: int, count: int) -> StoppedError:
    return StoppedError(
        f"stopped; {finished:,} of {count:,} parts are finished, and what was translated of others is kept.",
        "Run the same command to resume.",
    )
