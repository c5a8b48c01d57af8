"""Options of each training, validation and test corpus, one class per reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, assert_never

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from mtkit.config.options import LanguageCode, Options, Tag, rule

_DOMAIN = "Test sets only: {} of the domain, by which `mtkit compare` divides the lines."
_DOCUMENT = "Test sets only: {} of the document, by which `mtkit compare` divides the lines."
_PACKED = "`*` and `?` are wildcards; .gz, .bz2, .xz and .zst files are decompressed."

OnError = Literal["stop", "skip"]


def _check_column(value: object) -> int | str:
    """A column by its number, from 1, or its name."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError("must be the number of a column, from 1, or its name in the first line")


_COLUMN = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "minLength": 1}]}
_PATH = {"type": "string", "format": "path"}
_FIELD = {"type": "string", "minLength": 1}


def _or_list(schema: dict[str, Any]) -> WithJsonSchema:
    """The schema of a target, which the loader also accepts as a list: the target and further references."""
    return WithJsonSchema({"anyOf": [*schema.get("anyOf", [schema]), {"type": "array", "items": schema}]})


Column = Annotated[int | str, PlainValidator(_check_column), WithJsonSchema(_COLUMN)]
"""A column of a table, by number from 1 or by name."""
FieldPath = Annotated[str, Field(min_length=1)]


def _check_columns(value: object) -> int | str:
    """A number of columns, at least 2, or `any`."""
    if value == "any" or (isinstance(value, int) and not isinstance(value, bool) and value >= 2):
        return value
    raise ValueError("must be a number of columns, at least 2, or any")


Columns = Annotated[
    int | Literal["any"],
    PlainValidator(_check_columns),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 2}, {"const": "any"}]}),
]
"""The number of columns of a table, or `any`."""


class Corpus(Options):
    """The options that all corpora of parallel text share."""

    reader: str
    src_lang: LanguageCode | None = Field(
        None, description="Language of the source side. Default: data.src_lang."
    )
    tgt_lang: LanguageCode | None = Field(
        None, description="Language of the target side. Default: data.tgt_lang."
    )
    reverse: bool = Field(
        False, description="Swap the sides: translate from the target side into the source side."
    )
    tags: tuple[Tag, ...] = Field(
        (), description="Tags put before each source of this corpus, such as domain:legal."
    )


def _check_encoding(value: str) -> str:
    """The name of an encoding of text that Python knows."""
    try:
        "a".encode(value).decode(value)
    except (LookupError, UnicodeError, ValueError):
        raise ValueError("must be an encoding such as utf-8, cp1250, utf-16-le or shift_jis") from None
    return value


Encoding = Annotated[str, AfterValidator(_check_encoding)]


class TextCorpus(Corpus):
    """The options that all corpora in text files share."""

    encoding: Encoding | None = Field(
        None,
        description="Encoding of the files, such as cp1250. Default: UTF-8, or UTF-16 if a byte order mark "
        "says so.",
    )


class PlainSource(TextCorpus):
    """Two parallel text files: line N of one is the translation of line N of the other."""

    reader: Literal["plain"]
    src: Path = Field(description=f"File of the source side. {_PACKED}")
    tgt: Annotated[Path, _or_list(_PATH)] = Field(
        description="File of the target side. With wildcards, files are matched in the order of their names."
    )
    tgt_encoding: Encoding | None = Field(
        None, description="Encoding of the target side. Default: `encoding`."
    )
    refs: tuple[Path, ...] = Field(
        (),
        description="Test sets only: files of further references, which all scores use besides `tgt`. "
        "`tgt: [a, b]` is short for `tgt: a` and `refs: [b]`.",
    )


class _Table(TextCorpus):
    """The options that TSV and CSV share."""

    path: Path = Field(description=f"File of the corpus. {_PACKED}")
    src_column: Column = Field(1, description="Column of the source text, by number from 1 or by name.")
    tgt_column: Annotated[Column, _or_list(_COLUMN)] = Field(2, description="Column of the target text.")
    refs: tuple[Column, ...] = Field(
        (),
        description="Test sets only: columns of further references, which all scores use besides "
        "`tgt_column`. `tgt_column: [2, 3]` is short for `tgt_column: 2` and `refs: [3]`.",
    )
    score_column: Column | None = Field(None, description="Column of a score, for the filter `score`.")
    domain_column: Column | None = Field(None, description=_DOMAIN.format("column"))
    document_column: Column | None = Field(None, description=_DOCUMENT.format("column"))
    columns: Columns | None = Field(
        None,
        description="Number of columns that each line must have, or any. Default: lines with more columns "
        "than most are invalid, because a tab or comma inside a text shifts the columns.",
    )
    header: bool = Field(
        False,
        description="The first line contains the names of the columns. Implied if a column is given by name.",
    )
    on_error: OnError = Field("stop", description="Invalid lines: stop, or skip and count them.")

    @property
    def more_columns(self) -> tuple[Column | None, ...]:
        """The columns that are not text: score, domain, document; None where there is none."""
        return self.score_column, self.domain_column, self.document_column

    @property
    def has_header(self) -> bool:
        """Whether the first line of each file names the columns."""
        return self.header or any(
            isinstance(column, str)
            for column in (self.src_column, self.tgt_column, *self.refs, *self.more_columns)
        )


class TsvSource(_Table):
    """Tab-separated columns: a tab always separates, unless the texts of the file are in quotes."""

    reader: Literal["tsv"]


class CsvSource(_Table):
    """Columns as spreadsheets write them: quoted texts may contain delimiters and line breaks."""

    reader: Literal["csv"]
    delimiter: str = Field(
        ",",
        min_length=1,
        max_length=1,
        pattern=r'^[^"\r\n\x00]$',
        description="Character between columns, such as ;.",
    )


class JsonlSource(TextCorpus):
    """One JSON object per line, or all of them in one array."""

    reader: Literal["jsonl"]
    path: Path = Field(description=f"File of the corpus. {_PACKED}")
    src_field: str | None = Field(
        None,
        min_length=1,
        description="Dotted path of the source text in each object. Default: translation.SRC_LANG.",
    )
    tgt_field: Annotated[FieldPath | None, _or_list(_FIELD)] = Field(
        None, description="Dotted path of the target text in each object. Default: translation.TGT_LANG."
    )
    refs: tuple[FieldPath, ...] = Field(
        (),
        description="Test sets only: dotted paths of further references, which all scores use besides "
        "`tgt_field`. `tgt_field: [a, b]` is short for `tgt_field: a` and `refs: [b]`.",
    )
    score_field: str | None = Field(
        None, min_length=1, description="Dotted path of a score, for the filter `score`."
    )
    domain_field: FieldPath | None = Field(None, description=_DOMAIN.format("dotted path"))
    document_field: FieldPath | None = Field(None, description=_DOCUMENT.format("dotted path"))
    on_error: OnError = Field("stop", description="Invalid lines: stop, or skip and count them.")


class TmxSource(Corpus):
    """A TMX translation memory. Each unit that has both languages is a pair."""

    reader: Literal["tmx"]
    path: Path = Field(description=f"File of the corpus. {_PACKED}")


class XliffSource(Corpus):
    """XLIFF 1.2 or 2. Each unit that has a target and is not marked as unfinished is a pair."""

    reader: Literal["xliff"]
    path: Path = Field(description=f"File of the corpus. {_PACKED}")


class PoSource(TextCorpus):
    """A gettext catalogue. Each translated message that is neither fuzzy nor obsolete is a pair."""

    reader: Literal["po"]
    path: Path = Field(description=f"File of the corpus. {_PACKED}")


class MonoSource(Options):
    """Text in one language, only in `train`: the subword model is trained on it, but it gives no pairs."""

    reader: Literal["mono"]
    path: Path = Field(description=f"File of the text. {_PACKED}")
    encoding: Encoding | None = Field(None, description="Encoding of the file. Default: UTF-8.")
    side: Literal["src", "tgt"] = Field("tgt", description="Side whose language the text is in.")


class HuggingFaceSource(Corpus):
    """A dataset of the Hugging Face Hub, in a local folder or by name. A folder opens no connection."""

    reader: Literal["huggingface"]
    path: Path | None = Field(None, description="Local folder of the dataset. Give either this or `name`.")
    name: str | None = Field(
        None, min_length=1, description="Name of the dataset on the Hugging Face Hub, such as wmt/wmt14."
    )
    revision: str | None = Field(
        None,
        min_length=1,
        description="Commit or tag on the Hub, so that the data stay the same. Required with `name`.",
    )
    config: str | None = Field(None, min_length=1, description="Configuration of the dataset, such as fr-en.")
    split: str = Field("train", min_length=1, description="Split of the dataset.")
    src_column: str | None = Field(
        None,
        min_length=1,
        description="Dotted path of the source text in each row. Default: translation.SRC_LANG.",
    )
    tgt_column: Annotated[FieldPath | None, _or_list(_FIELD)] = Field(
        None, description="Dotted path of the target text in each row. Default: translation.TGT_LANG."
    )
    refs: tuple[FieldPath, ...] = Field(
        (),
        description="Test sets only: dotted paths of further references, which all scores use besides "
        "`tgt_column`. `tgt_column: [a, b]` is short for `tgt_column: a` and `refs: [b]`.",
    )
    score_column: str | None = Field(
        None, min_length=1, description="Dotted path of a score, for the filter `score`."
    )
    domain_column: FieldPath | None = Field(None, description=_DOMAIN.format("dotted path"))
    document_column: FieldPath | None = Field(None, description=_DOCUMENT.format("dotted path"))
    streaming: bool = Field(
        True,
        description="With `name`: stream the dataset. If false, `datasets` copies it to its cache first.",
    )
    on_error: OnError = Field("stop", description="Invalid rows: stop, or skip and count them.")

    @rule
    def _one_place(self) -> Iterator[str]:
        if (self.path is None) == (self.name is None):
            yield "path or name must be given, but not both."
        if self.name and not self.revision:
            yield "revision is missing. Give the commit, so that the data stay the same."
        if self.path and self.revision:
            yield "revision requires name: a local folder has no revisions. Leave it out."


class PhrasebookSource(Corpus):
    """Sentences that mtkit generates (en, fr, de, zh). Needs no files and no network."""

    reader: Literal["phrasebook"]
    split: Literal["train", "valid", "test"] = Field(
        "train", description="Split of the phrasebook. No sentence is in two splits."
    )
    pairs: int = Field(20_000, ge=1, description="Number of pairs to generate.")
    seed: int = Field(1, ge=0, description="Random seed. The same seed gives the same sentences.")


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
    """Pairs held out from the training data together with their near duplicates.

    For validation and test sets only.
    """

    reader: Literal["cut"]
    pairs: int = Field(ge=1, description="Number of pairs to hold out.")


def more_refs(source: _AnySource | CutSource) -> tuple[Path | int | str, ...]:
    """The files, columns or fields of further references; none for readers that cannot have any."""
    match source:
        case PlainSource() | TsvSource() | CsvSource() | JsonlSource() | HuggingFaceSource():
            return source.refs
        case TmxSource() | XliffSource() | PoSource() | MonoSource() | PhrasebookSource() | CutSource():
            return ()
        case _:
            assert_never(source)


HeldOutSource = Annotated[_AnySource | CutSource, Field(discriminator="reader")]
