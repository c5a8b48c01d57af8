"""The arguments that all commands with a configuration share: `CONFIG... [KEY=VALUE...]`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from mtkit.config.fixed import DATA_SUFFIXES
from mtkit.errors import UsageError

if TYPE_CHECKING:
    from mtkit.config.load import Loaded
    from mtkit.config.schema import Config

DEFAULT_CONFIG = Path("mtkit.yaml")
_WIDEST = 60
"""Columns that the name of an option with its choices may take in the help."""
COMPLETE = "_MTKIT_COMPLETE"
"""Set by a shell that asks for completions."""

ConfigArguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CONFIG|KEY=VALUE",
        help="YAML files, merged from left to right, and single options such as train.max_steps=500, which "
        "override them. Without a file, ./mtkit.yaml is read.",
        show_default=False,
    ),
]


class GroupedCommand(TyperCommand):
    """A command whose help groups options by panel; those without a panel are under `Options`.

    It shows choices and placeholders, no types of Python.
    """

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words of the usage line: `[OPTIONS] [FILE] RUN...`."""
        pieces = ["[OPTIONS]"]
        for param in self.get_params(ctx):
            if param.param_type_name == "argument":
                name = param.metavar or param.name.upper()
                more = "..." if param.nargs != 1 else ""
                pieces.append(f"{name}{more}" if param.required else f"[{name}{more}]")
        return pieces

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes arguments and options into the help."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if (record := param.get_help_record(ctx)) is not None:
                is_argument = param.param_type_name == "argument"
                usual = "Arguments" if is_argument else "Options"
                panel = usual if param.name == "help" else getattr(param, "rich_help_panel", None) or usual
                name = param.metavar or param.name.upper() if is_argument else record[0]
                text = record[1].replace("x>=", "at least ")
                if len(name) > _WIDEST and param.metavar and "|" in param.metavar:
                    name = name.replace(param.metavar, param.name.upper())
                    text = f"{text} Choices: {param.metavar.replace('|', ', ')}."
                groups.setdefault(panel, []).append((name, text))
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records)


def split_arguments(args: list[str] | None) -> tuple[list[Path], list[str]]:
    """The files and the overrides among the arguments; `./mtkit.yaml` if no file is given.

    Raises:
        UsageError: if no file is given and there is no `./mtkit.yaml`.
    """
    # `Path.is_file` fails on overrides that are longer than a file name may be.
    overrides = [arg for arg in args or () if "=" in arg and not os.path.isfile(arg)]  # noqa: PTH113
    paths = [Path(arg) for arg in args or () if arg not in overrides]
    if not paths and not DEFAULT_CONFIG.is_file():
        raise UsageError(
            f"no config is given, and there is no {DEFAULT_CONFIG} in this folder.",
            "Give one, or run `mtkit init` to write a starter.",
        )
    for path in paths:
        if path.suffix.lower() in DATA_SUFFIXES and path.is_file():
            raise UsageError(
                f"{path}: is text, not a config.",
                f"Write a config for it: `mtkit init {shlex.quote(str(path))}`.",
            )
    return paths or [DEFAULT_CONFIG], overrides


def read_arguments(args: list[str] | None) -> Loaded:
    """The config that the arguments refer to.

    Raises:
        UsageError: if there is none.
        ConfigError: with everything that is wrong with it.
    """
    from mtkit.config.load import load_config

    paths, overrides = split_arguments(args)
    for path in paths:
        if path.is_dir():
            kept = path / "model" / "config.yaml"
            copy = f" A copy of it is {kept}." if kept.is_file() else ""
            raise UsageError(
                f"{path}: is a folder, not a config.", f"Give the config of the run, a YAML file.{copy}"
            )
    return load_config(paths, overrides)


def read_runs(args: list[str] | None) -> list[Config]:
    """The config of each run that the arguments name, by a config file or by the run folder.

    A file that sets no `run` is merged into the config of each run.

    Raises:
        UsageError: there is no config.
        InputError: there is no model in a run folder, so its config is not known.
        ConfigError: with everything that is wrong with a config.
    """
    from mtkit.config.load import load_config, load_runs
    from mtkit.config.trees import sets_run
    from mtkit.runs.find import trained_model

    paths, overrides = split_arguments(args)
    folders = [path for path in paths if path.is_dir()]
    if not folders:
        return [loaded.config for loaded in load_runs(paths, overrides)]
    files = [path for path in paths if path not in folders]
    shared = [path for path in files if not sets_run(path)]
    configs = []
    for folder in folders:
        loaded = load_config([trained_model(folder) / "config.yaml", *shared], overrides)
        configs.append(loaded.config.model_copy(update={"run": folder.resolve()}))
    if len(shared) < len(files):
        configs += [loaded.config for loaded in load_runs(files, overrides)]
    return configs


RunArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="RUN",
        help="Run folder, or config file of a run. Default: the run of ./mtkit.yaml, else the newest run "
        "under ./runs.",
        show_default=False,
    ),
]


def find_folder(named: Path | None) -> tuple[Path, Config | None]:
    """The run folder that a `RunArgument` names, and its config if that was named.

    Raises:
        UsageError: it is not a run folder.
        InputError: nothing is named, and there is no run here.
    """
    from mtkit.config.load import load_config
    from mtkit.disk.marks import read_mark
    from mtkit.runs.find import find_run
    from mtkit.runs.layout import KIND

    config = None
    if named is not None and named.suffix in (".yaml", ".yml"):
        config = load_config([named]).config
    folder = config.run if config else find_run() if named is None else named.absolute()
    mark = read_mark(folder) if folder.is_dir() else None
    if mark is None or mark.kind != KIND:
        raise UsageError(f"{shown(folder)}: is not a run folder.", "Name the folder in `run` of a config.")
    return folder, config


def shown(path: Path) -> str:
    """The path as the user would type it in this folder."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
