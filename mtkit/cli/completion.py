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
from typer._click.shell_completion import CompletionItem, ShellComplete, add_completion_class
from typer._completion_classes import (
    BashComplete,
    FishComplete,
    PowerShellComplete,
    ZshComplete,
    completion_init,
)

from mtkit.cli.arguments import COMPLETE
from mtkit.cli.translate import describe_search
from mtkit.errors import MtkitError, UsageError

_POWERSHELLS = ("powershell", "pwsh")
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

_ZSH = """
#compdef %(prog_name)s
%(complete_func)s() {
    local -a lines open closed
    local line typed="${words[1,$CURRENT]}"
    lines=("${(@f)$(env _TYPER_COMPLETE_ARGS="$typed" %(autocomplete_var)s=complete_zsh $words[1])}")
    for line in $lines; do
        if [[ $line == *[=/.] ]]; then open+=("$line"); else closed+=("$line"); fi
    done
    if (( ! $#open && ! $#closed )); then _files; return; fi
    (( $#open )) && _describe 'value' open -S ''
    (( $#closed )) && _describe 'value' closed
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""
"""As a file that zsh loads when it is first needed, it must complete too, not only define how."""

_POWERSHELL = """
$scriptblock = {
    param($wordToComplete, $commandAst, $cursorPosition)
    $Env:%(autocomplete_var)s = "complete_powershell"
    $Env:_TYPER_COMPLETE_ARGS = $commandAst.ToString()
    $Env:_TYPER_COMPLETE_WORD_TO_COMPLETE = $wordToComplete
    %(prog_name)s | ForEach-Object {
        $value, $help = $_ -Split ":::"
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
    }
    $Env:%(autocomplete_var)s = ""
    $Env:_TYPER_COMPLETE_ARGS = ""
    $Env:_TYPER_COMPLETE_WORD_TO_COMPLETE = ""
}
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock $scriptblock
"""
"""Unlike typer's script, it leaves the Tab key as it is."""


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


class _Whole(ShellComplete):
    """A shell that takes `--option=value` for one word, which a completion replaces as a whole."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        found = super().get_completions(list(args), incomplete)
        name, equals, _ = incomplete.partition("=")
        if equals and name.startswith("-"):
            found = [CompletionItem(f"{name}={item.value}", help=item.help) for item in found]
        return found


class _Zsh(_Whole, ZshComplete):
    """Zsh reads lines of a value and its help, which it separates by a colon."""

    def format_completion(self, item: CompletionItem) -> str:
        value = str(item.value).replace("\\", r"\\").replace(":", r"\:")
        return f"{value}:{' '.join(item.help.split())}" if item.help else value

    def complete(self) -> str:
        return "\n".join(map(self.format_completion, self.get_completions(*self.get_completion_args())))


class _Fish(_Whole, FishComplete):
    pass


class _PowerShell(_Whole, PowerShellComplete):
    pass


def prepare_completion() -> None:
    """Lets typer know the shells."""
    completion_init()
    for kind, *names in ((_Bash, "bash"), (_Zsh, "zsh"), (_Fish, "fish"), (_PowerShell, *_POWERSHELLS)):
        for name in names:
            add_completion_class(kind, name)
    scripts = {"bash": _BASH, "zsh": _ZSH, **dict.fromkeys(_POWERSHELLS, _POWERSHELL)}
    shells._completion_scripts.update(scripts)


def script(shell: str) -> str:
    """The completion script of a shell.

    Raises:
        UsageError: it is not one of those that are known.
    """
    if shell not in shells._completion_scripts:
        known = ", ".join(shells.Shells)
        raise UsageError(f"--show-completion {shell}: unknown shell.", f"Choose from {known}.")
    prepare_completion()
    return shells.get_completion_script(prog_name="mtkit", complete_var=COMPLETE, shell=shell)


def install() -> Path:
    """Installs the completion script of the shell that mtkit was called from; returns its path.

    Raises:
        UsageError: the shell is not one of those that are known.
    """
    prepare_completion()
    name = shells._get_shell_name()
    if name not in shells._completion_scripts:
        known = "|".join(shells.Shells)
        raise UsageError(
            f"--install-completion: the shell {name or 'in use'} is unknown.",
            f"Print a script with --show-completion {known}.",
        )
    if name in _POWERSHELLS:  # typer would let the user run any script
        raise UsageError(
            f"--install-completion: {name} loads completions from its profile, which mtkit does not change.",
            f"Run: mtkit --show-completion {name} | Add-Content $PROFILE",
        )
    try:
        return shells.install(shell=name, prog_name="mtkit", complete_var=COMPLETE)[1]
    except OSError as error:
        raise MtkitError(f"{error.filename}: cannot be written: {error.strerror}.") from error


def teach(command: Any) -> Any:
    """The command, with arguments and options that complete their values."""
    for param in getattr(command, "params", ()):
        if param.param_type_name == "argument" or not param.is_flag:
            param._custom_shell_complete = _values
    for member in getattr(command, "commands", {}).values():
        teach(member)
    return command


def _values(ctx: typer.Context, param: Any, word: str) -> list[CompletionItem]:
    """What may stand for the placeholder of a parameter; empty if files may, which the shell knows."""
    if param.metavar is None:
        describe_search([param])
    metavar = param.metavar or ""
    if "KEY=VALUE" in metavar:
        found = [*config_values(word)] if "=" in word else [*_configs(word), *config_keys(word)]
    elif "|" in metavar:
        found = [choice for choice in metavar.split("|") if choice.startswith(word)]
    elif metavar == "COMMAND":
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
