"""Placeholders as Python, GNU gettext and Unicode themselves have them."""

from __future__ import annotations

import random
import re
import shutil
import string
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest

from mtkit.text.placeholders import Family, GettextFamily, placeholder_finder
from mtkit.text.protect import build_finder
from tests.support.placeholders import WORDS, messages

# ---------------------------------------------------------------- Python


def random_texts(alphabet: Sequence[str], count: int) -> list[str]:
    draw = random.Random(1)
    return ["".join(draw.choices(alphabet, k=draw.randint(1, 8))) for _ in range(count)]


def pieces(family: Family, text: str) -> list[str]:
    return [found[0] for found in placeholder_finder((family,)).finditer(text)]


def test_braces_as_python_parses_them() -> None:
    finder = placeholder_finder(("python-brace",))
    for text in random_texts([*"{{}}ab01.[]!r:<> ", "{a}", "{0:", "{b!r"], 20_000):
        if re.search(r"\[[^\]]*\{", text):
            continue  # a brace in a key: Python allows it, and nobody writes it
        try:
            literals = "".join(literal for literal, *_ in string.Formatter().parse(text))
            text.format(*([Anything()] * 20), a=Anything(), b=Anything())
        except (ValueError, KeyError, IndexError):
            continue
        kept = finder.sub(lambda found: found[0][0] if found[0] in ("{{", "}}") else "", text)
        assert kept == literals, text
        assert not {"{", "}"} & set(pieces("python-brace", text)), text


class Anything:
    """Formats as anything, and has any attribute and item."""

    def __getattr__(self, name: str) -> Anything:
        return self

    def __getitem__(self, key: object) -> Anything:
        return self

    def __format__(self, spec: str) -> str:
        return ""


def test_directives_as_python_formats_them() -> None:
    """Python takes as many arguments as the placeholders say, and refuses a text that has a `%` alone."""
    for text in random_texts([*"%%%%*.1235hlL+-# 0diouxXeEfFgGcrsaykb$"], 20_000):
        found = pieces("python", text)
        taken = sum(piece.count("*") + 1 for piece in found if piece != "%%")
        if any(piece != "%%" and piece.endswith("%") for piece in found):
            with pytest.raises((ValueError, TypeError)):
                _ = text % ((1,) * taken)
            continue
        assert isinstance(text % ((1,) * taken), str), text
        with pytest.raises(TypeError):
            _ = text % ((1,) * (taken + 1))


# ---------------------------------------------------------------- gettext

needs_gettext = pytest.mark.skipif(not shutil.which("msgfmt"), reason="GNU gettext is not installed")
CHECKED: tuple[GettextFamily, ...] = tuple(
    family for family in get_args(GettextFamily) if family not in ("c++", "rust")
)
"""Those that gettext 0.21 checks."""
FIRST = re.compile(
    r"%[sdiqSm]|%1\$?s?|%(?:\(name\)|<room>)s|%\{name\}|\{(?:0|name)\}|\$(?:name|\{name\})|~[aSD]"
)
"""Placeholders of the first argument, or of one with a name."""


def complaints(tmp_path: Path, entries: Sequence[tuple[str, Family, str, str]]) -> dict[str, str]:
    """What `msgfmt -c` says of messages, by their context."""
    header = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n'
    parts, lines, line = [header], {}, header.count("\n") + 1
    for context, family, *texts in entries:
        msgid, msgstr = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
        part = f'\n#, {family}-format\nmsgctxt "{context}"\nmsgid "{msgid}"\nmsgstr "{msgstr}"\n'
        lines[line + part.count("\n") - 1] = context
        parts.append(part)
        line += part.count("\n")
    (tmp_path / "a.po").write_text("".join(parts), encoding="utf-8")
    command = ["msgfmt", "-c", "-o", "/dev/null", "a.po"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    found = re.findall(r"^a\.po:(\d+): (.*)$", done.stderr, re.MULTILINE)
    return {lines[int(number)]: said for number, said in found if int(number) in lines}


@pytest.mark.gettext
@needs_gettext
def test_gettext_accepts_other_words_around_the_same_placeholders(tmp_path: Path) -> None:
    """2,000 messages in which all words are replaced, and as many that lack a placeholder."""
    draw, kept, lacking = random.Random(3), [], []
    for family in CHECKED:
        for number, (text, _) in enumerate(messages((family,), 2000 // len(CHECKED) + 1, seed=4)):
            placed = pieces(family, text)
            words = [f"{draw.choice(WORDS)} {piece} " for piece in placed]
            kept.append((f"{family}-{number}", family, text, "".join([*words, "x"])))
            if family != "qt-plural" and len(placed) == 1 and FIRST.fullmatch(placed[0]):
                lacking.append((f"{family}-{number}", family, text, "x"))
    assert len(kept) >= 2000
    assert complaints(tmp_path, kept) == {}
    refused = complaints(tmp_path, lacking)
    assert {context for context, *_ in lacking} == set(refused)
    assert len(lacking) > 50


ALPHABETS: dict[GettextFamily, str] = {
    "c": "%%$*.0123-+# 'IdiouxXeEfFgGaAcspnCSmBkwy",
    "python": "%%()ab*.0123hlL+-# diouxXeEfFgGcrsay$",
    "java-printf": "%%$<.0123-#+ ,(0bBhHsScCdoxXeEfgGaAntTYmBq",
    "ruby": "%%$*.0123+-# <>{}abBdiouxXeEfgGcpsy",
    "php": "%%$*.0123+-# 'xbcdeEfFgGhHosuXy",
    "lua": "%%.0123+-# aAcdeEfgGioqsuxXpy",
    "perl": "%%$*.0123+-# vdiouxXeEfFgGaAcspnDUObBwy",
    "sh": "$${}{}ab1_ A-",
    "tcl": "%%$*.0123+-# hldiouxXeEfFgGcsy",
    "awk": "%%$*.0123+-# diouxXeEfgGcsy",
    "lisp": "~~0123+-,'vV#:@aAsSdDbBoOxXrRcCeEfFgG$%&|",
}


@pytest.mark.gettext
@needs_gettext
@pytest.mark.parametrize("family", ALPHABETS)
def test_no_part_is_left_over_of_what_gettext_accepts(family: GettextFamily, tmp_path: Path) -> None:
    """Each text is a translation of a message without placeholders: only its syntax is looked at."""
    sign = ALPHABETS[family][0]
    texts = [f"{sign}{text}x" for text in random_texts(ALPHABETS[family], 2000)]
    said = complaints(tmp_path, [(str(n), family, f"q{n}", text) for n, text in enumerate(texts)])
    broken = {n for n, text in enumerate(texts) if sign in pieces(family, text)}
    invalid = {int(context) for context, each in said.items() if "not a valid" in each}
    assert broken <= invalid, [texts[n] for n in broken - invalid]
    assert len(broken) > 20
    assert len(texts) - len(invalid) > 100


# ---------------------------------------------------------------- Unicode


@pytest.mark.skipif(
    not shutil.which("perl"), reason="Perl, which knows the emoji of Unicode, is not installed"
)
def test_emoji_as_unicode_lists_them() -> None:
    script = r'for (0x80 .. 0x1ffff) { print "$_ " if chr($_) =~ /\p{Emoji_Presentation}/ }'
    listed = subprocess.run(["perl", "-e", script], capture_output=True, text=True, check=True).stdout.split()
    finder = build_finder(["emoji"])
    assert len(listed) > 1000
    assert [each for each in listed if not finder.fullmatch(chr(int(each)))] == []
    script = script.replace(r"\p{Emoji_Presentation}", r"[\p{L}\p{N}\p{P}\p{M}]")
    letters = subprocess.run(
        ["perl", "-e", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [chr(int(each)) for each in letters if finder.search(chr(int(each)))] == []
