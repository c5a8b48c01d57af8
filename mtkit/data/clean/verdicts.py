"""The verdict of each filter on one pair: None to keep it, else the reason to drop it.

Most pairs are good, so each verdict begins with the cheapest test that can clear them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from typing import Any

from mtkit.data.read.identify import load_identifier
from mtkit.data.read.pair import Pair
from mtkit.errors import UsageError
from mtkit.text.languages import LATIN, language_of, size_of
from mtkit.text.lazy import lazy_pattern

Verdict = Callable[[Pair], str | None]


def empty() -> Verdict:
    """Drops pairs with a side without text."""

    def judge(pair: Pair) -> str | None:
        return None if pair.src and pair.tgt else "no target" if pair.src else "no source"

    return judge


def length(shortest: int, longest: int) -> Verdict:
    """Drops pairs with a side outside these bounds, in characters."""

    def judge(pair: Pair) -> str | None:
        if shortest <= len(pair.src) <= longest and shortest <= len(pair.tgt) <= longest:
            return None
        return f"{len(pair.src)} and {len(pair.tgt)} characters, not {shortest} to {longest}"

    return judge


def identical(min_words: int) -> Verdict:
    """Drops pairs with the same text, ignoring case, on both sides."""

    def judge(pair: Pair) -> str | None:
        if len(pair.src) != len(pair.tgt) or pair.src.casefold() != pair.tgt.casefold():
            return None
        return "both sides are the same" if pair.src.count(" ") + 1 >= min_words else None

    return judge


def ratio(max_ratio: float, slack: int, src_lang: str, tgt_lang: str) -> Verdict:
    """Drops pairs with one side much larger than the other."""
    src_size, tgt_size = size_of(src_lang), size_of(tgt_lang)

    def judge(pair: Pair) -> str | None:
        src, tgt = src_size(pair.src) + slack, tgt_size(pair.tgt) + slack
        if src <= max_ratio * tgt and tgt <= max_ratio * src:
            return None
        return f"ratio {max(src, tgt) / max(min(src, tgt), 1):.1f} > {max_ratio:g}"

    return judge


_SENTENCE_END = lazy_pattern(r"[.?!۔؟।。？！](?:(?<=[。？！])|(?<!\b\d\.)(?<!\b\d\d\.)(?<![\s.(]\w\.) )")
"""Excludes the full stop after a short number or a single letter, as in `21. Oktober`, `p.m.`, `J. Smith`."""

_CLOSED = tuple(".!?。！？…:;：；»”’\"')）」』۔؟।")


def sentences(max_ratio: float, slack: int, src_lang: str, tgt_lang: str) -> Verdict:
    """Drops uneven pairs whose larger side has more sentences, or alone ends like a sentence."""
    if language_of(src_lang).spaced != language_of(tgt_lang).spaced:
        return lambda pair: None
    src_size, tgt_size = size_of(src_lang), size_of(tgt_lang)

    def judge(pair: Pair) -> str | None:
        src, tgt = src_size(pair.src) + slack, tgt_size(pair.tgt) + slack
        if src <= max_ratio * tgt and tgt <= max_ratio * src:
            return None
        larger, smaller = (pair.src, pair.tgt) if src > tgt else (pair.tgt, pair.src)
        more = _count_sentences(larger)
        fewer = _count_sentences(smaller) if more > 1 else 1
        if more > fewer:
            return f"{more} sentences against {fewer}, ratio {max(src, tgt) / max(min(src, tgt), 1):.1f}"
        if larger.endswith(_CLOSED) and not smaller.endswith(_CLOSED):
            return f"sentence ends on one side only, ratio {max(src, tgt) / max(min(src, tgt), 1):.1f}"
        return None

    return judge


def _count_sentences(text: str) -> int:
    return 1 + len(_SENTENCE_END.findall(text, 0, len(text) - 2))


def script(min_letters: float, min_share: float, src_lang: str, tgt_lang: str) -> Verdict:
    """Drops pairs with a side of few letters, or few in the script of its language."""
    src_letters, tgt_letters = language_of(src_lang).letters, language_of(tgt_lang).letters
    plenty = max(min_letters, min_share)

    def judge(pair: Pair) -> str | None:
        for text, letters in ((pair.src, src_letters), (pair.tgt, tgt_letters)):
            data = text.encode()
            own = len(data) - len(data.translate(None, letters))
            if own >= plenty * len(text):
                continue
            if own < min_share * len(text):
                return f"{own} letters of the script in {len(text)} characters"
            found = len(data) - len(data.translate(None, bytes({*letters, *LATIN})))
            if found < min_letters * len(text):
                return f"{found} letters in {len(text)} characters"
        return None

    return judge


_LETTERS = lazy_pattern(r"[^\W_]+")


def words(max_chars: int, src_lang: str, tgt_lang: str) -> Verdict:
    """Drops pairs with a side whose words are too long, because spaces were lost.

    Identifiers and addresses are long too, but contain other characters between short runs of letters.
    """
    src_limit, tgt_limit = (
        max_chars if language_of(language).spaced else 1 << 60 for language in (src_lang, tgt_lang)
    )

    def judge(pair: Pair) -> str | None:
        src, tgt = pair.src, pair.tgt
        if len(src) <= (src.count(" ") + 1.5) * src_limit and len(tgt) <= (tgt.count(" ") + 1.5) * tgt_limit:
            return None
        for text, limit in ((src, src_limit), (tgt, tgt_limit)):
            if len(text) > (text.count(" ") + 1.5) * limit:
                runs = _LETTERS.findall(text)
                if sum(map(len, runs)) > max_chars / 2 * len(runs):
                    return f"{len(text) / (text.count(' ') + 1):.0f} characters per word > {max_chars}"
        return None

    return judge


_GARBLED = lazy_pattern(
    "\ufffd|â€|ï»¿|(?<=[a-zß-ÿ])Ã|"
    "[ÃÂ][\xa0-\xbf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
)


def garbled() -> Verdict:
    """Drops pairs with UTF-8 that was decoded as Latin-1 or cp1252, or with undecodable bytes."""

    def judge(pair: Pair) -> str | None:
        for text in (pair.src, pair.tgt):
            if not text.isascii() and ("Ã" in text or "Â" in text or "â€" in text or "\ufffd" in text):
                found = _GARBLED.search(text)
                if found:
                    return f"{text[max(0, found.start() - 8) : found.end() + 8]!r}"
        return None

    return judge


_TAGS = (
    "a|abbr|b|big|blockquote|body|br|button|center|code|col|dd|del|div|dl|dt|em|font|form|h[1-6]|head|hr|html|"
    "i|img|input|ins|label|li|link|meta|nav|ol|option|p|pre|q|s|script|section|select|small|span|strike|strong|"
    "style|sub|sup|table|tbody|td|th|thead|title|tr|tt|u|ul"
)
_MARKUP = lazy_pattern(
    rf"</?(?:{_TAGS})(?:\s[^<>]*)?/?>|&(?:[a-z]{{2,8}}|#\d{{1,7}}|#x[\da-f]{{1,6}});", re.IGNORECASE
)


def markup(max_share: float) -> Verdict:
    """Drops pairs with a side of much HTML markup; a single entity, as in `AT&amp;T`, never counts."""

    def judge(pair: Pair) -> str | None:
        for text in (pair.src, pair.tgt):
            if "<" in text or "&" in text:
                signs = _MARKUP.findall(text)
                found = sum(map(len, signs))
                if found > max_share * len(text) and (len(signs) > 1 or signs[0].startswith("<")):
                    return f"{found} of {len(text)} characters are markup"
        return None

    return judge


# A scheme is matched from its first possible character only: starting later could not make it end elsewhere.
_URL = lazy_pattern(r"(?<![A-Za-z0-9+.-])[0-9+.-]*+([A-Za-z][A-Za-z0-9+.-]*+://[!-~]+)|(www\.[!-~]+)")
_SITE = lazy_pattern(r"(?:[^/]*://)?(?:[^/@]*@)?(?:[^/?#:.]+\.)*?([^/?#:.]+(?:\.[^/?#:.]+)?)(?:[/?#:]|$)")


def urls(max_share: float, src_lang: str, tgt_lang: str) -> Verdict:
    """Drops pairs with a side that is mostly addresses, or with addresses of different sites."""
    src_size, tgt_size = size_of(src_lang), size_of(tgt_lang)

    def judge(pair: Pair) -> str | None:
        src, tgt = pair.src, pair.tgt
        if "://" not in src and "://" not in tgt and "www." not in src and "www." not in tgt:
            return None
        in_src, in_tgt = _addresses(src), _addresses(tgt)
        for text, found, size in ((src, in_src, src_size), (tgt, in_tgt, tgt_size)):
            addresses = sum(map(len, found))
            rest = size(text) - sum(map(size, found))
            if addresses > max_share * (addresses + rest):
                return "mostly addresses"
        src_sites, tgt_sites = {_site(address) for address in in_src}, {_site(address) for address in in_tgt}
        if src_sites - tgt_sites and tgt_sites - src_sites:
            return f"{min(src_sites - tgt_sites)} against {min(tgt_sites - src_sites)}"
        return None

    return judge


def _addresses(text: str) -> list[str]:
    found = (re.split('[<>"`]', address)[0] for address in map("".join, _URL.findall(text)))
    return [address.rstrip(".,;:!?)'*_") for address in found]


def _site(address: str) -> str:
    """The last two parts of the host name; versions of a site in several languages share them."""
    found = _SITE.match(address)
    return found[1].lower() if found else address


_NOT_DIGITS = bytes(set(range(256)) - set(b"0123456789"))
_NUMBER = lazy_pattern(r"[0-9]+(?:[.,' \u00a0\u2009\u202f][0-9]+)*")
_SAME_HOUR = {"10": "22", "11": "23", "12": "24", "22": "10", "23": "11", "24": "12"}
_IN_NUMBER = lazy_pattern("[^0-9]+")
_MAX_NUMBERS = 1000
"""Numbers of a side that are looked for on the other side; further ones are assumed to be there."""


def numbers(min_digits: int) -> Verdict:
    """Drops pairs where each side has a number whose digits the other side does not contain in a row.

    The digits of `1,000.5` are in `1000,5`, and those of `80` in `1980`. Hours of the 12-hour and the 24-hour
    clock, such as `10` and `22`, are equal.
    """

    def judge(pair: Pair) -> str | None:
        src = pair.src.encode().translate(None, _NOT_DIGITS)
        if len(src) < min_digits:
            return None
        tgt = pair.tgt.encode().translate(None, _NOT_DIGITS)
        if len(tgt) < min_digits or src == tgt:
            return None
        only_src = _missing(pair.src, tgt.decode(), min_digits)
        only_tgt = only_src and _missing(pair.tgt, src.decode(), min_digits)
        return f"{only_src} against {only_tgt}" if only_tgt else None

    return judge


def _missing(text: str, digits: str, min_digits: int) -> str:
    """The first number of `text` that `digits` does not contain; empty if there is none."""
    for found in islice(_NUMBER.finditer(text), _MAX_NUMBERS):
        plain = _IN_NUMBER.sub("", found[0])
        if len(plain) < min_digits or plain in digits or plain.strip("0") in digits:
            continue
        if _SAME_HOUR.get(plain, ".") not in digits:
            return found[0]
    return ""


_PROBE = 6
MIN_REPEATING = 10
"""A side with fewer word pairs, or runs of four characters, is not examined."""


def repetition(max_share: float, src_lang: str, tgt_lang: str) -> Verdict:
    """Drops pairs with a side that repeats the same words.

    Only a side whose middle characters occur three times is examined closely.
    """
    src_spaced, tgt_spaced = language_of(src_lang).spaced, language_of(tgt_lang).spaced

    def judge(pair: Pair) -> str | None:
        for text, spaced in ((pair.src, src_spaced), (pair.tgt, tgt_spaced)):
            if not may_repeat(text):
                continue
            units = text.split() if spaced else [*text]
            grams = [*zip(*(units[start:] for start in range(2 if spaced else 4)), strict=False)]
            share = 1 - len(set(grams)) / len(grams) if len(grams) >= MIN_REPEATING else 0.0
            if share > max_share:
                return f"{share:.0%} repeated"
        return None

    return judge


def may_repeat(text: str) -> bool:
    """Whether the middle characters occur three times: a cheap first test for repetition."""
    middle = len(text) // 2
    return text.count(text[middle : middle + _PROBE]) >= 3


def score(min_score: float) -> Verdict:
    """Drops pairs with a low score in the corpus."""

    def judge(pair: Pair) -> str | None:
        return None if pair.score is None or pair.score >= min_score else f"{pair.score:g} < {min_score:g}"

    return judge


def language(min_probability: float, min_chars: int, src_lang: str, tgt_lang: str) -> Verdict:
    """Drops pairs with a side that py3langid finds unlikely to be in its language.

    Raises:
        UsageError: py3langid is not installed, or does not support a language.
    """
    identifier = _identifier()
    labels = {language_of(label).code: label for label in identifier.labels}
    for lang in (src_lang, tgt_lang):
        if language_of(lang).code not in labels:
            raise UsageError(
                f"data.filters: language: py3langid does not support {lang}.", "Remove this filter."
            )
    expected = [labels[language_of(lang).code] for lang in (src_lang, tgt_lang)]

    def judge(pair: Pair) -> str | None:
        for text, code in zip((pair.src, pair.tgt), expected, strict=True):
            if len(text) < min_chars:
                continue
            found, probability = identifier.classify(text)
            if found != code and dict(identifier.rank(text))[code] < min_probability:
                return f"{found} ({probability:.0%}) instead of {code}"
        return None

    return judge


def _identifier() -> Any:
    try:
        return load_identifier()
    except ImportError:
        raise UsageError(
            "data.filters: language needs py3langid, which is not installed.",
            "Install it: pip install py3langid.",
        ) from None
