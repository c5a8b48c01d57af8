"""Words that tell a full stop at the end of a sentence from one that belongs to the word before it."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEVER = _words(
    """
    Mr Mrs Ms Messrs Dr Prof St Rev Hon Gen Col Capt Cpt Cmdr Maj Pfc Lt Sgt Sen Rep Gov Pres Supt Adm Ft Mt
    Fr Hr Frl Dipl Ing M Mm MM Mme Mmes Mlle Mgr Sra Srta Srs Ud Uds D.ª
    vs cf e.g i.e nr bzw evtl ggf vgl bspw sog inkl exkl ca z.b d.h u.a v.a o.g s.o z.t p.ex c.-à-d pág núm
    """
)
"""Abbreviations before a name or a noun; those with a capital letter are written with one."""

SOMETIMES = _words(
    "sr jr etc al approx dept inc ltd corp co bros ave av blvd usw tsd abs bd hrsg str mio mrd jh geb chr"
)
"""Abbreviations that may end a sentence too."""

BEFORE_NUMBER = _words(
    """
    no nos p pp vol fig figs eq sec ch chap art est env tel éd ed
    jan feb mar apr jun jul aug sep sept oct nov dec janv févr avr juil déc okt dez
    """
)
"""Abbreviations if a number follows."""

DAYS = _words("monday tuesday wednesday thursday friday saturday sunday")
"""Words that may follow a time of day, as in `9 a.m. Monday`."""

FIRST = {
    "en": _words(
        """
        the this that these those there it he she they we you his her its their our my but and so if when
        while although though because since as after before in on at for from by with what who how why where
        all some many most both each every one two another other no not now then here however also despite
        """
    ),
    "fr": _words(
        """
        le la les l' un une des il elle ils elles on ce cet cette ces c' nous vous je j' son sa ses leur mais
        et or si quand dans en au aux pour par avec sur après avant selon lors depuis d' tous toutes
        """
    ),
    "de": _words(
        """
        der die das den dem ein eine einen einem einer er sie es wir ich ihr man sein seine ihre dies diese
        dieser dieses aber und doch auch wenn als da dann im in am an auf aus bei mit nach für von vor seit zu
        zum zur so wie was wer wo alle viele
        """
    ),
    "es": _words(
        "el la los las un una él ella ellos se es no su sus este esta esto pero si cuando en al por para"
    ),
    "it": _words("il lo la gli le l' un una ma se quando in nel nella al per con questo questa non si"),
    "pt": _words("os as um uma ele ela eles mas se quando em no na ao por para com este esta isso não"),
    "nl": _words(
        "de het een hij zij ze we wij ik dit dat deze die maar en als toen in op bij met voor van ook er"
    ),
}
"""Words that have a capital letter only where a sentence begins, by language."""

ORDINALS = _words("cs da de et eu fi fo hr hu is lv nb nn no pl sk sl sr bs tr")
"""Languages that write `3.` for third."""

BEFORE_ORDINAL = _words(
    """
    am an im zum zur vom beim ins der die das dem den des ein eine einen einem einer ihr ihre ihren ihrem sein
    seine seinen seinem mein meine meinen meinem unser jeder jede jedes jeden dieser diese bis und oder
    ab seit
    """
)
"""German words after which a number is an ordinal, and none with a sentence's end."""

MONTHS = _words("januar jänner februar märz april mai juni juli august september oktober november dezember")
"""German words before which a number is an ordinal."""
