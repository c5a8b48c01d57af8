"""From YAML files and `key=value` overrides to one valid `Config` or all errors at once; and back to YAML."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mtkit.config.explain import explain
from mtkit.config.model import PRESETS
from mtkit.config.option_types import TAGS, inside, members
from mtkit.config.schema import Config
from mtkit.config.strict_yaml import MAX_CHARS, Node, Place, Problem, compose, dotted, resolve
from mtkit.disk.opening import is_descriptor, open_input
from mtkit.errors import ConfigError

COMMAND_LINE = Place("command line")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_MAX_NAME, _MAX_PATH = 255, 4000
"""In bytes. Files inside a run folder need some more, and the limit of Linux is 4,096."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and where it comes from.

    Attributes:
        config: valid, with absolute paths.
        origins: for every value, by dotted key (`data.train.0.src`): `file:line`, `command line`,
            `preset small` or `default`.
    """

    config: Config
    origins: dict[str, str]


def load_config(
    paths: Sequence[Path], overrides: Sequence[str] = (), contents: Mapping[Path, bytes] | None = None
) -> Loaded:
    """Loads the files, merged from left to right, and then applies the overrides.

    Relative paths are relative to the folder of the file that contains them, in an override to the current
    folder, and in `data` to `data.root` if it is set.

    Args:
        paths: YAML files.
        overrides: `dotted.path=value`, the value written as in YAML.
        contents: of files that have been read before.

    Raises:
        ConfigError: lists every problem, each with file, line and column.
    """
    problems: list[Problem] = []
    trees = [tree for path in paths if (tree := _read(path, problems, contents)) is not None]
    readable = len(trees) == len(paths)
    tree = trees[0] if trees else Node({}, COMMAND_LINE, COMMAND_LINE)
    for later in trees[1:]:
        tree = merge(tree, later)
    for override in overrides:
        tree = _spelled_out(_override(tree, override, problems))
    config = None
    problems += _unwritable(tree, "")
    if readable:
        tree = _with_absolute_paths(tree, problems)
        try:
            config = Config.model_validate_json(json.dumps(tree.plain()))
        except ValidationError as error:
            problems += explain(error.errors(include_url=False), tree)
    if problems or config is None:
        order = {str(path): number for number, path in enumerate(paths)}
        problems.sort(key=lambda p: (order.get(p.place.file, len(order)), p.place.line, p.place.column))
        raise ConfigError(list(dict.fromkeys(str(problem) for problem in problems)))
    return Loaded(config, _origins(config, tree))


def _read(path: Path, problems: list[Problem], contents: Mapping[Path, bytes] | None) -> Node | None:
    """The tree of a file; an empty file is an empty section. None, and a problem, if it cannot be read."""
    name, before = str(path), len(problems)
    place = Place(name, 1, 1)
    try:
        if contents and path in contents:
            raw = contents[path]
        else:
            with open_input(path) as file:
                raw = file.read(4 * MAX_CHARS + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        advice = f" `mtkit init {name}` writes a starter." if isinstance(error, FileNotFoundError) else ""
        problems.append(Problem(Place(name), f"cannot be read: {error.strerror}.{advice}"))
        return None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        problems.append(Problem(Place(name, line, column), "not UTF-8 text. Save the file as UTF-8."))
        return None
    tree = compose(text, name, problems)
    if tree is None:
        return Node({}, place, place) if len(problems) == before else None
    if not isinstance(tree.value, dict | None):
        problems.append(Problem(tree.place, "a config must consist of `key: value` lines."))
        return None
    return _spelled_out(Node(tree.value or {}, place, place))


def _spelled_out(tree: Node) -> Node:
    """Expands `model: auto` and `train: auto` to sections with that preset."""
    sections = tree.value if isinstance(tree.value, dict) else {}
    short = {key: node for key in ("model", "train") if (node := sections.get(key)) and node.value == "auto"}
    spelled = {key: replace(node, value={"preset": node}) for key, node in short.items()}
    return replace(tree, value=sections | spelled) if spelled else tree


def _unwritable(node: Node, path: str) -> Iterator[Problem]:
    """Texts with characters that are impossible in file names and in lines of text."""
    if isinstance(node.value, dict):
        for key, member in node.value.items():
            if _NO_TEXT.search(key):
                yield Problem(
                    member.key_place, f"{dotted(path, key)!a}: this character is not allowed in a name."
                )
            else:
                yield from _unwritable(member, dotted(path, key))
    elif isinstance(node.value, list):
        for number, item in enumerate(node.value):
            yield from _unwritable(item, dotted(path, number))
    elif isinstance(node.value, str) and (odd := _NO_TEXT.search(node.value)):
        yield Problem(node.place, f"{path}: the character {odd.group()!a} is not allowed. Remove it.")


# ---------------------------------------------------------------- merging


def merge(base: Node, over: Node) -> Node:
    """Merges a later value into an earlier one: sections key by key, everything else is replaced.

    A section whose `reader` or `filter` changes is replaced too, because its old keys no longer apply.
    """
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    for tag in TAGS:
        if tag in base.value and tag in over.value and base.value[tag].value != over.value[tag].value:
            return over
    merged = dict(base.value)
    for key, node in over.value.items():
        merged[key] = merge(merged[key], node) if key in merged else node
    return replace(base, value=merged)


def _override(tree: Node, text: str, problems: list[Problem]) -> Node:
    """Applies one `dotted.path=value` to the tree."""
    path, equals, written = text.partition("=")
    steps = path.split(".")
    if _LONE_SURROGATE.search(text):
        problems.append(Problem(COMMAND_LINE, f"{text!r} is not UTF-8 text."))
        return tree
    if not equals or not all(steps):
        problems.append(Problem(COMMAND_LINE, f"{text!r}: expected dotted.path=value."))
        return tree
    value = _override_value(path, written.strip(), problems)
    if value is None:
        return tree
    try:
        return _lay(tree, steps, value)
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


def _lay(base: Node, steps: Sequence[str], value: Node) -> Node:
    """Merges `value` into the node at the end of a path; creates missing sections."""
    if not steps:
        return merge(base, value)
    step, rest = steps[0], steps[1:]
    if isinstance(base.value, list):
        if not step.isdecimal() or int(step) >= len(base.value):
            raise LookupError(f"{step!r} must be an index of the {len(base.value)} items, counted from 0.")
        items = list(base.value)
        items[int(step)] = _lay(items[int(step)], rest, value)
        return replace(base, value=items, place=value.place)
    if base.value is not None and not isinstance(base.value, dict):
        raise LookupError(f"{base.plain()!r} has no options, so {step!r} cannot be set.")
    empty = Node(None, value.place, value.place)
    members_here = base.value or {}
    laid = _lay(members_here.get(step, empty), rest, value)
    return merge(replace(base, value=members_here), replace(empty, value={step: laid}))


# ---------------------------------------------------------------- paths


def _with_absolute_paths(tree: Node, problems: list[Problem]) -> Node:
    """The tree with every path made absolute; invalid paths are added to the problems."""
    data = tree.value.get("data") if isinstance(tree.value, dict) else None
    root = data.value.get("root") if data and isinstance(data.value, dict) else None

    def absolute(node: Node, path: tuple[str, ...], start: str | None = None) -> Any:
        try:
            return _absolute(node, start)
        except ValueError as error:
            problems.append(Problem(node.place, f"{'.'.join(path)}: {error}"))
            return node.value

    start = absolute(root, ("data", "root")) if root else None
    start = start if isinstance(start, str) else None

    def visit(node: Node, kind: Any, path: tuple[str, ...]) -> Node:
        value = node.value
        if isinstance(value, dict):
            tags = [str(value[tag].value) for tag in TAGS if tag in value]
            kind = members(kind).get(tags[0]) if tags and members(kind) else kind
            return replace(node, value={k: visit(v, inside(kind, k), (*path, k)) for k, v in value.items()})
        if isinstance(value, list):
            items = enumerate(value)
            return replace(
                node, value=[visit(item, inside(kind, 0), (*path, str(number))) for number, item in items]
            )
        in_data = path[:1] == ("data",) and path != ("data", "root")
        if kind is not Path:
            return node
        return replace(node, value=absolute(node, path, start if in_data else None))

    return visit(tree, Config, ())


def _absolute(node: Node, start: str | None) -> Any:
    """The node with its path made absolute; values other than text are left to the validation.

    Raises:
        ValueError: no file can have that name.
    """
    if not isinstance(node.value, str):
        return node.value
    path = Path(_VARIABLE.sub(_variable, node.value))
    if path.parts[:1] == ("~",):
        try:
            path = Path.home().joinpath(*path.parts[1:])
        except RuntimeError:
            raise ValueError("~ cannot be expanded, because this user has no home folder.") from None
    in_file = node.place.line and not is_descriptor(node.place.file)
    folder = start or (Path(node.place.file).parent if in_file else "")
    whole = os.path.normpath(Path.cwd() / folder / path)
    try:
        names = os.fsencode(whole).split(os.fsencode(os.sep))
    except UnicodeEncodeError as error:
        raise ValueError(f"this Python encodes file names as {error.encoding}. Set PYTHONUTF8=1.") from None
    if (longest := max(map(len, names))) > _MAX_NAME:
        raise ValueError(f"a name has {longest:,} bytes, the maximum is {_MAX_NAME}.")
    if len(whole) > _MAX_PATH:
        raise ValueError(f"the path has {len(whole):,} characters, the maximum is {_MAX_PATH:,}.")
    return whole


def _variable(found: re.Match[str]) -> str:
    value = os.environ.get(found[1])
    if not value:
        raise ValueError(f"the environment variable {found[1]} is not set.")
    return value


# ---------------------------------------------------------------- origins


def _origins(config: Config, tree: Node) -> dict[str, str]:
    """Where each value was set."""
    preset = {f"model.{name}" for name in PRESETS.get(config.model.preset, {})}
    origins = {}
    for path, node in _leaves(config.model_dump(mode="json"), tree, ""):
        if node is not None:
            origins[path] = f"{node.place.file}:{node.place.line}" if node.place.line else node.place.file
        else:
            origins[path] = f"preset {config.model.preset}" if path in preset else "default"
    return origins


def _leaves(value: Any, node: Node | None, path: str) -> Iterator[tuple[str, Node | None]]:
    """Every value by its dotted key, with its node if it was set. A list without sections is one value."""
    given = node.value if node else None
    if isinstance(value, dict) and value:
        for key, member in value.items():
            yield from _leaves(member, given.get(key) if isinstance(given, dict) else None, dotted(path, key))
    elif _has_sections(value):
        for number, item in enumerate(value):
            yield from _leaves(item, given[number] if isinstance(given, list) else None, dotted(path, number))
    else:
        yield path, node


def _has_sections(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


# ---------------------------------------------------------------- back to YAML

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_/.+@-]*")
_OLD_WORDS = {"y", "n", "yes", "no", "on", "off"}
"""Text in YAML 1.2, but not for every tool that may read the file."""


def dump_config(config: Config) -> str:
    """The complete configuration as YAML; `load_config` returns an equal one."""
    return "".join(f"{line}\n" for line, _ in render(config))


def render(config: Config) -> Iterator[tuple[str, str]]:
    """The lines of the YAML, each with the dotted key of the value on it (empty for a section's head)."""
    return _render(config.model_dump(mode="json"), "", "")


def _render(section: dict[str, Any], path: str, indent: str) -> Iterator[tuple[str, str]]:
    for key, value in section.items():
        here, head = dotted(path, key), f"{indent}{scalar_text(key)}:"
        if isinstance(value, dict) and value:
            yield head, ""
            yield from _render(value, here, indent + "  ")
        elif _has_sections(value):
            yield head, ""
            for number, item in enumerate(value):
                lines = list(_render(item, dotted(here, number), indent + "    "))
                yield f"{indent}  - {lines[0][0].lstrip()}", lines[0][1]
                yield from lines[1:]
        elif isinstance(value, list):
            yield f"{head} [{', '.join(map(scalar_text, value))}]", here
        else:
            yield f"{head} {scalar_text(value)}", here


def scalar_text(value: Any) -> str:
    """A value in YAML; text is quoted unless every YAML reader would read it as that text."""
    if not isinstance(value, str):
        return re.sub(r"^(-?\d+)e", r"\1.0e", json.dumps(value))
    if _PLAIN.fullmatch(value) and isinstance(resolve(value), str) and value.lower() not in _OLD_WORDS:
        return value
    return '"' + "".join(_escaped(character) for character in value) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"
