"""Corpora of pairs as every reader takes them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import get_args
from xml.sax.saxutils import escape

from mtkit.config.sources import (
    CsvSource,
    HuggingFaceSource,
    JsonlSource,
    MonoSource,
    PlainSource,
    PoSource,
    Source,
    TmxSource,
    TsvSource,
    XliffSource,
)

Texts = Iterable[tuple[str, str]]


def plain(folder: Path, texts: Texts) -> Source:
    with (folder / "a.src").open("wb") as src, (folder / "a.tgt").open("wb") as tgt:
        for one, other in texts:
            src.write(f"{one}\n".encode())
            tgt.write(f"{other}\n".encode())
    return PlainSource(reader="plain", src=folder / "a.src", tgt=folder / "a.tgt")


def tsv(folder: Path, texts: Texts) -> Source:
    with (folder / "a.tsv").open("wb") as file:
        file.writelines(f"{tgt}\t17\t{src}\tmore\n".encode() for src, tgt in texts)
    return TsvSource(reader="tsv", path=folder / "a.tsv", src_column=3, tgt_column=1)


def csv_(folder: Path, texts: Texts) -> Source:
    with (folder / "a.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter=";", lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        rows.writerow(["id", "fr", "en"])
        rows.writerows((number, tgt, src) for number, (src, tgt) in enumerate(texts))
    return CsvSource(reader="csv", path=folder / "a.csv", src_column="en", tgt_column="fr", delimiter=";")


def jsonl(folder: Path, texts: Texts) -> Source:
    with (folder / "a.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(
            json.dumps({"id": 1, "translation": {"en": src, "fr": tgt}}, ensure_ascii=len(src) % 2 == 0)
            + "\n"
            for src, tgt in texts
        )
    return JsonlSource(reader="jsonl", path=folder / "a.jsonl")


def tmx(folder: Path, texts: Texts) -> Source:
    with (folder / "a.tmx").open("w", encoding="utf-8", newline="\n") as file:
        file.write('<?xml version="1.0"?><!DOCTYPE tmx SYSTEM "tmx14.dtd"><tmx version="1.4"><body>\n')
        file.writelines(
            f'<tu><tuv xml:lang="FR-ca"><seg>{escape(tgt)}</seg></tuv>'
            f'<tuv xml:lang="EN"><seg>{escape(src)}</seg></tuv></tu>\n'
            for src, tgt in texts
        )
        file.write("</body></tmx>")
    return TmxSource(reader="tmx", path=folder / "a.tmx")


def xliff(folder: Path, texts: Texts) -> Source:
    with (folder / "a.xlf").open("w", encoding="utf-8", newline="\n") as file:
        file.write('<xliff xmlns="urn:oasis:names:tc:xliff:document:1.2" version="1.2">')
        file.write('<file source-language="en" target-language="fr-FR"><body>\n')
        file.writelines(
            f"<trans-unit><source>{escape(src)}</source><target>{escape(tgt)}</target></trans-unit>\n"
            for src, tgt in texts
        )
        file.write("</body></file></xliff>")
    return XliffSource(reader="xliff", path=folder / "a.xlf")


def xliff2(folder: Path, texts: Texts) -> Source:
    with (folder / "a.xlf").open("w", encoding="utf-8", newline="\n") as file:
        file.write(
            '<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" srcLang="en" trgLang="fr"><file id="f">\n'
        )
        file.writelines(
            f'<unit id="{n}"><segment state="final"><source>{escape(src)}</source>'
            f"<target>{escape(tgt)}</target></segment></unit>\n"
            for n, (src, tgt) in enumerate(texts)
        )
        file.write("</file></xliff>")
    return XliffSource(reader="xliff", path=folder / "a.xlf")


def po(folder: Path, texts: Texts) -> Source:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'

    with (folder / "a.po").open("w", encoding="utf-8", newline="\n") as file:
        file.write('msgid ""\nmsgstr "Language: fr\\n"\n\n')
        file.writelines(f"msgid {quoted(src)}\nmsgstr {quoted(tgt)}\n\n" for src, tgt in texts)
    return PoSource(reader="po", path=folder / "a.po")


def huggingface(folder: Path, texts: Texts) -> Source:
    (folder / "set").mkdir(exist_ok=True)
    with (folder / "set" / "train.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps({"translation": {"en": src, "fr": tgt}}) + "\n" for src, tgt in texts)
    return HuggingFaceSource(reader="huggingface", path=folder / "set")


def mono(folder: Path, texts: Texts) -> Source:
    with (folder / "a.txt").open("wb") as file:
        file.writelines(f"{tgt}\n".encode() for _, tgt in texts)
    return MonoSource(reader="mono", path=folder / "a.txt")


Writer = Callable[[Path, Texts], Source]
OF_READER: dict[str, Writer] = {
    "plain": plain,
    "tsv": tsv,
    "csv": csv_,
    "jsonl": jsonl,
    "tmx": tmx,
    "xliff": xliff,
    "po": po,
    "mono": mono,
    "huggingface": huggingface,
}
"""Every reader of files."""


def readers() -> list[str]:
    """The names of all readers of files, from the union of their options."""
    sources = get_args(get_args(Source)[0])
    names = [get_args(source.model_fields["reader"].annotation)[0] for source in sources]
    return [name for name in names if name != "phrasebook"]  # which has none
