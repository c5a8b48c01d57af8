"""Options of `data.filters`, one class per filter."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mtkit.config.options import Options


class EmptyFilter(Options):
    """Drops pairs in which a side has no text."""

    filter: Literal["empty"]


class LengthFilter(Options):
    """Drops pairs in which a side is shorter or longer than these bounds."""

    filter: Literal["length"]
    min_chars: int = Field(1, ge=0, description="Minimum length of a side, in characters.")
    max_chars: int = Field(2000, ge=1, description="Maximum length of a side, in characters.")


class IdenticalFilter(Options):
    """Drops pairs whose sides are the same text, ignoring case."""

    filter: Literal["identical"]
    min_words: int = Field(
        3,
        ge=1,
        description="Minimum length of the pairs that are checked, in words. Short names and codes are "
        "often the same in both languages.",
    )


class RatioFilter(Options):
    """Drops pairs in which one side is much larger than the other.

    Sizes are in characters; a Chinese, Japanese or Korean character counts as about three.
    """

    filter: Literal["ratio"]
    max_ratio: float = Field(2.0, ge=1, description="Maximum ratio of the two sizes.")
    slack: int = Field(
        15, ge=0, description="Number of characters added to both sizes first, because short pairs vary more."
    )


class SentencesFilter(Options):
    """Drops pairs whose larger side has more sentences, or is the only one that ends like a sentence.

    Not applied if only one of the languages is written with spaces: they divide sentences differently.
    """

    filter: Literal["sentences"]
    max_ratio: float = Field(
        1.3,
        ge=1,
        description="Keep pairs up to this ratio of sizes (as in `ratio`), whatever their sentences.",
    )
    slack: int = Field(15, ge=0, description="Number of characters added to both sizes first.")


class ScriptFilter(Options):
    """Drops pairs in which a side has too few letters, or too few in the script of its language."""

    filter: Literal["script"]
    min_letters: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Minimum share of letters in the characters of a side. Latin letters count in every "
        "language.",
    )
    min_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Minimum share of letters of the language's own script in the characters of a side.",
    )


class WordsFilter(Options):
    """Drops pairs in which a side has lost its spaces. Not applied to languages written without spaces.

    Code and URLs, in which punctuation separates short runs of letters, are kept.
    """

    filter: Literal["words"]
    max_chars: int = Field(
        20,
        ge=1,
        description="Maximum mean length of the words of a side, in characters, with a tolerance of half "
        "a word.",
    )


class GarbledFilter(Options):
    """Drops pairs in which a side was decoded with the wrong encoding, as in `Ã©`, or contains U+FFFD."""

    filter: Literal["garbled"]


class MarkupFilter(Options):
    """Drops pairs in which a side consists largely of HTML tags and entities."""

    filter: Literal["markup"]
    max_share: float = Field(
        0.05, ge=0, le=1, description="Maximum share of markup in the characters of a side."
    )


class UrlsFilter(Options):
    """Drops pairs in which a side is mostly URLs, or each side links to a site that the other lacks."""

    filter: Literal["urls"]
    max_share: float = Field(
        0.5, ge=0, le=1, description="Maximum share of URLs in the size of a side (as in `ratio`)."
    )


class NumbersFilter(Options):
    """Drops pairs in which each side has a number that the other lacks."""

    filter: Literal["numbers"]
    min_digits: int = Field(
        2,
        ge=1,
        description="Minimum number of digits. Shorter numbers are ignored, because they are often "
        "written as words.",
    )


class RepetitionFilter(Options):
    """Drops pairs in which a side repeats the same words or characters over and over."""

    filter: Literal["repetition"]
    max_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Maximum share of word pairs in a side that repeat an earlier one; in languages "
        "written without spaces, of sequences of four characters.",
    )


class LanguageFilter(Options):
    """Drops pairs in which a side is in another language, as identified by py3langid.

    Requires py3langid, the extra `langid`.
    """

    filter: Literal["language"]
    min_probability: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Minimum probability of the expected language when another one is more likely.",
    )
    min_chars: int = Field(
        20, ge=1, description="Minimum length in characters. Shorter sides are not checked."
    )


class ScoreFilter(Options):
    """Drops pairs whose score, a column of the corpus, is too low. Pairs without a score are kept."""

    filter: Literal["score"]
    min_score: float = Field(description="Minimum score of a pair.")


class DuplicateFilter(Options):
    """Drops pairs that repeat an earlier pair."""

    filter: Literal["duplicate"]
    side: Literal["both", "src", "tgt"] = Field(
        "both", description="Compare both sides, or only the source or the target."
    )
    fold: bool = Field(False, description="Ignore case, punctuation and spaces.")


class NearDuplicateFilter(Options):
    """Drops pairs that are nearly equal to an earlier pair, as found by MinHash."""

    filter: Literal["near_duplicate"]
    similarity: float = Field(
        0.8,
        ge=0.3,
        le=0.99,
        description="Jaccard similarity, on sequences of letters, from which nearly every pair is dropped.",
    )


class OverlapFilter(Options):
    """Drops training pairs if a side also occurs in validation or test data.

    Case, punctuation and spaces are ignored.
    """

    filter: Literal["overlap"]
    near: float | None = Field(
        0.75,
        ge=0.5,
        le=1,
        description="Share of common five-letter sequences from which two sides count as the same. If "
        "null, only equal sides do.",
    )


class TokensFilter(Options):
    """Drops pairs in which a side has too many tokens."""

    filter: Literal["tokens"]
    max_tokens: int = Field(256, ge=1, description="Maximum length of a side, in tokens.")


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
