"""Packages for Argos Translate and LibreTranslate: an export to CTranslate2 in a zip archive.

The layout follows argostranslate's package.py: one folder with metadata.json, model/ (CTranslate2),
sentencepiece.model and README.md. Argos Translate has its own sentence splitter, so no data for one are
included.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

from mtkit.disk.output import output_file
from mtkit.errors import UsageError
from mtkit.runs.exports import Exported
from mtkit.text.languages import english_name, language_of

PACKAGE_VERSION = "1.0"
ARGOS_VERSION = "1.9"
_DATE = (1980, 1, 1, 0, 0, 0)
"""The date of every file, fixed to make archives of equal models equal."""


def package_name(exported: Exported) -> str:
    """The name of the folder in the archive, and of the archive without its suffix."""
    version = PACKAGE_VERSION.replace(".", "_")
    return f"translate-{language_of(exported.src_lang).code}_{language_of(exported.tgt_lang).code}-{version}"


def write_argos(exported: Exported, output: Path) -> None:
    """Writes an export to CTranslate2 as the package `output`, whole or not at all.

    Raises:
        UsageError: the suffix is wrong, or Argos Translate would process text differently.
    """
    target_tag = exported.decode.get("target_tag")
    if reasons := exported.tokenizer.refusals_elsewhere(exported.tags, target_tag):
        raise UsageError(f"export to argos: {'; '.join(reasons)}.", "Export to ctranslate2 instead.")
    if output.suffix != ".argosmodel":
        raise UsageError(f"{output}: the name must end in .argosmodel.", "Rename it.")
    src, tgt = exported.src_lang, exported.tgt_lang
    src_name, tgt_name = english_name(src), english_name(tgt)
    metadata = {
        "package_version": PACKAGE_VERSION,
        "argos_version": ARGOS_VERSION,
        "from_code": language_of(src).code,
        "from_name": src_name,
        "to_code": language_of(tgt).code,
        "to_name": tgt_name,
        "type": "translate",
    }
    files = {f"model/{name}": content for name, content in sorted(exported.files.items())}
    files["sentencepiece.model"] = exported.tokenizer.src.model_bytes
    folder = package_name(exported)
    readme = f"# {src_name} → {tgt_name}\n\nMade by mtkit; `argospm install {output.name}` installs it.\n"
    check_replaceable(output)
    with output_file(output) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        texts = {"metadata.json": json.dumps(metadata, indent=4, ensure_ascii=False), "README.md": readme}
        for name, text in texts.items():
            archive.writestr(_entry(f"{folder}/{name}"), text)
        for name, content in files.items():
            archive.writestr(_entry(f"{folder}/{name}"), content)


def check_replaceable(output: Path) -> None:
    """Checks that `output` does not exist, or is a package of Argos Translate.

    Raises:
        UsageError: it is something else.
    """
    if not os.path.lexists(output):
        return
    try:
        with zipfile.ZipFile(output) as archive:
            if any(name.endswith("/metadata.json") for name in archive.namelist()):
                return
    except (OSError, zipfile.BadZipFile):
        pass
    raise UsageError(
        f"{output}: already exists, and is not a package of Argos Translate.", "Choose another file with -o."
    )


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry
