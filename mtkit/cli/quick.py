"""The plain arguments of `translate`, read without typer, whose imports take longer than a line does.

They are declared once, in the signature of the command. Whatever is not plainly right, help included, is left
to typer, so that there is one voice for errors.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

_SAID = {"help", "show_default", "metavar", "rich_help_panel", "min", "max"}
"""What may be said of an option that is read here."""
_READ: dict[type, tuple[str, Callable[[str], Any]]] = {
    str: (r".+", str),
    Path: (r".+", Path),
    int: (r"\d{1,9}", int),
    float: (r"\d{1,9}(\.\d{1,9})?", float),
}


class _Declared(NamedTuple):
    """What a signature says of one option."""

    names: tuple[str, ...]
    said: dict[str, Any]


class _Typer:
    """Stands for typer in a module of a command, and is it, but while the signature is read here."""

    reading = False

    def __getattr__(self, name: str) -> Any:
        if self.reading and name == "Option":
            return lambda *names, **said: _Declared(names, said)
        import typer

        return getattr(typer, name)


typer = _Typer()


class _Flag(NamedTuple):
    """How an option is read: into which parameter, as what; `value` is what it sets without an argument."""

    parameter: str
    kind: type
    many: bool = False
    value: bool | None = None
    low: float = float("-inf")
    high: float = float("inf")

    def read(self, text: str) -> Any:
        """The value of an argument; None if typer has to look at it."""
        pattern, convert = _READ[self.kind]
        if (text.startswith("-") and text != "-") or not re.fullmatch(pattern, text, re.ASCII | re.DOTALL):
            return None
        value = convert(text)
        return value if self.kind in (str, Path) or self.low <= value <= self.high else None


def parse(command: Callable[..., None], args: Sequence[str]) -> dict[str, Any] | None:
    """The parameters that `args` give to `command`; None if they are anything but plain."""
    flags = _flags(command)
    found: dict[str, Any] = {}
    rest = iter(args)
    for arg in rest:
        name, equals, text = arg.partition("=") if arg.startswith("--") else (arg, "", "")
        flag = flags.get(name)
        if flag is None or (flag.parameter in found and not flag.many):
            return None
        if flag.value is not None:
            if equals:
                return None
            found[flag.parameter] = flag.value
            continue
        value = flag.read(text if equals else next(rest, ""))
        if value is None:
            return None
        found[flag.parameter] = [*found.get(flag.parameter, ()), value] if flag.many else value
    return found


def _flags(command: Callable[..., None]) -> dict[str, _Flag]:
    """The options of a command that can be read here, by name."""
    typer.reading = True
    try:
        hints = get_type_hints(command, include_extras=True)
    finally:
        typer.reading = False
    flags: dict[str, _Flag] = {}
    for parameter, hint in hints.items():
        bare, declared, *_ = *get_args(hint), None, None
        kind, many = _kind(bare)
        if kind is None or not isinstance(declared, _Declared) or declared.said.keys() - _SAID:
            continue
        usual = f"--{parameter.replace('_', '-')}"
        if kind is bool:
            on = declared.names or (usual,)
            flags |= dict.fromkeys(on, _Flag(parameter, kind, value=True))
            if not declared.names:
                flags[f"--no-{usual[2:]}"] = _Flag(parameter, kind, value=False)
            continue
        bounds = {"low": declared.said.get("min"), "high": declared.said.get("max")}
        flag = _Flag(parameter, kind, many, **{k: v for k, v in bounds.items() if v is not None})
        flags |= dict.fromkeys(declared.names or (usual,), flag)
    return {name: flag for name, flag in flags.items() if "/" not in name}


def _kind(hint: Any) -> tuple[type | None, bool]:
    """What an option holds, and whether many of it; None if it is nothing that is read here."""
    if get_origin(hint) in (Union, types.UnionType):
        members = [member for member in get_args(hint) if member is not type(None)]
        return _kind(members[0]) if len(members) == 1 else (None, False)
    if get_origin(hint) is list:
        return _kind(get_args(hint)[0])[0], True
    return (hint, False) if hint is bool or hint in _READ else (None, False)
