"""Serves models over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from mtkit.cli import console
from mtkit.cli.choices import (
    DEVICE_HELP,
    DEVICES,
    ENGINE_HELP,
    ENGINES,
    MODEL_HELP,
    ON_HELP,
    THREADS_HELP,
    engine_name,
    one_of,
)
from mtkit.cli.quick import Flag
from mtkit.cores import num_cores
from mtkit.errors import UsageError

if TYPE_CHECKING:
    from mtkit.serve.models import Models
    from mtkit.serve.settings import Settings

ENGINE, SERVER, ACCESS = "Model and engine", "Server", "Who may ask"
_KEYS_HELP = "File of `mtkit serve keys add`. Requests need one of its keys, unless --open is set."


def serve(
    model: Annotated[
        list[Path] | None,
        Flag(
            ENGINE,
            f"{MODEL_HELP} Repeat to serve several pairs of languages.",
            ("--model", "-m"),
            metavar="PATH",
        ),
    ] = None,
    engine: Annotated[str, Flag(ENGINE, f"{ENGINE_HELP} [default: auto]", metavar=ENGINES)] = "auto",
    device: Annotated[str, Flag(ENGINE, f"{DEVICE_HELP} [default: auto]", metavar=DEVICES)] = "auto",
    threads: Annotated[int | None, Flag(ENGINE, THREADS_HELP, metavar="N", low=1)] = None,
    memory: Annotated[
        list[Path] | None,
        Flag(
            ENGINE,
            "Translation memory: lines and sentences that are in it get its translation, of each pair of "
            "languages that it has. TMX, TSV, CSV, JSON lines, XLIFF or PO; repeatable, the last file "
            "counts.",
            metavar="FILE",
        ),
    ] = None,
    host: Annotated[
        str,
        Flag(
            SERVER,
            "Address to listen on; 0.0.0.0 for all of this machine, which needs --api-keys or --open. "
            "[default: 127.0.0.1]",
            metavar="ADDRESS",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        Flag(SERVER, "Port to listen on; 0 for any free one. [default: 5000]", metavar="N", low=0),
    ] = 5000,
    workers: Annotated[
        int,
        Flag(
            SERVER,
            "Processes that share the port, each with the models and its part of the cores. [default: 1]",
            metavar="N",
            low=1,
        ),
    ] = 1,
    on: Annotated[str | None, Flag(SERVER, ON_HELP, metavar="ray")] = None,
    check: Annotated[bool, Flag(SERVER, "Open the models, translate a text, and end.", ("--check",))] = False,
    api_keys: Annotated[Path | None, Flag(ACCESS, _KEYS_HELP, metavar="FILE")] = None,
    open_to_all: Annotated[
        bool,
        Flag(
            ACCESS, "Translate for everyone who can reach the address; a key lifts the limits.", ("--open",)
        ),
    ] = False,
    rate: Annotated[
        float | None,
        Flag(
            ACCESS,
            "Requests a minute of each key or address; 0 for any number. Default: 120, and 0 on this "
            "machine alone.",
            metavar="N",
            low=0,
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        Flag(
            ACCESS,
            "Name by which clients call this server, such as mt.example.org; repeatable.",
            metavar="NAME",
        ),
    ] = None,
    cors: Annotated[
        list[str] | None,
        Flag(
            ACCESS, "Other page that may use it, such as https://example.org; repeatable.", metavar="ORIGIN"
        ),
    ] = None,
) -> None:
    """Translate over HTTP, with a page for people.

    Speaks the APIs of LibreTranslate, DeepL and OPUS-CAT. SIGHUP opens the models again.

    \b
    Examples:
      mtkit serve -m runs/en-fr -m runs/fr-en
      mtkit serve keys add alice --api-keys keys.txt
      mtkit serve --host 0.0.0.0 --api-keys keys.txt --allow-host mt.example.org
    """
    _check_installed()
    from mtkit.serve.keys import read_keys
    from mtkit.serve.settings import Settings

    settings = Settings(
        host,
        port,
        read_keys(api_keys) if api_keys else None,
        open_to_all,
        rate,
        tuple(name.lower() for name in allow_host or ()),
        tuple(cors or ()),
    )
    if on:
        from mtkit.cluster import check_ray
        from mtkit.runs.find import find_model

        one_of("--on", on, ("ray",))
        check_ray("--on ray")
        model = model or [find_model(None).run]  # workers may have another environment
    one_of("--device", device.partition(":")[0], ("auto", "cpu", "cuda"))
    cores = threads or max(1, num_cores() // workers) if workers > 1 or on else threads

    def open_models(aloud: bool = True) -> Models:
        from mtkit.serve.models import Models, ServedModel

        named: list[Path | None] = [*model] if model else [None]
        served = [ServedModel(path, engine_name(engine), device, cores) for path in named]
        models = Models(served, memory or ())
        for found in models.models if aloud else ():
            console.say(f"model: {found} ({found.engine_name})")
        for direction in models.directions.values() if aloud and memory else ():
            entries = len(direction.memory) if direction.memory else 0
            console.say(f"memory: {entries:,} entries from {' to '.join(direction.pair)}")
        return models

    if check:
        _try(open_models())
        return
    if on:
        _run_on_ray(settings, workers, cores or 1, device.partition(":")[0], open_models)
    else:
        _run(settings, workers, open_models)
    console.state.in_a_hurry = True  # a sentence that is still searched for has no reader
    raise SystemExit(0)


def _run(settings: Settings, workers: int, open_models: Callable[[bool], Models]) -> None:
    """Serves; with several workers this returns in each of them, and their parent never opens a model."""
    from mtkit.serve.listening import address_of, listen
    from mtkit.serve.supervisor import run_workers

    with listen(settings) as listening:
        place = f"at {address_of(listening)}"
        worker = None
        if workers > 1:
            worker = run_workers(
                workers,
                settings,
                listening,
                lambda pairs: console.say(f"serving {pairs} by {workers} workers {place}"),
            )
        from mtkit.serve.server import run_server
        from mtkit.serve.site import Site

        models = open_models(worker is None or worker.is_first)
        pairs = _named(models)

        def ready() -> None:
            if worker:
                worker.ready(pairs)
            else:
                console.say(f"serving {pairs} {place}")

        run_server(Site(models, settings, worker), listening, ready)


def _run_on_ray(
    settings: Settings, workers: int, cores: int, device: str, open_models: Callable[[bool], Models]
) -> None:
    """Serves on replicas of Ray, once the models were opened here: then one message says what is wrong.

    Raises:
        UsageError: strangers could reach Ray's proxy, which bounds neither headers nor connections.
    """
    from mtkit.serve.on_ray import serve_on_ray
    from mtkit.serve.settings import is_loopback

    if settings.is_open and not is_loopback(settings.host):
        raise UsageError(
            f"--host {settings.host} --open --on ray: Ray's proxy has no limits for strangers.",
            "Leave out --host and put a reverse proxy before it, or ask for keys with --api-keys alone.",
        )
    pairs = _named(open_models(True))
    console.say("starting Ray …")
    serve_on_ray(
        settings,
        workers,
        cores,
        device,
        partial(open_models, False),
        lambda address: console.say(f"serving {pairs} by {workers} workers of Ray at {address}"),
    )


def _named(models: Models) -> str:
    """The pairs of languages, for people."""
    return ", ".join(f"{src} to {tgt}" for src, tgt in models.directions)


def _try(models: Models) -> None:
    """Translates a text in each direction, and prints the pairs."""
    from mtkit.serve.service import PROBE, probe

    for direction in models.directions.values():
        probe(direction)
        src, tgt = direction.pair
        console.out(f"{src}\t{tgt}\t{direction.model.name}")
    console.say(f"translated {PROBE!r} in each direction.")


def _check_installed() -> None:
    """Says how to install what is missing.

    Raises:
        UsageError: something is.
    """
    for name in ("starlette", "uvicorn"):
        if find_spec(name) is None:
            raise UsageError(
                f"mtkit serve needs {name}, which is not installed.",
                "Install it: pip install starlette uvicorn.",
            )
