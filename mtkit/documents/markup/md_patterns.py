"""Parts of a Markdown text that are not translated: in CommonMark, its dialects and templates around it.

Each pattern stops where the next of its kind begins, so that nothing is read twice.
"""

from __future__ import annotations

import re

from mtkit.documents.spans import TAG
from mtkit.text.placeholders import DEFAULT, placeholder_finder
from mtkit.text.protect import build_finder

PLACEHOLDERS = build_finder(
    ("urls", "emails", "placeholders"),
    tuple(family for family in DEFAULT if family != "underscore-names"),  # which are bold here
).pattern
TEMPLATE = rf"{placeholder_finder(('templates',)).pattern}|\{{/\*(?:(?!\{{/\*|\*/).)*+\*/\}}"
ATTRIBUTES = (
    r"\{:?[ ]*+(?:(?:[.#][\w:-]++|[\w:-]++=(?:\"[^\"{}\n]*+\"|'[^'{}\n]*+'|[^\s{}\"']++))[ ]*+)++\}"
    r"|\{:[^{}\n]*+\}"
)
PROSE = r"(?!\s*[^\W\d_]{2,}+\s+[^\W\d_])"
"""Two words first: escaped brackets rather than mathematics."""
_MATHEMATICS = (
    r"\$\$(?:[^$\\]|\\.)++\$\$|\$(?![\s$])(?:[^$\n\\]|\\.)++(?<!\s)\$(?!\d)"
    rf"|\\\({PROSE}(?:(?!\\[()]).)++\\\)|\\\[{PROSE}(?:(?!\\[\[\]]).)++\\\]"
    r"|\\begin\{(?P<env>[A-Za-z]++\*?)\}(?:(?!\\begin\{|\\end\{).)*+\\end\{(?P=env)\}"
    r"|\b[A-Za-z]:\\[^\s`*<>|]*+|\\[A-Za-z]{2,}+\*?(?:\[[^\[\]\n]*+\]|\{[^{}\n]*+\})*+"
)
_ELEMENTS = (
    r"<(?P<kept>kbd|code|samp|var|pre|svg|math|textarea|script|style)\b[^<>]*+>"
    r"(?:(?!</?(?P=kept)\b).)*+</(?P=kept)\s*>"
    r"|<(?P<no>\w++)(?=\s[^<>]*?\b(?:translate\s*=\s*[\"']?no\b|notranslate\b))[^<>]*+>"
    r"(?:(?!</?(?P=no)\b).){0,9999}+</(?P=no)\s*>"  # there may be as many names as elements
    r"|<(?P<script>su[bp])>(?:[^<>\w]|[\d_])*+</(?P=script)>"
)
_BRACES = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*+\})*+\})*+\}"
JSX = rf"</?[A-Z][\w.]*+(?:\s++(?:[\w:-]++(?:=(?:\"[^\"]*+\"|'[^']*+'|{_BRACES}))?|{_BRACES}))*+\s*+/?>"
_TAG = TAG.partition("|<!--")[0]
AUTOLINK = r"<(?:[A-Za-z][\w+.-]{1,31}:[^\s<>]*+|[^\s<>@]++@[A-Za-z0-9.-]++)>"
_HTML = rf"(?i:{_ELEMENTS})|<!--(?:(?!<!--|-->).)*+-->|<\?(?:(?!<\?|\?>).)*+\?>|{JSX}|{AUTOLINK}|{_TAG}"
_BRACKETS = (
    r"!?\[\[[^\[\]\n]++\]\]|\[\^[^\[\]\s]++\]|\^\[[^\[\]]++\]"  # wiki links, footnotes
    rf"|!\[[^\[\]\n]*+\]\([^()\s{{]*+(?:{TEMPLATE})[^()\n]*+\)"
    r"|\[(?:[^\[\]@`\n]{0,40}\s)?-?@\w[^\[\]`\n]*+\](?![\[(])"  # citations
    r"|(?<!\w)@[A-Za-z_](?:[\w:.#+/-]*\w)?"
)
_SIGNS = (
    r"(?<![\w:]):(?=[\w+-]*[a-z])[\w+-]{1,60}+:(?![\w:])"  # emoji by name
    r"|\{[\w:+.-]++\}(?P<role>`{1,8}+)[^`]++(?P=role)"
    r"|(?<!~)~(?![~\s])[^\s~]{1,40}+~(?!~)|\^(?![\[^])[^\s^]{1,40}+\^|\+\+[\w+-]{1,40}?\+\+"
)
_ADDRESS = (
    r"(?:(?:https?|ftp)://|\bwww\.)(?:[^\s<>()\[\]`*|\"]|\([^\s<>()\[\]`*|\"]*+\))*(?:[^\W_]|[/#=&~%+-])"
)
ATOM = re.compile(
    rf"(?:\\|(?<! ) {{2,}}+)\n|{_MATHEMATICS}|{TEMPLATE}|{ATTRIBUTES}|{_HTML}|{_BRACKETS}|{_SIGNS}|{_ADDRESS}"
    rf"|{PLACEHOLDERS}",
    re.DOTALL,
)
"""A span that stays as a whole."""
START = re.compile(
    r"[\\`*_~\[\]!<$^@:{%+#]|==|(?<! ) {2,}+\n|(?:https?|ftp)://|\bwww\.|\b[A-Za-z]:\\|\b[A-Za-z0-9_][\w.+-]{0,63}+@"
)
"""Characters with which a span may begin."""
MARKED = re.compile(r"==(?<![A-Za-z0-9_=]==)(?![=\s])(?:[^=\n]|=(?!=))++(?<!\s)==(?![A-Za-z0-9_=])")
"""A highlight, which several dialects know."""
ESCAPED = re.compile(r"\\[!-/:-@\[-`{-~]")
TAIL = re.compile(rf"\([^()\s{{]*+(?:{TEMPLATE})[^()\n]*+\)|\[[^\[\]\n]++\]|{ATTRIBUTES}", re.DOTALL)
"""The rest of a link after its text, for links that CommonMark does not know."""
KEY = re.compile(r"\[(?:[^\s\[\]]*+|`[^`\[\]]*+`|[\W\d_]*+)\]")
"""Brackets around a word, code or figures."""

SILENT = re.compile(rf"\*\*?|__?|~~|==|\[|\](?:[(\[{{].*)?|(?!<(?:br|img)\b|{AUTOLINK}){_TAG}", re.DOTALL)
BREAKS = re.compile(r"(?:\\| +)\n|<br\b.*>", re.DOTALL)

TITLE = re.compile(r"\s(\"(?:[^\"\\]|\\.)++\"|'(?:[^'\\]|\\.)++'|\((?:[^()\\]|\\.)++\))\s*\)$", re.DOTALL)
ALT = re.compile(r"!\[((?:[^\[\]\\]|\\.)++)\][(\[]", re.DOTALL)
LABEL = re.compile(r"\[\[[^\[\]|]++\|([^\[\]|]++)\]\]")
NOTE = re.compile(r"\^\[([^\[\]]++)\]")
ATTRIBUTED = re.compile(r"<[A-Za-z][\w-]*+\s(?:[^<>\"'{}]|\"[^\"]*+\"|'[^']*+')*+>")
