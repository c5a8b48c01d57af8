"""Placeholders of every family, from the documentation of the language or library that fills them in."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from mtkit.text.placeholders import Family


@dataclass(frozen=True, slots=True)
class Examples:
    """Of one family.

    Attributes:
        source: where its grammar is documented.
        found: placeholders, each found whole and alone.
        text: holds none.
    """

    source: str
    found: tuple[str, ...]
    text: tuple[str, ...] = ("Costs $5 or ¥6.", "a & b: c", "mail a.b@c.org", "10:30")


_C = (
    *(
        "%d",
        "%i",
        "%s",
        "%c",
        "%5.2f",
        "%-10s",
        "%+d",
        "% d",
        "%#x",
        "%05d",
        "%'d",
        "%Id",
        "%*d",
        "%.*f",
        "%*.*f",
    ),
    *("%hhd", "%hd", "%ld", "%lld", "%Lf", "%jd", "%zu", "%td", "%qd", "%p", "%e", "%G", "%a", "%%", "%m"),
    *("%1$s", "%2$'.2f", "%1$*2$d", "%1$.*2$f", "%<PRIu64>", "%<PRIdMAX>", "%5<PRIxLEAST16>"),
)
_BRACES = (
    "{}",
    "{0}",
    "{name}",
    "{0.attr}",
    "{0[key]}",
    "{a.b[0].c}",
    "{x!r}",
    "{x!r:>10}",
    "{:>{width}.{prec}f}",
)
_ICU = ("{0}", "{name}", "{ name }", "{n, number}", "{count, number, percent}", "{d, date, ::yMMMd}")

EXAMPLES: dict[Family, Examples] = {
    "awk": Examples("GNU Awk manual, 5.5", ("%d", "%i", "%5.2f", "%-8s", "%*d", "%1$s", "%c", "%%", "%X")),
    "boost": Examples(
        "Boost.Format, syntax", ("%1%", "%12%", "%|1$+5|", "%|s|", "%1$s", "%5d", "%-10.3s", "%=10s", "%%")
    ),
    "c": Examples("ISO C23 7.23.6.1, printf(3), gettext manual 15.3.1", _C),
    "c++": Examples(
        "cppreference.com, std::format", ("{}", "{0}", "{:>10}", "{1:{0}}", "{:%Y-%m-%d}", "{{", "}}")
    ),
    "csharp": Examples(
        "learn.microsoft.com, composite formatting",
        ("{0}", "{0:N2}", "{1,10}", "{2,-10:C}", "{0:yyyy-MM-dd HH:mm}", "{{", "}}"),
    ),
    "elisp": Examples(
        "GNU Emacs Lisp manual, 4.7", ("%s", "%S", "%d", "%-5d", "%.3f", "%c", "%x", "%%", "%2$s")
    ),
    "gcc-internal": Examples(
        "GCC, pretty-print.cc", ("%s", "%qs", "%<", "%>", "%wd", "%qD", "%qE", "%.*s", "%m", "%'", "%%")
    ),
    "java": Examples(
        "docs.oracle.com, java.text.MessageFormat",
        (
            "{0}",
            "{1,number,integer}",
            "{2,date,short}",
            "{3,choice,0#none|1#one}",
            "{0,choice,0#none|1<{0} files}",
            "'{'",
            "'{0}'",
        ),
    ),
    "java-printf": Examples(
        "docs.oracle.com, java.util.Formatter",
        (
            "%d",
            "%s",
            "%S",
            "%1$s",
            "%<s",
            "%-10s",
            "%,d",
            "%(d",
            "%08.2f",
            "%tY",
            "%1$tm",
            "%<TH",
            "%n",
            "%b",
            "%%",
        ),
    ),
    "javascript": Examples("nodejs.org, util.format", ("%s", "%d", "%j", "%f", "%c", "%%", "%1$s")),
    "kde": Examples(
        "KI18n programmer's guide", ("%1", "%2", "%10"), ("100% sure", "Costs $5.", "50 % discount", "%n")
    ),
    "kde-kuit": Examples("KI18n programmer's guide", ("%1", "%12"), ("100% sure", "a % b")),
    "lisp": Examples(
        "Common Lisp HyperSpec, 22.3",
        ("~a", "~S", "~D", "~10d", "~,2f", "~:d", "~@r", "~%", "~&", "~~", "~5,'0d"),
    ),
    "lua": Examples(
        "Lua 5.4 manual, string.format", ("%d", "%s", "%q", "%5.1f", "%-8s", "%i", "%x", "%%", "%a")
    ),
    "object-pascal": Examples(
        "Free Pascal, SysUtils.Format",
        ("%d", "%s", "%0:s", "%1:d", "%-10s", "%*d", "%8.2f", "%m", "%n", "%x", "%%"),
    ),
    "objc": Examples(
        "developer.apple.com, String Format Specifiers",
        (*_C, "%@", "%1$@", "%#@files@", "%1$#@files@", "%C", "%S", "%lu", "%ld"),
    ),
    "perl": Examples(
        "perldoc sprintf", ("%s", "%d", "%-10s", "%1$s", "%vd", "%*d", "%.2f", "%lld", "%e", "%%")
    ),
    "perl-brace": Examples(
        "Locale::TextDomain", ("{name}", "{count}", "{room name}"), ("100% sure", "a { b", "Costs $5.", "{}")
    ),
    "php": Examples(
        "php.net, sprintf", ("%s", "%d", "%1$s", "%'*10s", "%2$'.10d", "%05d", "%-10s", "%.1f", "%%")
    ),
    "python": Examples(
        "docs.python.org, printf-style String Formatting",
        (
            "%s",
            "%r",
            "%a",
            "%d",
            "%(name)s",
            "%(a b)05.1f",
            "%-10s",
            "%*d",
            "%.*f",
            "%ld",
            "%+d",
            "% d",
            "%%",
            "%c",
        ),
    ),
    "python-brace": Examples("docs.python.org, Format String Syntax", (*_BRACES, "{{", "}}")),
    "qt": Examples(
        "doc.qt.io, QString::arg", ("%1", "%2", "%L1", "%99"), ("100% sure", "50 % discount", "%n", "%s")
    ),
    "qt-plural": Examples(
        "doc.qt.io, QObject::tr", ("%n", "%Ln", "%1", "%L2"), ("100% sure", "50 % discount", "%s")
    ),
    "ruby": Examples(
        "docs.ruby-lang.org, format specifications",
        (
            "%d",
            "%s",
            "%<room>s",
            "%<cost>.2f",
            "%{name}",
            "%-10{name}",
            "%1$s",
            "%*d",
            "%+d",
            "%08b",
            "%p",
            "%%",
        ),
    ),
    "rust": Examples(
        "doc.rust-lang.org, std::fmt", ("{}", "{0}", "{name}", "{:?}", "{:>8}", "{x:#04x}", "{{", "}}")
    ),
    "scheme": Examples("SRFI 28, SLIB format", ("~a", "~s", "~d", "~%", "~~", "~10d", "~c")),
    "sh": Examples(
        "gettext manual, envsubst", ("$name", "${name}", "$HOME", "$_1"), ("100% sure", "a: b", "{name}")
    ),
    "tcl": Examples(
        "tcl.tk, format", ("%d", "%s", "%1$s", "%-10s", "%05.1f", "%*d", "%ld", "%x", "%c", "%%")
    ),
    "icu": Examples(
        "unicode-org.github.io/icu, MessageFormat", (*_ICU, "'{'", "'{name}'"), ("100% #1", "it''s", "I'm")
    ),
    "icu-plural": Examples(
        "unicode-org.github.io/icu, MessageFormat", (*_ICU, "#", "'#'"), ("100%", "it''s", "I'm")
    ),
    "chrome": Examples(
        "developer.chrome.com, i18n messages", ("$NAME$", "$1", "$9", "$$"), ("100% sure", "a: b", "{name}")
    ),
    "i18next": Examples(
        "i18next.com, interpolation and nesting",
        ("{{name}}", "{{- raw}}", "{{n, number}}", "$t(key)", "$t(a.b, {})"),
    ),
    "printf": Examples(
        "of all languages above",
        (
            *(
                "%s",
                "%1$s",
                "%(name)s",
                "%<room>s",
                "%@",
                "%.2f",
                "%lld",
                "%1$*2$d",
                "%<PRIu64>",
                "%'d",
                "%*d",
            ),
            *("%1$tY", "%Lf", "%q", "%jd", "%1", "%n", "%1%", "%5d", "%0:s", "%#@files@", "%%"),
        ),
        ("100% sure", "50 % discount", "5%d", "100% de plus", "50 %-ige", "20% of", "99.9%s", "100%!"),
    ),
    "braces": Examples(
        "of all languages above",
        (
            "{name}",
            "{0:N2}",
            "{}",
            "${name}",
            "#{name}",
            "%{name}",
            "{count, number, percent}",
            "{:>{width}}",
            "{ name }",
        ),
        ("{two words}", "{ }", "a { b c } d", "{a, b}"),
    ),
    "templates": Examples(
        "Jinja, Handlebars and ERB",
        (
            "{{ x }}",
            "{{x|upper}}",
            "{{{raw}}}",
            "{{ f({a: 1}) }}",
            "{% if a %}",
            "{# note #}",
            "<%= x %>",
            "<% end %>",
        ),
        ("{ x }", "100 %", "a <% b", "{% c", "a % }"),
    ),
    "dollar-names": Examples(
        "POSIX shell, PHP, Perl",
        ("$name", "$room_1", "$NAME$"),
        ("Costs $5 and $10.50.", "US$ 5", "A$b", "$"),
    ),
    "colon-names": Examples(
        "Laravel, localization",
        (":name", ":Name", ":room_1"),
        ("at 5:30", "a:b", "Re:hello", "Note: this", ":)", ":D", "a::b", "://", ":ref:`x`"),
    ),
    "at-names": Examples(
        "Drupal, translation API",
        ("@name", "@room_1", "@theme/Tabs"),
        ("a.b@c.org", "5 @ $2", "@ noon", "@5"),
    ),
    "percent-names": Examples(
        "Symfony, translation",
        ("%name%", "%room_name%", "%a.b%"),
        ("100% sure", "5%, 6%", "50 % a 60 %", "%a%"),
    ),
    "underscore-names": Examples(
        "Magento, gettext Drupal modules",
        ("__name__", "__room_name__"),
        ("snake_case", "__init", "a__b__c", "____"),
    ),
}

WORDS = ("The", "library", "is", "behind", "stations", "rouge", "été", "图书馆", "of", "don’t", "x")
AROUND = (("", ""), ("(", ")"), ('"', '"'), ("«", "»"), ("", "."), ("", ","), ("", "!"), ("", " :"))


def messages(families: tuple[Family, ...], count: int, seed: int) -> Iterator[tuple[str, list[str]]]:
    """Messages of words and placeholders of `families`, and the placeholders of each in order."""
    draw = random.Random(seed)
    pool = [each for family in families for each in EXAMPLES[family].found]
    for _ in range(count):
        words, placed = [], []
        for _ in range(draw.randint(1, 9)):
            if draw.random() < 0.6:
                words.append(draw.choice(WORDS))
                continue
            placed.append(draw.choice(pool))
            before, after = draw.choice(AROUND)
            words.append(f"{before}{placed[-1]}{after}")
        yield " ".join(words), placed
