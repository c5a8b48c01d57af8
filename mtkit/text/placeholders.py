"""Placeholders, which programs fill in, by the language or library that does so.

A document that declares a family has the placeholders of that grammar alone. Other texts have those of
`DEFAULT`, which leave out whatever may be prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Literal, assert_never, cast, get_args

from mtkit.text.icu import ARGUMENT, ARM_QUOTED, QUOTED

GettextFamily = Literal[
    "awk", "boost", "c", "c++", "csharp", "elisp", "gcc-internal", "java", "java-printf", "javascript", "kde",
    "kde-kuit", "lisp", "lua", "object-pascal", "objc", "perl", "perl-brace", "php", "python", "python-brace",
    "qt", "qt-plural", "ruby", "rust", "scheme", "sh", "tcl",
]  # fmt: skip
"""Called as in gettext's flags, such as `c-format`."""
Family = Literal[
    GettextFamily,
    "icu", "icu-plural", "chrome", "i18next", "printf", "braces", "templates", "dollar-names", "colon-names",
    "at-names", "percent-names", "underscore-names",
]  # fmt: skip

DEFAULT: tuple[Family, ...] = (
    "i18next",
    "templates",
    "percent-names",
    "printf",
    "braces",
    "dollar-names",
    "colon-names",
    "at-names",
    "underscore-names",
)
"""Those of a text that declares none, in the order in which they are tried.

In 530,000 lines of WMT, FLORES-200, NTREX, MLQE, Multi30k and Tatoeba they find 12 names of people such as
@MerPolCC, a part of an address, and nothing else.
"""

# Each looks ahead no further than to where the next placeholder might begin, so that time is linear.
_NUMBER = r"(?:\*(?:\d++\$)?+|\d++)?+"
_NAME = "[A-Za-z_][A-Za-z0-9_]*+"
_LISP = r"(?:[-+]?\d++|'.|[vV#])?+"
_BRACE = r"\{\{|\}\}|\{[^{}!:\[]*+(?:\[[^\]{]*+\][^{}!:\[]*+)*+(?:![rsa])?+(?::(?:[^{}]|\{[^{}]*+\})*+)?+\}"
_C, _C_SIZE, _PRI = "diouxXeEfFgGaAcspnCSm", r"hh?|ll?|[LqjztZ]|wf?\d++", r"<PRI\w++>"
_TEMPLATES = (
    r"\{\{\{[^{}]*+\}\}\}|\{\{(?:[^{}]|\{[^{}]*+\})*+\}\}|\{%(?:[^{%]|%(?!\})|\{(?!%))*+%\}"
    r"|\{#(?:[^{#]|#(?!\})|\{(?!#))*+#\}|<%(?:[^<%]|%(?!>)|<(?!%))*+%>"
)
# Neither the percentages "5%d" and "50 %-ige", nor Turkish ones such as "%50".
_ANY_PRINTF = (
    r"%(?<![\d%]%)(?!(?<=\d\s%)(?:-|[A-Za-z]{2}))(?:%|\([\w .-]++\)[-+#0]*+\d*+(?:\.\d++)?+[A-Za-z]"
    r"|<\w++>[-+#0]*+\d*+(?:\.\d++)?+[A-Za-z]|(?:\d++\$)?+#@\w++@|\|[^|%\s]++\|"
    r"|(?:\d++[$:]|<(?!\w++>))?+[-+#0',(]*+(?:\*(?:\d++\$)?+|\d++)?+(?:\.(?:\*(?:\d++\$)?+|\d*+))?+"
    r"(?:(?:hh?|ll?|[Lqjzt])?[diouxXeEfFgGaAcCsSpqrbBnj@]|<PRI\w++>|[tT][A-Za-z]|[A-Za-z](?!\w))"
    r"|[1-9]\d?%(?!\d)|L?[1-9](?![\d%]|[.,:]\d))"
)
_FILLED = r"\{(?:[^{}\s]|\{[^{}\s]*+\})*+\}"
_ANY_BRACES = (
    rf"{_FILLED}|%{_FILLED}|#{_FILLED}|\${_FILLED}|\{{\s?+\$?\w++\s?+\}}|\{{\d++(?:,-?\d++)?+:[^{{}}]*+\}}"
    r"|\{\s*+\w++\s*+,\s*+(?:number|date|time|duration|ordinal|spellout)\s*+(?:,[^{}]*+)?+\}"
)
_NEXT = re.compile(
    r"%(?![Ll]?[mn]$)[-+ #0',(I]*[\d*]*(?:\.[\d*]*)?(?:[A-Za-z]*[A-Za-z@]|<PRI\w+>)"
    r"|\{(?:[!:].*)?\}|~.*[A-Za-z]",
    re.DOTALL,
)


@cache
def placeholder_finder(families: tuple[Family, ...] = DEFAULT) -> re.Pattern[str]:
    """A pattern that finds the placeholders of these families; of two at one place, that of the first family.

    In a declared family, a sign that begins a placeholder is found even where the rest of one is missing: it
    cannot be text.
    """
    patterns, signs = zip(*map(_grammar, families), strict=True)
    alone = "".join(dict.fromkeys("".join(signs)))
    return re.compile("|".join([*patterns, *([f"[{alone}]"] if alone else [])]))


def declared(flags: Iterable[str]) -> tuple[Family, ...]:
    """The families of gettext's flags, such as `c-format`; `DEFAULT` if there are none."""
    names = [flag.removesuffix("-format") for flag in flags if flag.endswith("-format")]
    known = get_args(GettextFamily)
    return tuple(cast("Family", name) for name in dict.fromkeys(names) if name in known) or DEFAULT


def takes_next(placeholder: str) -> bool:
    """Whether it consumes the next argument, as `%s` and `{}` do: such placeholders must keep their order."""
    return bool(_NEXT.fullmatch(placeholder))


def _printf(
    conversions: str,
    *,
    position: str = r"\d++\$",
    flags: str = "[-+ #0]",
    number: str = _NUMBER,
    size: str = "",
    also: str = "",
) -> tuple[str, str]:
    """A directive of printf: argument, flags, width, precision, length modifier and conversion."""
    conversion = rf"(?:{size})?[{conversions}%]" if size else f"[{conversions}%]"
    conversion = f"(?:{also}|{conversion})" if also else conversion
    return rf"%(?:{position})?+{flags}*+{number}(?:\.{number})?+{conversion}", "%"


def _grammar(family: Family) -> tuple[str, str]:  # noqa: PLR0912
    """The pattern of placeholders, and the characters that rule out ordinary text."""
    match family:
        case "icu":
            return rf"{QUOTED}|{ARGUMENT}", "{}"
        case "icu-plural":
            return rf"{ARM_QUOTED}|{ARGUMENT}", "#{}|"
        case "chrome":
            return r"\$[A-Za-z_@][A-Za-z0-9_@]*+\$|\$[1-9]|\$\$++", "$"
        case "i18next":
            return r"\{\{[^{}]*+\}\}|\$t\([^()]*+\)", ""
        case "templates":
            return _TEMPLATES, ""
        case "printf":
            return _ANY_PRINTF, ""
        case "braces":
            return _ANY_BRACES, ""
        case "dollar-names":
            return r"\$(?<![\w$]\$)[A-Za-z_]\w*+\$?", ""
        case "colon-names":
            return r":(?<![^\s(\[\"'“‘«>=/]:)[A-Za-z_]\w++(?!:)", ""
        case "at-names":
            return r"@(?<![\w.@]@)[A-Za-z_]\w*+(?:[./-]\w++)*+", ""
        case "percent-names":
            return r"%[A-Za-z_][\w.]++%(?![\w%({<])", ""
        case "underscore-names":
            return r"__(?<!\w__)[A-Za-z0-9]++(?:_[A-Za-z0-9]++)*+__(?!\w)", ""
        case _:
            return _gettext_grammar(family)


def _gettext_grammar(family: GettextFamily) -> tuple[str, str]:  # noqa: PLR0912
    """From gettext's `format-*.c` and the manual of the language."""
    match family:
        case "c":
            return _printf(_C, flags="[-+ #0'I]", size=_C_SIZE, also=_PRI)
        case "objc":
            return _printf(f"{_C}DUO@", flags="[-+ #0'I]", size=_C_SIZE, also=rf"{_PRI}|(?<=#)@\w++@")
        case "gcc-internal":
            return _printf("A-Za-z<>{}'@", flags="[-+ #0q]", size="ll?|[wtz]")
        case "python":
            return _printf("diouxXeEfFgGcrsa", position=r"\((?:[^()]|\([^()]*+\))*+\)", size="[hlL]")
        case "perl":
            return _printf(
                "csduoxXeEfFgGaAbBiDUOpn", flags=r"(?:[-+ #0]|(?:\*(?:\d++\$)?+)?v)", size="hh?|ll?|[qLVztj]"
            )
        case "javascript":
            return _printf("bcdfjosxXeEgGiuO")
        case "awk":
            return _printf("diouxXeEfFgGaAcs", flags="[-+ #0']")
        case "tcl":
            return _printf("diouxXeEfFgGaAbcsp", size="ll?|[hLzjtq]")
        case "elisp":
            return _printf("diouxXeEfFgGcsS")
        case "lua":
            return _printf("diouxXeEfgGaAcspq", number=r"\d*+")
        case "php":
            return _printf("bcdeEfFgGhHosuxX", flags="(?:[-+ 0]*+'.){0,4}+[-+ 0]")
        case "java-printf":
            conversions = "bBhHsScCdoxXeEfgGaAn"
            return _printf(conversions, position=r"\d++\$|<", flags="[-+ #0,(]", also="[tT][A-Za-z]")
        case "ruby":
            parts = r"[-+ #0*.]|\d++\$?+|<[^<>]*+>"
            return rf"%(?:{parts})*+(?:[bBdiouxXeEfgGaAcps%]|\{{[^{{}}]*+\}})", "%"
        case "boost":
            pattern, signs = _printf(f"{_C}tT", flags="[-+ #0_=]", size="hh?|ll?|L")
            return rf"%\d++%|%\|[^|%]*+\||{pattern}", signs
        case "object-pascal":
            return _printf("dueEfFgGnNmMpPsSxXDU", position=r"\d*+:", flags="-")
        case "lisp" | "scheme":
            return rf"~{_LISP}(?:,{_LISP})*+[:@]*+(?:\n|[A-Za-z]|[^\w\s])", "~"
        case "python-brace" | "c++" | "rust":
            return _BRACE, "{}"
        case "csharp":
            return r"\{\{|\}\}|\{\d++\s*+(?:,\s*+-?\d++\s*+)?+(?::[^{}]*+)?+\}", "{}"
        case "java":
            return rf"{QUOTED}|{ARGUMENT}", "{}"
        case "perl-brace":
            return r"\{[^{}]++\}", ""
        case "sh":
            return rf"\$(?:{_NAME}|\{{{_NAME}\}})", "$"
        case "qt":
            return r"%L?\d\d?", ""
        case "qt-plural":
            return r"%L?(?:\d\d?|n)", ""
        case "kde" | "kde-kuit":
            return r"%[1-9]\d*+", ""
        case _:
            assert_never(family)
