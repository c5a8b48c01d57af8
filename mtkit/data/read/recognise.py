"""Recognises the format, columns and declared languages of somebody's files; reads only their first rows."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from mtkit.config.fixed import DATA_SUFFIXES
from mtkit.config.sources import Source
from mtkit.data.read.charset import DOCUMENTS, is_document
from mtkit.data.read.fields import RecordError
from mtkit.data.read.hub import hub_rows
from mtkit.data.read.identify import codes_in, differing_codes, short_code
from mtkit.data.read.jsonl import json_records
from mtkit.data.read.lines import open_bytes, read_lines
from mtkit.data.read.markup import read_elements
from mtkit.data.read.pair import Pair
from mtkit.data.read.po import language_of_catalogue
from mtkit.data.read.repairs import Repairs
from mtkit.data.read.tables import csv_rows
from mtkit.data.read.text_columns import PickedColumns, TextColumn, columns_of, flat, has_header, pick_columns
from mtkit.errors import InputError, UsageError, listed, shortened
from mtkit.text.languages import same_language, standard_code

LOOKED_AT = 300
"""Rows, units and pairs that are looked at to find columns and languages."""
SOURCES: TypeAdapter[Source] = TypeAdapter(Source)
DECLARED = "declared in it"

_PACKED = (".gz", ".bz2", ".xz", ".zst")
_SPLITS = {
    "valid": ("valid", "val", "dev", "validation", "tune"),
    "test": ("test", "eval", "devtest", "heldout"),
}

Wanted = tuple[str | None, str | None]
"""The source and target language that the user names."""


@dataclass(frozen=True, slots=True)
class FoundCorpus:
    """A corpus and how to read it.

    Attributes:
        options: as in `data.train` of a config.
        kind: the format, for the user.
        languages: of its two sides, as they are read; empty where unknown.
        why: where the languages come from, for the user.
        codes: all languages of a file with more than two.
        split: `valid` or `test` if its name says so, else `train`.
        pairs: the number of pairs, at most `MAX_COUNTED`.
        sample: its first pair.
        skipped: what was skipped, for the user.
        folder: the folder in which it was found, if the user named one.
    """

    options: dict[str, Any]
    kind: str
    languages: tuple[str, str] = ("", "")
    why: str = ""
    codes: tuple[str, ...] = ()
    split: str = "train"
    pairs: int = 0
    sample: Pair | None = None
    skipped: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def name(self) -> str:
        """The files, for messages."""
        paths = [self.options[key] for key in ("src", "tgt", "path", "name") if key in self.options]
        return " + ".join(short_name(path, self.folder) for path in paths)

    def turned(self) -> FoundCorpus:
        """The same with source and target exchanged, where the options say which is which."""
        options, (src, tgt) = dict(self.options), self.languages
        for one, other in (("src", "tgt"), ("src_column", "tgt_column"), ("src_field", "tgt_field")):
            if one in options:
                options |= {one: options[other], other: options[one]}
        return replace(self, options=options, languages=(tgt, src))


def short_name(path: Path | str, folder: Path | None) -> str:
    """The name of a file for messages; with the folders that lie between it and `folder`."""
    if not isinstance(path, Path):
        return path
    return str(path.relative_to(folder)) if folder is not None and folder in path.parents else path.name


def of_file(path: Path, wanted: Wanted, columns: tuple[str, str] | None) -> FoundCorpus:
    """The corpus in a file of pairs."""
    match format_of(path):
        case "tmx":
            corpus = _tmx(path, wanted)
        case "xliff":
            corpus = _xliff(path)
        case "po":
            corpus = _po(path)
        case "jsonl":
            corpus = _records(path, columns)
        case kind:
            corpus = _table(path, kind, columns)
    return replace(corpus, split=_split_of(path))


def of_texts(src: Path, tgt: Path) -> FoundCorpus:
    """The corpus in two files of text."""
    codes = differing_codes(bare(src).name, bare(tgt).name) or ("", "")
    why = "from their names" if all(codes) else ""
    return FoundCorpus({"reader": "plain", "src": src, "tgt": tgt}, "text", codes, why, split=_split_of(src))


def format_of(path: Path, *, by_name: bool = False) -> str:
    """The reader of a file, by its name or else by its beginning; `plain` for text.

    Args:
        path: the file.
        by_name: give no answer where the name does not say.

    Raises:
        InputError: it cannot be read, or is a document.
    """
    kind = DATA_SUFFIXES.get(bare(path).suffix.lower(), "")
    if kind or by_name:
        return kind
    with open_bytes(path) as stream:
        head = stream.read(1 << 12).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(DOCUMENTS):
        raise is_document(path)
    lines = head.split(b"\n")[:-1] or [head]
    if b"<tmx" in head:
        return "tmx"
    if b"<xliff" in head:
        return "xliff"
    if head.startswith((b"{", b"[")):
        return "jsonl"
    if any(line.startswith(b"msgid ") for line in lines):
        return "po"
    return "tsv" if all(b"\t" in line for line in lines if line.strip()) else "plain"


def bare(path: Path) -> Path:
    """The path without the suffix of a compression."""
    return path.with_suffix("") if path.suffix in _PACKED else path


def _split_of(path: Path) -> str:
    words = set(bare(path).name.lower().replace("_", ".").replace("-", ".").split("."))
    return next((split for split, known in _SPLITS.items() if words & set(known)), "train")


# ---------------------------------------------------------------- formats


def _tmx(path: Path, wanted: Wanted) -> FoundCorpus:
    options, main, counts = {"reader": "tmx", "path": path}, "", Counter[str]()
    elements = read_elements(path, Repairs(), frozenset({"tmx"}), frozenset(), frozenset())
    for element in elements:
        if element.name == "header" and not element.is_end:
            main = element.attributes.get("srclang", "")
        elif element.name == "tuv" and not element.is_end and (code := element.attributes.get("lang")):
            counts[code] += 1
        if counts.total() > 10 * LOOKED_AT:
            break
    codes = [standard_code(code) for code, _ in counts.most_common()]
    codes.sort(key=lambda code: not same_language(code, main) if main else 0)
    kinds = list(dict.fromkeys(map(short_code, codes)))
    chosen = _chosen(kinds, wanted)
    return FoundCorpus(options, "TMX", chosen, DECLARED, tuple(kinds))


def _chosen(codes: Sequence[str], wanted: Wanted) -> tuple[str, str]:
    """The two of several languages: all that there are, or those that the user wants; else none."""
    src, tgt = (
        next((code for code in codes if one and same_language(code, one)), "") if one else ""
        for one in wanted
    )
    if len(codes) == 2:
        src = src or next(code for code in codes if code != tgt)
        tgt = tgt or next(code for code in codes if code != src)
    return src, tgt


def _xliff(path: Path) -> FoundCorpus:
    options = {"reader": "xliff", "path": path}
    elements = read_elements(path, Repairs(), frozenset({"xliff"}), frozenset(), frozenset())
    for element in elements:
        found = element.attributes
        src, tgt = (
            found.get(old) or found.get(new) or ""
            for old, new in (("source-language", "srcLang"), ("target-language", "trgLang"))
        )
        if src:
            codes = tuple(short_code(code) if code else "" for code in (src, tgt))
            return FoundCorpus(options, "XLIFF", (codes[0], codes[1]), DECLARED if tgt else "")
    return FoundCorpus(options, "XLIFF")


def _po(path: Path) -> FoundCorpus:
    language = language_of_catalogue(path)
    target = short_code(language) if language else next(iter(codes_in(bare(path).name)), "")
    return FoundCorpus({"reader": "po", "path": path}, "PO", ("", target), DECLARED)


def _table(path: Path, kind: str, columns: tuple[str, str] | None) -> FoundCorpus:
    rows, options = _rows(path, kind)
    if not rows:
        raise InputError(f"{path}: has no rows.")
    widths = Counter(len(row) for row in rows if len(row) > 1)
    width = widths.most_common(1)[0][0] if widths else 1
    header = rows[0] if has_header(rows[0]) or (columns and not columns[0].isdecimal()) else []
    body = [row for row in rows[bool(header) :] if len(row) == width]
    table = [
        TextColumn(header[index] if index < len(header) else "", [row[index] for row in body])
        for index in range(width)
    ]
    names = [column.name or number for number, column in enumerate(table, start=1)]
    picked = _named_columns(path, names, columns) if columns else pick_columns(table)
    if picked is None:
        raise UsageError(
            f"{path}: which of its {width} columns are translations of each other is not clear.",
            f"Name them: --columns SRC,TGT, of {listed(names)}.",
        )
    by_name = len(set(header)) == len(header) and all(header)
    src, tgt = (names[index] if by_name else index + 1 for index in (picked.src, picked.tgt))
    options |= {"src_column": src, "tgt_column": tgt} | ({"header": True} if header and not by_name else {})
    told = codes_in(bare(path).stem)
    languages = (
        picked.languages if any(picked.languages) else (told[0], told[1]) if len(told) == 2 else ("", "")
    )
    why = "from its columns" if any(picked.languages) else "from its name" if told else ""
    return FoundCorpus(
        {"reader": options.pop("reader"), "path": path} | options, kind.upper(), languages, why
    )


def _rows(path: Path, kind: str) -> tuple[list[list[str]], dict[str, Any]]:
    """The first rows of a table, and the reader for it."""
    first = list(islice(read_lines(path, Repairs()), LOOKED_AT))
    if kind == "tsv" and not _is_quoted(first):
        return [line.split("\t") for line in first if line.strip()], {"reader": "tsv"}
    delimiter = "\t" if kind == "tsv" else _delimiter(first)
    found = islice(csv_rows(path, iter(first), delimiter, Repairs()), LOOKED_AT)
    rows = [row for _, row in found if isinstance(row, list)]
    return rows, {"reader": "csv"} | ({"delimiter": delimiter} if delimiter != "," else {})


def _is_quoted(lines: Sequence[str]) -> bool:
    """Whether cells of a TSV are quoted: most quotes at the ends of cells come in pairs."""
    cells = [cell for line in lines for cell in line.split("\t") if '"' in cell]
    whole = [cell for cell in cells if len(cell) > 1 and cell.startswith('"') and cell.endswith('"')]
    return len(whole) > 1 and len(whole) >= 0.9 * len(cells) and len(cells) >= 0.3 * len(lines)


def _delimiter(lines: Sequence[str]) -> str:
    """The character that divides most lines into the same number of columns."""
    best = (0.0, ",")
    for delimiter in ",;\t|":
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        if width > 1:
            best = max(best, (count / max(1, widths.total()), delimiter), key=lambda each: each[0])
    return best[1]


def _records(path: Path, columns: tuple[str, str] | None) -> FoundCorpus:
    lines = json_records(path, read_lines(path, Repairs()), Repairs())
    records = dict(islice(lines, LOOKED_AT))
    for place, record in records.items():
        if isinstance(record, RecordError):
            raise InputError(f"{place}: {record}", "Repair it, or write one object per line.")
    found = _of_records(
        str(path), {"reader": "jsonl", "path": path}, list(records.values()), columns, "field"
    )
    told = codes_in(bare(path).stem)
    if not any(found.languages) and len(told) == 2:
        return replace(found, languages=(told[0], told[1]), why="from its name")
    return found


def _of_records(
    where: str,
    options: dict[str, Any],
    records: Sequence[Any],
    columns: tuple[str, str] | None,
    key: str,
) -> FoundCorpus:
    good = [record for record in records if flat(record)]
    table = columns_of(good)
    names = [column.name for column in table]
    if not names:
        raise InputError(
            f"{where}: no {key} has text in most of the first {len(records)} records.",
            'Each needs both texts, as in {"en": "Good morning.", "fr": "Bonjour."}.',
        )
    picked = _named_columns(where, names, columns) if columns else pick_columns(table)
    if picked is None:
        raise UsageError(
            f"{where}: which of its fields are translations of each other is not clear.",
            f"Name them: --columns SRC,TGT, of {listed(names)}.",
        )
    options = options | {f"src_{key}": names[picked.src], f"tgt_{key}": names[picked.tgt]}
    why = "from the names of its fields" if any(picked.languages) else ""
    kind = "JSON lines" if key == "field" else "data set"
    return FoundCorpus(options, kind, picked.languages, why)


def _named_columns(where: object, names: Sequence[object], wanted: tuple[str, str]) -> PickedColumns:
    """The columns that the user named, by name or by number from 1."""
    indices = []
    for one in wanted:
        known = [str(name) for name in names]
        if one in known:
            indices.append(known.index(one))
        elif one.isdecimal() and 0 < int(one) <= len(names):
            indices.append(int(one) - 1)
        else:
            raise UsageError(f"--columns {one}: {where} has no such column.", f"It has {listed(names)}.")
    return PickedColumns(indices[0], indices[1], ("", ""))


# ---------------------------------------------------------------- data sets


def is_hub_name(name: str) -> bool:
    parts = name.split("/")
    return len(parts) == 2 and all(
        part.replace("-", "").replace("_", "").replace(".", "").isalnum() for part in parts
    )


def of_hub(name: str, columns: tuple[str, str] | None) -> FoundCorpus:
    """A data set on the Hub, at its latest commit."""
    try:
        from huggingface_hub import HfApi

        revision = HfApi().dataset_info(name).sha
    except Exception as error:  # the package documents no common exception for network and server
        reason = shortened(" ".join(str(error).split()), 200).rstrip(".") or type(error).__name__
        raise InputError(
            f"{name}: there is no such file, and no data set of this name can be asked for: {reason}.",
            "Check the path, or the name and the network.",
        ) from None
    return of_dataset({"reader": "huggingface", "name": name, "revision": revision}, columns)


def of_dataset(options: dict[str, Any], columns: tuple[str, str] | None) -> FoundCorpus:
    source: Any = SOURCES.validate_python(options)
    records = list(islice(hub_rows(source, Repairs()), LOOKED_AT))
    return _of_records(str(source.path or source.name), options, records, columns, "column")
