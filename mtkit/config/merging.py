"""Merges the trees of several files, and lays single values from the command line over them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_origin

from pydantic import BaseModel

from mtkit.config.option_types import TAGS, inside, is_options, kind_at
from mtkit.config.options import Options
from mtkit.config.strict_yaml import Node, Place, Problem, compose, resolve

COMMAND_LINE = Place("command line")
PLUS = "+"
"""At the end of a key: its value is added to the list that the key has so far."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class _UnfitError(Exception):
    """A value that cannot be laid over another one."""

    def __init__(self, place: Place, text: str) -> None:
        self.problem = Problem(place, text)


def merge(base: Node, over: Node, problems: list[Problem]) -> Node:
    """Merges a later tree into an earlier one: sections key by key, everything else is replaced.

    - A section whose `reader` or `filter` changes is replaced, because its old keys no longer apply.
    - `train+: [...]` adds items to the list `train`, or to its default.
    - An option without an effect beside a later choice is dropped, such as `top_k` beside `method: beam`.
    - `null` removes a named set, such as `data.test.news`, or all of them.
    """
    return _merged(base, over, (), problems)


def _merged(base: Node | None, over: Node, path: tuple[str, ...], problems: list[Problem]) -> Node:
    if not isinstance(over.value, dict):
        return over
    if base is None or not isinstance(base.value, dict) or _changes_kind(base.value, over.value):
        base = replace(over, value={})
    assert isinstance(base.value, dict)
    merged = dict(base.value)
    for key, node in over.value.items():
        name = key.removesuffix(PLUS)
        here = (*path, name)
        if name and name != key:
            try:
                merged[name] = _extended(merged.get(name), node, here)
            except _UnfitError as error:
                problems.append(error.problem)
        elif node.value is None and key in merged and _is_named_set(here):
            del merged[key]
        else:
            merged[key] = _merged(merged.get(key), node, here, problems)
    section = kind_at(path)
    return (
        _without_unused(replace(base, value=merged), base, section)
        if is_options(section)
        else replace(base, value=merged)
    )


def _without_unused(merged: Node, base: Node, section: type[Options]) -> Node:
    """The merged section without options of the base that lose their effect by a choice of the later tree.

    Those of the command line stay, and are refused.
    """
    before, after = section.without_effect(_values(base)), section.without_effect(_values(merged))
    for name in after - before:
        merged = _without(merged, name.split("."), base)
    return merged


def _values(node: Node) -> dict[str, Any]:
    return node.plain() if isinstance(node.value, dict) else {}


def _without(node: Node, steps: Sequence[str], base: Node | None) -> Node:
    """The tree without the option at the end of a path if it is that of the base, set in a file."""
    if not isinstance(node.value, dict) or steps[0] not in node.value:
        return node
    there = node.value[steps[0]]
    was = base.value.get(steps[0]) if base is not None and isinstance(base.value, dict) else None
    others = {key: member for key, member in node.value.items() if key != steps[0]}
    if len(steps) > 1:
        return replace(node, value=node.value | {steps[0]: _without(there, steps[1:], was)})
    return replace(node, value=others) if there is was and there.place.line else node


def _changes_kind(old: dict[str, Node], new: dict[str, Node]) -> bool:
    return any(tag in old and tag in new and old[tag].value != new[tag].value for tag in TAGS)


def _is_named_set(path: tuple[str, ...]) -> bool:
    """Whether the path leads to a section whose keys are names, or to a key of it."""
    return any(get_origin(kind_at(there)) is dict for there in (path, path[:-1]))


def _extended(base: Node | None, more: Node, path: tuple[str, ...]) -> Node:
    """A list with one or several more items; without a list so far, the default is extended."""
    before = base.value if base is not None else _default_items(path, more.place)
    where = ".".join(path)
    if not isinstance(before, list):
        raise _UnfitError(
            more.key_place, f"{where}{PLUS}: {where} is not a list. Only lists can be extended."
        )
    added = more.value if isinstance(more.value, list) else [more]
    return Node([*before, *added], more.place, base.key_place if base is not None else more.key_place)


def _default_items(path: tuple[str, ...], place: Place) -> list[Node] | None:
    """The default of a list option; empty if the option is required, None if it is not a list."""
    section = kind_at(path[:-1])
    if get_origin(inside(section, path[-1])) is not tuple:
        return None
    default = section.model_fields[path[-1]].default if is_options(section) else ()
    return [_node(item, place) for item in default] if isinstance(default, tuple) else []


def _node(value: Any, place: Place) -> Node:
    """A plain value as a tree."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, dict):
        value = {key: _node(member, place) for key, member in value.items()}
    elif isinstance(value, list):
        value = [_node(item, place) for item in value]
    return Node(value, place, place)


# ---------------------------------------------------------------- the command line


def override(tree: Node, text: str, problems: list[Problem]) -> Node:
    """Applies one `dotted.path=value` to the tree."""
    path, equals, written = text.partition("=")
    steps = path.split(".")
    if _LONE_SURROGATE.search(text):
        problems.append(Problem(COMMAND_LINE, f"{text!r} is not UTF-8 text."))
        return tree
    if not equals or not all(step.removesuffix(PLUS) for step in steps):
        problems.append(Problem(COMMAND_LINE, f"{text!r}: expected dotted.path=value."))
        return tree
    value = _override_value(path, written.strip(), problems)
    if value is None:
        return tree
    try:
        return _lay(tree, steps, value, (), problems)
    except LookupError as error:
        problems.append(Problem(COMMAND_LINE, f"{path}: {error.args[0]}"))
        return tree


def _override_value(path: str, written: str, problems: list[Problem]) -> Node | None:
    """A plain value, or a quoted one, list or section in YAML's flow style."""
    if written[:1] not in ("[", "{", '"', "'") or not written:
        return Node(resolve(written), COMMAND_LINE, COMMAND_LINE)
    found: list[Problem] = []
    value = compose(written, COMMAND_LINE.file, found)
    problems += [Problem(COMMAND_LINE, f"{path}: {problem.text}") for problem in found]
    return _placed(value, COMMAND_LINE) if value else None


def _placed(node: Node, place: Place) -> Node:
    """The same tree with `place` as the place of every node."""
    value = node.value
    if isinstance(value, dict):
        value = {key: _placed(member, place) for key, member in value.items()}
    elif isinstance(value, list):
        value = [_placed(item, place) for item in value]
    return Node(value, place, place)


def _lay(
    base: Node, steps: Sequence[str], value: Node, path: tuple[str, ...], problems: list[Problem]
) -> Node:
    """Merges `value` into the node at the end of a path; creates missing sections."""
    if not steps:
        return _merged(base, value, path, problems)
    step, rest = steps[0], steps[1:]
    if isinstance(base.value, list):
        if not step.isdecimal() or int(step) >= len(base.value):
            raise LookupError(f"{step!r} must be an index of the {len(base.value)} items, counted from 0.")
        items = list(base.value)
        items[int(step)] = _lay(items[int(step)], rest, value, (*path, step), problems)
        return replace(base, value=items, place=value.place)
    if base.value is not None and not isinstance(base.value, dict):
        raise LookupError(f"{base.plain()!r} has no options, so {step!r} cannot be set.")
    empty = Node(None, value.place, value.place)
    here = replace(base, value=base.value or {})
    if not rest:
        return _merged(here, replace(empty, value={step: value}), path, problems)
    laid = _lay((base.value or {}).get(step, empty), rest, value, (*path, step), problems)
    return replace(base, value={**(base.value or {}), step: laid})
