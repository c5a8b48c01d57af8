"""Archives: what does not change stays packed, and what could do harm is refused before it is unpacked."""

from __future__ import annotations

import re
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest

from mtkit.documents.office.zipped import MAX_MEMBERS, MAX_RATIO, MAX_READ, Archive
from mtkit.errors import InputError
from tests.support.office import attributes, unpacked, zipped


def varied() -> bytes:
    """An archive whose members differ in all that an archive says of them."""
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        for number, method in enumerate((ZIP_STORED, ZIP_DEFLATED, ZIP_BZIP2)):
            info = ZipInfo(f"folder/ü{number}.xml", (2001 + number, 2, 3, 4, 5, 6))
            info.compress_type, info.create_system = method, number
            info.comment, info.extra = b"comment", struct.pack("<2HI", 0x9999, 4, number)
            info.external_attr, info.internal_attr = 0o100640 << 16 | number, number
            archive.writestr(info, b"content " * 50)
        archive.comment = b"of all"
    return file.getvalue()


def streamed() -> bytes:
    """An archive that was written to a pipe: sizes stand behind the members."""

    class Pipe(BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

        def seek(self, *_: object) -> int:
            raise OSError

    file = Pipe()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        archive.writestr("a.xml", b"<a/>")
        archive.writestr("b.xml", b"<b/>")
    return file.getvalue()


@pytest.mark.parametrize(
    "data", [varied(), streamed(), b"#!" + varied()], ids=["varied", "streamed", "begun"]
)
def test_only_what_is_replaced_changes(data: bytes) -> None:
    archive = Archive("a.zip", data)
    first, *others = unpacked(data).items()
    found = archive.replaced({first[0]: b"<new/>"})
    assert list(unpacked(found).items()) == [(first[0], b"<new/>"), *others]
    assert attributes(found) == attributes(data)
    with ZipFile(BytesIO(found)) as again, ZipFile(BytesIO(data)) as given:
        assert again.testzip() is None
        assert again.comment == given.comment
    for name, content in others:
        packed = zlib.compress(content, wbits=-15) if name == "folder/ü1.xml" else b""
        assert packed in data
        assert packed in found
    assert archive.replaced({}) == data


def test_an_archive_with_sizes_for_large_files() -> None:
    """They are said twice, once in an extra field, which then would be wrong."""
    file = BytesIO()
    with ZipFile(file, "w") as archive, archive.open("a.xml", "w", force_zip64=True) as member:
        member.write(b"<a/>")
    found = Archive("a.zip", file.getvalue()).replaced({"a.xml": b"<new/>"})
    assert unpacked(found) == {"a.xml": b"<new/>"}
    assert b"\1\0\x10\0" not in found


def encrypted(data: bytes) -> bytes:
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.index(signature) + offset
        data = data[:place] + bytes([data[place] | 1]) + data[place + 1 :]
    return data


def twice(name: str) -> bytes:
    data = zipped({"aaaa": "1", "bbbb": "2"})
    return data.replace(b"bbbb", b"aaaa") if name == "aaaa" else data.replace(b"bbbb", name.encode())


def overlapping() -> bytes:
    """Two members at one place, as in bombs that are small in the file and large unpacked."""
    data = zipped({"aaaa": "1", "bbbb": "2"}, ZIP_STORED)
    place = data.rindex(b"PK\1\2") + 42
    return data[:place] + struct.pack("<I", 0) + data[place + 4 :]


HOSTILE: dict[str, tuple[bytes, str]] = {
    "text": (b"Hello", "is not a zip archive, or a damaged one"),
    "nothing": (b"", "is not a zip archive, or a damaged one"),
    "old": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is an encrypted file, or one of Office 97"),
    "cut": (varied()[:-60], "is not a zip archive, or a damaged one"),
    "head": (varied()[200:], "is not a zip archive, or a damaged one"),
    "encrypted": (encrypted(zipped({"a": "1"})), "a is encrypted"),
    "twice": (twice("aaaa"), "aaaa is in the archive twice"),
    "overlapping": (overlapping(), "is not a zip archive, or a damaged one (members overlap)"),
    **{
        name: (twice(name), f"{name} has a name that leads out of the archive")
        for name in ("../a", "/abc", "a/..", "C:ab", "a\\..")
    },
    "many": (zipped({str(n): "" for n in range(MAX_MEMBERS + 1)}), f"has more than {MAX_MEMBERS:,} members"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_refused_at_once(name: str) -> None:
    data, message = HOSTILE[name]
    with pytest.raises(InputError, match=f"^a.zip: {re.escape(message)}") as caught:
        Archive("a.zip", data)
    assert caught.value.hint


def flipped(data: bytes) -> bytes:
    place = data.index(b"content") + 2
    return data[:place] + b"X" + data[place + 1 :]


def lying(data: bytes, size: int) -> bytes:
    """The same with another size of the first member in the directory."""
    place = data.index(b"PK\1\2") + 24
    return data[:place] + struct.pack("<I", size) + data[place + 4 :]


UNREADABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "bomb": (lambda: zipped({"a": bytes(4 << 20)}), f"a is packed to less than 1/{MAX_RATIO} of its size"),
    "large": (
        lambda: zipped({"a": bytes(MAX_READ + 1)}, ZIP_STORED),
        f"a makes more than {MAX_READ:,} bytes",
    ),
    "more than said": (lambda: lying(zipped({"a": bytes(10_000_000)}), 100), "a is damaged"),
    "less than said": (lambda: lying(zipped({"a": "1"}), 100), "a is damaged"),
    "changed": (lambda: flipped(zipped({"a": "content"}, ZIP_STORED)), "a is damaged"),
    "method": (lambda: zipped({"a": "1"}, ZIP_BZIP2), "a is packed by method 12, expected deflate"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_refused_when_read(name: str) -> None:
    make, message = UNREADABLE[name]
    archive = Archive("a.zip", make())
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=f"^a.zip: {re.escape(message)}"):
            archive.read("a")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_all_that_is_read_is_bounded_together() -> None:
    half = bytes(MAX_READ // 2 + 1)
    archive = Archive("a.zip", zipped({"a": half, "b": half}, ZIP_STORED))
    assert archive.read("a") == half
    with pytest.raises(InputError, match=r"^a\.zip: b makes more than"):
        archive.read("b")
