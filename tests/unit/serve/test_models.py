"""The models of a server: their languages, and how one takes the place of another."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any, cast

import pytest

from mtkit.errors import UsageError
from mtkit.serve.models import Models, ServedModel
from mtkit.serve.queue import SentenceQueue
from mtkit.serve.service import Asked, Service, probe
from mtkit.translate.request import Request
from tests.support.fakes import make_tiny_run
from tests.support.servers import StandIn


def models_of(*models: Any) -> Models:
    return Models(cast(list[ServedModel], list(models)))


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_tiny_run(folder)
    return folder


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("en", "fr"), ("en", "fr")),
        (("EN", "FR"), ("en", "fr")),
        (("eng", "fra"), ("en", "fr")),
        (("en-GB", "fr_CA"), ("en", "fr")),
        (("de", "pt"), ("de", "pt-BR")),
        (("de", "pt-BR"), ("de", "pt-BR")),
        (("zh", "en"), ("zh-Hans", "en")),
        (("zh-CN", "en"), ("zh-Hans", "en")),
    ],
)
def test_languages_may_be_written_in_other_ways(asked: tuple[str, str], found: tuple[str, str]) -> None:
    pairs = [("en", "fr"), ("de", "pt-BR"), ("zh-Hans", "en")]
    models = models_of(*(StandIn(pair=pair) for pair in pairs))
    assert models.find(*asked).pair == found
    assert models.into(asked[1])


@pytest.mark.parametrize(
    "asked", [("fr", "en"), ("en", "en"), ("", ""), ("zh-TW", "en"), ("xx" * 99, "\0"), ("de", "pt-PT")]
)
def test_other_languages_are_refused(asked: tuple[str, str]) -> None:
    pairs = [("en", "fr"), ("de", "pt-BR"), ("zh-Hans", "en")]
    models = models_of(*(StandIn(pair=pair) for pair in pairs))
    with pytest.raises(UsageError, match="no model translates"):
        models.find(*asked)


def test_a_pair_has_one_model() -> None:
    with pytest.raises(UsageError, match="translates en to fr, as"):
        models_of(StandIn(), StandIn())
    with pytest.raises(UsageError, match="does not say its languages"):
        models_of(StandIn(pair=("", "")))
    models = models_of(StandIn(), StandIn(pair=("en", "de")), StandIn(pair=("de", "en")))
    assert (models.sources, models.targets("en"), models.into("en")) == (["en", "de"], ["fr", "de"], ["de"])


def test_tags_are_languages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    corpora = "[{reader: phrasebook}, {reader: phrasebook, tgt_lang: de}]"
    make_tiny_run(tmp_path, "data.target_tags=true", f"data.train={corpora}")
    models = Models([ServedModel(tmp_path / "runs/tiny")])
    assert {pair: one.tags for pair, one in models.directions.items()} == {
        ("en", "fr"): ("2fr",),
        ("en", "de"): ("2de",),
    }
    queue = SentenceQueue()
    for pair, direction in models.directions.items():
        request = Request(search={"tags": [f"2{pair[1]}"]}, guard=True)
        expected = list(direction.model.able(request).translate(["the cat sat"], request))
        with queue.order() as order:
            assert [
                one.text for one in Service(queue).texts(order, direction, Asked(["the cat sat"]))
            ] == expected
    queue.stop()


def test_a_changed_model_is_replaced_while_it_works(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "runs", tmp_path / "runs")
    run = tmp_path / "runs/tiny"
    model = ServedModel(run)
    models = models_of(model)
    assert models.replace(changed_only=True) == 0
    before = model.able(Request())
    assert not model.has_changed()
    manifest = run / "model/manifest.json"
    manifest.write_bytes(manifest.read_bytes())
    assert model.has_changed()
    assert models.replace(changed_only=True) == 1
    assert model.able(Request()) is not before
    assert not model.has_changed()
    assert list(before.translate(["the cat"])) == list(model.able(Request()).translate(["the cat"]))


def test_a_damaged_model_does_not_replace_a_good_one(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(folder / "runs", tmp_path / "runs")
    run = tmp_path / "runs/tiny"
    model = ServedModel(run)
    before = model.able(Request())
    weights = run / "model/model.safetensors"
    data = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(data[:-4] + b"\xff\xff\xff\xff")
    with caplog.at_level(logging.ERROR, "mtkit.serve"):
        assert models_of(model).replace() == 0
    assert "stays as it was, since the new one is refused" in caplog.text
    assert model.able(Request()) is before
    weights.unlink()
    assert models_of(model).replace() == 0
    weights.write_bytes(data)
    assert models_of(model).replace() == 1


def test_orders_under_way_end_with_the_model_they_began_with() -> None:
    queue = SentenceQueue()
    model = StandIn()
    direction = models_of(model).find("en", "fr")
    with queue.order() as first:
        old = Service(queue)._translator(first, direction, Request())
        model.translator = StandIn(str.swapcase).translator
        assert list(old.translate(["the cat"])) == ["eht tac"]
        with queue.order() as second:
            (reply,) = Service(queue).texts(second, direction, Asked(["the cat"]))
    assert reply.text == "THE CAT"
    assert probe(direction)
    queue.stop()
