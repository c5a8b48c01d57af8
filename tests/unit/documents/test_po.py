from __future__ import annotations

import gzip
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which

import polib
import pytest
from hypothesis import given, settings

from mtkit.documents.catalogues.po import PoOptions, open_po
from mtkit.errors import InputError
from tests.support.corpora import corpus
from tests.support.translators import STAND_INS, TRANSLATORS, changed

HEAD = r"""msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=n != 1;\n"

"""
SAMPLE = (
    HEAD
    + r"""#: a.py:1
#, python-format
msgid "Open %s, 100%% of :mod:`it <x>`\n"
msgstr ""

#, python-brace-format
msgctxt "menu"
msgid ""
"A \"long\" file of {name}\n"
"and a second line\n"
msgstr ""

# done
msgid "Done"
msgstr "Fertig"

msgid "%d file"
msgid_plural "%d files"
msgstr[0] ""
msgstr[1] ""

#, fuzzy
msgid "Nearly"
msgstr "Fast"

#, fuzzy
#~ msgid "Gone"
#~ msgstr ""

msgctxt ""
msgid ""
msgstr ""
"""
)
SPAN = re.compile(r"%[sd]|\{name\}|:mod:`[^`]*`|\n")
MSGFMT = pytest.mark.skipif(not which("msgfmt"), reason="gettext is not installed")


def spans(text: str, entry: polib.POEntry) -> list[str]:
    """The placeholders, by the flags of an entry, and the line breaks."""
    text = text.replace("%%", "").replace("{{", "").replace("}}", "")
    other = ("%s", "%d") if "python-brace-format" in entry.flags else ("{name}",)
    return [span for span in SPAN.findall(text) if span not in other]


def entries(data: bytes | str) -> list[polib.POEntry]:
    return list(polib.pofile(data if isinstance(data, str) else data.decode()))


def one(
    message: str,
    translate: Callable[[str], str] = str.upper,
    options: PoOptions | None = None,
    head: str = HEAD,
) -> str:
    """The catalogue of one message, translated, without its header."""
    document = open_po("a.po", (head + message).encode(), options)
    return document.render([translate(text) for text in document.texts]).decode()[len(head) :]


def accepted(path: Path, data: bytes) -> str:
    """What msgfmt -c complains of."""
    path.write_bytes(data)
    command = ["msgfmt", "-c", "-o", str(path.with_suffix(".mo")), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@given(TRANSLATORS)
def test_a_parser_reads_what_was_filled(translate: Callable[[str], str]) -> None:
    document = open_po("a.po", SAMPLE.encode())
    assert document.texts == ["Open, 100% of", 'A "long" file of and a second line', "file", "files"]
    data = document.render([translate(text) for text in document.texts])
    for before, after in zip(entries(SAMPLE), entries(data), strict=True):
        texts = (before.msgid, before.msgctxt, before.flags, before.occurrences, before.obsolete)
        assert (after.msgid, after.msgctxt, after.flags, after.occurrences, after.obsolete) == texts
        if before.msgstr or before.obsolete or before.msgctxt == "":
            assert after.msgstr == before.msgstr
        for form in [after.msgstr, *after.msgstr_plural.values()] if not before.msgstr else []:
            assert not form.strip() or spans(form, before) == spans(before.msgid, before)
    kept = [line for line in SAMPLE.split("\n") if line.startswith(("#", "msgid", "msgctxt"))]
    assert [line for line in data.decode().split("\n") if line.startswith(("#", "msgid", "msgctxt"))] == kept


def test_long_translations_are_wrapped() -> None:
    document = open_po("a.po", SAMPLE.encode())
    for line in document.render(["word " * 60] * 4).decode().split("\n"):
        assert len(line) <= 90


@pytest.mark.parametrize(
    ("msgid", "texts", "msgstr"),
    [
        (r"It is in C:\\new folder", [r"It is in C:\new folder"], r"IT IS IN C:\\NEW FOLDER"),
        (r"at \\network\\tab, \\\"x\\\"", [r'at \network\tab, \"x\"'], r"AT \\NETWORK\\TAB, \\\"X\\\""),
        (r"\x1b bell\a, escape \033", ["bell, escape"], r"\033 BELL\a, ESCAPE \033"),
        (r"caf\303\251", ["café"], "CAFÉ"),
        (r"Name:\tvalue\n", ["Name:", "value"], r"NAME:\tVALUE\n"),
        (r"\nOne line.\nTwo lines.\n", ["One line.", "Two lines."], r"\nONE LINE.\nTWO LINES.\n"),
        (r"A sentence that\ngoes on.", ["A sentence that goes on."], r"A SENTENCE THAT\nGOES ON."),
        (r"Usage: x\n\n  -h, --help\n", ["Usage: x", "-h, --help"], r"USAGE: X\n\n  -H, --HELP\n"),
        (r"It is too short.|They are.", ["It is too short.", "They are."], r"IT IS TOO SHORT.|THEY ARE."),
        (r"A **red** chair *here* [1]_", ["A red chair here"], r"A **RED** CHAIR *HERE* [1]_"),
        (r"`The site <http://x.org/>`_ now", ["The site now"], r"`THE SITE <http://x.org/>`_ NOW"),
        (r":ref:`The part <part>` of ``a `b` c``", ["The part of"], r":ref:`THE PART <part>` OF ``a `b` c``"),
        (r"[The page](man.md) and ![x](y.png)", ["The page and"], r"[THE PAGE](man.md) AND ![x](y.png)"),
        (r"<b a=\"x\">Tap</b> <kbd>Up</kbd> now", ["Tap now"], r"<b a=\"x\">TAP</b> <kbd>Up</kbd> NOW"),
        (r"{n, plural, =1 {pen} other {# pens}}", ["pen", "pens"], r"{n, plural, =1 {PEN} other {# PENS}}"),
        (r"{n, plural, one {# file} other {}", ["{n, plural, one {# file} other {}"], ""),
        (r"2 * 3 * 4 of *.c and **/*.h", ["2 * 3 * 4 of *.c and **/*.h"], r"2 * 3 * 4 OF *.C AND **/*.H"),
    ],
)  # fmt: skip
def test_what_is_translated_of_a_message(msgid: str, texts: list[str], msgstr: str) -> None:
    message = f'msgid "{msgid}"\nmsgstr ""\n'
    assert open_po("a.po", (HEAD + message).encode()).texts == texts
    lines = re.findall(r'"(.*)"', one(message).partition("msgstr ")[2])
    assert "".join(lines) == msgstr


def test_signs_that_the_language_of_a_message_doubles() -> None:
    for flag, msgid, text, answer in [
        ("python-format", "%s: 50%% of all", ": 50% of all", ": 50%s von 100%"),
        ("python-brace-format", "{x}: {{ all }}", ": { all }", ": {y} }"),
    ]:
        message = f'#, {flag}\nmsgid "{msgid}"\nmsgstr ""\n'
        assert open_po("a.po", (HEAD + message).encode()).texts == [text]
        found = entries(HEAD + one(message, {text: answer}.__getitem__))[0].msgstr
        if flag == "python-format":
            assert found % "x" == f"x{answer}"
        else:
            assert found.format(x="x") == f"x{answer}"


@given(TRANSLATORS)
def test_no_answer_breaks_an_icu_message(translate: Callable[[str], str]) -> None:
    message = 'msgid "You have {n, plural, one {# red chair} other {{n} chairs}}!"\nmsgstr ""\n'
    found = entries(HEAD + one(message, translate))[0]
    if found.msgstr:
        syntax = re.findall(r"[{}#]|n, plural, |(?<=[ }])(?:one|other) (?={)", found.msgid)
        assert re.findall(r"[{}#]|n, plural, |(?<=[ }])(?:one|other) (?={)", found.msgstr) == syntax


@given(TRANSLATORS)
def test_no_answer_breaks_a_choice(translate: Callable[[str], str]) -> None:
    msgid = "There {0,choice,0#is no chair|1#is one chair|1<are {0} chairs}."
    found = entries(HEAD + one(f'#, java-format\nmsgid "{msgid}"\nmsgstr ""\n', translate))[0].msgstr
    if found:
        assert re.findall(r"\{0,choice,|[|{}]|\d[#<]", found) == re.findall(
            r"\{0,choice,|[|{}]|\d[#<]", msgid
        )


SLAVIC = "n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2"


@pytest.mark.parametrize(
    ("forms", "expression", "given", "expected"),
    [
        (2, "n != 1", 2, "ONE,MANY"),
        (2, "n > 1", 0, "ONE,MANY"),
        (3, SLAVIC, 2, "ONE,MANY,MANY"),
        (4, "n%100==1 ? 1 : n%100==2 ? 2 : n%100==3 || n%100==4 ? 3 : 0", 1, "MANY,ONE,MANY,MANY"),
        (1, "0", 2, "MANY"),
        (2, "n !=", 1, "ONE,MANY"),
        (2, "n/0", 2, "ONE,MANY"),
        (1, "", 1, "MANY"),
    ],
)
def test_there_are_as_many_plural_forms_as_the_header_declares(
    forms: int, expression: str, given: int, expected: str
) -> None:
    head = HEAD.replace("nplurals=2; plural=n != 1", f"nplurals={forms}; plural={expression}")
    message = 'msgid "one %d"\nmsgid_plural "many %d"\n'
    message += "".join(f'msgstr[{number}] ""\n' for number in range(given)) if given else 'msgstr[0] ""\n'
    found = entries(head + one(message, head=head))[0]
    strings = [found.msgstr_plural[number] for number in range(forms)]
    assert ",".join(strings).replace(" %d", "") == expected
    assert len(found.msgstr_plural) == forms


def test_a_form_for_many_numbers_names_the_number() -> None:
    """As msgfmt -c asks for: in Russian 21 and 31 have the form of 1, in French only 0."""
    message = 'msgid "A file"\nmsgid_plural "%d files"\nmsgstr[0] ""\nmsgstr[1] ""\n'
    russian = HEAD.replace("nplurals=2; plural=n != 1", f"nplurals=3; plural={SLAVIC}")
    french = HEAD.replace("n != 1", "n > 1")
    assert entries(russian + one(message, head=russian))[0].msgstr_plural[0] == "%d FILES"
    assert entries(french + one(message, head=french))[0].msgstr_plural[0] == "A FILE"


@pytest.mark.parametrize(
    ("before", "fuzzy", "redo", "after"),
    [
        ("#, c-format", True, False, "#, fuzzy, c-format"),
        ("# note\n#: a.c:1", True, False, "# note\n#: a.c:1\n#, fuzzy"),
        ("#, fuzzy, c-format\n#| msgid \"Old\"\n#| \"er\"", False, True, "#, c-format"),
        ("#: a.c:1\n#, fuzzy\n#| msgid \"Old\"", False, True, "#: a.c:1"),
        ("#, fuzzy\n#| msgid \"Old\"", True, True, "#, fuzzy"),
        ("#, c-format, fuzzy\n#| msgid \"Old\"", True, True, "#, fuzzy, c-format"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("feed", ["\n", "\r\n"])
def test_marks_of_fuzzy_messages(before: str, *, fuzzy: bool, redo: bool, after: str, feed: str) -> None:
    kept = 'msgid "New"\nmsgstr "'
    message = f'{before}\n{kept}{"Alt" if redo else ""}"\n'
    head = HEAD.replace("\n", feed)
    found = one(message.replace("\n", feed), options=PoOptions(fuzzy=fuzzy, redo_fuzzy=redo), head=head)
    assert found == f'{after}\n{kept}NEW"\n'.replace("\n", feed)


def test_fuzzy_messages_stay_unless_asked_for() -> None:
    message = '#, fuzzy\n#| msgid "Old"\nmsgid "New"\nmsgstr "Alt"\n'
    assert one(message) == message
    assert one(message, options=PoOptions(fuzzy=True)) == message
    assert one(message, translate=str, options=PoOptions(fuzzy=True, redo_fuzzy=True)) == message


HOSPITAL = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=%s\\n"\n\nmsgid "hospital"\nmsgstr ""\n'


@pytest.mark.parametrize(
    ("charset", "more", "answer", "expected"),
    [
        ("ISO-8859-1", "# été", "hôpital", "ISO-8859-1"),
        ("ISO-8859-1", "", "hôpital", "ISO-8859-1"),
        ("KOI8-R", "# привет", "больница", "KOI8-R"),
        ("ISO-8859-1", "# été", "больница", "UTF-8"),
        ("ASCII", "", "hospital.", "ASCII"),
        ("ASCII", "", "hôpital", "UTF-8"),
        ("CHARSET", "", "hôpital", "UTF-8"),
        ("ASCII", "# été", "hôpital", "ASCII"),
        ("utf-8", "# été", "больница", "utf-8"),
    ],
)
def test_the_charset_of_the_header_is_that_of_the_file(
    charset: str, more: str, answer: str, expected: str
) -> None:
    encoding = "utf-8" if charset in ("ASCII", "CHARSET") else charset
    source = HOSPITAL % charset + more
    document = open_po("a.po", source.encode(encoding))
    assert document.render(document.texts) == source.encode(encoding)
    encoding = "utf-8" if "ASCII" in expected else expected
    wanted = (
        source.replace(charset, expected)
        .replace('msgstr ""', f'msgstr "{answer}"')
        .replace(f'msgstr "{answer}"', 'msgstr ""', source.count('msgstr ""') - 1)
    )
    assert document.render([answer]) == wanted.encode(encoding)


def test_a_file_in_another_charset_than_it_says_is_refused() -> None:
    for charset in ("Shift_JIS", "hex", "no-such"):
        with pytest.raises(
            InputError, match=f"a.po: cannot be read in {charset.lower()}, the charset of its"
        ):
            open_po("a.po", (HOSPITAL % charset).encode() + b"# \x81\x00\xff")


def test_declared_languages() -> None:
    head = HEAD.replace('"Content', '"Language: pt_BR\\n"\n"X-Source-Language: en\\n"\n"Content')
    assert open_po("a.po", head.encode()).languages == ("en", "pt_BR")
    assert open_po("a.po", HEAD.encode()).languages == ("", "")


def test_a_catalogue_without_gaps_stays_and_a_bad_line_is_told_of() -> None:
    whole = HEAD + 'msgid "a"\r\nmsgstr "b"\r\n'
    document = open_po("a.po", whole.encode())
    assert not document.texts
    assert document.render([]) == whole.encode()
    with pytest.raises(InputError, match=r"a\.po:2: is not a line of a PO file\."):
        open_po("a.po", b'msgid "a"\nnonsense\n')


# ---------------------------------------------------------------- real files


SOME = ["fr/tutorial-introduction"]
MORE = ["fr/faq-general", "fr/glossary", "fr/library-argparse"]
MORE += ["zh/faq-general", "zh/glossary", "zh/library-argparse", "zh/tutorial-introduction"]
ROLES = re.compile(r"``[^`]+``|:(?!ref|term|doc)\w+:`[^`]+`|<[^<>`]+>`|%\(\w+\)s")


@pytest.mark.parametrize("name", [*SOME, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)])
def test_real_catalogues(name: str, tmp_path: Path) -> None:
    """Emptied and with all translations; read by polib, and by msgfmt where it is installed."""
    data = gzip.decompress((corpus("formats") / "po" / f"{name}.po.gz").read_bytes())
    emptied = polib.pofile(data.decode())
    for entry in emptied:
        entry.msgstr = ""
    for catalogue, options in [
        (data, PoOptions()),
        (data, PoOptions(fuzzy=True, redo_fuzzy=True)),
        (str(emptied).encode(), PoOptions()),
    ]:
        document = open_po("a.po", catalogue, options)
        assert document.render(document.texts) == catalogue
        assert document.languages == ("", {"fr": "fr", "zh": "zh_CN"}[name[:2]])
        given = polib.pofile(catalogue.decode())
        for translate in STAND_INS:
            out = document.render([translate(text) for text in document.texts])
            found = polib.pofile(out.decode())
            assert found.metadata == given.metadata
            for before, after in zip(given, found, strict=True):
                kept = (before.msgid, before.msgctxt, before.obsolete, before.occurrences)
                assert (after.msgid, after.msgctxt, after.obsolete, after.occurrences) == kept
                if after.msgstr == before.msgstr:
                    assert after.flags == before.flags
                else:
                    assert not before.msgstr or "fuzzy" in before.flags
                    assert after.fuzzy == options.fuzzy
                    assert sorted(ROLES.findall(after.msgstr)) == sorted(ROLES.findall(after.msgid))
            if translate is changed and which("msgfmt"):
                assert accepted(tmp_path / "a.po", out) == ""


FLAGGED = [
    ("c", "Free: %dMB of %dpx"), ("c", "%*d red chairs"), ("c", "%.*f of it"), ("c", "%1$*2$d and %3$s"),
    ("c", "Costs %'d for %Lf, %jd"), ("c", "Room %<PRIu64> is free"), ("c", "%s (%s), #%d"),
    ("qt", "There is a chair in %1."), ("kde", "There is a chair in %1."), ("sh", "A chair in $room."),
    ("ruby", "A chair in %<room>s and %{bath}"), ("java-printf", "On %1$tY%n"), ("lua", "A %q chair"),
    ("perl-brace", "A chair in {room name}"), ("python", "A %(chair)s, 5%% off"), ("php", "A %2$s, %1$'*9s"),
    ("python-brace", "A {chair!r:>{width}}, {{x}}"), ("csharp", "A {0,-10:N2} chair"), ("objc", "A %@ chair"),
    ("java", "A {0,number,integer} chair"), ("javascript", "A %d chair"), ("tcl", "A %d chair"),
]  # fmt: skip


@MSGFMT
@pytest.mark.parametrize("translate", STAND_INS)
def test_msgfmt_accepts_placeholders_of_every_language(
    translate: Callable[[str], str], tmp_path: Path
) -> None:
    messages = "".join(
        f'#, {family}-format\nmsgid "{msgid} ({number})"\nmsgstr ""\n\n'
        for number, (family, msgid) in enumerate(FLAGGED)
    )
    document = open_po("a.po", (HEAD + messages).encode())
    out = document.render([translate(text) for text in document.texts])
    assert "fatal" not in accepted(tmp_path / "a.po", out)


@MSGFMT
@settings(max_examples=20, deadline=None)
@given(translate=TRANSLATORS)
def test_msgfmt_accepts_it(tmp_path_factory: pytest.TempPathFactory, translate: Callable[[str], str]) -> None:
    document = open_po("a.po", SAMPLE.removesuffix('msgctxt ""\nmsgid ""\nmsgstr ""\n').encode())
    out = document.render([translate(text) for text in document.texts])
    assert "fatal" not in accepted(tmp_path_factory.mktemp("po") / "a.po", out)
