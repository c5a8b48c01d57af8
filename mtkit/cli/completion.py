"""Completion in the shell: commands and options, values of options, files, and keys of the config.

Imported only when a shell asks, or when the user sets it up.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer import _completion_shared as shells
from typer._click.shell_completion import CompletionItem, add_completion_class
from typer._completion_classes import BashComplete, completion_init

from mtkit.cli.arguments import COMPLETE
from mtkit.errors import MtkitError, UsageError

_BASH = """
%(complete_func)s() {
    local IFS=$'\\n'
    COMPREPLY=( $( env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \\
                   %(autocomplete_var)s=complete_bash $1 ) )
    [[ ${COMPREPLY[0]} == *[=/.] ]] && compopt -o nospace
    return 0
}
complete -o default -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    """Bash takes `KEY=VALUE` for three words, and replaces only the last of them."""

    def get_completion_args(self) -> tuple[list[str], str]:
        words = os.environ["COMP_WORDS"].split("\n")[1 : int(os.environ["COMP_CWORD"]) + 1]
        joined: list[str] = []
        for word in words:
            if joined and (word == "=" or joined[-1].endswith("=")):
                joined[-1] += word
            else:
                joined.append(word)
        *args, self._word = joined or [""]
        return args, self._word

    def format_completion(self, item: CompletionItem) -> str:
        key, equals, _ = self._word.partition("=")
        return str(item.value).removeprefix(f"{key}=") if equals else str(item.value)


def prepare_completion() -> None:
    """Lets typer know the shells."""
    completion_init()
    add_completion_class(_Bash, "bash")


def script(shell: str) -> str:
    """The completion script of a shell.

    Raises:
        UsageError: it is not one of those that are known.
    """
    if shell not in shells._completion_scripts:
        known = ", ".join(shells.Shells)
        raise UsageError(f"--show-completion {shell}: unknown shell.", f"Choose from {known}.")
    shells._completion_scripts["bash"] = _BASH
    return shells.get_completion_script(prog_name="mtkit", complete_var=COMPLETE, shell=shell)


def install() -> Path:
    """Installs the completion script of the shell that mtkit was called from; returns its path.

    Raises:
        UsageError: the shell is not one of those that are known.
    """
    shells._completion_scripts["bash"] = _BASH
    name = shells._get_shell_name()
    if name not in shells._completion_scripts:
        known = "|".join(shells.Shells)
        raise UsageError(
            f"--install-completion: the shell {name or 'in use'} is unknown.",
            f"Print a script with --show-completion {known}.",
        )
    try:
        return shells.install(shell=name, prog_name="mtkit", complete_var=COMPLETE)[1]
    except OSError as error:
        raise MtkitError(f"{error.filename}: cannot be written: {error.strerror}.") from error


def teach(command: Any) -> Any:
    """The command, with arguments and options that complete their values."""
    for param in getattr(command, "params", ()):
        if param.metavar:
            param._custom_shell_complete = _values
    for member in getattr(command, "commands", {}).values():
        teach(member)
    return command


def _values(ctx: typer.Context, param: Any, word: str) -> list[CompletionItem]:
    """What may stand for the placeholder of a parameter; empty if files may, which the shell knows."""
    if "KEY=VALUE" in param.metavar:
        found = [*config_values(word)] if "=" in word else [*_configs(word), *config_keys(word)]
    elif "|" in param.metavar:
        found = [choice for choice in param.metavar.split("|") if choice.startswith(word)]
    elif param.metavar == "COMMAND":
        program: Any = ctx.find_root().command
        found = [name for name in program.list_commands(ctx) if name.startswith(word)]
    else:
        found = []
    return [CompletionItem(value) for value in found]


def config_keys(word: str) -> Iterator[str]:
    """Overrides that begin with `word`: keys with an equals sign, sections with a dot."""
    from mtkit.config.option_types import is_options, kind_at, option_paths

    depth = word.count(".")
    for path in option_paths():
        if path.startswith(word) and path.count(".") == depth:
            section = is_options(kind_at(tuple(path.split("."))))
            yield f"{path}." if section else f"{path}="


def config_values(word: str) -> Iterator[str]:
    """Overrides that begin with `word`, which has a key and an equals sign."""
    from mtkit.config.option_types import choices, kind_at

    key, _, begun = word.partition("=")
    kind = kind_at(tuple(key.split(".")))
    for value in ["true", "false"] if kind is bool else choices(kind):
        if value.startswith(begun):
            yield f"{key}={value}"


def _configs(word: str) -> Iterator[str]:
    """YAML files and folders whose path begins with `word`."""
    folder, name = os.path.split(word)
    try:
        entries = sorted(os.scandir(folder or "."), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(name) and (name or not entry.name.startswith(".")):
            path = os.path.join(folder, entry.name)  # noqa: PTH118
            if entry.is_dir():
                yield f"{path}/"
            elif entry.name.endswith((".yaml", ".yml")):
                yield path
