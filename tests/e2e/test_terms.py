"""A trained model uses terms that it has never seen, and as a whole its translations stay short."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import pytest

from mtkit.config.sources import PhrasebookSource
from mtkit.data.read.readers import read_corpus
from mtkit.runs.find import trained_model
from mtkit.translate.account import Account
from mtkit.translate.glossary import Term
from mtkit.translate.open import open_translator
from mtkit.translate.request import Request, Source, best_texts
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Window
from tests.support.trainings import go

OPTIONS = (
    "data.train=[{reader: phrasebook, pairs: 20000}]",
    "tokenizer.vocab_size=600",
    "model.d_model=64",
    "model.d_ff=256",
    "model.dropout=0.05",
    "train.max_steps=400",
    "train.batch_tokens=1024",
    "train.validate_every=200",
    "train.save_every=200",
    "train.optimizer.lr=5.0e-3",
    "train.optimizer.warmup_steps=80",
)
FOREIGN = [
    "officine",
    "Lisbonne",
    "sorcellerie",
    "paléontologie",
    "jacquerie",
    "mozzarella",
    "fjord",
    "balnéaire",
]
"""Words that the phrasebook does not have."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Translator, list[str], list[str]]:
    """A model, and sentences that it has not learnt from, with their translations."""
    folder = tmp_path_factory.mktemp("terms")
    config = go(folder, *OPTIONS).config
    unseen = PhrasebookSource(reader="phrasebook", split="valid", pairs=60)
    pairs = list(read_corpus(config.data, unseen))
    translator = open_translator(
        trained_model(folder / "run"), Request(own_terms=True), "cpu", engine="native"
    )
    return translator, [pair.src for pair in pairs], [pair.tgt for pair in pairs]


def translated(
    translator: Translator, srcs: Sequence[str], terms: Sequence[Sequence[Term]], account: Account
) -> list[str]:
    window = Window(
        [Source(src, n, terms=tuple(own)) for n, (src, own) in enumerate(zip(srcs, terms, strict=True))],
        best_texts,
    )
    [found] = translator.results([window], Request(own_terms=True), account)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["foreign", "phrases"])
def test_terms_are_there_and_outputs_as_a_whole_stay_short(
    trained: tuple[Translator, list[str], list[str]], kind: str
) -> None:
    translator, srcs, refs = trained
    draw = random.Random(1)
    terms = [[Term("x", draw.choice(FOREIGN))] for _ in srcs]
    if kind == "phrases":
        words = [re.findall(r"\w+", ref) for ref in refs]
        places = [draw.randrange(max(1, len(own) - 1)) for own in words]
        # Two neighbouring words of the reference where no sign stands between them, else one.
        phrases = [" ".join(own[at : at + 2]) for own, at in zip(words, places, strict=True)]
        terms = [
            [Term("x", phrase if phrase in ref else phrase.split()[0])]
            for phrase, ref in zip(phrases, refs, strict=True)
        ]
    plain = translated(translator, srcs, [()] * len(srcs), Account())
    account = Account()
    found = translated(translator, srcs, terms, account)
    assert account.terms_used == account.terms_requested == len(srcs)

    def tokens(text: str) -> int:
        return len(translator.tokenizer.tgt.encode([text])[0])

    for text, [term] in zip(found, terms, strict=True):
        assert re.search(rf"\b{re.escape(term.tgt)}\b", text, re.IGNORECASE)
    assert sum(map(tokens, found)) <= 1.5 * sum(map(tokens, plain))
