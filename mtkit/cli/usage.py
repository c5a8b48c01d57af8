"""Mistakes in the command line, in the words of all other errors. Imported only when there is one."""

from __future__ import annotations

import re

from typer import TyperException
from typer._click import exceptions as click

from mtkit.errors import UsageError

_COMMAND = re.compile(r"No such command '(.*?)'\.(?: Did you mean '?(.*?)'?\?)?", re.DOTALL)
_EXTRA = re.compile(r"Got unexpected extra argument(?:s|\(s\))? \((.*)\)", re.DOTALL)
_PLAIN = {
    "unable to parse string as an integer": "expected a whole number",
    "unable to parse string as a number": "expected a number",
    "Input should be greater than or equal to": "must be at least",
}


def usage_error(error: TyperException) -> UsageError:
    """What is wrong with the command line, and what to write instead."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "mtkit"
    wrong, instead = _described(error, command)
    return UsageError(wrong, f"{instead} See `{command} --help`.".lstrip())


def _described(error: TyperException, command: str) -> tuple[str, str]:
    """What is wrong, and a guess at what was meant; empty if there is none."""
    match error:
        case click.NoSuchOption():
            return f"{error.option_name}: no such option.", _other_option(error, command)
        case click.MissingParameter() if error.param is not None:
            name = error.param.opts[-1] if error.param.opts[-1].startswith("-") else error.param.metavar
            return f"{name or error.param.name}: missing.", ""
        case click.BadParameter() if error.param is not None:
            name = error.param.opts[-1] if error.param.opts[-1].startswith("-") else error.param.metavar
            return f"{name or error.param.name}: {_plain(error.message)}.", ""
    message = error.format_message()
    if found := _COMMAND.fullmatch(message):
        return f"{found[1]}: no such command.", f"Did you mean {found[2]}?" if found[2] else ""
    if found := _EXTRA.fullmatch(message):
        instead = "Name a file with -i, or pipe text in: echo … | mtkit translate."
        return f"{found[1]}: unexpected argument.", instead if command.endswith(" translate") else ""
    return message if message.endswith(".") else f"{message}.", ""


def _plain(message: str) -> str:
    """A message without the words of the library that checks values."""
    text = message.rstrip(".").removeprefix("Input should be a valid integer, ")
    for words, plain in _PLAIN.items():
        text = text.replace(words, plain)
    return text.removeprefix("Input should be a valid number, ")


def _other_option(error: click.NoSuchOption, command: str) -> str:
    """The option that was meant: one of the command, or of the config."""
    if error.possibilities:
        return f"Did you mean {' or '.join(sorted(error.possibilities))}?"
    params = error.ctx.command.params if error.ctx else []
    if any(param.metavar and "KEY=VALUE" in param.metavar for param in params):
        from mtkit.config.option_types import option_paths

        key = error.option_name.lstrip("-").replace("-", "_")
        found = [path for path in option_paths() if path == key or path.endswith(f".{key}")]
        if found:
            return f"Options of the config are written as {found[0]}=VALUE."
    return ""
