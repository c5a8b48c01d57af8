"""French: gender and number, elision and contraction."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mtkit.data.read.phrasebook.words import Adjective, Noun

_SINGULAR = {  # masculine: (feminine, masculine before a vowel, feminine before a vowel)
    "un": ("une", "un", "une"),
    "le": ("la", "le", "la"),
    "ce": ("cette", "cet", "cette"),
    "mon": ("ma", "mon", "mon"),
    "son": ("sa", "son", "son"),
    "notre": ("notre", "notre", "notre"),
    "votre": ("votre", "votre", "votre"),
    "quel": ("quelle", "quel", "quelle"),
    "du": ("de la", "de le", "de la"),
    "de": ("de", "de", "de"),
    "aucun": ("aucune", "aucun", "aucune"),
    "": ("", "", ""),
}
_PLURAL = ("les", "des", "ces", "mes", "ses", "nos", "vos", "quels", "pl")
DETERMINERS = (*_SINGULAR, *_PLURAL)

_VOWEL = "aeiouyhàâéèêëîïôûœ"
_ASPIRATED = "hall|hambourg|hanche|hamburger|handball|haricot|haut|hockey|hongr|huit|onze|oui|y[aeou]"
_ELISION = re.compile(
    rf"(?<![\w-])([jmtsldnc]e|la|que|jusque|lorsque|puisque) (?=[{_VOWEL}])(?!{_ASPIRATED})", re.IGNORECASE
)
_SI = re.compile(r"\b([Ss])i (?=ils?\b)")
_CONTRACTION = re.compile(r"\b([Dd]e|[Àà]) (les?) ")
_CONTRACTED = {"de le": "du", "de les": "des", "à le": "au", "à les": "aux"}


def read_noun(cell: str) -> Noun:
    """A noun from `un café`, `une eau` or, where the plural is irregular, `un œil/yeux`."""
    article, _, rest = cell.partition(" ")
    singular, _, plural = rest.partition("/")
    return Noun(singular, plural or _plural(singular), {"un": "m", "une": "f"}[article])


def _plural(word: str) -> str:
    if word[-1] in "sxz":
        return word
    if word.endswith(("eau", "eu")) and word != "bleu":
        return word + "x"
    return word[:-2] + "aux" if word.endswith("al") else word + "s"


def read_adjective(cell: str) -> Adjective:
    """An adjective from `noir`, `blanc/blanche` or `beau/belle/bel`; with a leading `<`, before its noun."""
    base, _, rest = cell.removeprefix("<").partition("/")
    feminine, _, liaison = rest.partition("/")
    return Adjective(base, feminine or base.removesuffix("e") + "e", liaison or base, cell.startswith("<"))


def _starts_with_vowel(text: str) -> bool:
    return text[0].lower() in _VOWEL and not re.match(_ASPIRATED, text, re.IGNORECASE)


def noun_phrase(determiner: str, count: str, adjectives: Sequence[Adjective], noun: Noun) -> str:
    """`une chemise rouge`, `cet hôtel`, `de beaux livres`; the determiner `pl` is a bare plural."""
    plural = bool(count) or determiner in _PLURAL
    head = noun.plural if plural else noun.singular
    before: list[str] = []
    after: list[str] = []
    for adjective in adjectives:
        form = adjective.feminine if noun.gender == "f" else adjective.base
        if not plural and noun.gender == "m" and _starts_with_vowel(head):
            form = adjective.liaison
        (before if adjective.before else after).append(_plural(form) if plural else form)
    words = [*filter(None, [count]), *before, head, *after]
    if determiner == "des" and before:
        determiner = "de"
    elif determiner == "quels" and noun.gender == "f":
        determiner = "quelles"
    elif determiner in _SINGULAR:
        feminine, *vowel = _SINGULAR[determiner]
        if not plural and _starts_with_vowel(words[0]):
            determiner = vowel[noun.gender == "f"]
        elif noun.gender == "f":
            determiner = feminine
        elif determiner == "du":
            determiner = "de le"
    return " ".join([*filter(None, [determiner.removeprefix("pl")]), *words])


def predicate(adjective: Adjective, gender: str) -> str:
    """`grand` or `grande`."""
    return adjective.feminine if gender == "f" else adjective.base


def finish(text: str) -> str:
    """The sentence with `l'`, `d'`, `qu'`, `s'il`, `du`, `au`, `des`, `aux`, and a capital."""
    text = _SI.sub(r"\1'", text)
    text = _ELISION.sub(lambda match: match[1][:-1] + "'", text)
    text = _CONTRACTION.sub(lambda match: _contract(match[1], match[2]) + " ", text)
    return text[0].upper() + text[1:]


def _contract(preposition: str, article: str) -> str:
    contracted = _CONTRACTED[f"{preposition.lower()} {article}"]
    return contracted.capitalize() if preposition[0].isupper() else contracted
