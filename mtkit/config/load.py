"""From YAML files and `key=value` overrides to one valid `Config` or all errors at once; and back to YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mtkit.config.merging import COMMAND_LINE, merge, override
from mtkit.config.model import PRESETS
from mtkit.config.option_types import TAGS, inside, members
from mtkit.config.schema import Config
from mtkit.config.strict_yaml import Node, Problem, dotted, resolve
from mtkit.config.trees import TreeReader, other_runs, run_path, spelled_out
from mtkit.config.trees import absolute as absolute_path
from mtkit.config.validation import validate
from mtkit.errors import ConfigError

_NO_TEXT = re.compile("[\0\ud800-\udfff]")


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
        overrides: `dotted.path=value`, the value written as in YAML; `dotted.path+=value` extends a list.
        contents: of files that have been read before.

    Raises:
        ConfigError: lists every problem, each with file, line and column; among them files that set
            different `run`s, unless an override sets it.
    """
    reader = TreeReader(contents or {})
    trees = [reader.read(path) for path in paths]
    if not _sets_run(overrides):
        reader.problems += other_runs([tree for tree in trees if tree is not None])
    return _loaded(trees, overrides, reader)


def load_runs(paths: Sequence[Path], overrides: Sequence[str] = ()) -> list[Loaded]:
    """The configs of all runs that the files set, each merged with the files that set no `run`.

    Raises:
        ConfigError: as `load_config`, but files may set different runs.
    """
    reader = TreeReader()
    trees = [reader.read(path) for path in paths]
    runs = [run_path(tree) if tree else None for tree in trees]
    wanted = dict.fromkeys(run for run in runs if run is not None)
    if _sets_run(overrides) or not wanted or reader.problems:
        return [_loaded(trees, overrides, reader)]
    return [
        _loaded(
            [tree for tree, run in zip(trees, runs, strict=True) if run in (None, each)], overrides, reader
        )
        for each in wanted
    ]


def _sets_run(overrides: Sequence[str]) -> bool:
    return any(text.startswith("run=") for text in overrides)


def _loaded(trees: Sequence[Node | None], overrides: Sequence[str], reader: TreeReader) -> Loaded:
    """The valid config that the trees give; a tree is None if its file cannot be read."""
    problems = list(reader.problems)
    tree = Node({}, COMMAND_LINE, COMMAND_LINE)
    for later in filter(None, trees):
        tree = merge(tree if tree.place.line else replace(later, value={}), later, problems)
    for text in overrides:
        tree = spelled_out(override(tree, text, problems))
    tree = _with_vocabulary(tree)
    config = None
    problems += _unwritable(tree, "")
    tree = _in_shape(tree, problems)
    if None not in trees:
        tree = _with_absolute_paths(tree, problems)
        config = validate(tree, problems)
    if problems or config is None:
        order = {name: number for number, name in enumerate(reader.files)}
        problems.sort(key=lambda p: (order.get(p.place.file, len(order)), p.place.line, p.place.column))
        raise ConfigError(list(dict.fromkeys(str(problem) for problem in problems)))
    return Loaded(config, _origins(config, tree))


def _with_vocabulary(tree: Node) -> Node:
    """With `model: auto`, the size of the vocabulary is `auto` too, unless it or a tokenizer is given."""
    sections = tree.value if isinstance(tree.value, dict) else {}
    model, tokenizer = (node.value if (node := sections.get(key)) else {} for key in ("model", "tokenizer"))
    preset = model.get("preset") if isinstance(model, dict) else None
    if preset is None or preset.value != "auto" or not isinstance(tokenizer, dict | None):
        return tree
    if {"vocab_size", "path"} & (tokenizer or {}).keys():
        return tree
    size = replace(preset, value={"vocab_size": preset})
    return merge(replace(tree, value={"tokenizer": size}), tree, [])


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


def _in_shape(tree: Node, problems: list[Problem]) -> Node:
    """The tree with sets of `data` as the options have them, and a problem for each of another kind."""
    sections = tree.value if isinstance(tree.value, dict) else {}
    data = sections.get("data")
    if data is None or not isinstance(data.value, dict):
        return tree
    kept = dict(data.value)
    for name, node in data.value.items():
        reader = node.value.get("reader") if isinstance(node.value, dict) else None
        one = reader is not None and not isinstance(reader.value, dict)
        several = isinstance(node.value, list)
        if name in ("test", "extra_valid") and (one or several):
            text = f"each set needs a name. Write {name}: {{NAME: {{reader: …}}}}."
            kept.pop(name)
        elif name == "valid" and several:
            text = (
                "expected a single set. Write valid: {reader: …}, and further sets as extra_valid: {NAME: "
                "{reader: …}}."
            )
            kept[name] = replace(node, value={"reader": replace(node, value="phrasebook")})
        elif name == "train" and one:
            text = "expected a list of corpora. Write train: [{reader: …}]."
            kept[name] = replace(node, value=[node])
        else:
            if name == "test" and isinstance(node.value, dict):
                kept[name] = replace(node, value={key: _with_refs(each) for key, each in node.value.items()})
            continue
        problems.append(Problem(node.key_place, f"data.{name}: {text}"))
    return replace(tree, value={**sections, "data": replace(data, value=kept)})


def _with_refs(test: Node) -> Node:
    """A test set whose target lists several files, columns or fields, with all but the first as `refs`."""
    options = test.value if isinstance(test.value, dict) else {}
    for name in ("tgt", "tgt_column", "tgt_field"):
        tgt = options.get(name)
        if tgt is not None and isinstance(tgt.value, list) and tgt.value and "refs" not in options:
            first, *more = tgt.value
            return replace(test, value={**options, name: first, "refs": replace(tgt, value=more)})
    return test


# ---------------------------------------------------------------- paths


def _with_absolute_paths(tree: Node, problems: list[Problem]) -> Node:
    """The tree with every path made absolute; invalid paths are added to the problems."""
    data = tree.value.get("data") if isinstance(tree.value, dict) else None
    root = data.value.get("root") if data and isinstance(data.value, dict) else None

    def absolute(node: Node, path: tuple[str, ...], start: str | None = None) -> Any:
        try:
            return absolute_path(node, start)
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


# ---------------------------------------------------------------- origins


def _origins(config: Config, tree: Node) -> dict[str, str]:
    """The place where each value was set."""
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
    """The configuration as YAML, without the options of other search methods; `load_config` reads it back."""
    values = config.model_dump(mode="json") | {"decode": config.decode.applicable()}
    return "".join(f"{line}\n" for line, _ in _render(values, "", ""))


def render(config: Config) -> Iterator[tuple[str, str]]:
    """The lines of all options, each with the dotted key of the value on it (empty for a section's head)."""
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
