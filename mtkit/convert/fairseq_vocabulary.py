"""The vocabulary of fairseq's multilingual models: one SentencePiece model, and a token for each language.

Fairseq has its own ids for the special pieces, 0 to 3, and the languages follow the pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal

from mtkit.convert.foreign import ForeignConfig, ForeignFolder
from mtkit.convert.piece_rows import PieceRows
from mtkit.convert.spm_rebuild import SPECIAL, Rebuilt, pieces_of, rebuild
from mtkit.errors import InputError, UsageError
from mtkit.text.languages import language_of, same_language

Family = Literal["M2M-100", "NLLB", "mBART-50"]

SPM, IDS, TOKENS = "sentencepiece.bpe.model", "vocab.json", "tokenizer.json"
_FIRST = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
_OWN_FIRST = ["<unk>", "<s>", "</s>"]
"""The first pieces of a SentencePiece model of which fairseq shifts the ids by one."""
_NLLB_LANGUAGE = re.compile("[a-z]{3}_[A-Z][a-z]{3}")
_M2M_100 = """
    af am ar ast az ba be bg bn br bs ca ceb cs cy da de el en es et fa ff fi fr fy ga gd gl gu ha he hi
    hr ht hu hy id ig ilo is it ja jv ka kk km kn ko lb lg ln lo lt lv mg mk ml mn mr ms my ne nl no ns
    oc or pa pl ps pt ro ru sd si sk sl so sq sr ss su sv sw ta th tl tn tr uk ur uz vi wo xh yi yo zh
    zu
""".split()  # noqa: SIM905
"""The languages of M2M-100 in the order of their ids, which its files do not list."""
_MBART_50 = """
    ar_AR cs_CZ de_DE en_XX es_XX et_EE fi_FI fr_XX gu_IN hi_IN it_IT ja_XX kk_KZ ko_KR lt_LT lv_LV
    my_MM ne_NP nl_XX ro_RO ru_RU si_LK tr_TR vi_VN zh_CN af_ZA az_AZ bn_IN fa_IR he_IL hr_HR id_ID
    ka_GE km_KH mk_MK ml_IN mn_MN mr_IN pl_PL ps_AF pt_XX sv_SE sw_KE ta_IN te_IN th_TH tl_XX uk_UA
    ur_PK xh_ZA gl_ES sl_SI
""".split()  # noqa: SIM905
"""The languages of mBART-50, likewise."""


class FairseqVocabulary(PieceRows):
    """The rows of a model with one SentencePiece model and tokens of languages.

    Args:
        folder: with the SentencePiece model.
        family: of the model.
        config: of the network.

    Raises:
        InputError: a file is missing or damaged, or contradicts another one.
    """

    def __init__(self, folder: ForeignFolder, family: Family, config: ForeignConfig) -> None:
        self.spm = where = folder.path / SPM
        self.model_bytes = folder.bytes(SPM)
        self.pieces = pieces_of(self.model_bytes, where)
        if family == "M2M-100":
            where = folder.path / IDS
            ids = folder.object(IDS)
            self.languages = _numbered(_M2M_100, len(ids))
        else:
            if self.pieces[:3] != _OWN_FIRST:
                begin = " ".join(self.pieces[:3])
                raise InputError(
                    f"{where}: begins with {begin!r:.60}, expected {' '.join(_OWN_FIRST)}.",
                    "Use another copy.",
                )
            ids = _FIRST | {piece: row + 1 for row, piece in enumerate(self.pieces) if row >= len(_OWN_FIRST)}
            after = len(self.pieces) + 1
            self.languages = _listed(folder) if family == "NLLB" else _numbered(_MBART_50, after)
        size, pad, eos = (config.count(name) for name in ("vocab_size", "pad_token_id", "eos_token_id"))
        config.require("decoder_start_token_id", None, eos)
        super().__init__(
            where, ids | {f"<{code}>": row for code, row in self.languages.items()}, size, pad, eos, eos
        )

    def language(self, option: str, given: str | None, found: str) -> str:
        """The code of a language in this model.

        Args:
            option: for messages.
            given: a code, also of another form, such as en for eng_Latn.
            found: what the files say.

        Raises:
            UsageError: none is given, or it is not known.
        """
        wanted = given or found
        if wanted in self.languages:
            return wanted
        example = "en" if "en" in self.languages else next(code for code in self.languages if "en" in code)
        if not wanted:
            raise UsageError(
                f"{option}: the model has many languages.", f"Give one, such as {option} {example}."
            )
        same = [code for code in self.languages if same_language(code, wanted)]
        script = language_of(wanted).script
        exact = [code for code in same if language_of(code).script == script] if len(same) > 1 else same
        if len(exact) == 1:
            return exact[0]
        if same:
            raise UsageError(
                f"{option}: {wanted} may be several languages.", f"Give one of {', '.join(same)}."
            )
        raise UsageError(
            f"{option}: the model has no language {wanted!r:.40}.",
            f"Give one of its codes, such as {example}.",
        )

    def subwords(self, keep: bool) -> tuple[Rebuilt, list[str]]:
        """The subword model with mtkit's special ids and a tag for each language, and what was changed."""
        tags = [f"<{code}>" for code in self.languages]
        own = {*self.pieces, *_FIRST, *tags}
        others = [piece for piece in self.ids if piece not in own]
        rebuilt = rebuild(self.model_bytes, self.spm, tags, others if keep else ())
        notes = [
            "the special pieces have the ids 0 to 3, then come the languages and the pieces in their order"
        ]
        lost = self.size - len({*self.rows(rebuilt.pieces).tolist()})
        if lost:
            notes.append(
                f"{lost:,} of {self.size:,} rows of the vocabulary have no piece and are never output"
            )
        lacking = sum(self.row(piece) is None for piece in rebuilt.pieces[len(SPECIAL) :])
        if lacking:
            notes.append(
                f"{lacking:,} pieces of {SPM} are not in {self.where.name}, so they are never output"
            )
        return rebuilt, notes


def _numbered(codes: Iterable[str], first: int) -> dict[str, int]:
    return {code: row for row, code in enumerate(codes, start=first)}


def _listed(folder: ForeignFolder) -> dict[str, int]:
    """The languages that NLLB's `tokenizer.json` lists among its added tokens.

    Raises:
        InputError: there are none.
    """
    tokens: Any = folder.object(TOKENS).get("added_tokens")
    entries = [entry for entry in tokens if isinstance(entry, dict)] if isinstance(tokens, list) else []
    named: list[tuple[Any, Any]] = [(entry.get("content"), entry.get("id")) for entry in entries]
    found = {code: row for code, row in named if isinstance(code, str) and _NLLB_LANGUAGE.fullmatch(code)}
    if not found:
        raise InputError(f"{folder.path / TOKENS}: lists no languages as added tokens.", "Use another copy.")
    return found
