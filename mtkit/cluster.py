"""Ray: a cluster for the time of a command, and what its workers say at the terminal of the driver.

Knows nothing of what is computed there. ray is optional, and imported only inside the functions.
"""

from __future__ import annotations

import asyncio
import io
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from mtkit.errors import MtkitError, UsageError

if TYPE_CHECKING:
    from ray.actor import ActorHandle

Value = TypeVar("Value")

_OBJECT_STORE = 128 << 20
"""Bytes of shared memory of a cluster of our own, through which hardly anything goes."""
_PAUSE_S = 0.5
"""Longest wait of the driver for words of its workers, before it looks for signals."""


def check_ray(flag: str) -> None:
    """Checks that Ray is there.

    Args:
        flag: that needs it, for the message.

    Raises:
        UsageError: it is not.
    """
    if find_spec("ray") is None:
        raise UsageError(
            f"{flag}: needs ray, which is not installed.", "Install it: pip install 'ray[serve,train]'."
        )


@contextmanager
def ray_cluster(workers: int, cores: int) -> Iterator[Any]:
    """The module `ray`, connected to the cluster of RAY_ADDRESS, or to one on this machine within the block.

    A cluster of our own has as many cores as the workers need, and a secret that no other process knows.

    Args:
        workers: that will be started.
        cores: of each.

    Raises:
        UsageError: the cluster has fewer cores.
        MtkitError: there is no cluster at the address, or none can be started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # 15 otherwise: others would compute first
    address = os.environ.get("RAY_ADDRESS") or "local"
    if address == "local":  # its ports are open to the network, and who reaches them may run anything
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    elif Path("~/.ray/auth_token").expanduser().exists():  # as `ray start` does; `ray.init` looks too late
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    import ray  # reads the environment

    own: dict[str, Any] = {
        "num_cpus": workers * cores,
        "object_store_memory": _OBJECT_STORE,
        "include_dashboard": False,
    }
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level="ERROR",
            **own if address == "local" else {},
        )
    except (OSError, RuntimeError, ValueError) as error:  # ConnectionError is an OSError
        said = " ".join(str(error).split())[:200]
        where = "Ray cannot start on this machine" if address == "local" else f"RAY_ADDRESS = {address}"
        raise MtkitError(f"{where}: {said}", "Set RAY_ADDRESS to the address of a running cluster.") from None
    signal.signal(signal.SIGTERM, before)  # which Ray has replaced
    try:
        there = int(ray.cluster_resources().get("CPU", 0))
        if there < workers * cores:
            raise UsageError(
                f"--workers {workers}: need {workers * cores} cores, and the cluster has {there}.",
                f"Start at most {there // cores} workers, or set fewer cores for each.",
            )
        with redirect_stdout(io.StringIO()):  # Ray tells of lost workers there, by a page each
            yield ray
    finally:
        ray.shutdown()


class Relay:
    """An actor between the driver and its workers: their words one way, the request to stop the other way."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._news, self._stop = asyncio.Event(), asyncio.Event()

    async def write(self, text: str) -> None:
        """Takes what a worker writes."""
        self._texts.append(text)
        self._news.set()

    async def read(self) -> str:
        """What was written since the last call; waits a little for something."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), _PAUSE_S)
        self._news.clear()
        texts, self._texts = self._texts, []
        return "".join(texts)

    async def stop(self) -> None:
        """Requests all workers to stop."""
        self._stop.set()

    async def stopped(self) -> None:
        """Returns when a stop is requested."""
        await self._stop.wait()


def start_relay() -> ActorHandle[Relay]:
    """An actor of `Relay` in the cluster."""
    import ray

    return ray.remote(num_cpus=0)(Relay).remote()


def follow(
    relay: ActorHandle[Relay],
    work: Callable[[], Value],
    stopping: Callable[[], bool],
    write: Callable[[str], None],
) -> Value:
    """The result of `work`, in another thread; meanwhile words of workers come, and requests to stop go.

    Args:
        relay: between this process and the workers.
        work: waits for the workers.
        stopping: whether they should stop.
        write: takes their words.
    """
    import ray

    done: Future[Value] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    Thread(target=run, daemon=True).start()
    told = False
    while not done.done():
        write(ray.get(relay.read.remote()))
        if not told and stopping():
            told = True
            relay.stop.remote()
    write(ray.get(relay.read.remote()))
    return done.result()


def _described() -> dict[str, str]:
    """The variables of the environment by which programs know their terminal."""
    known = {name: os.environ[name] for name in ("TERM", "NO_COLOR") if name in os.environ}
    with suppress(OSError, AttributeError):
        size = os.get_terminal_size(sys.__stderr__.fileno())  # type: ignore[union-attr]
        known |= {"COLUMNS": str(size.columns), "LINES": str(size.lines)}
    return known | {name: os.environ[name] for name in ("COLUMNS", "LINES") if name in os.environ}


@dataclass(frozen=True, slots=True)
class Terminal:
    """The driver's folder and terminal, which its workers take for their own.

    Attributes:
        relay: the way to it.
        folder: in which the command was started.
        moves: whether it is a terminal.
        environ: what programs ask about it.
    """

    relay: ActorHandle[Relay]
    folder: str = field(default_factory=lambda: str(Path.cwd()))
    moves: bool = field(default_factory=lambda: sys.stderr is not None and sys.stderr.isatty())
    environ: dict[str, str] = field(default_factory=_described)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Within the block, what this worker writes to stderr appears there."""
        before = sys.stderr
        sys.stderr = _Far(self.relay, self.moves)
        os.environ.update(self.environ)
        try:
            yield
        finally:
            sys.stderr = before

    def wait_for_stop(self) -> None:
        """Returns when the driver requests a stop."""
        import ray

        ray.get(self.relay.stopped.remote())


def enter_folder(folder: str) -> None:
    """Changes to the folder of the driver.

    Raises:
        UsageError: this machine has no such folder.
    """
    try:
        os.chdir(folder)
    except OSError as error:
        raise UsageError(
            f"{folder}: {error.strerror or error}, on {socket.gethostname()}.",
            "Start the command in a folder that all machines of the cluster share.",
        ) from None


def use_gpus(device: str, workers: int) -> bool:
    """Whether each worker gets a GPU of the cluster.

    Args:
        device: auto, cpu or cuda.
        workers: their number.

    Raises:
        UsageError: there are fewer GPUs.
    """
    import ray

    there = int(ray.cluster_resources().get("GPU", 0))
    if device == "cpu" or (device == "auto" and not there):
        return False
    if there < workers:
        raise UsageError(
            f"--workers {workers}: each needs a GPU, and the cluster has {there}.",
            f"Start {there} workers, or compute on cpu." if there else "Compute on cpu.",
        )
    return True


class _Far(io.TextIOBase):
    """A stream to the driver's terminal."""

    def __init__(self, relay: ActorHandle[Relay], moves: bool) -> None:
        self._relay, self._moves = relay, moves

    def write(self, text: str) -> int:
        import ray

        ray.get(self._relay.write.remote(text))  # waits, or a later text might come before it
        return len(text)

    def isatty(self) -> bool:
        return self._moves
