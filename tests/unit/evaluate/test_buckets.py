"""Buckets: scores against sacreBLEU on each, words against a count by hand, planted faults are found."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
import sacrebleu

from mtkit.config.fixed import Division
from mtkit.config.load import load_config
from mtkit.config.sources import TsvSource
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.shard_texts import open_training_text
from mtkit.data.read.pair import Pair
from mtkit.data.read.readers import read_pairs
from mtkit.errors import UsageError
from mtkit.evaluate.buckets import Breakdown, break_down
from mtkit.evaluate.figures import count
from mtkit.evaluate.outputs import Outputs, labels_of
from mtkit.evaluate.training_text import count_words, exposures
from mtkit.metrics.significance import PairedTest
from tests.support.corpora import edited, texts

QUICK = PairedTest("ar", 500)


def noisy(refs: list[str], seed: int = 1) -> list[str]:
    rng = random.Random(seed)
    return [edited(ref, True, rng) for ref in refs]


def broken_down(outputs: Outputs, by: Division, test: PairedTest | None = QUICK) -> Breakdown:
    counted = count(list(outputs.systems.values()), outputs.refs, ["bleu", "chrf"], "en")
    [found] = break_down(outputs, counted, [by], test)
    return found


def starred(found: Breakdown) -> set[str]:
    """The labels of buckets that differ by more than chance."""
    return {bucket.label for bucket in found.buckets if any(f.is_significant(1) for f in bucket.figures)}


def test_lengths_are_those_of_the_reference() -> None:
    refs = ["a", "a b c d", "a b c d e", " ".join("abcdefghijkl"), "a " * 45]
    hyps = noisy(refs)
    found = broken_down(Outputs("", "en", {"a": hyps}, [refs]), "length", None)
    assert [(bucket.label, bucket.size) for bucket in found.buckets] == [
        ("1–4", 2),
        ("5–9", 1),
        ("10–19", 1),
        ("40 or more", 1),
    ]
    expected = sacrebleu.corpus_chrf(hyps[:2], [refs[:2]]).score
    assert found.buckets[0].figures[1].values[0] == pytest.approx(expected)


def test_a_spoilt_domain_is_found_and_no_other() -> None:
    refs, domains = texts(240), ["news", "talks", "law", "chat"] * 60
    one, other = noisy(refs), noisy(refs)
    for place, domain in enumerate(domains):
        if domain == "law":
            other[place] = " ".join(reversed(other[place].split()))
    outputs = Outputs("", "en", {"a": one, "b": other}, [refs], None, {"domain": domains})
    assert starred(broken_down(outputs, "domain")) == {"law"}


def test_a_missing_document_is_found_among_others() -> None:
    refs, documents = texts(400), [f"doc{place // 20}" for place in range(400)]
    one, other = noisy(refs, 1), noisy(refs, 1)
    other[60:80] = [""] * 20
    outputs = Outputs("", "en", {"a": one, "b": other}, [refs], None, {"document": documents})
    found = broken_down(outputs, "document", PairedTest("ar", 2000))
    assert len(found.buckets) == 20
    assert starred(found) == {"doc3"}


@pytest.mark.parametrize("by", ["frequency", "exposure", "domain", "document"])
def test_what_is_not_known_is_said(by: Division) -> None:
    with pytest.raises(UsageError, match=f"--breakdown {by}"):
        broken_down(Outputs("", "en", {"a": ["x"]}, [["x"]]), by)


# ---------------------------------------------------------------- training data

SRCS = ["The first red house stands there.", "Nothing of the kind was ever printed in a newspaper before."]
TGTS = ["Das erste rote Haus steht da.", "Nichts davon wurde jemals zuvor in einer Zeitung gedruckt, nie."]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with prepared data of which TGTS are part."""
    folder = tmp_path_factory.mktemp("run")
    words = texts(200)
    for name, lines in {"en": [*SRCS, *words], "de": [*TGTS, *(word.upper() for word in words)]}.items():
        (folder / f"train.{name}").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    (folder / "valid").write_text("Eins zwei drei vier\n", "utf-8")
    (folder / "run.yaml").write_text(
        f"run: {folder / 'run'}\n"
        "data:\n"
        "  {src_lang: en, tgt_lang: de, filters: [],\n"
        f"   train: [{{reader: plain, src: {folder / 'train.en'}, tgt: {folder / 'train.de'}}}],\n"
        f"   valid: {{reader: plain, src: {folder / 'valid'}, tgt: {folder / 'valid'}}}}}\n"
        "tokenizer: {vocab_size: 400, byte_fallback: true}\n",
        "utf-8",
    )
    prepare(load_config([folder / "run.yaml"]).config)
    return folder


def test_words_are_counted_in_the_training_targets(run: Path) -> None:
    config = load_config([run / "run.yaml"]).config
    training = open_training_text(config.run, config)
    assert training is not None
    kept = [tgt.lower() for _, tgts in training.blocks() for tgt in tgts]
    expected = Counter(word for tgt in kept for word in tgt.split())
    wanted = [*list(expected)[:50], "nirgends"]
    found = count_words(training, wanted, "de")
    assert len(kept) == 202
    assert {word: found[word] for word in wanted if word.isalpha()} == {
        word: expected[word] for word in wanted if word.isalpha()
    }


def test_exposure_to_training_data(run: Path) -> None:
    config = load_config([run / "run.yaml"]).config
    training = open_training_text(config.run, config)
    assert training is not None
    srcs = [SRCS[0].upper(), "One thing", f"{SRCS[1][:-1]} or after", "Quite another sentence about fish"]
    refs = ["Ganz anders gesagt wird es hier auch", TGTS[0], "Etwas völlig anderes steht hier nun", "Fische"]
    found = exposures(training, srcs, refs)
    assert found == ["occurs", "occurs", "nearly occurs", "does not occur"]


def test_f1_and_recall_of_words_by_frequency(run: Path) -> None:
    config = load_config([run / "run.yaml"]).config
    refs, hyps = ["Haus Haus nirgends xq"], ["Haus xq xq yz"]
    outputs = Outputs("", "de", {"a": hyps}, [refs], None, {}, config)
    found = {bucket.label: bucket for bucket in broken_down(outputs, "frequency", None).buckets}
    assert set(found) == {"0", "1"}
    assert found["1"].size == 2  # Haus, once in the training data
    assert [figure.values[0] for figure in found["1"].figures] == pytest.approx([200 / 3, 50])
    assert found["0"].size == 2  # of which xq is right once; three words of the translation are in the bucket
    assert [figure.values[0] for figure in found["0"].figures] == pytest.approx([200 / 5, 50])


def test_a_run_without_prepared_data_has_no_training_text(tmp_path: Path, run: Path) -> None:
    config = load_config([run / "run.yaml"], [f"run={tmp_path / 'other'}"]).config
    assert open_training_text(config.run, config) is None


def test_domains_and_documents_are_columns_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("a\tb\tnews\tx1\nc\td\tlaw\tx2\n", "utf-8")
    source = TsvSource(reader="tsv", path=tmp_path / "test.tsv", domain_column=3, document_column=4)
    pairs = list(read_pairs(source, "en", "de"))
    assert [(pair.domain, pair.document) for pair in pairs] == [("news", "x1"), ("law", "x2")]
    assert labels_of(pairs) == {"domain": ["news", "law"], "document": ["x1", "x2"]}
    by_tag = [Pair("a", "b", tags=("web",)), Pair("c", "d", domain="law")]
    assert labels_of(by_tag) == {"domain": ["web", "law"]}
    named = TsvSource(reader="tsv", path=tmp_path / "test.tsv", domain_column="news")
    assert named.has_header
    assert [pair.domain for pair in read_pairs(named, "en", "de")] == ["law"]
