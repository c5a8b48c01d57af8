"""The one clean form of a line of text, which filters, tokenizer and model see."""

from __future__ import annotations

import re
import unicodedata

# C0 and C1 controls but those that are white space, surrogates (no UTF-8 has them), and the byte order mark.
_DROPPED = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff]")


def normalize(text: str) -> str:
    """`text` in Unicode form NFC, without control characters, and with single spaces as its only white space.

    Normalising twice changes nothing. The result is one line without tabs, whatever `text` holds. It has no
    more characters than `text`, but for the few that NFC itself takes apart (composition exclusions).
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", _DROPPED.sub("", text))
    elif not text.isprintable():
        text = _DROPPED.sub("", text)
    return " ".join(text.split())
