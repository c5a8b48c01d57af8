"""What the options of text, tags, tokenizer and sampling make of prepared data, and what they do again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from mtkit.config.schema import Config
from mtkit.data.feed.loader import Cursor, PairTable, Steps
from mtkit.data.prepare import stages
from mtkit.data.prepare.inspect import find_tokenizer, first_pairs
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import Prepared, open_prepared, read_test
from mtkit.data.prepare.shards import Shard, open_shard
from mtkit.errors import InputError, UsageError
from tests.support.preparations import Counted, Pairs, bytes_of, make, sentences, write


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "PAIRS_IN_PART", 64)


def with_options(config: Config, **sections: dict[str, Any]) -> Config:
    values = json.loads(config.model_dump_json())
    for name, options in sections.items():
        values[name] = {**values[name], **options}
    return Config.model_validate_json(json.dumps(values))


def prepared_with(config: Config, **sections: dict[str, Any]) -> Prepared:
    config = with_options(config, **sections)
    prepare(config)
    return open_prepared(config)


def ids_of(shard: Shard) -> list[tuple[list[int], list[int]]]:
    return [(shard.src(n).tolist(), shard.tgt(n).tolist()) for n in range(len(shard))]


def spelt(prepared: Prepared, shard: Shard) -> Pairs:
    src, tgt = prepared.tokenizer.src, prepared.tokenizer.tgt
    return [(src.decode([one])[0], tgt.decode([other])[0]) for one, other in ids_of(shard)]


# ---------------------------------------------------------------- form and subword models


def test_the_model_sees_the_form_and_the_filters_the_text(tmp_path: Path) -> None:
    pairs = [(f"Cat “{src}” {{n}} at {{m}}", f"{{n}} „{tgt}“ Dog") for src, tgt in sentences(100)]
    config = make(tmp_path, pairs, filters=[{"filter": "length", "min_chars": 2}], num_workers=1)
    form = {"casing": "inline", "quotes": "straight", "protect": ["placeholders"]}
    prepared = prepared_with(config, text=form)
    src, tgt = sentences(100)[0]
    assert spelt(prepared, prepared.train[0])[0] == (
        f'cat⟦C⟧ "{src}" ⟦1⟧ at {{m}}',
        f'⟦1⟧ "{tgt}" dog⟦C⟧',
    )
    stored = find_tokenizer(config.run)
    assert stored.fingerprint == prepared.tokenizer.fingerprint
    assert stored.form.options == prepared.tokenizer.form.options


def test_changing_the_form_redoes_what_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make(tmp_path, sentences(100), num_workers=1)
    prepare(config)
    counted = Counted(monkeypatch)
    for text, done in [
        ({"casing": "lower"}, (0, 1, 2)),
        ({"casing": "lower", "unicode": "nfkc"}, (2, 1, 2)),
        ({"casing": "lower", "unicode": "nfkc", "whitespace": "keep"}, (2, 1, 2)),
    ]:
        changed = with_options(config, text=text)
        with pytest.raises(InputError, match="prepared with other options"):
            open_prepared(changed)
        prepare(changed)
        assert counted.take() == done


def test_separate_models_learn_from_their_sides(tmp_path: Path) -> None:
    pairs = [(src, re.sub(r"\w", "x", tgt)) for src, tgt in sentences(200)]
    options = {"separate": True, "vocab_size": 60}
    config = with_options(make(tmp_path, pairs, num_workers=1), model={"tie_embeddings": "tgt"})
    prepared = prepared_with(config, tokenizer=options)
    src, tgt = prepared.tokenizer.src, prepared.tokenizer.tgt
    assert not prepared.tokenizer.is_joint
    assert src.size > tgt.size
    assert not any(set("abcdefg") & set(piece) for piece in tgt.pieces(range(4, tgt.size)))
    assert spelt(prepared, prepared.train[0]) == pairs
    assert ids_of(prepared.train[0])[0] == (src.encode([pairs[0][0]])[0], tgt.encode([pairs[0][1]])[0])
    given = {"separate": True, "path": str(config.run / "data")}
    again = with_options(config, tokenizer=given).model_copy(update={"run": tmp_path / "again"})
    prepare(again)
    assert ids_of(open_prepared(again).train[0]) == ids_of(prepared.train[0])
    assert find_tokenizer(again.run).fingerprint == prepared.tokenizer.fingerprint


def test_separate_models_need_separate_embeddings(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(5))
    with pytest.raises(ValidationError, match=r"Set model\.tie_embeddings to tgt or none"):
        with_options(config, tokenizer={"separate": True})


# ---------------------------------------------------------------- tags


def tagged(folder: Path, *, num_workers: int = 1) -> Config:
    """English to French with a domain, and the same corpus from French to English."""
    config = make(folder, sentences(80), num_workers=num_workers)
    values = json.loads(config.model_dump_json())
    data = values["data"]
    (corpus,) = data["train"]
    data["train"] = [{**corpus, "tags": ["domain:legal"]}, {**corpus, "reverse": True}]
    data["target_tags"] = True
    data["test"]["back"] = {**data["test"]["one"], "reverse": True}
    values["tokenizer"]["vocab_size"] = 140
    return Config.model_validate_json(json.dumps(values))


def test_sources_begin_with_their_tags_and_a_corpus_turns_round(tmp_path: Path) -> None:
    config = tagged(tmp_path)
    prepared = prepared_with(config)
    model = prepared.tokenizer.src
    assert model.tags == ("2fr", "domain:legal", "2en")
    there, back = (ids_of(shard) for shard in prepared.train)
    assert [model.pieces(src[:2]) for src, _ in there] == [["<2fr>", "<domain:legal>"]] * 80
    assert [model.pieces(src[:1]) for src, _ in back] == [["<2en>"]] * 80
    assert [(tgt, src[2:]) for src, tgt in there] == [(src[1:], tgt) for src, tgt in back]
    assert model.pieces(prepared.valid.src(0)[:1].tolist()) == ["<2fr>"]
    assert (
        prepared.tokenizer.encode(prepared.valid_srcs, prepared.valid_tags)[3]
        == prepared.valid.src(3).tolist()
    )
    first, turned = read_test(config, "one")[0], read_test(config, "back")[0]
    assert (first.src, first.tgt, first.tags) == (turned.tgt, turned.src, ("2fr",))
    assert turned.tags == ("2en",)
    assert config.data.languages_of(config.data.test["back"]) == ("fr", "en")
    shown = [model.pieces(list(pair.src.ids[:1])) for pair in first_pairs(config, prepared, 1)]
    assert shown == [["<2fr>"], ["<2en>"]]


def test_a_tag_in_the_text_is_text(tmp_path: Path) -> None:
    tokenizer = prepared_with(tagged(tmp_path)).tokenizer
    (tag,) = tokenizer.tag_ids(["2fr"])
    assert tag not in tokenizer.encode(["<2fr> cat"])[0]
    with pytest.raises(UsageError, match=r"tag 2ft: the model does not know it\. Did you mean 2fr\?"):
        tokenizer.encode(["cat"], [["2ft"]])


def test_pairs_that_are_cut_keep_their_tags(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100), num_workers=1, valid={"reader": "cut", "pairs": 9})
    values = json.loads(config.model_dump_json())
    values["data"]["train"][0]["tags"] = ["a"]
    prepared = prepared_with(Config.model_validate_json(json.dumps(values)))
    assert prepared.valid_tags == [("a",)] * 9
    values["data"]["train"][0]["reverse"] = True
    with pytest.raises(ValidationError, match=r"train\.0\.reverse: cannot be combined with the reader cut"):
        Config.model_validate_json(json.dumps(values))


def test_held_out_tags_must_be_learned(tmp_path: Path) -> None:
    values = json.loads(tagged(tmp_path).model_dump_json())
    values["data"]["test"]["one"]["tags"] = ["domain:legl"]
    with pytest.raises(ValidationError, match=r"tag domain:legl\. Did you mean domain:legal\?"):
        Config.model_validate_json(json.dumps(values))


@pytest.mark.parametrize("tag", ["a b", "", "unk", "s", "0x0A", "<x>"])
def test_what_is_no_tag(tag: str, tmp_path: Path) -> None:
    source = {**write(tmp_path, "x", sentences(2)), "tags": [tag]}
    with pytest.raises(ValidationError, match="must consist of letters"):
        make(tmp_path, sentences(2), test={"x": source})


def test_changed_tags_redo_no_cleaning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tagged(tmp_path)
    prepare(config)
    counted = Counted(monkeypatch)
    prepare(with_options(config, data={"target_tags": False}))
    assert counted.take() == (0, 1, 4)


# ---------------------------------------------------------------- sampling


SAMPLING = {"sampling": {"segmentations": 3}}


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_each_epoch_reads_its_segmentation_of_the_same_text(model_type: str, tmp_path: Path) -> None:
    train = sentences(150)
    config = make(tmp_path, train, sentences(50, 300), num_workers=1, tokenizer={"model_type": model_type})
    prepared = prepared_with(config, tokenizer=SAMPLING)
    best = prepared_with(config.model_copy(update={"run": tmp_path / "best"}))
    shard = prepared.train[0]
    assert shard.num_segmentations == 3
    several = [open_shard(shard.folder, number) for number in range(3)]
    assert [spelt(prepared, one) for one in several] == [train] * 3
    assert len({str(ids_of(one)) for one in (*several, best.train[0])}) == 4
    assert ids_of(prepared.valid) == ids_of(best.valid)
    assert prepared.tokenizer.fingerprint == best.tokenizer.fingerprint
    table = PairTable(prepared.train)
    for epoch in range(5):
        turn = table.at_epoch(epoch)
        assert turn.sizes == table.sizes
        assert np.array_equal(turn.lengths[:150], several[epoch % 3].lengths)
    assert sorted(map(str, ids_seen(table, 1))) == sorted(
        str(pair) for number in (0, 1) for pair in ids_of(open_shard(prepared.train[number].folder, 1))
    )


def ids_seen(table: PairTable, epoch: int) -> list[tuple[list[int], list[int]]]:
    """The pairs of one epoch, as its batches have them."""
    seen = []
    for step in Steps(table, 400, None, 7).read(Cursor(epoch=epoch)):
        for batch in step.batches:
            targets = np.split(batch.tgt_out.numpy(), np.flatnonzero(batch.tgt_out.numpy() == 3) + 1)
            for src, mask, tgt in zip(batch.src_ids, batch.src_mask, targets, strict=False):
                seen.append((src[mask].tolist()[:-1], tgt.tolist()[:-1]))
        if step.cursor.epoch != epoch:
            return seen
    return seen


def test_steps_resume_in_any_segmentation(tmp_path: Path) -> None:
    table = PairTable(prepared_with(make(tmp_path, sentences(60), num_workers=1), tokenizer=SAMPLING).train)

    def take(cursor: Cursor, count: int) -> list[Any]:
        steps = Steps(table, 200, None, 7).read(cursor)
        return [next(steps) for _ in range(count)]

    whole = take(Cursor(), 40)
    assert whole[-1].cursor.epoch >= 3
    for stop in (3, 17, 30):
        rest = take(whole[stop - 1].cursor, 40 - stop)
        for one, other in zip(rest, whole[stop:], strict=True):
            assert one.batches[0].src_ids.tolist() == other.batches[0].src_ids.tolist()


def test_sampling_gives_the_same_bytes_for_any_number_of_workers(tmp_path: Path) -> None:
    found = []
    for count in (1, 2):
        config = make(tmp_path / str(count), sentences(150), num_workers=count)
        prepared_with(config, tokenizer=SAMPLING, text={"protect": ["numbers"]})
        found.append(bytes_of(config))
    assert found[0] == found[1]


def test_sampling_and_its_seed_redo_segmentation_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make(tmp_path, sentences(100), num_workers=1)
    prepare(config)
    counted = Counted(monkeypatch)
    prepare(with_options(config, tokenizer=SAMPLING))
    assert counted.take() == (0, 0, 2)
    prepare(with_options(config, tokenizer={"sampling": {"segmentations": 3, "alpha": 0.5}}))
    assert counted.take() == (0, 0, 2)


def test_no_segmentation_breaks_the_bound_of_tokens(tmp_path: Path) -> None:
    filters = [{"filter": "tokens", "max_tokens": 14}]
    config = make(tmp_path, sentences(200), filters=filters, num_workers=1)
    shard = prepared_with(config, tokenizer={"sampling": {"segmentations": 3, "alpha": 0.01}}).train[0]
    lengths = [open_shard(shard.folder, number).lengths for number in range(3)]
    assert max(one.max() for one in lengths) <= 14
    assert not np.array_equal(lengths[0], lengths[1])


def test_symbols_stay_whole_in_unigram_samples(tmp_path: Path) -> None:
    pairs = [(f"{src} {{x}}", f"{{x}} {tgt}") for src, tgt in sentences(150)]
    config = make(tmp_path, pairs, num_workers=1, tokenizer={"vocab_size": 150})
    text = {"protect": ["placeholders"], "max_spans": 2}
    prepared = prepared_with(config, tokenizer={"sampling": {"segmentations": 8, "alpha": 0.01}}, text=text)
    (symbol,) = prepared.tokenizer.src.ids_of(["⟦1⟧"])
    for number in range(8):
        for src, tgt in ids_of(open_shard(prepared.train[0].folder, number)):
            assert src.count(symbol) == tgt.count(symbol) == 1


def test_samples_are_shown_as_they_are_stored(tmp_path: Path) -> None:
    train = [("", "x"), *sentences(5), sentences(1)[0], *sentences(20, 40)]
    config = with_options(make(tmp_path, train, num_workers=1), tokenizer=SAMPLING)
    prepare(config)
    prepared = open_prepared(config)
    model, shard = prepared.tokenizer.src, prepared.train[0]
    shown = list(first_pairs(config, prepared, 9))
    assert [len(pair.src.sampled) for pair in shown] == [0, 3, 3, 3, 3, 3, 0, 3, 3]
    third = [tuple(model.pieces(open_shard(shard.folder, n).src(2).tolist())) for n in range(3)]
    assert list(shown[3].src.sampled) == third


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"model_type": "bpe", "sampling": {"alpha": 0.1}},
            "Use merge_dropout, or set model_type to unigram",
        ),
        (
            {"model_type": "unigram", "sampling": {"merge_dropout": 0.1}},
            "Use alpha, or set model_type to bpe",
        ),
    ],
)
def test_the_strength_of_sampling_belongs_to_the_model(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError, match=message):
        make(tmp_path, sentences(2), tokenizer=options)
