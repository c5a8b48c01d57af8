"""`mtkit train --on ray`: Ray Train starts the ranks, on one machine or several, and starts them again.

Each worker does what a process of torchrun does. Ray makes the process group and replaces lost workers;
mtkit's own checkpoints are what a new group resumes from.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from threading import Thread
from typing import Any

from mtkit.cli import console
from mtkit.cli.failures import report
from mtkit.cli.train import Resuming, StopSignals, train_rank
from mtkit.cluster import Terminal, enter_folder, follow, ray_cluster, start_relay, use_gpus
from mtkit.cores import num_cores
from mtkit.errors import MtkitError
from mtkit.train.machine.distributed import PeerFailedError, PeerLostError, join_world


@dataclass(frozen=True, slots=True)
class _Order:
    """What each worker is told: the arguments of the command, and where its words go."""

    arguments: list[str] | None
    resuming: Resuming
    terminal: Terminal
    quiet: bool
    debug: bool


def train_on_ray(
    arguments: list[str] | None,
    resuming: Resuming,
    device: str,
    workers: int,
    max_restarts: int,
    stop: StopSignals,
) -> None:
    """Trains on workers of Ray with data that are prepared, and tells them of signals to this process.

    Args:
        arguments: of the command.
        resuming: what may differ from the last checkpoint.
        device: option of the config.
        workers: the number of ranks.
        max_restarts: how often they start again after one was lost.
        stop: the signals.

    Raises:
        MtkitError: the training failed, or stopped on request; then a worker has said why.
    """
    cores = num_cores() if os.environ.get("OMP_NUM_THREADS") else 1  # as with torchrun
    console.say("starting Ray …")
    with ray_cluster(workers, cores), tempfile.TemporaryDirectory() as folder:
        from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError, UserCallback
        from ray.train.torch import TorchConfig, TorchTrainer

        use_gpu = use_gpus(device, workers)
        relay = start_relay()
        again = f"a worker was lost. All start again from the last checkpoint, at most {max_restarts} times."

        class Losses(UserCallback):  # type: ignore[misc]  # Ray has no types here
            def after_exception(self, run_context: object, worker_exceptions: object) -> None:
                relay.write.remote(f"warning: {again}\n")

        order = _Order(arguments, resuming, Terminal(relay), console.state.quiet, console.state.debug)
        trainer = TorchTrainer(
            _rank,
            train_loop_config={"order": order},
            torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if use_gpu else "gloo", timeout_s=300),
            scaling_config=ScalingConfig(
                num_workers=workers, use_gpu=use_gpu, resources_per_worker={"CPU": cores}
            ),
            run_config=RunConfig(
                storage_path=folder,
                failure_config=FailureConfig(max_failures=max_restarts),
                callbacks=[Losses()],
            ),
        )
        try:
            code = follow(relay, trainer.fit, stop.received, console.pass_on).return_value
        except TrainingFailedError as error:
            said = " ".join(str(error).split())[:300]
            raise MtkitError(
                f"a worker was lost, and --max-restarts {max_restarts} is used up: {said}",
                "Check for a process that was killed or ran out of memory. Run the same command to resume "
                "from the last checkpoint.",
            ) from error
    if code:
        raise PeerFailedError(code)


def _rank(config: dict[str, Any]) -> int:
    """Runs in a worker, in a thread. Returns the exit code; the loss of another worker is left to Ray."""
    order: _Order = config["order"]
    console.set_up(quiet=order.quiet, debug=order.debug)
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"  # the store is that of Ray's process group
    stop = StopSignals()

    def obey() -> None:
        order.terminal.wait_for_stop()
        stop.request()

    Thread(target=obey, daemon=True).start()
    with order.terminal.shown():
        try:
            with join_world() as world:
                enter_folder(order.terminal.folder)
                train_rank(order.arguments, world, stop, order.resuming)
        except PeerLostError:
            raise
        except (Exception, KeyboardInterrupt) as error:
            return report(error)
    return 0
