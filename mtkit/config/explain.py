"""Explains the problems of a configuration: place, problem, value, bound and a guess."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from mtkit.config.option_types import TAGS, choices, is_options, kind_at, option_paths
from mtkit.config.options import BrokenRulesError
from mtkit.config.strict_yaml import Node, Problem, dotted, resolve
from mtkit.errors import counted

_SECTION = "a section of `key: value` lines"
_MUST_BE = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list, such as [a, b]",
    "dict_type": _SECTION,
    "model_type": _SECTION,
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def explain(errors: Iterable[Mapping[str, Any]], tree: Node) -> list[Problem]:
    """Pydantic's errors as problems with places, without errors that follow from others."""
    problems = []
    for error in errors:
        broken = messages_of(error)
        if broken:
            path, node, _ = locate(tree, error["loc"])
            problems += [_about_section(message, path, node) for message in broken]
        elif problem := _problem(error, tree):
            problems.append(problem)
    return problems


def messages_of(error: Mapping[str, Any]) -> list[str]:
    """The messages of the rules of a section that one of pydantic's errors says are broken; else none."""
    cause = error.get("ctx", {}).get("error")
    return cause.messages if isinstance(cause, BrokenRulesError) else []


def _problem(error: Mapping[str, Any], tree: Node) -> Problem | None:
    loc, kind, value = error["loc"], error["type"], error["input"]
    context = error.get("ctx", {})
    path, node, found = locate(tree, loc)
    if kind == "missing":
        if isinstance(value, list):
            return Problem(node.place, _too_few(loc, path, value))
        return Problem(node.key_place, f"{path}: missing. {_meaning(loc)}".rstrip())
    if kind == "extra_forbidden":
        return Problem(node.key_place, f"{path}: unknown option. {_guess(loc, path)}")
    if kind == "union_tag_not_found":
        tag = context["discriminator"].strip("'")
        return Problem(
            node.key_place, f"{path}.{tag}: missing. Choose from {_listed(choices(kind_at(loc)))}."
        )
    if kind == "union_tag_invalid":
        tag = context["discriminator"].strip("'")
        tag_node = node.value[tag] if isinstance(node.value, dict) else node
        return Problem(tag_node.place, _not_a_choice(f"{path}.{tag}", context["tag"], choices(kind_at(loc))))
    if kind in ("too_short", "too_long"):
        length, bound = len(value), context.get("min_length", context.get("max_length"))
        if kind == "too_short" and length >= bound:
            return None
        at = "at least" if kind == "too_short" else "at most"
        return Problem(node.place, f"{path} must have {at} {counted(bound, 'item')}, but has {length}.")
    place = node.place if found else node.key_place
    return Problem(place, _wrong_value(kind, loc, path, value, context) or f"{path}: {error['msg']}.")


def _wrong_value(
    kind: str, loc: tuple[str | int, ...], path: str, value: Any, context: Mapping[str, Any]
) -> str:
    """The message about a single value; empty if the kind of error is not known."""
    what = f"{path} = {show(value)}" if path else "the config"
    if kind == "literal_error":
        return _not_a_choice(path, value, choices(kind_at(loc)))
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"{what} must be {words} {context[name]:.10g}."
    if kind == "string_pattern_mismatch":
        return f"{what} is invalid. {_meaning(loc)}".rstrip()
    if kind == "value_error":
        return f"{what}: {context['error']}."
    if kind in _MUST_BE:
        if value is None and _MUST_BE[kind] is _SECTION:
            return f"{path}: empty. Give options below it, or remove the line."
        return f"{what} must be {_MUST_BE[kind]}.{_rewrite(value, kind)}"
    return ""


def locate(tree: Node, loc: Sequence[str | int]) -> tuple[str, Node, bool]:
    """The dotted path of a pydantic location, its node or the nearest one around it, and whether it exists.

    In a pydantic location, the member of a tagged union is a step of its own, which the file does not have.
    """
    node, path, found, entered = tree, "", True, True
    for step in loc:
        value = node.value if found else None
        if isinstance(value, dict) and entered and any(t in value and value[t].value == step for t in TAGS):
            entered = False
            continue
        path, entered = dotted(path, step), True
        if isinstance(value, dict) and step in value:
            node = value[str(step)]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            node = value[step]
        else:
            found = False
    return path, node, found


def _too_few(loc: tuple[str | int, ...], path: str, value: list[Any]) -> str:
    """The message about a list with too few values; pydantic reports the next value as missing."""
    wanted = len(get_args(kind_at(loc[:-1])))
    return f"{path.rpartition('.')[0]} must have {wanted} values, but has {len(value)}."


def _about_section(message: str, path: str, node: Node) -> Problem:
    """A rule between options, with the place of the option that the message begins with, if it was set."""
    _, member, found = locate(node, message.split(" ", 1)[0].split("."))
    return Problem(member.place if found else node.key_place, dotted(path, message))


def _guess(loc: tuple[str | int, ...], path: str) -> str:
    """A guess at the option that was meant."""
    name, here = str(loc[-1]), kind_at(loc[:-1])
    names = list(here.model_fields) if is_options(here) else []
    if close := get_close_matches(name, names, 1, 0.8):
        return f"Did you mean {close[0]}?"
    paths = list(option_paths())
    elsewhere = [other for other in paths if other.rpartition(".")[2] == name and other != path]
    if elsewhere:
        section = elsewhere[0].rpartition(".")[0]
        return f"It belongs to {section}: {elsewhere[0]}." if section else "It belongs to the top level."
    if close := get_close_matches(name, names, 1, 0.6):
        return f"Did you mean {close[0]}?"
    if near := get_close_matches(name, [other.rpartition(".")[2] for other in paths], 1, 0.8):
        return f"Did you mean {next(other for other in paths if other.rpartition('.')[2] == near[0])}?"
    return f"Known options: {', '.join(names)}."


def _not_a_choice(path: str, value: Any, known: list[str]) -> str:
    close = get_close_matches(str(value), known, 1, 0.5)
    guess = f" Did you mean {close[0]}?" if close else ""
    return f"{path} = {show(value)} must be {_listed(known)}.{guess}"


def _meaning(loc: tuple[str | int, ...]) -> str:
    """The option's description."""
    section = kind_at(loc[:-1])
    if not is_options(section) or loc[-1] not in section.model_fields:
        return ""
    info = section.model_fields[loc[-1]]
    if info.description is None and is_options(info.annotation):
        return (info.annotation.__doc__ or "").split("\n")[0]
    return info.description or ""


def _rewrite(value: Any, kind: str) -> str:
    """Advice on how to write the value, where that is obvious."""
    if isinstance(value, float) and kind.startswith("int") and value.is_integer():
        return f" Write {value:.0f}."
    if isinstance(value, str):
        if kind == "bool_type" and value.lower() in ("yes", "on", "no", "off"):
            return f" Write {'true' if value.lower() in ('yes', 'on') else 'false'}."
        number = value.replace("_", "")
        if kind in ("int_type", "float_type") and isinstance(resolve(number), int | float):
            return " Remove the quotes." if number == value else f" Write {number}."
    return ""


def _listed(names: Sequence[str]) -> str:
    """`a, b or c`."""
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def show(value: Any) -> str:
    """A value for a message: short, on one line, without control characters."""
    if isinstance(value, dict):
        return "{…}"
    if isinstance(value, list):
        return "[…]" if value else "[]"
    words: dict[Any, str] = {None: "null", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…" + text[-1:]
