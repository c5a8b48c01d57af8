"""What runs in the children of the fork server: the faults, and the work that they strike."""

from __future__ import annotations

import contextlib
import functools
import importlib
import itertools
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mtkit.config.load import load_config
from mtkit.config.schema import Config
from mtkit.disk import calls as disk
from mtkit.model.checkpoint import keep_only, step_folder, step_folders, weights_of, write_model
from mtkit.model.tensors import Tensors
from mtkit.model.transformer import build_model
from mtkit.runs.training import Training
from mtkit.text.tokenizer import Tokenizer, load_tokenizer
from tests.support.faults.shim import Call, failing, watched

KEPT = 2
_ARMED = contextlib.ExitStack()
"""Faults that last as long as the process: a context that nobody holds would end at once."""


@functools.cache
def _written(model: str) -> tuple[Config, Tokenizer, Tensors]:
    config = load_config([Path(model) / "config.yaml"]).config
    tokenizer = load_tokenizer(Path(model), config.text)
    sizes = (tokenizer.src.size, tokenizer.tgt.size)
    return config, tokenizer, weights_of(build_model(config.model, *sizes, seed=1))


def save(model: str, run: str, step: int) -> None:
    """What training does at a save: a checkpoint is written, and the oldest ones go."""
    config, tokenizer, weights = _written(model)
    state = {f"exp_avg.{name}": torch.full_like(weight, step) for name, weight in weights.items()}
    parent = Path(run) / "checkpoints"
    write_model(
        step_folder(parent, step),
        config,
        tokenizer,
        weights,
        training=Training(step),
        train_state=state,
        progress={"step": step},
    )
    keep_only(parent, step_folders(parent)[-KEPT:])


def killed_save(model: str, run: str, step: int, at: int, marker: str) -> None:
    """A save that dies at its call number `at`."""

    def die() -> None:
        Path(marker).write_text(struck[0].name)
        os.kill(os.getpid(), signal.SIGKILL)

    struck: list[Call] = []
    with watched(failing(at, die, struck)):
        save(model, run, step)


def stopped_save(model: str, run: str, step: int) -> int:
    """A save before which the process waits to be traced; 7 if the disk refused it."""
    from mtkit.errors import WriteError

    _written(model)  # before the fault can strike: the tokenizer is tried out through a pipe
    os.kill(os.getpid(), signal.SIGSTOP)
    try:
        save(model, run, step)
    except (WriteError, OSError):
        return 7
    return 0


def audited_save(model: str, run: str, step: int, seen: str) -> None:
    """A save that writes down which changes of the disk Python itself announces."""
    names = {
        "os.mkdir": "make_folder",
        "os.rename": "rename",
        "os.remove": "remove_file",
        "os.rmdir": "remove_folder",
        "os.truncate": "truncate",
        "os.link": "link",
        "os.symlink": "symlink",
        "os.chmod": "chmod",
        "os.utime": "utime",
    }
    found: list[str] = []

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            found.append("create" if args[2] & os.O_EXCL else "extend")
        elif event in names or event.startswith("shutil."):
            found.append(names.get(event, event))

    _written(model)
    sys.addaudithook(hook)
    save(model, run, step)
    count = len(found)
    Path(seen).write_text("\n".join(found[:count]))


def command(argv: list[str], cwd: str, hooks: dict[str, Any]) -> int:
    """The command line, after each of `hooks` was called with its arguments."""
    from mtkit.cli.app import main

    os.chdir(cwd)
    for name, args in hooks.items():
        globals()[name](**args)
    sys.argv = ["mtkit", *argv]
    main()
    return 0


def set_environ(**values: str) -> None:
    """The variables of the process, and of those that it starts."""
    os.environ.update(values)


def limit_memory(size: int) -> None:
    """The process may take so many bytes more than it has; it gets MemoryError beyond."""
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    bound = pages * resource.getpagesize() + size
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))


def hold(run: str, ready: str, release: str) -> int:
    """Holds a run folder until the file `release` is there; 7 if another process holds it."""
    from mtkit.disk.lock import only_writer
    from mtkit.errors import MtkitError
    from mtkit.runs.layout import open_run

    open_run(Path(run))
    try:
        open_run(Path(run))
        with only_writer(Path(run)):
            with Path(ready).open("a") as file:
                file.write(f"{os.getpid()} in\n")
            while not Path(release).exists():
                time.sleep(0.005)
            with Path(ready).open("a") as file:
                file.write(f"{os.getpid()} out\n")
    except MtkitError as error:
        sys.stdout.write(f"{error}\n")
        return 7
    return 0


def write_often(model: str, run: str) -> None:
    """A run that saves as fast as it can, and keeps two checkpoints, until it is killed."""
    disk.sync = lambda path: None
    for step in itertools.count(1):
        save(model, run, step)


# ---------------------------------------------------------------- trainings


def die(marker: str, where: str) -> None:
    """SIGKILL, after writing down where it struck."""
    Path(marker).write_text(where)
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_call(target: str, at: int, marker: str) -> None:
    """Kills the process at call number `at` of a function or method, `module:name` or `module:Class.name`."""
    _at_call(target, at, lambda: die(marker, target))


def _at_call(target: str, at: int, strike: Callable[[], None]) -> None:
    module, _, path = target.partition(":")
    owner: Any = importlib.import_module(module)
    *classes, name = path.split(".")
    for step in classes:
        owner = getattr(owner, step)
    real = getattr(owner, name)
    count = 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == at:
            strike()
        return real(*args, **kwargs)

    setattr(owner, name, counted)


def spelled(call: Call) -> str:
    """The name of a call and the end of its path, without the random ids that differ from run to run."""
    return re.sub(r"[0-9a-f]{32}", "ID", f"{call.name} {'/'.join(call.paths[-1].parts[-3:])}")


def kill_at_disk_call(at: int, marker: str) -> None:
    """Kills the process at call number `at` that changes the disk."""
    struck: list[Call] = []

    def strike() -> None:
        call = struck[0]
        die(marker, spelled(call))

    _ARMED.enter_context(watched(failing(at, strike, struck)))


def train(config: str, overrides: list[str], hooks: list[list[Any]], log: str = "") -> None:
    """Trains to the end, after each of `hooks`, a name with its arguments, was put in place."""
    from mtkit.data.prepare.prepared import open_prepared
    from mtkit.train.trainer import train as run

    loaded = load_config([Path(config)], overrides).config
    prepared = open_prepared(loaded)
    if log:
        with watched() as calls:
            run(loaded, prepared, lambda event: None)
        Path(log).write_text("".join(f"{spelled(call)}\n" for call in calls))
        return
    for name, *args in hooks:
        globals()[name](*args)
    run(loaded, prepared, lambda event: None)


def jump_clock(asked: str) -> None:
    """The wall clock is years ahead or behind, in turn, whenever it is asked; it writes down how often."""
    real, form, turns = time.time, time.strftime, itertools.count()

    def jumping() -> float:
        turn = next(turns)
        with Path(asked).open("a") as file:
            file.write("asked\n")
        return real() + (3e8 if turn % 2 else -3e8)

    def formed(layout: str, *when: Any) -> str:
        return form(layout, *(when or [time.localtime(jumping())]))

    for name, function in (
        ("time", jumping),
        ("strftime", formed),
        ("time_ns", lambda: int(jumping() * 1e9)),
    ):
        setattr(time, name, function)


def set_machine(threads: int = 0, mtkit: str = "", torch_version: str = "") -> None:
    """Another machine: threads, and versions of mtkit and torch."""
    from mtkit.train import store

    if threads:
        torch.set_num_threads(threads)
    for owner, version in ((store, mtkit), (torch, torch_version)):
        if version:
            setattr(owner, "__version__", version)  # noqa: B010


def fill_disk_at_call(target: str, at: int, folder: str, left: int) -> None:
    """At call number `at` of a function or method the disk of `folder` has but `left` bytes free."""
    _at_call(target, at, lambda: fill_disk(Path(folder), left))


def fill_disk(folder: Path, left: int) -> None:
    """Leaves so many bytes free, or a few less: the system counts in pages."""
    size = shutil.disk_usage(folder).free - left
    (folder / "filler").write_bytes(bytes(size))


def limit_file_size(size: int) -> None:
    """No file that is written grows larger."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def run_out_of_memory(above: int, at: int, marker: str) -> None:
    """From micro-batch number `at` on there is no memory for more than `above` pairs at once."""
    from mtkit.train.objective import Objective

    real, count = Objective.__call__, 0

    def limited(self: Objective, batch: Any) -> Any:
        nonlocal count
        count += 1
        if count >= at and len(batch.src_ids) > above:
            with Path(marker).open("a") as file:
                file.write(f"{len(batch.src_ids)}\n")
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return real(self, batch)

    Objective.__call__ = limited  # type: ignore[method-assign]


def prepare_and_die(
    config: str, force: bool, phase: str = "", at: int = 0, marker: str = "", log: str = ""
) -> None:
    """Prepares; dies in the stage `phase` or at call number `at` that changes the disk; logs those calls."""
    from mtkit.data.prepare.prepare import prepare

    def progress(now: str, done: int, total: int | None) -> None:
        if phase and now.startswith(phase):
            os.kill(os.getpid(), signal.SIGKILL)

    if at:
        kill_at_disk_call(at, marker)
    if log:
        with watched() as calls:
            prepare(Config.model_validate_json(config), progress, force=force)
        Path(log).write_text("".join(f"{call.name}\n" for call in calls))
    else:
        prepare(Config.model_validate_json(config), progress, force=force)


def signal_at_call(target: str, at: int, number: int, marker: str, times: int = 1) -> None:
    """Sends this process a signal at call number `at` of a function or method, as `kill_at_call` does."""

    def strike() -> None:
        Path(marker).write_text(target)
        for _ in range(times):
            os.kill(os.getpid(), number)

    _at_call(target, at, strike)


# ---------------------------------------------------------------- the prefetch worker


def break_worker(kind: str, at: int, times: int, marker: str, patience: float = 300.0) -> None:
    """Lets the process that makes the batches be `killed`, `fail` or `hang` when step `at` is due.

    That happens to the first `times` processes that come to it; each writes a line with its number.
    """
    from mtkit.data.feed import prefetch
    from tests.support.faults.worker import broken_work

    prefetch.PATIENCE_S = patience
    prefetch.work = functools.partial(broken_work, kind, at, times, Path(marker))


# ---------------------------------------------------------------- the network


def block_network(tried: str) -> None:
    """Refuses, and writes down, every attempt to find or to reach another machine, of children as well."""
    from tests.support.faults.offline import refuse, refuse_to_children

    refuse(Path(tried))
    refuse_to_children(Path(tried), Path(f"{tried}-children"))


def translate_and_die(
    args: list[str], at: int = 0, marker: str = "", log: str = "", command: str = "translate"
) -> None:
    """Runs a command of mtkit; dies at call number `at` that changes the disk; logs those calls."""
    from mtkit.cli.commands import app

    if at:
        kill_at_disk_call(at, marker)
    with contextlib.ExitStack() as stack:
        calls = stack.enter_context(watched()) if log else []
        try:
            app([command, *args])  # it exits
        finally:
            if log:
                Path(log).write_text("".join(f"{call.name}\n" for call in calls))
