"""Texts in the form in which papers scored them before sacreBLEU. Does not use torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from mtkit.config.fixed import FormName
from mtkit.errors import UsageError
from mtkit.text.languages import language_of

_APOSTROPHE = re.compile("([a-z])’(?=[a-z])")


@dataclass(frozen=True, slots=True)
class MosesForm:
    """Lower case, punctuation made uniform, and tokens with escapes, as by the scripts of Moses.

    Wu et al. 2021 ("Good for Misconceived Reasons") score Multi30k in this form, and so do the papers that
    compare themselves with it.

    Attributes:
        lang: the language, as sacremoses names it.
        version: of sacremoses, which has the rules.
        normalize: makes punctuation uniform.
        tokenize: separates the tokens of a text by single spaces.
    """

    lang: str
    version: str
    normalize: Callable[[str], str]
    tokenize: Callable[[str], str]

    def lines(self, texts: Sequence[str]) -> list[str]:
        """The texts in this form."""
        return [self._line(text) for text in texts]

    def _line(self, text: str) -> str:
        # The Moses of that time took ’ for an apostrophe only between letters of ASCII, else for a quote.
        text = _APOSTROPHE.sub(r"\1'", text.lower()).replace("’", '"')
        # Moses sees the line feed, without which it would swap a full stop and a quote at the end.
        return self.tokenize(self.normalize(f"{text}\n"))

    def signature(self) -> str:
        """Everything that the form depends on besides the text."""
        return f"moses-lc|lang:{self.lang}|sacremoses:{self.version}"


def open_form(name: FormName, tgt_lang: str) -> MosesForm | None:
    """The form with this name for a language; None for texts as they are.

    Raises:
        UsageError: the form needs a package that is not installed, or does not know the language.
    """
    match name:
        case "raw":
            return None
        case "moses-lc":
            return _open_moses(tgt_lang)
        case _:
            assert_never(name)


def _open_moses(tgt_lang: str) -> MosesForm:
    try:
        import sacremoses
    except ImportError:
        raise UsageError(
            "form moses-lc: sacremoses is not installed.", "Install it: pip install sacremoses."
        ) from None
    lang = language_of(tgt_lang).code if tgt_lang else ""
    known = sorted({*sacremoses.NonbreakingPrefixes().available_langs.values()})
    if not lang:
        raise UsageError("form moses-lc: depends on the language.", "Give it with --tgt-lang.")
    if lang not in known:
        raise UsageError(
            f"form moses-lc: sacremoses does not know the language {tgt_lang}.",
            f"Use the form raw; moses-lc is for {', '.join(known)}.",
        )
    tokenizer = sacremoses.MosesTokenizer(lang=lang)
    return MosesForm(
        lang,
        sacremoses.__version__,
        sacremoses.MosesPunctNormalizer(lang=lang).normalize,
        lambda text: str(tokenizer.tokenize(text, return_str=True, escape=True)),
    )
