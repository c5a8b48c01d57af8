"""Watches the calls that change the disk, lets the k-th one fail, and replays them up to a power cut."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mtkit.disk import calls as disk

NAMES = (
    "create",
    "extend",
    "write",
    "set_mode",
    "set_owner",
    "sync",
    "make_folder",
    "rename",
    "remove_file",
    "remove_folder",
)


@dataclass
class Call:
    """A call of `mtkit.disk.calls`: its name, its paths, and of a write what was written where."""

    name: str
    paths: tuple[Path, ...]
    data: bytes = b""
    offset: int = 0


Before = Callable[[Call, int, Callable[[int], None]], None]
"""Called before each call with the call, its number from 1, and what writes the first n bytes of it."""


@contextmanager
def watched(before: Before | None = None) -> Iterator[list[Call]]:
    """The calls made within the block, with nothing really flushed: it takes long and proves nothing."""
    calls: list[Call] = []
    open_files: dict[int, Path] = {}
    real = {name: getattr(disk, name) for name in NAMES} | {"sync": lambda path: None}

    def wrapper(name: str) -> Callable[..., Any]:
        def wrapped(*args: Any) -> Any:
            if name == "write":
                descriptor, data = args
                call = Call(
                    name, (open_files[descriptor],), bytes(data), os.lseek(descriptor, 0, os.SEEK_CUR)
                )
            else:
                call = Call(name, tuple(path for path in args if isinstance(path, Path)))
            number = len(calls) + 1

            def part(count: int) -> None:
                if name == "write":
                    os.write(args[0], call.data[:count])

            if before is not None:
                before(call, number, part)
            result = real[name](*args)
            calls.append(call)
            if name in ("create", "extend"):
                open_files[result] = args[0]
            elif name == "write":
                call.data = call.data[:result]
            return result

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.setattr(disk, name, wrapper(name))
        yield calls


def failing(at: int, fault: Callable[[], None], struck: list[Call]) -> Before:
    """Lets `fault` happen at call number `at`; half of what was to be written is written before."""

    def before(call: Call, number: int, part: Callable[[int], None]) -> None:
        if number == at and not struck:
            struck.append(call)
            part(len(call.data) // 2)
            fault()

    return before


# ---------------------------------------------------------------- a disk that loses power


@dataclass
class _File:
    content: bytearray = field(default_factory=bytearray)
    safe: bytes = b""


@dataclass
class _Folder:
    entries: dict[str, Any] = field(default_factory=dict)
    safe: dict[str, Any] = field(default_factory=dict)


class Replay:
    """A folder as the disk has it: what was flushed, and what is only promised.

    Args:
        root: the folder as it is now, all of it safe.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tree = self._load(root)

    def _load(self, path: Path) -> _File | _Folder:
        if path.is_dir():
            entries = {member.name: self._load(member) for member in path.iterdir()}
            return _Folder(entries, dict(entries))
        content = path.read_bytes()
        return _File(bytearray(content), content)

    def _find(self, path: Path) -> Any:
        node: Any = self._tree
        for step in path.relative_to(self.root).parts:
            node = node.entries[step]
        return node

    def apply(self, call: Call) -> None:
        """Does what the call did."""
        path = call.paths[0]
        siblings = self._find(path.parent).entries if path != self.root else {}
        match call.name:
            case "create" | "extend":
                siblings.setdefault(path.name, _File())
            case "write":
                content = siblings[path.name].content
                content[call.offset : call.offset + len(call.data)] = call.data
            case "sync":
                node = self._find(path)
                if isinstance(node, _File):
                    node.safe = bytes(node.content)
                else:
                    node.safe = dict(node.entries)
            case "make_folder":
                siblings[path.name] = _Folder()
            case "rename":
                self._find(call.paths[1].parent).entries[call.paths[1].name] = siblings.pop(path.name)
            case "remove_file" | "remove_folder":
                del siblings[path.name]

    def after_power_cut(self, target: Path, *, names_survive: bool) -> None:
        """Writes to `target` what is left.

        Args:
            target: a folder to be made.
            names_survive: names were written although nobody asked, contents were not; else neither was.
        """
        self._write(copy.deepcopy(self._tree), target, names_survive)

    def _write(self, node: Any, target: Path, names_survive: bool) -> None:
        if isinstance(node, _File):
            target.write_bytes(node.safe)
            return
        target.mkdir()
        for name, member in (node.entries if names_survive else node.safe).items():
            self._write(member, target / name, names_survive)
