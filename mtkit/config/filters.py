"""Options of `data.filters`: what is dropped, one class a filter."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mtkit.config.options import Options


class EmptyFilter(Options):
    """Drops pairs with a side that has no text."""

    filter: Literal["empty"]


class LengthFilter(Options):
    """Drops pairs with a side outside these bounds, in characters."""

    filter: Literal["length"]
    min_chars: int = Field(1, ge=0, description="Shortest side to keep.")
    max_chars: int = Field(2000, ge=1, description="Longest side to keep.")


class IdenticalFilter(Options):
    """Drops pairs whose sides are the same text, but for case."""

    filter: Literal["identical"]
    min_words: int = Field(
        3, ge=1, description="Words that a side must have for that: a name or a code may stay as it is."
    )


class RatioFilter(Options):
    """Drops pairs of which one side says much more than the other, judged by size.

    Size is in characters; in Chinese, Japanese and Korean a character counts for about three.
    """

    filter: Literal["ratio"]
    max_ratio: float = Field(2.0, ge=1, description="Largest ratio of sizes to keep.")
    slack: int = Field(
        15, ge=0, description="Characters added to both sizes first, so that short pairs may differ."
    )


class SentencesFilter(Options):
    """Drops pairs whose larger side has more sentences, or is the only one that ends like a sentence.

    Not used between a language written with spaces and one without: they divide sentences differently.
    """

    filter: Literal["sentences"]
    max_ratio: float = Field(1.3, ge=1, description="Ratio of sizes, as in `ratio`, up to which that may be.")
    slack: int = Field(15, ge=0, description="Characters added to both sizes first.")


class ScriptFilter(Options):
    """Drops pairs with a side that is not text, or not in the script of its language."""

    filter: Literal["script"]
    min_letters: float = Field(
        0.25, ge=0, le=1, description="Letters among all characters, at least; Latin ones count everywhere."
    )
    min_share: float = Field(
        0.05, ge=0, le=1, description="Letters of the language's own script among all characters, at least."
    )


class WordsFilter(Options):
    """Drops pairs with a side that has lost its spaces; not used for languages written without them.

    Names of code and addresses, where signs stand between short runs of letters, are let pass.
    """

    filter: Literal["words"]
    max_chars: int = Field(
        20, ge=1, description="Longest mean word to keep, in characters; half a word is granted."
    )


class GarbledFilter(Options):
    """Drops pairs with a side that was read in a wrong encoding, as in `Ã©`, or has U+FFFD."""

    filter: Literal["garbled"]


class MarkupFilter(Options):
    """Drops pairs with a side that is largely HTML tags and entities."""

    filter: Literal["markup"]
    max_share: float = Field(0.05, ge=0, le=1, description="Largest share of a side's characters to keep.")


class UrlsFilter(Options):
    """Drops pairs whose sides each have an address of a site that the other lacks, or are mostly that."""

    filter: Literal["urls"]
    max_share: float = Field(
        0.5, ge=0, le=1, description="Largest share of a side's size, as in `ratio`, to keep."
    )


class NumbersFilter(Options):
    """Drops pairs whose sides each have a number that the other lacks."""

    filter: Literal["numbers"]
    min_digits: int = Field(
        2, ge=1, description="Shorter numbers are not looked at, since many are written as words."
    )


class RepetitionFilter(Options):
    """Drops pairs with a side that says the same words, or characters, over and over."""

    filter: Literal["repetition"]
    max_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Largest share of a side's word pairs that repeat an earlier one; of its runs of four "
        "characters where words have no spaces.",
    )


class LanguageFilter(Options):
    """Drops pairs with a side in another language, as py3langid sees it; needs `mtkit[langid]`."""

    filter: Literal["language"]
    min_probability: float = Field(
        0.1, ge=0, le=1, description="Of the right language, where another one is more likely."
    )
    min_chars: int = Field(20, ge=1, description="Shorter sides are not looked at.")


class ScoreFilter(Options):
    """Drops pairs whose score, from a column of the corpus, is too low; those without one are kept."""

    filter: Literal["score"]
    min_score: float = Field(description="Lowest score to keep.")


class DuplicateFilter(Options):
    """Drops repetitions of an earlier pair."""

    filter: Literal["duplicate"]
    side: Literal["both", "src", "tgt"] = Field("both", description="What must be equal.")
    fold: bool = Field(False, description="Ignore case, punctuation and spaces.")


class NearDuplicateFilter(Options):
    """Drops pairs that differ little from an earlier one, found by MinHash."""

    filter: Literal["near_duplicate"]
    similarity: float = Field(
        0.8, ge=0.3, le=0.99, description="Share of common letter runs (Jaccard) dropped about every time."
    )


class OverlapFilter(Options):
    """Drops training pairs with a side that also stands in validation or test data.

    Case, punctuation and spaces are ignored.
    """

    filter: Literal["overlap"]
    near: float | None = Field(
        0.75,
        ge=0.5,
        le=1,
        description="Share of common runs of five letters from which a side counts as the same; "
        "null for equal ones only.",
    )


class TokensFilter(Options):
    """Drops pairs with a side of more tokens than this, after segmentation."""

    filter: Literal["tokens"]
    max_tokens: int = Field(256, ge=1, description="Longest side to keep, in tokens.")


Filter = Annotated[
    EmptyFilter
    | LengthFilter
    | IdenticalFilter
    | RatioFilter
    | SentencesFilter
    | ScriptFilter
    | WordsFilter
    | GarbledFilter
    | MarkupFilter
    | UrlsFilter
    | NumbersFilter
    | RepetitionFilter
    | LanguageFilter
    | ScoreFilter
    | DuplicateFilter
    | NearDuplicateFilter
    | OverlapFilter
    | TokensFilter,
    Field(discriminator="filter"),
]

DEFAULT_FILTERS: tuple[Filter, ...] = (
    EmptyFilter(filter="empty"),
    LengthFilter(filter="length"),
    IdenticalFilter(filter="identical"),
    RatioFilter(filter="ratio"),
    SentencesFilter(filter="sentences"),
    ScriptFilter(filter="script"),
    WordsFilter(filter="words"),
    GarbledFilter(filter="garbled"),
    MarkupFilter(filter="markup"),
    UrlsFilter(filter="urls"),
    NumbersFilter(filter="numbers"),
    RepetitionFilter(filter="repetition"),
    DuplicateFilter(filter="duplicate"),
    OverlapFilter(filter="overlap"),
    TokensFilter(filter="tokens"),
)
