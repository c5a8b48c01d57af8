"""Validates a tree until all of its problems are known, also those that others hide.

Rules between options can only be checked once each of them is valid. So an invalid option is left out, which
gives it its default, and the rest is validated again. Rules about an option that was left out do not count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from mtkit.config.explain import explain, messages_of
from mtkit.config.option_types import TAGS
from mtkit.config.schema import Config
from mtkit.config.strict_yaml import Node, Problem

_ROUNDS = 9
_OPTION = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*")
Steps = tuple[str, ...]


def validate(tree: Node, problems: list[Problem]) -> Config | None:
    """The config that a tree describes; None, and all of its problems, if it is invalid."""
    left_out: set[Steps] = set()
    for number in range(_ROUNDS):
        try:
            config = Config.model_validate_json(json.dumps(tree.plain()))
        except ValidationError as error:
            errors = error.errors(include_url=False)
        else:
            return config if number == 0 else None
        # 1. Report what does not follow from what was left out.
        names = {steps[-1] for steps in left_out}
        known = [each for each in errors if not messages_of(each) and not _is_left_out(each, tree, left_out)]
        rules = [each for each in errors if messages_of(each)]
        problems += explain(known, tree)
        for problem in explain(rules, tree):
            if not names & set(re.findall(r"\w+", problem.text)):
                problems.append(problem)
        # 2. Leave it out as well.
        fresh = {steps for each in errors for steps in _faulty(each, tree)} - left_out
        if not fresh:
            return None
        left_out |= fresh
        for steps in fresh:
            tree = _without(tree, steps)
    return None


def _is_left_out(error: Mapping[str, Any], tree: Node, left_out: set[Steps]) -> bool:
    """Whether an option is only missing because it was left out."""
    steps = _steps(error["loc"], tree)
    return error["type"] == "missing" and any(steps[: len(each)] == each for each in left_out)


def _faulty(error: Mapping[str, Any], tree: Node) -> Iterator[Steps]:
    """The options that an error is about, as far as they can be left out."""
    steps = _steps(error["loc"], tree)
    for message in messages_of(error):
        for name in _OPTION.findall(message):
            there = (*steps, *name.split("."))
            node = _node_at(tree, there)
            if node is not None and not isinstance(node.value, dict | list):
                yield there
    if not messages_of(error) and _node_at(tree, steps) is not None:
        yield steps


def _steps(loc: Sequence[str | int], tree: Node) -> Steps:
    """The keys of a pydantic location, without the members of tagged unions, which the tree does not have."""
    steps: list[str] = []
    node: Node | None = tree
    for step in loc:
        value = node.value if node is not None else None
        tags = [value[tag].value for tag in TAGS if tag in value] if isinstance(value, dict) else []
        if step in tags and (not isinstance(value, dict) or step not in value):
            continue
        steps.append(str(step))
        node = _node_at(tree, tuple(steps))
    return tuple(steps)


def _node_at(tree: Node, steps: Steps) -> Node | None:
    """The node at the end of a path of keys and indices."""
    node = tree
    for step in steps:
        if isinstance(node.value, dict) and step in node.value:
            node = node.value[step]
        elif isinstance(node.value, list) and step.isdecimal() and int(step) < len(node.value):
            node = node.value[int(step)]
        else:
            return None
    return node


def _without(node: Node, steps: Steps) -> Node:
    """The tree without the key at the end of a path. Items of lists stay, because others would move."""
    step, rest = steps[0], steps[1:]
    if isinstance(node.value, dict) and step in node.value:
        kept = {key: member for key, member in node.value.items() if key != step or rest}
        return replace(node, value=kept | ({step: _without(node.value[step], rest)} if rest else {}))
    if isinstance(node.value, list) and step.isdecimal() and int(step) < len(node.value) and rest:
        items = list(node.value)
        items[int(step)] = _without(items[int(step)], rest)
        return replace(node, value=items)
    return node
