"""Terms in training sources, against plain definitions in dictionaries and loops."""

from __future__ import annotations

import json
import math
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtkit.config.data import TermsConfig
from mtkit.config.schema import Config
from mtkit.data.feed.loader import PairTable
from mtkit.data.prepare.encoding import count_segmentations
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import Prepared, open_prepared
from mtkit.data.prepare.shards import open_shard
from mtkit.data.prepare.term_pairs import (
    VERSIONS,
    Phrase,
    PhraseTable,
    consistent_phrases,
    drawn,
    learn_phrases,
    read_phrase_table,
    spans_of,
    write_phrase_table,
)
from mtkit.errors import ConfigError
from mtkit.text.term_marks import TERM_MARKS
from tests.support.preparations import make

LANGS = ("en", "fr")


def plainly(links: np.ndarray, most_src: int, most_tgt: int) -> set[tuple[int, int, int, int]]:
    """All boxes of words, each tested by the definition."""
    linked = set(map(tuple, np.argwhere(links).tolist()))
    found = set()
    tgt_len, src_len = links.shape
    boxes = product(
        ((s, s + size) for s in range(src_len) for size in range(1, min(most_src, src_len - s) + 1)),
        ((t, t + size) for t in range(tgt_len) for size in range(1, min(most_tgt, tgt_len - t) + 1)),
    )
    for (s, s_end), (t, t_end) in boxes:
        inside = {(a, b) for a, b in linked if t <= a < t_end and s <= b < s_end}
        touched = {(a, b) for a, b in linked if t <= a < t_end or s <= b < s_end}
        edges = {s, s_end - 1} <= {b for _, b in inside} and {t, t_end - 1} <= {a for a, _ in inside}
        if inside and inside == touched and edges:
            found.add((s, s_end, t, t_end))
    return found


def test_phrases_are_those_of_the_definition() -> None:
    draw = np.random.default_rng(5)
    count = 0
    for _ in range(100):
        links = draw.random((draw.integers(1, 7), draw.integers(1, 7))) < draw.choice([0.1, 0.2, 0.4])
        most = int(draw.integers(1, 5)), int(draw.integers(1, 5))
        found = list(consistent_phrases(links, *most))
        assert len(found) == len(set(found))
        assert set(found) == plainly(links, *most)
        count += len(found)
    assert count > 50


class PlainLinks:
    """Links between words by the formulas, one number at a time."""

    def __init__(self, table: PhraseTable) -> None:
        self.words = table.words
        both = table.aligner.forward, table.aligner.backward
        self.tables = [
            (own.base, dict(zip(own.keys.tolist(), own.probs.tolist(), strict=True))) for own in both
        ]

    def posterior(self, which: int, ours: list[int], theirs: list[int]) -> list[list[float]]:
        """[theirs][ours]: the probability that a word of ours gave one of theirs."""
        base, known = self.tables[which]
        result = []
        for place, word in enumerate(theirs, start=1):
            near = [
                math.exp(-4.0 * abs(place / len(theirs) - other / len(ours)))
                for other in range(1, len(ours) + 1)
            ]
            joint = [
                0.92 * weight / sum(near) * known.get(own * base + word, 1e-9)
                for own, weight in zip(ours, near, strict=True)
            ]
            whole = sum(joint) + 0.08 * known.get(word, 1e-9)  # of the null word, whose id is 0
            result.append([value / whole for value in joint])
        return result

    def between(self, src: list[str], tgt: list[str]) -> set[tuple[int, int]]:
        """Places (target, source) that are linked."""
        srcs, tgts = (
            [ids.get(word, 1) for word in own] for own, ids in zip((src, tgt), self.words, strict=True)
        )
        forward, backward = self.posterior(0, srcs, tgts), self.posterior(1, tgts, srcs)
        return {
            (t, s) for t in range(len(tgt)) for s in range(len(src)) if forward[t][s] * backward[s][t] >= 0.1
        }


def phrasebook(tmp_path: Path, *, pairs: int = 150, **data: Any) -> Config:
    values = json.loads(make(tmp_path, [("a b", "c d")]).model_dump_json())
    values["data"] |= {
        "train": [{"reader": "phrasebook", "pairs": pairs}],
        "valid": {"reader": "phrasebook", "split": "valid", "pairs": 20},
        "src_lang": LANGS[0],
        "tgt_lang": LANGS[1],
        "terms": {},
        "filters": [],
        "test": {},
        "num_workers": 1,
        **data,
    }
    values["tokenizer"] |= {"vocab_size": 300}
    return Config.model_validate_json(json.dumps(values))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Prepared]:
    config = phrasebook(tmp_path_factory.mktemp("terms"))
    prepare(config)
    return config, open_prepared(config)


def parted(ids: list[int], marks: list[int]) -> tuple[list[int], list[tuple[list[int], list[int]]]]:
    """The ids of a source without its terms, and its terms: ids of source and target."""
    begin, middle, end = marks
    rest: list[int] = []
    terms: list[tuple[list[int], list[int]]] = []
    here = rest
    for token in ids:
        if token == begin:
            terms.append(([], []))
            here = terms[-1][0]
        elif token == middle:
            rest += here
            here = terms[-1][1]
        elif token == end:
            here = rest
        else:
            here.append(token)
    return rest, terms


def test_every_term_is_a_phrase_of_its_pair_by_a_plain_reading(run: tuple[Config, Prepared]) -> None:
    config, prepared = run
    model = prepared.tokenizer.src
    marks = model.ids_of(TERM_MARKS)
    (file,) = (config.run / "parts").glob("phrases-*.npz")
    linked = PlainLinks(read_phrase_table(file))
    versions = [open_shard(prepared.train[0].folder, number) for number in range(VERSIONS + 1)]
    assert versions[0].num_segmentations == VERSIONS + 1
    texts_with, count = 0, 0
    for number in range(len(versions[0])):
        src, tgt = (
            model.decode([side.tolist()])[0] for side in (versions[0].src(number), versions[0].tgt(number))
        )
        words = [
            [span.word for span in spans_of(text, lang)] for text, lang in zip((src, tgt), LANGS, strict=True)
        ]
        links = np.zeros((len(words[1]), len(words[0])), bool)
        for place in linked.between(*words) if number % 3 == 0 else ():
            links[place] = True
        phrases = {
            (" ".join(words[0][s:s_end]), " ".join(words[1][t:t_end]))
            for s, s_end, t, t_end in plainly(links, 3, 3)
        }
        for version in versions[1:]:
            assert version.tgt(number).tolist() == versions[0].tgt(number).tolist()
            rest, terms = parted(version.src(number).tolist(), marks)
            assert rest == versions[0].src(number).tolist()
            texts_with += bool(terms)
            for own in terms if number % 3 == 0 else ():
                term = tuple(
                    " ".join(span.word for span in spans_of(model.decode([ids])[0], lang))
                    for ids, lang in zip(own, LANGS, strict=True)
                )
                assert term in phrases
                count += 1
    assert count > 50
    assert 0.3 < texts_with / (VERSIONS * len(versions[0])) < 0.55


def test_training_takes_the_versions_with_terms_in_turn(run: tuple[Config, Prepared]) -> None:
    _, prepared = run
    table = PairTable(prepared.train)
    assert [table.at_epoch(epoch).shards[0].segmentation for epoch in range(6)] == [1, 2, 3, 4, 1, 2]
    assert not set(prepared.tokenizer.src.ids_of(TERM_MARKS)) & set(prepared.train[0].src(0).tolist())


@pytest.mark.slow
def test_the_same_config_gives_the_same_bytes(run: tuple[Config, Prepared], tmp_path: Path) -> None:
    _, prepared = run
    again = phrasebook(tmp_path, num_workers=2)
    prepare(again)
    assert open_prepared(again).fingerprint == prepared.fingerprint


def test_a_phrase_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    pairs = [(("the red cat", "le chat rouge"), LANGS), (("the cat", "le chat"), LANGS)] * 3
    table = learn_phrases(pairs)
    write_phrase_table(tmp_path / "phrases.npz", table)
    stored = read_phrase_table(tmp_path / "phrases.npz")
    texts = [("the red cat", "le chat rouge"), ("", ""), ("the cat!", "le chat!")]
    assert stored.words == table.words
    assert stored.shares == table.shares == {"the": 6 / 15, "cat": 6 / 15, "red": 3 / 15}
    assert stored.phrases(texts, LANGS, 3) == table.phrases(texts, LANGS, 3)
    assert stored.phrases(texts, LANGS, 3)[1] == []


def test_frequent_words_are_drawn_less_often_and_nothing_overlaps() -> None:
    phrases = [Phrase(n, n + 2, n, n + 1, 0.1 if n % 2 else 1.0) for n in range(8)]
    options = TermsConfig(share=0.5)
    found = [drawn(phrases, options, 40, f"{number}") for number in range(2000)]
    chosen = [phrase for own in found for phrase in own]
    rare = sum(phrase.weight == 1 for phrase in chosen)
    assert rare > 5 * (len(chosen) - rare) > 0
    assert 0.45 < sum(map(bool, found)) / len(found) < 0.55
    for own in found:
        assert all(one.src_end <= other.src_start for one, other in pairwise(own))
    assert found == [drawn(phrases, options, 40, f"{number}") for number in range(2000)]


def test_marks_of_case_belong_to_words_and_symbols_are_none() -> None:
    assert spans_of("der hund⟦C⟧ ⟦1⟧ usa⟦U⟧!", "de") == [
        ("der", 0, 3),
        ("hund", 4, 11),
        ("usa", 16, 22),
    ]


def test_two_vocabularies_are_refused(tmp_path: Path) -> None:
    values = json.loads(phrasebook(tmp_path).model_dump_json())
    values["tokenizer"]["separate"] = True
    values["model"]["tie_embeddings"] = "tgt"
    with pytest.raises((ConfigError, ValueError), match=r"data\.terms .* one subword model"):
        Config.model_validate_json(json.dumps(values))


def test_sampled_segmentations_come_after_the_text_itself() -> None:
    from mtkit.config.data import SamplingConfig

    assert count_segmentations(None, None) == 1
    assert count_segmentations(SamplingConfig(segmentations=3), None) == 3
    assert count_segmentations(None, TermsConfig()) == 1 + VERSIONS
    assert count_segmentations(SamplingConfig(segmentations=3), TermsConfig()) == 4
