"""Reads the files of a configuration into trees, with the files that they include."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mtkit.config.explain import show
from mtkit.config.merging import merge
from mtkit.config.strict_yaml import MAX_CHARS, Node, Place, Problem, compose
from mtkit.disk.opening import is_descriptor, open_input

INCLUDE = "include"
"""The key that names the files over which a file is merged."""
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_MAX_NAME, _MAX_PATH = 255, 4000
"""In bytes. Files inside a run folder need some more, and the limit of Linux is 4,096."""


@dataclass(slots=True)
class TreeReader:
    """Reads YAML files as trees.

    Attributes:
        contents: of files that have been read before.
        problems: found so far.
        files: names of all files read so far, in that order.
    """

    contents: Mapping[Path, bytes] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def read(self, path: Path, outer: Sequence[Path] = ()) -> Node | None:
        """The tree of a file, merged over the files that it includes; None if one cannot be read.

        Args:
            path: the file.
            outer: the files that include it, as absolute paths.
        """
        tree = self._read(path)
        if tree is None or not isinstance(tree.value, dict) or INCLUDE not in tree.value:
            return tree
        node = tree.value[INCLUDE]
        tree = replace(tree, value={key: value for key, value in tree.value.items() if key != INCLUDE})
        base = replace(tree, value={})
        outer = (*outer, Path.cwd() / path)
        for item in node.value if isinstance(node.value, list) else [node]:
            included = self._included(item, outer)
            if included is None:
                return None
            base = merge(base, included, self.problems)
        return merge(base, tree, self.problems)

    def _included(self, item: Node, outer: Sequence[Path]) -> Node | None:
        if not isinstance(item.value, str) or not item.value:
            text = f"{INCLUDE} = {show(item.value)} must be the name of a file, or a list of names."
            self.problems.append(Problem(item.place, text))
            return None
        try:
            path = Path(absolute(item, None))
        except ValueError as error:
            self.problems.append(Problem(item.place, f"{INCLUDE}: {error}"))
            return None
        if path in outer:
            self.problems.append(Problem(item.place, f"{INCLUDE}: {item.value} includes itself. Remove it."))
            return None
        here = Path.cwd()
        return self.read(path.relative_to(here) if path.is_relative_to(here) else path, outer)

    def _read(self, path: Path) -> Node | None:
        """The tree of a file, a section even if it is empty; None, and a problem, if it cannot be read."""
        name, before = str(path), len(self.problems)
        place = Place(name, 1, 1)
        self.files.append(name)
        try:
            if path in self.contents:
                raw = self.contents[path]
            else:
                with open_input(path) as file:
                    raw = file.read(4 * MAX_CHARS + 1)
            text = raw.decode("utf-8-sig")
        except OSError as error:
            advice = f" `mtkit init {name}` writes a starter." if isinstance(error, FileNotFoundError) else ""
            self.problems.append(Problem(Place(name), f"cannot be read: {error.strerror}.{advice}"))
            return None
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            column = error.start - raw.rfind(b"\n", 0, error.start)
            self.problems.append(
                Problem(Place(name, line, column), "not UTF-8 text. Save the file as UTF-8.")
            )
            return None
        tree = compose(text, name, self.problems)
        if tree is None:
            return Node({}, place, place) if len(self.problems) == before else None
        if not isinstance(tree.value, dict | None):
            self.problems.append(Problem(tree.place, "a config must consist of `key: value` lines."))
            return None
        return spelled_out(Node(tree.value or {}, place, place))


def spelled_out(tree: Node) -> Node:
    """Expands `model: auto` and `train: auto` to sections with that preset."""
    sections = tree.value if isinstance(tree.value, dict) else {}
    short = {key: node for key in ("model", "train") if (node := sections.get(key)) and node.value == "auto"}
    spelled = {key: replace(node, value={"preset": node}) for key, node in short.items()}
    return replace(tree, value=sections | spelled) if spelled else tree


def run_of(tree: Node) -> Node | None:
    """The run folder that a file sets."""
    return tree.value.get("run") if isinstance(tree.value, dict) else None


def run_path(tree: Node) -> str | None:
    """The absolute path of the run folder that a file sets; None if it sets none that is valid."""
    node = run_of(tree)
    with contextlib.suppress(ValueError):  # reported when all paths are made absolute
        return str(absolute(node, None)) if node is not None and isinstance(node.value, str) else None
    return None


def sets_run(path: Path) -> bool:
    """Whether a file sets `run`; false if it cannot be read."""
    tree = TreeReader().read(path)
    return tree is not None and run_of(tree) is not None


def other_runs(trees: Sequence[Node]) -> Iterator[Problem]:
    """A problem for each file that sets another run than the first one that sets any."""
    named = [(run, path) for tree in trees if (run := run_of(tree)) and (path := run_path(tree))]
    for run, path in named[1:]:
        first, wanted = named[0]
        if path != wanted:
            yield Problem(
                run.place,
                f"run = {show(run.value)}, but {first.place.file}:{first.place.line} sets run = "
                f"{show(first.value)}. Run the command for each file, or set run=… on the command line.",
            )


def absolute(node: Node, start: str | None) -> Any:
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
