"""Inspects option types: the type one step inside, the names in a section."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from mtkit.config.options import Options
from mtkit.config.schema import Config

TAGS = ("reader", "filter")
"""The keys that choose the member of a tagged union."""


def bare(kind: Any) -> Any:
    """The type without `Annotated` and `| None`."""
    if get_origin(kind) is Annotated:
        return bare(get_args(kind)[0])
    given = [member for member in get_args(kind) if member is not type(None)]
    return bare(given[0]) if _is_union(kind) and len(given) == 1 else kind


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


def is_options(kind: Any) -> bool:
    """Whether the type is a section."""
    return isinstance(kind, type) and issubclass(kind, Options)


def members(kind: Any) -> dict[str, type[Options]]:
    """The members of a tagged union by tag; empty for any other type."""
    found = {}
    for member in get_args(kind) if _is_union(kind) else ():
        for tag in TAGS:
            if is_options(member) and tag in member.model_fields:
                found[str(get_args(member.model_fields[tag].annotation)[0])] = member
    return found


def inside(kind: Any, step: str | int) -> Any:
    """The type one step inside: under a key, at an index, or the member of a union with that tag."""
    if is_options(kind):
        return bare(kind.model_fields[step].annotation) if step in kind.model_fields else None
    if get_origin(kind) is dict:
        return bare(get_args(kind)[1])
    if get_origin(kind) is tuple:
        return bare(get_args(kind)[0])
    return members(kind).get(str(step))


def kind_at(loc: tuple[str | int, ...]) -> Any:
    """The type at one of pydantic's locations (which name union members too); None if there is none."""
    kind: Any = Config
    for step in loc:
        kind = inside(kind, step)
    return kind


def option_paths(kind: type[Options] = Config, path: str = "") -> Iterator[str]:
    """Every option outside lists and unions, as a dotted path."""
    for name, info in kind.model_fields.items():
        here = f"{path}.{name}" if path else name
        yield here
        inner = bare(info.annotation)
        if is_options(inner):
            yield from option_paths(inner, here)


def choices(kind: Any) -> list[str]:
    """The values of a Literal, or the tags of a union."""
    return [str(value) for value in get_args(kind)] if get_origin(kind) is Literal else list(members(kind))
