"""The models of a server: their languages, and how one takes the place of another."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any, cast

import pytest

from mtkit.errors import InputError, UsageError
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


TMX = """<?xml version="1.0"?><tmx version="1.4"><header srclang="en"/><body>
<tu><tuv xml:lang="en"><seg>the cat</seg></tuv><tuv xml:lang="fr"><seg>LE CHAT</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>a dog</seg></tuv><tuv xml:lang="de"><seg>EIN HUND</seg></tuv></tu>
</body></tmx>"""
PO = 'msgid ""\nmsgstr "Language: de\\n"\n\nmsgid "ein Satz"\nmsgstr "DE"\n'


def test_each_pair_has_the_entries_in_its_languages(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.tmx").write_text(TMX, "utf-8")
    (tmp_path / "m.tsv").write_text("fr\ten\nun chien\tA DOG\n", "utf-8")
    (tmp_path / "m.po").write_text(PO, "utf-8")
    files = [tmp_path / name for name in ("m.tmx", "m.tsv", "m.po")]
    standing = [StandIn(pair=pair) for pair in (("en", "fr"), ("fr", "en"), ("en", "de"), ("zh", "en"))]
    models = Models(cast(list[ServedModel], standing), files)
    sizes = {pair: one.memory and len(one.memory) for pair, one in models.directions.items()}
    assert sizes == {("en", "fr"): 2, ("fr", "en"): 2, ("en", "de"): 2, ("zh", "en"): None}
    queue = SentenceQueue()

    def translated(pair: tuple[str, str], *texts: str) -> list[str]:
        with queue.order() as order:
            return [one.text for one in Service(queue).texts(order, models.find(*pair), Asked(texts))]

    assert translated(("en", "fr"), "the cat", "a dog", "A DOG") == ["LE CHAT", "a god", "un chien"]
    assert translated(("fr", "en"), "LE CHAT", "un chien") == ["the cat", "A DOG"]
    assert translated(("en", "de"), "the cat", "a dog") == ["eht tac", "EIN HUND"]
    assert translated(("zh", "en"), "the cat") == ["eht tac"]
    # SIGHUP reads them again; what cannot be read changes nothing.
    (tmp_path / "m.tsv").write_text("fr\ten\nun chien\tTHE DOG\n", "utf-8")
    for model in standing:
        monkeypatch.setattr(model, "replace", lambda: None, raising=False)
    models.replace()
    assert translated(("fr", "en"), "un chien") == ["THE DOG"]
    (tmp_path / "m.tsv").unlink()
    with caplog.at_level(logging.ERROR, "mtkit.serve"):
        models.replace()
    assert "the memory stays as it was" in caplog.text
    assert translated(("fr", "en"), "un chien") == ["THE DOG"]
    queue.stop()


def test_a_memory_that_no_pair_can_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.po").write_text(PO, "utf-8")
    for pair in (("en", "fr"), ("de", "en")):
        with pytest.raises(InputError, match=f"has no translation from {pair[0]} to {pair[1]}"):
            Models(cast(list[ServedModel], [StandIn(pair=pair)]), [tmp_path / "m.po"])
    (tmp_path / "m.odd").write_text("plain text", "utf-8")
    with pytest.raises(InputError, match=r"m\.odd: "):
        Models(cast(list[ServedModel], [StandIn()]), [tmp_path / "m.odd"])


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
