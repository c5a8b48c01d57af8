"""Keys of clients, of which a file holds only hashes.

A line of the file is `NAME sha256:HEX`. A key is 256 random bits, which nobody finds from a plain hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from mtkit.disk.files import PRIVATE, write_text
from mtkit.disk.reading import read_ordinary
from mtkit.errors import InputError, UsageError

_LINE = re.compile(r"([\w.@-]{1,64}) sha256:([0-9a-f]{64})")
_NAME = re.compile(r"[\w.@-]{1,64}")
_PREFIX = "mtkit-"


class Keys:
    """The keys that a server knows.

    Args:
        names: of their owners, by hash.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def __len__(self) -> int:
        return len(self._names)

    def owner(self, key: str) -> str | None:
        """Whose key this is; None of an unknown one."""
        return self._names.get(_hash(key))


def read_keys(path: Path) -> Keys:
    """The keys in a file, which may be a link, as where Kubernetes shows a secret.

    Raises:
        InputError: there is no such file, or a line is none of ours.
    """
    return Keys({digest: name for name, digest in _entries(path.resolve()).items()})


def add_key(path: Path, name: str) -> str:
    """A new key for `name`, whose hash is added to the file; the key itself is stored nowhere.

    Raises:
        UsageError: the name is no name, or has a key.
        InputError: the file is not one of ours.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r:.80}: cannot be the name of a key.",
            "Use letters, digits, dots, @ and hyphens, up to 64.",
        )
    entries = _entries(path) if path.exists() else {}
    if name in entries:
        raise UsageError(f"{path}: {name} has a key.", "Remove its line first, or choose another name.")
    key = _PREFIX + secrets.token_urlsafe(32)
    lines = [f"{owner} sha256:{digest}\n" for owner, digest in {**entries, name: _hash(key)}.items()]
    write_text(path, "".join(lines), PRIVATE)
    return key


def _entries(path: Path) -> dict[str, str]:
    """The hashes in a file, by name."""
    try:
        text = read_ordinary(path).decode()
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such file.", f"Make one: mtkit serve keys add NAME --api-keys {path}"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8.", "Name a file of `mtkit serve keys add`.") from None
    entries: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None or found[1] in entries:
            raise InputError(
                f"{path}:{number}: expected NAME sha256:HEX, each name once.",
                "Remove the line, and add a key with `mtkit serve keys add`.",
            )
        entries[found[1]] = found[2]
    return entries


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
