"""Zip archives of office files and books: some members are read, within bounds, and written anew."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from copy import copy
from io import BytesIO
from itertools import islice, pairwise
from struct import Struct, error, unpack_from
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from mtkit.documents.base import Document
from mtkit.documents.elements import decode_xml
from mtkit.errors import InputError, shortened

MAX_ARCHIVE = 1 << 29
"""Most bytes of an archive, all of which are in memory."""
MAX_MEMBERS = 10_000
MAX_READ = 1 << 26
"""Most bytes of the members that are read, unpacked, all together. The other members stay packed."""
MAX_TAGS = 2_000_000
"""Most tags of a member that is read as XML."""
MAX_RATIO = 200
"""Maximum ratio of a member's size to its packed size; small members may exceed it."""

_MAX_DIRECTORY = 1 << 22
_ANY_RATIO = 1 << 20
_LEAVES = re.compile(r"(?:.*[/\\])?\.\.(?:[/\\].*)?|[/\\].*|[A-Za-z]:.*|.*[\0\\].*", re.DOTALL)
_LOCAL = Struct("<4s5H3I2H")
_CENTRAL = Struct("<4s6H3I5H2I")
_END = Struct("<4s4H2IH")
_IS_ENCRYPTED, _HAS_DESCRIPTOR, _IS_UTF8 = 0x1, 0x8, 0x800
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_AGAIN = "Save or export it again in the program that made it."


class Archive:
    """A zip archive in memory.

    Args:
        name: of the file, for errors.
        data: its bytes.

    Raises:
        InputError: it is damaged, encrypted or too large, or names in it are doubled or lead out of it.
    """

    def __init__(self, name: str, data: bytes) -> None:
        self.name, self._data = name, data
        self._remaining = MAX_READ
        if data.startswith(_OLD):
            raise InputError(
                f"{name}: is an encrypted file, or one of Office 97.",
                "Save it without a password in today's format.",
            )
        if len(data) > MAX_ARCHIVE:
            raise InputError(
                f"{name}: has {len(data):,} bytes, expected at most {MAX_ARCHIVE:,}.", "Divide it."
            )
        end = data.rfind(b"PK\5\6")
        if 0 <= end <= len(data) - _END.size and _END.unpack_from(data, end)[5] > _MAX_DIRECTORY:
            raise InputError(f"{name}: has more than {MAX_MEMBERS:,} members.", _AGAIN)
        try:
            with ZipFile(BytesIO(data)) as archive:
                self._infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
                self._directory, self._comment = archive.start_dir, archive.comment
            self._check()
        except (
            BadZipFile,
            NotImplementedError,
            UnicodeDecodeError,
            OverflowError,
            error,
            OSError,
        ) as problem:
            raise InputError(
                f"{name}: is not a zip archive, or a damaged one ({shortened(str(problem))}).", _AGAIN
            ) from None
        self._members = {info.filename: info for info in self._infos}

    def _check(self) -> None:
        """Refuses an archive that other programs could read as something else."""
        if len(self._infos) > MAX_MEMBERS:
            raise InputError(f"{self.name}: has more than {MAX_MEMBERS:,} members.", _AGAIN)
        names = set()
        for info in self._infos:
            if any(map(_LEAVES.fullmatch, (info.filename, info.orig_filename))):
                self.fail(info.orig_filename, "has a name that leads out of the archive.", _AGAIN)
            if info.filename in names:
                self.fail(info.filename, "is in the archive twice.", _AGAIN)
            if info.flag_bits & _IS_ENCRYPTED:
                self.fail(info.filename, "is encrypted.", "Save the file without a password.")
            if max(info.compress_size, info.file_size) > MAX_ARCHIVE:
                self.fail(info.filename, f"has more than {MAX_ARCHIVE:,} bytes.", _AGAIN)
            names.add(info.filename)
        limits = [*(info.header_offset for info in self._infos), self._directory]
        for info, (_, limit) in zip(self._infos, pairwise(limits), strict=True):
            if _LOCAL.unpack_from(self._data, info.header_offset)[0] != b"PK\3\4":
                raise BadZipFile("no member at a member's place")
            if self._begin(info) + info.compress_size > limit:
                raise BadZipFile("members overlap")

    def _begin(self, info: ZipInfo) -> int:
        """The offset of the packed bytes of a member."""
        *_, name, extra = _LOCAL.unpack_from(self._data, info.header_offset)
        return info.header_offset + _LOCAL.size + name + extra

    @property
    def members(self) -> Sequence[str]:
        """The names of its members, in order."""
        return list(self._members)

    def fail(self, member: str, what: str, hint: str) -> None:
        """Raises an InputError about a member."""
        raise InputError(f"{self.name}: {shortened(member)} {what}", hint)

    def read(self, member: str) -> bytes:
        """A member's bytes, unpacked; none if there is no such member.

        Raises:
            InputError: it is damaged or too large.
        """
        if member not in self._members:
            return b""
        info = self._members[member]
        if info.file_size > self._remaining:
            self.fail(member, f"makes more than {MAX_READ:,} bytes of text to read.", "Divide the file.")
        if info.file_size > max(_ANY_RATIO, MAX_RATIO * info.compress_size):
            self.fail(member, f"is packed to less than 1/{MAX_RATIO} of its size, as no text is.", _AGAIN)
        self._remaining -= info.file_size
        begin = self._begin(info)
        data = self._data[begin : begin + info.compress_size]
        if info.compress_type == ZIP_DEFLATED:
            try:
                data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, info.file_size + 1)
            except zlib.error:
                self.fail(member, "is damaged.", _AGAIN)
        elif info.compress_type != ZIP_STORED:
            self.fail(member, f"is packed by method {info.compress_type}, expected deflate.", _AGAIN)
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            self.fail(member, "is damaged.", _AGAIN)
        return data

    def read_xml(self, member: str) -> tuple[str, str]:
        """A member's text, and its encoding.

        Raises:
            InputError: it is damaged, too large, or not in the encoding that it declares.
        """
        source, encoding = decode_xml(f"{self.name}: {member}", self.read(member))
        if source.count("<") > MAX_TAGS:
            self.fail(member, f"has more than {MAX_TAGS:,} tags.", "Divide the file.")
        return source, encoding

    def replaced(self, changed: Mapping[str, bytes]) -> bytes:
        """The archive with other content of some members; all others keep their packed bytes.

        Order, dates, attributes and methods stay.
        """
        if not changed:
            return self._data
        ends = [*(info.header_offset for info in self._infos[1:]), self._directory]
        parts = [self._data[: self._infos[0].header_offset]]
        place = len(parts[0])
        entries = []
        for info, end in zip(self._infos, ends, strict=True):
            record = self._data[info.header_offset : end]
            if info.filename in changed:
                info, record = self._packed(info, changed[info.filename])
            entries.append(_entry(info, place))
            parts.append(record)
            place += len(record)
        directory, count = b"".join(entries), len(entries)
        last = _END.pack(b"PK\5\6", 0, 0, count, count, len(directory), place, len(self._comment))
        return b"".join([*parts, directory, last, self._comment])

    def _packed(self, info: ZipInfo, data: bytes) -> tuple[ZipInfo, bytes]:
        """A member with other content: what the directory says of it, and its record."""
        signature, *_, name_size, extra_size = _LOCAL.unpack_from(self._data, info.header_offset)
        begin = self._begin(info)
        extra = _without_sizes(self._data[begin - extra_size : begin])
        packed = data
        if info.compress_type == ZIP_DEFLATED:
            packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            packed = packer.compress(data) + packer.flush()
        made = copy(info)
        made.flag_bits &= ~_HAS_DESCRIPTOR
        made.CRC, made.compress_size, made.file_size = zlib.crc32(data), len(packed), len(data)
        head = _LOCAL.pack(signature, *_shared(made), name_size, len(extra))
        name = self._data[begin - extra_size - name_size : begin - extra_size]
        return made, head + name + extra + packed


def _shared(info: ZipInfo) -> tuple[int, ...]:
    """The fields that a member's record and its entry in the directory share."""
    year, month, day, hour, minute, second = info.date_time
    date = (year - 1980) << 9 | month << 5 | day
    time = hour << 11 | minute << 5 | second // 2
    sizes = (info.CRC, info.compress_size, info.file_size)
    return (info.extract_version, info.flag_bits, info.compress_type, time, date, *sizes)


def _entry(info: ZipInfo, place: int) -> bytes:
    """A member's entry in the directory."""
    name = info.orig_filename.encode("utf-8" if info.flag_bits & _IS_UTF8 else "cp437")
    extra = _without_sizes(info.extra)
    lengths = (len(name), len(extra), len(info.comment))
    made_by = info.create_system << 8 | info.create_version
    head = _CENTRAL.pack(
        *(b"PK\1\2", made_by, *_shared(info), *lengths, 0),
        *(info.internal_attr, info.external_attr, place),
    )
    return head + name + extra + info.comment


def _without_sizes(extra: bytes) -> bytes:
    """An extra field without the part that gives sizes of more than 4 GiB."""
    parts, place = [], 0
    while place + 4 <= len(extra):
        kind, size = unpack_from("<2H", extra, place)
        parts.append(extra[place : place + 4 + size] if kind != 1 else b"")
        place += 4 + size
    return b"".join([*parts, extra[place:]])


class Bundle:
    """An archive as a document: the texts of some members.

    Args:
        archive: the whole.
        documents: by name of a member.
        languages: source and target that it declares; empty where it declares none.
    """

    def __init__(
        self, archive: Archive, documents: Mapping[str, Document], languages: tuple[str, str] = ("", "")
    ) -> None:
        self._archive, self._documents = archive, documents
        self.texts = [text for document in documents.values() for text in document.texts]
        self.languages = languages

    def render(self, translations: Sequence[str]) -> bytes:
        """The archive with these translations; the same bytes if each is equal to its text."""
        remaining = iter(translations)
        changed = {}
        for member, document in self._documents.items():
            answers = list(islice(remaining, len(document.texts)))
            if answers != document.texts:
                changed[member] = document.render(answers)
        return self._archive.replaced(changed)
