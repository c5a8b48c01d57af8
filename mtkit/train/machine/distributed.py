"""The processes ("ranks") that train one model together: how they agree, and how they end.

Under torchrun, or any launcher that sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, each
process computes a part of every micro-batch, and all of them make the same update. Only rank 0 prints and
writes. torch is imported only when there are several ranks. What they send of a model is in `exchange.py`.
"""

from __future__ import annotations

import os
import pickle
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from mtkit.errors import MtkitError, StoppedError, UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.distributed import ProcessGroup
    from torch.distributed.distributed_c10d import Store

Value = TypeVar("Value")

_TIMEOUT = timedelta(minutes=5)
"""Longest wait in a collective operation for a rank that is alive; a dead one is noticed at once."""
_PATIENCE = timedelta(days=30)
"""The same where the work of the ranks may take any time."""
_POLL_S = 0.05
_GRACE_S = 3.0
"""Time that a failing rank waits for a report from one that may have failed before it."""
_FAREWELL_S = 15.0
"""Time that rank 0, which hosts the store, waits at the end for ranks that have not yet read it."""
_BUG = 70
"""Exit code of an unexpected failure."""


class PeerFailedError(MtkitError):
    """Another rank has failed and reported why. This rank exits silently with the same exit code."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("")
        self.exit_code = exit_code


class PeerLostError(MtkitError):
    """The connection to another rank was lost. A world that is started again resumes, as after a stop."""

    exit_code = StoppedError.exit_code


@dataclass(slots=True)
class World:
    """The ranks of a run, from the view of one of them.

    Attributes:
        rank: number of this process, from 0.
        size: number of processes; 1 without a launcher.
        local_rank: number of this process on its machine, and of its GPU.
        local_size: number of processes on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    _store: Store | None = None
    _patient: ProcessGroup | None = None
    _turn: int = field(default=0, init=False)

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, which prints and writes."""
        return self.rank == 0

    # ------------------------------------------------------------ agreement

    def sum(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The sum over all ranks of each number. All ranks must give the same names."""
        if self.size == 1 or not values:
            return dict(values)
        import torch
        import torch.distributed as dist

        names = sorted(values)
        flat = torch.stack([values[name].detach().double() for name in names])
        dist.all_reduce(flat)
        return dict(zip(names, flat, strict=True))

    def agree(self, seconds: float, stop: bool, splits: int = 1) -> tuple[float, bool, int]:
        """Rank 0's `seconds`, whether any rank wants to `stop`, and the most `splits`; the same on all ranks.

        The exchange is between CPUs and does not wait for GPUs.
        """
        if self.size == 1:
            return seconds, stop, splits
        import torch
        import torch.distributed as dist

        told = torch.tensor([seconds if self.is_main else 0.0, float(stop), splits], dtype=torch.float64)
        dist.all_reduce(told, dist.ReduceOp.MAX)
        return float(told[0]), bool(told[1]), int(told[2])

    def gather(self, value: Value) -> list[Value]:
        """The value of each rank, on all ranks.

        Ranks wait without a time limit, but notice at once if one has ended.
        """
        if self.size == 1:
            return [value]
        import torch.distributed as dist

        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value, group=self._patient)
        return found

    def on_main(self, work: Callable[[], Value]) -> Value:
        """Runs `work` on rank 0 and returns its result on all ranks; the others wait without a time limit.

        Raises:
            PeerFailedError: another rank failed while this one waited.
        """
        if self._store is None:
            return work()
        self._turn += 1
        key = f"main/{self._turn}"
        if self.is_main:
            value = work()
            self._store.set(key, pickle.dumps(value))  # type: ignore[arg-type]  # bytes are accepted, too
            return value
        while not self._store.check([key]):
            if self._store.check(["failed"]):
                raise PeerFailedError(_exit_code(self._store))
            time.sleep(_POLL_S)
        given: Value = pickle.loads(self._store.get(key))
        return given

    def main_first(self, work: Callable[[], Value]) -> Value:
        """Runs `work` on every rank, on rank 0 before the others, and returns each rank's own result."""
        if self.is_main:
            value = work()
            self.on_main(lambda: None)
            return value
        self.on_main(lambda: None)
        return work()

    # ------------------------------------------------------------ the end

    def explain(self, error: BaseException) -> BaseException:
        """The error that this rank should raise: its own if it failed first, else `PeerFailedError`."""
        if self._store is None or isinstance(error, PeerFailedError | KeyboardInterrupt):
            return error
        lost = _is_loss_of_peer(error)
        if lost:
            error = PeerLostError(
                f"rank {self.rank} of {self.size}: another process of this run ended unexpectedly.",
                "Check for a process that was killed or ran out of memory. Run the same command to resume "
                "from the last checkpoint.",
            )
        elif isinstance(error, MtkitError) and not self.is_main:
            error.message = f"rank {self.rank} of {self.size}: {error.message}"
        mine = f"{self.rank} {error.exit_code if isinstance(error, MtkitError) else _BUG}"
        try:
            # Rank 0 reports an error that occurs on all ranks. A rank that lost its peer lets the peer
            # report.
            if lost or not self.is_main:
                self._wait_for_word()
            if self._store.compare_set("failed", "", mine).decode() == mine:
                return error
            return PeerFailedError(_exit_code(self._store))
        except RuntimeError:  # the store is gone, because rank 0 or its machine failed
            return error if self.rank == 1 else PeerFailedError(PeerLostError.exit_code)

    def leave(self) -> None:
        """Tells rank 0 that this rank is done with the store; rank 0 waits until all are, within a limit."""
        if self._store is None:
            return
        with suppress(RuntimeError):  # the store is gone
            if not self.is_main:
                self._store.set(f"left/{self.rank}", "")
                return
            end = time.monotonic() + _FAREWELL_S
            others = [f"left/{rank}" for rank in range(1, self.size)]
            while time.monotonic() < end and not self._store.check(others):
                time.sleep(_POLL_S)

    def _wait_for_word(self) -> None:
        assert self._store is not None
        end = time.monotonic() + _GRACE_S
        while time.monotonic() < end and not self._store.check(["failed"]):
            time.sleep(_POLL_S)


def _exit_code(store: Store) -> int:
    """The exit code of the rank that failed first."""
    return int(store.get("failed").decode().split()[1])


def _is_loss_of_peer(error: BaseException) -> bool:
    """Whether the connection to another rank was lost."""
    import torch.distributed as dist

    if isinstance(error, dist.DistError):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and any(
        sign in said for sign in ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer")
    )


# ---------------------------------------------------------------- the beginning


@contextmanager
def join_world(environ: Mapping[str, str] = os.environ) -> Iterator[World]:
    """The ranks that the launcher started, or this process alone without a launcher.

    A failure inside the block ends all ranks: the others notice it in their next collective operation, or are
    stopped by the launcher.

    Raises:
        UsageError: the launcher's environment variables are incomplete or invalid.
    """
    if "RANK" not in environ or "WORLD_SIZE" not in environ:
        yield World()
        return
    rank, size, local_rank = (_number(environ, name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    if not 0 <= rank < size:
        raise UsageError(f"RANK = {rank} must be below WORLD_SIZE = {size}.", "Start the run with torchrun.")
    if size == 1:
        yield World()
        return
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if name not in environ:
            raise UsageError(
                f"{name} is not set, though WORLD_SIZE = {size}.", "Start the run with torchrun."
            )
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # otherwise a lost connection logs a page of text
    local_size = int(environ.get("LOCAL_WORLD_SIZE", size))
    world = World(rank, size, local_rank, local_size, *_connect(local_rank))
    import torch.distributed as dist

    try:
        yield world
        world.agree(0.0, stop=False)  # all ranks wait for the last one
    except BaseException as error:
        said = world.explain(error)
        if not world.is_main or environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
            world.leave()
        if said is error:
            raise
        raise said from error
    else:
        dist.destroy_process_group()


def _number(environ: Mapping[str, str], name: str) -> int:
    try:
        return int(environ[name])
    except (KeyError, ValueError):
        raise UsageError(
            f"{name} = {environ.get(name, '')!r} in the environment must be a number.",
            "Start the run with torchrun.",
        ) from None


def _connect(local_rank: int) -> tuple[Store, ProcessGroup]:
    """Joins the other ranks. Returns their shared store, and a group whose ranks wait as long as it takes.

    A launcher may have made the process group already, as Ray Train does.
    """
    import torch
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    device: dict[str, Any] = {}
    if torch.cuda.is_available() and local_rank < torch.cuda.device_count():
        torch.cuda.set_device(local_rank)
        device = {"backend": "cpu:gloo,cuda:nccl", "device_id": torch.device("cuda", local_rank)}
    store, rank, size = next(iter(rendezvous("env://", timeout=_TIMEOUT)))
    store = PrefixStore(world_id(PrefixStore("worlds", store), rank, size), store)
    if not dist.is_initialized():
        dist.init_process_group(
            **{"backend": "gloo", **device},
            store=PrefixStore("torch", store),
            rank=rank,
            world_size=size,
            timeout=_TIMEOUT,
        )
    return PrefixStore("mtkit", store), dist.new_group(backend="gloo", timeout=_PATIENCE)


def world_id(store: Store, rank: int, size: int) -> str:
    """A name for this world, agreed upon by its ranks.

    torchrun's store survives a restart, with the keys of the world before it. A rank therefore believes only
    an answer to its own random number: rank 0 answers whatever it finds until all have confirmed.

    Raises:
        MtkitError: a rank has not come in time.
    """
    own, end = secrets.token_hex(8), time.monotonic() + _TIMEOUT.total_seconds()
    missing = set(range(1, size)) if rank == 0 else set()
    if rank:
        store.set(f"hello/{rank}", own)
        name = store.get(f"world/{own}").decode()  # waits for it
        store.set(f"here/{name}/{rank}", "")
        return name
    while missing:
        if time.monotonic() > end:
            raise MtkitError(
                f"{len(missing)} of {size} processes have not joined within {_TIMEOUT}.",
                "Check that all were started, and that they can reach each other.",
            )
        for other in sorted(missing):
            if store.check([f"here/{own}/{other}"]):
                missing.discard(other)
            elif store.check([f"hello/{other}"]):
                store.set(f"world/{store.get(f'hello/{other}').decode()}", own)
        time.sleep(_POLL_S if missing else 0)
    return own


def check_device(world: World, device: torch.device) -> None:
    """Checks that this rank has a GPU of its own.

    Raises:
        UsageError: there are fewer GPUs than ranks on this machine.
    """
    import torch

    if device.type == "cuda" and world.local_rank >= torch.cuda.device_count():
        raise UsageError(
            f"process {world.local_rank} on this machine has no GPU, because there are only "
            f"{torch.cuda.device_count()}.",
            f"Start {torch.cuda.device_count()} processes: torchrun --nproc-per-node gpu.",
        )
