"""German: four cases, adjective endings, contracted prepositions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mtkit.data.read.phrasebook.words import Adjective, Noun

_CASES = ("nom", "acc", "dat", "gen")
_DER = {
    "m": ("der", "den", "dem", "des"),
    "f": ("die", "die", "der", "der"),
    "n": ("das", "das", "dem", "des"),
}
_DIESER = {"m": ("er", "en", "em", "es"), "f": ("e", "e", "er", "er"), "n": ("es", "es", "em", "es")}
_EIN = {"m": ("", "en", "em", "es"), "f": ("e", "e", "er", "er"), "n": ("", "", "em", "es")}
_EIN_WORDS = ("ein", "kein", "mein", "sein", "ihr", "Ihr", "unser")
_DER_WORDS = ("dies", "welch", "jed")

# A determiner is named by its masculine form, which tells its case: {einen drink} is accusative.
_SINGULAR = {form: ("der", case) for case, form in zip(_CASES, _DER["m"], strict=True)}
_SINGULAR |= {word + end: (word, c) for word in _EIN_WORDS for c, end in zip(_CASES, _EIN["m"], strict=True)}
_SINGULAR |= {
    word + end: (word, c) for word in _DER_WORDS for c, end in zip(_CASES, _DIESER["m"], strict=True)
}
_SINGULAR |= {"": ("", "nom"), "acc": ("", "acc"), "dat": ("", "dat")}
# Plurals: nominative and accusative are alike; a `+` marks the dative.
_PLURAL = {"die": ("die", "nom"), "die+": ("den", "dat"), "pl": ("", "nom"), "pl+": ("", "dat"),
           "diese": ("diese", "nom"), "welche": ("welche", "nom")}  # fmt: skip
_PLURAL |= {word + "e": (word + "e", "nom") for word in _EIN_WORDS[1:]}
_PLURAL |= {word + "e+": (word + "en", "dat") for word in _EIN_WORDS[1:]}
# A leading `~` leaves the noun out: {~den color hat} is "den roten", or "den rosafarbenen".
DETERMINERS = (*_SINGULAR, *_PLURAL, "~der", "~den")

_WEAK = {"m": ("e", "en", "en", "en"), "f": ("e", "e", "en", "en"), "n": ("e", "e", "en", "en")}
_MIXED = {"m": ("er", "en", "en", "en"), "f": ("e", "e", "en", "en"), "n": ("es", "es", "en", "en")}
_STRONG = {"m": ("er", "en", "em", "en"), "f": ("e", "e", "er", "er"), "n": ("es", "es", "em", "en")}
_GENDERS = {"der": "m", "die": "f", "das": "n"}

# After a comma, "in dem Paul" opens a relative clause and stays as it is.
_CONTRACTION = re.compile(
    r"\b((?i:zu dem|zu der|bei dem|(?<!, )(?:von dem|in dem|an dem)|in das|an das)) "
    r"(?=[A-ZÄÖÜ])(?!Sie|Ihr)"
)
_NETHERLANDS = re.compile(r"\bden Niederlande\b")  # the only country whose dative differs
_COMMA = re.compile(r",(?=[,.?!])")
_CONTRACTED = {"zu dem": "zum", "zu der": "zur", "bei dem": "beim", "von dem": "vom", "in dem": "im",
               "an dem": "am", "in das": "ins", "an das": "ans"}  # fmt: skip


def read_noun(cell: str) -> Noun:
    """A noun from `das Hotel/Hotels`, `der Markt/Märkte/Marktes`; a final `~` makes it weak."""
    article, _, rest = cell.removesuffix("~").partition(" ")
    singular, plural, genitive = [*rest.split("/"), "", ""][:3]
    gender = _GENDERS[article]
    if gender != "f" and not genitive:
        genitive = singular + ("es" if singular.endswith(("s", "ß", "z", "x")) else "s")
    return Noun(singular, plural, gender, genitive or singular, cell.endswith("~"))


def read_adjective(cell: str) -> Adjective:
    """An adjective from `rot` or, with another stem before endings, `teuer/teur`; `rosa/` never changes."""
    base, slash, stem = cell.partition("/")
    return Adjective(base, liaison=stem if slash else base)


def _inflect(adjective: Adjective, ending: str) -> str:
    if not adjective.liaison:
        return adjective.base
    return adjective.liaison + (ending[1:] if adjective.liaison.endswith("e") else ending)


def noun_phrase(determiner: str, count: str, adjectives: Sequence[Adjective], noun: Noun) -> str:
    """`einen roten Mantel`, `der neuen Lampe`, `zwei rote Mäntel`; DETERMINERS lists the names of cases."""
    if determiner.startswith("~"):
        adjectives = [a if a.liaison else read_adjective(a.base + "farben") for a in adjectives]
        return noun_phrase(determiner[1:], count, adjectives, noun).removesuffix(" " + noun.singular)
    if determiner in _PLURAL or count:
        return _plural_phrase(determiner, count, adjectives, noun)
    word, case = _SINGULAR[determiner]
    index = _CASES.index(case)
    if word == "der":
        article, endings = _DER[noun.gender][index], _WEAK
    elif word in _DER_WORDS:
        article, endings = word + _DIESER[noun.gender][index], _WEAK
    elif word:
        article, endings = word + _EIN[noun.gender][index], _MIXED
    else:
        article, endings = "", _STRONG
    head = noun.genitive if case == "gen" else noun.singular
    if noun.weak and case != "nom":
        head = noun.plural
    inflected = (_inflect(adjective, endings[noun.gender][index]) for adjective in adjectives)
    return " ".join([*filter(None, [article]), *inflected, head])


def _plural_phrase(determiner: str, count: str, adjectives: Sequence[Adjective], noun: Noun) -> str:
    if determiner in _PLURAL:
        article, case = _PLURAL[determiner]
    else:
        article, case = "", _SINGULAR[determiner][1]
    strong = "en" if case == "dat" else "e"
    inflected = (_inflect(adjective, "en" if article else strong) for adjective in adjectives)
    dative = "n" if case == "dat" and not noun.plural.endswith(("n", "s")) else ""
    return " ".join([*filter(None, [article, count]), *inflected, noun.plural + dative])


def predicate(adjective: Adjective, gender: str) -> str:
    """The bare adjective."""
    return adjective.base


def finish(text: str) -> str:
    """The sentence with `zum`, `im`, `ans` and the like, and a capital."""
    text = _CONTRACTION.sub(lambda match: _contract(match[1]) + " ", text)
    text = _NETHERLANDS.sub("den Niederlanden", text)
    text = _COMMA.sub("", text)
    return text[0].upper() + text[1:]


def _contract(words: str) -> str:
    contracted = _CONTRACTED[words.lower()]
    return contracted.capitalize() if words[0].isupper() else contracted
