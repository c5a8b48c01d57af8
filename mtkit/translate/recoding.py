"""Files in another encoding than UTF-8: read as UTF-8, written as they were."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence

from mtkit.errors import InputError, UsageError
from mtkit.translate.account import FAILED, Account
from mtkit.translate.request import BLANK, Request, Source, Translation
from mtkit.translate.windows import Answer, Pause, Window

_MARK = "\ufeff"


def check_encoding(name: str) -> str:
    """The usual name of an encoding.

    Raises:
        UsageError: there is none of this name, or it does not say the order of its bytes.
    """
    try:
        "".encode(name)
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        raise UsageError(
            f"--encoding {name}: unknown encoding.", "Choose one that Python knows, such as windows-1252."
        ) from None
    return "utf-8" if found == "utf-8-sig" else found


class Recoding:
    """One file, from its encoding to UTF-8 and back; a byte order mark stays.

    Args:
        encoding: of the file, as `check_encoding` gives it.
        account: names the file and its lines in errors, and is told of what cannot be written.
        request: what becomes of a translation that the encoding cannot hold.
        before: lines of the file that are not read.
    """

    def __init__(self, encoding: str, account: Account, request: Request, before: int = 0) -> None:
        self._encoding, self._account, self._request = encoding, account, request
        self._encoder = codecs.getincrementalencoder(encoding)()
        self._mark = b""
        self._lines = before

    def read(self, windows: Iterable[Sequence[bytes] | Pause]) -> Iterator[Sequence[bytes] | Pause]:
        """The lines in UTF-8; only U+000A ends one.

        Raises:
            InputError: the bytes are not of this encoding, or would not come back as they are.
        """
        decoder = codecs.getincrementaldecoder(self._encoding)()
        back = codecs.getincrementalencoder(self._encoding)()
        raw, text, is_first = b"", "", True
        for window in windows:
            if isinstance(window, Pause):
                yield window
                continue
            lines = []
            for piece in window:
                raw, found = self._decoded(decoder, back, raw + piece, piece)
                if is_first and found:
                    self._mark = _MARK.encode(self._encoding) if found.startswith(_MARK) else b""
                    found, is_first = found.removeprefix(_MARK), False
                *ended, text = (text + found).split("\n")
                lines += [f"{line}\n".encode() for line in ended]
                self._lines += len(ended)
            if lines:
                yield lines
        raw, found = self._decoded(decoder, back, raw, b"", final=True)
        if text + found:
            yield [(text + found).encode()]

    def _decoded(
        self,
        decoder: codecs.IncrementalDecoder,
        back: codecs.IncrementalEncoder,
        raw: bytes,
        piece: bytes,
        *,
        final: bool = False,
    ) -> tuple[bytes, str]:
        """The bytes that are no character yet, and the text before them."""
        try:
            found = decoder.decode(piece, final)
            same = back.encode(found, final)
        except UnicodeError as error:
            reason = error.reason if isinstance(error, UnicodeDecodeError) else str(error)
            raise InputError(
                f"{self._place()}: is not {self._encoding}: {reason}.", "Set --encoding to that of the file."
            ) from None
        if not raw.startswith(same) or (final and raw != same):
            raise InputError(
                f"{self._place()}: would not come back as it is in {self._encoding}.",
                "Convert it to UTF-8 first, for instance with iconv.",
            )
        return raw[len(same) :], found

    def _place(self) -> str:
        return f"{self._account.name}:{self._lines + 1}"

    def held(self, window: Window[Answer]) -> Window[Answer]:
        """The window with translations that the encoding can hold.

        Raises:
            InputError: one cannot be written, unless the request says to continue; raised with the window.
        """

        def render(found: list[list[Translation]]) -> Answer:
            pairs = zip(window.sources, found, strict=True)
            return window.render([[self._held(source, one) for one in own] for source, own in pairs])

        return Window(window.sources, render)

    def _held(self, source: Source, found: Translation) -> Translation:
        try:
            found.text.encode(self._encoding)
        except UnicodeEncodeError as error:
            sign = found.text[error.start]
            said = f"{sign} (U+{ord(sign):04X}) cannot be written in {self._encoding}."
            if self._request.on_error == "fail":
                raise InputError(
                    f"{self._account.place(source.number)}: {said}",
                    "Convert the file to UTF-8, or set --on-error to blank or source.",
                ) from None
            self._account.add(FAILED, source.number, said)
            return BLANK if self._request.on_error == "blank" else Translation(source.text)
        return found

    def write(self, answer: bytes) -> bytes:
        """The next bytes of the output.

        Raises:
            InputError: a character that markup needs cannot be written.
        """
        mark, self._mark = self._mark, b""
        try:
            return mark + self._encoder.encode(answer.decode())
        except UnicodeEncodeError as error:
            sign = error.object[error.start]
            raise InputError(
                f"{self._account.name}: {sign} (U+{ord(sign):04X}) cannot be written in {self._encoding}.",
                "Convert the file to UTF-8.",
            ) from None
