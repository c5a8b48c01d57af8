"""Options of each training, validation and test corpus: where the text comes from, one class a reader."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from mtkit.config.options import LanguageCode, Options, Tag

_PACKED = "`*` and `?` stand for any text in names; .gz, .bz2, .xz and .zst are decompressed."

OnError = Literal["stop", "skip"]


def _check_column(value: object) -> int | str:
    """A column by its number, from 1, or its name."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError("a column is given by its number, from 1, or by its name in the first line")


Column = Annotated[
    int | str,
    PlainValidator(_check_column),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "minLength": 1}]}),
]
"""A column of a table, by number from 1 or by name."""


class Corpus(Options):
    """What every corpus with text of its own may say, whatever reads it."""

    reader: str
    src_lang: LanguageCode | None = Field(None, description="Of its source side, if not that of `data`.")
    tgt_lang: LanguageCode | None = Field(None, description="Of its target side, if not that of `data`.")
    reverse: bool = Field(False, description="Translate from its target side to its source side.")
    tags: tuple[Tag, ...] = Field(
        (), description="Tokens that each of its sources begins with, such as domain:legal."
    )


class PlainSource(Corpus):
    """Text files in pairs, line N of one being the translation of line N of the other."""

    reader: Literal["plain"]
    src: Path = Field(description=f"Source side; {_PACKED}")
    tgt: Path = Field(description="Target side: as many files, in the same order of names.")


class _Table(Corpus):
    """What tables with and without quotes share."""

    path: Path = Field(description=f"The file; {_PACKED}")
    src_column: Column = Field(1, description="Column of the source text: its number, from 1, or its name.")
    tgt_column: Column = Field(2, description="Column of the target text.")
    score_column: Column | None = Field(None, description="Column of a score, for the filter `score`.")
    columns: int | None = Field(None, ge=2, description="Columns a line must have; any number if left out.")
    header: bool = Field(False, description="The first line names the columns; always so if one is named.")
    on_error: OnError = Field("stop", description="At a bad line: stop, or skip it and count.")

    @property
    def has_header(self) -> bool:
        """Whether the first line of each file names the columns."""
        return self.header or any(
            isinstance(column, str) for column in (self.src_column, self.tgt_column, self.score_column)
        )


class TsvSource(_Table):
    """Columns between tabs, without quoting: a tab always separates."""

    reader: Literal["tsv"]


class CsvSource(_Table):
    """Columns as spreadsheets write them: texts in double quotes may hold the delimiter and line feeds."""

    reader: Literal["csv"]
    delimiter: str = Field(",", min_length=1, max_length=1, description="Between columns, such as ;.")


class JsonlSource(Corpus):
    """One JSON object a line."""

    reader: Literal["jsonl"]
    path: Path = Field(description=f"The file; {_PACKED}")
    src_field: str | None = Field(
        None, min_length=1, description="Dotted path of the source text; translation.SRC_LANG if left out."
    )
    tgt_field: str | None = Field(None, min_length=1, description="Dotted path of the target text.")
    score_field: str | None = Field(
        None, min_length=1, description="Dotted path of a score, for the filter `score`."
    )
    on_error: OnError = Field("stop", description="At a bad line: stop, or skip it and count.")


class TmxSource(Corpus):
    """A translation memory; its units with both languages are pairs."""

    reader: Literal["tmx"]
    path: Path = Field(description=f"The file; {_PACKED}")


class XliffSource(Corpus):
    """XLIFF 1.2 or 2; units whose target is there and not marked as unfinished are pairs."""

    reader: Literal["xliff"]
    path: Path = Field(description=f"The file; {_PACKED}")


class PoSource(Corpus):
    """A gettext catalogue; messages that are translated and neither fuzzy nor obsolete are pairs."""

    reader: Literal["po"]
    path: Path = Field(description=f"The file; {_PACKED}")


class MonoSource(Options):
    """Text in one language, in `train` alone: the subword model learns from it, but it makes no pairs."""

    reader: Literal["mono"]
    path: Path = Field(description=f"The file; {_PACKED}")
    side: Literal["src", "tgt"] = Field("tgt", description="The side that the text is.")


class HuggingFaceSource(Corpus):
    """A data set that the package `datasets` reads; nothing is downloaded unless `name` is given."""

    reader: Literal["huggingface"]
    path: Path | None = Field(None, description="Local folder of the data set.")
    name: str | None = Field(None, min_length=1, description="Name on the Hub instead, such as wmt/wmt14.")
    revision: str | None = Field(
        None, min_length=1, description="Commit or tag on the Hub, so that the data stay the same."
    )
    config: str | None = Field(
        None, min_length=1, description="Configuration of the data set, such as fr-en."
    )
    split: str = Field("train", min_length=1, description="Split of the data set.")
    src_column: str | None = Field(
        None, min_length=1, description="Dotted path of the source text; translation.SRC_LANG if left out."
    )
    tgt_column: str | None = Field(None, min_length=1, description="Dotted path of the target text.")
    score_column: str | None = Field(
        None, min_length=1, description="Dotted path of a score, for the filter `score`."
    )
    streaming: bool = Field(True, description="Read without a copy on disk; else it is cached first.")
    on_error: OnError = Field("stop", description="At a bad row: stop, or skip it and count.")

    @model_validator(mode="after")
    def _one_place(self) -> HuggingFaceSource:
        if (self.path is None) == (self.name is None):
            raise ValueError("path or name must be given, and not both.")
        if self.name and not self.revision:
            raise ValueError("revision is missing: name the commit, so that the data stay the same.")
        if self.path and self.revision:
            raise ValueError("revision belongs to name: a local folder has none.")
        return self


class PhrasebookSource(Corpus):
    """Sentences that mtkit composes itself (en, fr, de, zh); needs no file and no network."""

    reader: Literal["phrasebook"]
    split: Literal["train", "valid", "test"] = Field("train", description="Splits never share a sentence.")
    pairs: int = Field(20_000, ge=1, description="How many pairs to compose.")
    seed: int = Field(1, ge=0, description="The same seed always gives the same sentences.")


_AnySource = (
    PlainSource
    | TsvSource
    | CsvSource
    | JsonlSource
    | TmxSource
    | XliffSource
    | PoSource
    | MonoSource
    | HuggingFaceSource
    | PhrasebookSource
)
Source = Annotated[_AnySource, Field(discriminator="reader")]


class CutSource(Options):
    """Pairs taken out of the training data, near twins with them; for validation and tests only."""

    reader: Literal["cut"]
    pairs: int = Field(ge=1, description="How many pairs to cut.")


HeldOutSource = Annotated[_AnySource | CutSource, Field(discriminator="reader")]
