"""The plain arguments of `translate` and `serve`, read without typer: a start takes 166 ms of CPU time less.

The least of 30 starts is 163 ms instead of 329, where an empty Python takes 13; typer imports pydantic, too.
Each argument is declared once, by the `Flag` of its parameter. All else, help and mistakes included, is left
to typer.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

_READ: dict[type, tuple[str, Callable[[str], Any]]] = {
    str: (r".+", str),
    Path: (r".+", Path),
    int: (r"\d{1,9}", int),
    float: (r"\d{1,9}(\.\d{1,9})?", float),
}


class Flag(NamedTuple):
    """An option of a command, in the annotation of its parameter.

    Attributes:
        panel: the group in the help.
        help: its description.
        names: of the option; none if its name is that of the parameter.
        metavar: how its value is shown.
        low: the least value.
    """

    panel: str
    help: str = ""
    names: tuple[str, ...] = ()
    metavar: str | None = None
    low: int | None = None


class _Parameter(NamedTuple):
    """An option: its parameter and type; `value` is the value of an option without an argument."""

    name: str
    kind: type
    many: bool = False
    value: bool | None = None
    low: float = float("-inf")

    def read(self, text: str) -> Any:
        """The value of an argument; None if typer has to look at it."""
        pattern, convert = _READ[self.kind]
        if (text.startswith("-") and text != "-") or not re.fullmatch(pattern, text, re.ASCII | re.DOTALL):
            return None
        value = convert(text)
        return value if self.kind in (str, Path) or self.low <= value else None


def parse(command: Callable[..., None], args: Sequence[str]) -> dict[str, Any] | None:
    """The parameters that `args` give to `command`; None if they are anything but plain."""
    flags = _flags(command)
    found: dict[str, Any] = {}
    rest = iter(args)
    for arg in rest:
        name, equals, text = arg.partition("=") if arg.startswith("--") else (arg, "", "")
        flag = flags.get(name)
        if flag is None or (flag.name in found and not flag.many):
            return None
        if flag.value is not None:
            if equals:
                return None
            found[flag.name] = flag.value
            continue
        value = flag.read(text if equals else next(rest, ""))
        if value is None:
            return None
        found[flag.name] = [*found.get(flag.name, ()), value] if flag.many else value
    return found


def _flags(command: Callable[..., None]) -> dict[str, _Parameter]:
    """The options of a command that can be read here, by name."""
    found: dict[str, _Parameter] = {}
    for name, hint in get_type_hints(command, include_extras=True).items():
        bare, flag, *_ = *get_args(hint), None, None
        kind, many = _kind(bare)
        if kind is None or not isinstance(flag, Flag):
            continue
        usual = name.replace("_", "-")
        if kind is bool:
            found |= dict.fromkeys(flag.names or (f"--{usual}",), _Parameter(name, kind, value=True))
            if not flag.names:
                found[f"--no-{usual}"] = _Parameter(name, kind, value=False)
            continue
        low = float("-inf") if flag.low is None else flag.low
        found |= dict.fromkeys(flag.names or (f"--{usual}",), _Parameter(name, kind, many, low=low))
    return found


def _kind(hint: Any) -> tuple[type | None, bool]:
    """The type of an option and whether it is a list; None if this file does not read it."""
    if get_origin(hint) in (Union, types.UnionType):
        members = [member for member in get_args(hint) if member is not type(None)]
        return _kind(members[0]) if len(members) == 1 else (None, False)
    if get_origin(hint) is list:
        return _kind(get_args(hint)[0])[0], True
    return (hint, False) if hint is bool or hint in _READ else (None, False)
