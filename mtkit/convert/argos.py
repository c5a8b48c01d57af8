"""A package that Argos Translate and LibreTranslate install: an export to CTranslate2 in a zip archive.

The layout is that of argostranslate's package.py: one folder with metadata.json, model/ (CTranslate2),
sentencepiece.model and README.md. Data of a sentence splitter are not packed: Argos Translate has its own.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

from babel import Locale, UnknownLocaleError

from mtkit.disk.output import output_file
from mtkit.errors import UsageError
from mtkit.runs.exports import Exported

PACKAGE_VERSION = "1.0"
ARGOS_VERSION = "1.9"
_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every file, so that equal models give equal archives."""


def package_name(exported: Exported) -> str:
    """The folder in the archive, and the archive without its suffix."""
    version = PACKAGE_VERSION.replace(".", "_")
    return f"translate-{_code(exported.src_lang)}_{_code(exported.tgt_lang)}-{version}"


def write_argos(exported: Exported, output: Path) -> None:
    """Writes the package `output` of an export to CTranslate2, whole or not at all.

    Raises:
        UsageError: the name does not end as Argos Translate expects, or it would read text otherwise.
    """
    if reasons := exported.tokenizer.refusals_elsewhere(exported.tags):
        raise UsageError(f"export to argos: {'; '.join(reasons)}.", "Export to ctranslate2 instead.")
    if output.suffix != ".argosmodel":
        raise UsageError(f"{output}: a package of Argos Translate ends in .argosmodel.", "Change its name.")
    src, tgt = exported.src_lang, exported.tgt_lang
    metadata = {
        "package_version": PACKAGE_VERSION,
        "argos_version": ARGOS_VERSION,
        "from_code": _code(src),
        "from_name": _name(src),
        "to_code": _code(tgt),
        "to_name": _name(tgt),
        "type": "translate",
    }
    files = {f"model/{name}": content for name, content in sorted(exported.files.items())}
    files["sentencepiece.model"] = exported.tokenizer.src.model_bytes
    folder = package_name(exported)
    readme = f"# {_name(src)} → {_name(tgt)}\n\nMade by mtkit; `argospm install {output.name}` installs it.\n"
    check_replaceable(output)
    with output_file(output) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        texts = {"metadata.json": json.dumps(metadata, indent=4, ensure_ascii=False), "README.md": readme}
        for name, text in texts.items():
            archive.writestr(_entry(f"{folder}/{name}"), text)
        for name, content in files.items():
            archive.writestr(_entry(f"{folder}/{name}"), content)


def check_replaceable(output: Path) -> None:
    """Returns if there is nothing at `output`, or a package that may be replaced.

    Raises:
        UsageError: there is something else.
    """
    if not os.path.lexists(output):
        return
    try:
        with zipfile.ZipFile(output) as archive:
            if any(name.endswith("/metadata.json") for name in archive.namelist()):
                return
    except (OSError, zipfile.BadZipFile):
        pass
    raise UsageError(f"{output}: is there, and is no package of Argos Translate.", "Name another file by -o.")


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _code(lang: str) -> str:
    """The language alone, as Argos Translate's codes are."""
    return lang.replace("_", "-").partition("-")[0].lower()


def _name(lang: str) -> str:
    """The English name of a language; its code if there is none."""
    try:
        return Locale.parse(_code(lang)).english_name or lang
    except (UnknownLocaleError, ValueError):
        return lang
