"""`mtkit explain`: what it says of a translation, against plain translating, scoring and counting."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import html5lib
import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from mtkit.cli.commands import app
from mtkit.cli.explain_view import show_explanation
from mtkit.config.data import TokenizerConfig
from mtkit.data.prepare.shard_texts import TrainingText
from mtkit.data.prepare.shards import open_shard, write_shard
from mtkit.engine.native import NativeEngine
from mtkit.errors import UsageError
from mtkit.evaluate.alignment_drawing import attention_figure
from mtkit.evaluate.explain_page import explain_page
from mtkit.evaluate.explanation import Explainer, Explanation, LikelyToken, with_unknown, word_groups
from mtkit.evaluate.nearest import nearest_pairs
from mtkit.metrics.surface import METRICS, inputs_of, segment_scores
from mtkit.text.subwords import train_subwords
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.open import open_translator
from mtkit.translate.request import Request
from mtkit.translate.translator import Translator
from tests.support.browser import browser, find_browser
from tests.support.fakes import export_unchecked, make_tiny_run
from tests.support.preparations import sentences

TEXT = "the cat sat on the mat"


def invoke(*args: str) -> Result:
    return CliRunner().invoke(app, ["explain", *args])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_run(tmp_path_factory.mktemp("explain"), "decode.max_len_ratio=2").parent


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder / "runs/tiny"


@pytest.fixture
def translator(run: Path) -> Translator:
    return open_translator(run / "model", engine="native")


def explained(run: Path, *args: str) -> dict[str, Any]:
    done = invoke("-m", str(run), "--json", *args)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["format"], found["version"]) == ("mtkit-explanation", 1)
    [only] = found["explanations"]
    return dict(only)


def test_it_is_the_translation_and_the_score_of_the_other_commands(run: Path, translator: Translator) -> None:
    found = explained(run, TEXT)
    assert found["tgt"] == next(translator.translate([TEXT], Request(guard=True)))
    [hyp] = translator.score([(TEXT, found["tgt"])])
    assert found["score"] == pytest.approx(hyp.score)
    probabilities = [token["probability"] for token in found["tokens"]]
    assert [math.log(each) for each in probabilities] == pytest.approx(hyp.token_scores, abs=1e-4)
    assert not found["is_given"]


def test_probabilities_are_the_softmax_of_the_logits(translator: Translator) -> None:
    [(src, seen)] = translator.inspect([(TEXT, "le chat")], num_likely=5)
    engine = translator.engine
    assert isinstance(engine, NativeEngine)
    src_ids = torch.tensor([[*src, Tokenizer.EOS]])
    tgt_in = torch.tensor([[Tokenizer.BOS, *seen.ids[:-1]]])
    with torch.no_grad():
        [logits] = engine.model.eval()(src_ids, torch.ones_like(src_ids, dtype=torch.bool), tgt_in).numpy()
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for place, likely in enumerate(seen.likely):
        order = np.argsort(-probabilities[place])[:5]
        assert [token for token, _ in likely] == order.tolist()
        assert [share for _, share in likely] == pytest.approx(probabilities[place][order].tolist(), rel=1e-4)
    assert [math.exp(each) for each in seen.log_probs] == pytest.approx(
        [probabilities[place][token] for place, token in enumerate(seen.ids)], rel=1e-4
    )


def test_attention_is_where_the_links_come_from(translator: Translator) -> None:
    pairs = [(TEXT, "le chat est sur le tapis"), ("a dog ran", "un chien")]
    found = translator.inspect(pairs)
    srcs, tgts = [src for src, _ in found], [seen.ids[:-1] for _, seen in found]
    links = translator.engine.align(srcs, tgts, translator.options)
    for (src, seen), own in zip(found, links, strict=True):
        weights = np.array(seen.attention)
        assert weights.shape == (len(seen.ids), len(src) + 1)
        assert weights.sum(axis=1) == pytest.approx(1, abs=1e-5)
        best = weights.argmax(axis=1)[:-1]
        assert own == [(int(at), tgt) for tgt, at in enumerate(best) if at < len(src)]


def test_words_share_the_attention_of_their_pieces(run: Path, translator: Translator) -> None:
    found = explained(run, TEXT, "--target", "le chat est")
    assert found["src_words"] == TEXT.split()
    assert found["tgt_words"] == ["le", "chat", "est"]
    [(_, seen)] = translator.inspect([(TEXT, "le chat est")])
    groups = word_groups(translator.tokenizer.tgt.pieces(seen.ids[:-1]), spaced=True)
    for (begin, end), weights in zip(groups, found["attention"], strict=True):
        mean = np.array(seen.attention[begin:end]).mean(axis=0)
        assert weights[-1] == pytest.approx(mean[-1], abs=1e-5)
        assert sum(weights) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["▁the", "▁c", "at", "."], ["▁the", "▁cat", "."]),
        (["▁(", '"', "cat", "s", '"', ")."], ["▁(", '"', "cats", '"', ")."]),
        (["▁l", "'", "homme", ",", "▁-", "▁don", "'", "t"], ["▁l'homme", ",", "▁-", "▁don't"]),
        (["cat", "▁", "sat"], ["cat", "▁sat"]),
        (["▁...", "!"], ["▁...", "!"]),
        ([], []),
    ],
)
def test_punctuation_around_a_word_stands_alone(pieces: list[str], words: list[str]) -> None:
    assert ["".join(pieces[begin:end]) for begin, end in word_groups(pieces, spaced=True)] == words


def test_without_spaces_each_piece_stands_alone() -> None:
    assert word_groups(["▁", "猫", "坐在", "。"], spaced=False) == [(1, 2), (2, 3), (3, 4)]


@pytest.mark.parametrize(
    ("pieces", "text", "found"),
    [
        (["▁", "<unk>", "here", "▁is"], "▁Where▁is", ["▁", "W", "here", "▁is"]),
        (["▁a", "▁", "<unk>"], "▁a▁日本", ["▁a", "▁", "日本"]),
        (["▁", "<unk>", "▁<", "un", "k", ">"], "▁é▁<unk>", ["▁", "é", "▁<", "un", "k", ">"]),
        (["⟦up⟧", "▁", "<unk>"], "▁É", ["⟦up⟧", "▁", "<unk>"]),
    ],
)
def test_unknown_characters_are_shown(pieces: list[str], text: str, found: list[str]) -> None:
    assert with_unknown(pieces, text) == found


def test_without_each_word(run: Path, translator: Translator) -> None:
    found = explained(run, "the cat, sat.", "--target", "le chat")
    assert found["is_given"]
    assert [each["word"] for each in found["left_out"]] == ["the", "cat", "sat"]
    rests = ["cat, sat.", "the , sat.", "the cat, ."]
    whole, *scored = (
        sum(hyp.token_scores)
        for hyp in translator.score([(src, "le chat") for src in ("the cat, sat.", *rests)])
    )
    assert [each["fall"] for each in found["left_out"]] == pytest.approx(
        [whole - each for each in scored], abs=1e-4
    )
    expected = [*translator.translate(rests, Request(guard=True))]
    assert [each["translation"] for each in found["left_out"]] == expected


def test_a_line_of_several_sentences_is_explained_part_by_part(run: Path) -> None:
    done = invoke("-m", str(run), "--json", "the cat sat on the mat. A dog ran over the cat.")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["explanations"]
    assert [each["src"] for each in found] == ["the cat sat on the mat.", "A dog ran over the cat."]


# ---------------------------------------------------------------- training pairs


def test_the_nearest_pairs_are_those_of_a_search_through_all(tmp_path: Path) -> None:
    pairs = sentences(600)
    options = TokenizerConfig(vocab_size=300, character_coverage=1.0)
    tokenizer = Tokenizer(train_subwords([text for pair in pairs for text in pair], options))
    ids = tokenizer.encode_pairs(pairs)
    for number, own in enumerate((ids[:400], ids[400:])):
        write_shard(tmp_path / str(number), own, {"vocab_size": tokenizer.max_size})
    training = TrainingText((open_shard(tmp_path / "0"), open_shard(tmp_path / "1")), tokenizer)
    srcs = [src for texts, _ in training.blocks() for src in texts]
    sets = [set(src) for src, _ in ids]
    counts = Counter(token for src, _ in ids for token in src)
    rarity = {token: math.log((counts.total() + 1) / (count + 1)) for token, count in counts.items()}

    def dice(one: set[int], other: set[int]) -> float:
        common, total = (sum(rarity[token] for token in own) for own in (one & other, one | other))
        return 2 * common / (total + common)

    for place in (0, 17, 399, 400, 599):
        text = srcs[place]
        ranked = sorted(range(600), key=lambda number: -dice(sets[place], sets[number]))[:50]
        near = [srcs[number] for number in ranked]
        scores = segment_scores(METRICS["chrf"], near, inputs_of([[text] * 50], None), "en")
        found = nearest_pairs(training, text, "en", 3)
        assert found[0].src == text
        assert [each.chrf for each in found] == pytest.approx(sorted(scores, reverse=True)[:3])


def test_training_data_that_are_not_there_are_said_so(run: Path) -> None:
    assert explained(run, TEXT)["nearest"] is None
    assert "training data of this model are not here" in invoke("-m", str(run), TEXT).stdout
    done = invoke("-m", str(run), TEXT, "--pairs", "0")
    assert "training data" not in done.stdout


# ---------------------------------------------------------------- what people see


def test_all_is_shown_in_the_terminal_and_on_the_page(run: Path, tmp_path: Path) -> None:
    page, picture = tmp_path / "why.html", tmp_path / "why.svg"
    done = invoke("-m", str(run), TEXT, "--html", str(page), "-o", str(picture))
    assert done.exit_code == 0, done.output
    found = explained(run, TEXT)
    text = page.read_text("utf-8")
    html5lib.HTMLParser(strict=True).parse(text)
    for word in (*found["src_words"], *found["tgt_words"]):
        assert word in done.stdout
        assert word in text
    for title in ("Tokens", "Attention", "Without one word of the source"):
        assert f"<h3>{title}</h3>" in text
    assert "without one word of the source" in done.stdout
    assert picture.read_bytes().startswith(b"<?xml")


HOSTILE = '<script>alert(1)</script> \x1b[31m & "quoted" 猫 [/b] \u202e evil'


def test_hostile_text_obeys_nobody(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "why.html"
    done = invoke("-m", str(run), HOSTILE, "--target", HOSTILE, "--html", str(page))
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.output
    assert "\u202e" not in done.output
    text = page.read_text("utf-8")
    html5lib.HTMLParser(strict=True).parse(text)
    assert "<script" not in text
    assert "\u202e" not in text


def make_explanation(src_words: tuple[str, ...], tgt_words: tuple[str, ...]) -> Explanation:
    row = tuple(1 / (len(src_words) + 1) for _ in range(len(src_words) + 1))
    texts = "".join(src_words), "".join(tgt_words)
    tokens = (LikelyToken("▁b", 0.5, (("▁b", 0.5), ("▁c", 0.25))),)
    return Explanation(*texts, False, -1.0, tokens, src_words, tgt_words, (row,) * len(tgt_words))


@pytest.mark.parametrize(
    ("src", "tgt"),
    [
        (("a",), ("b",)),
        (("x" * 500,) * 3, ("y",)),
        (tuple("猫坐在垫子上"), ("the", "cat")),
        (("a",) * 120, ("b",) * 80),
        (("a",), ()),
    ],
)
def test_sentences_of_any_shape_are_drawn(
    src: tuple[str, ...], tgt: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    found = make_explanation(src, tgt)
    html5lib.HTMLParser(strict=True).parse(explain_page("m", [found]))
    attention_figure([found, found]).canvas.draw()
    show_explanation(found)
    assert capsys.readouterr().out


@pytest.mark.skipif(find_browser() is None, reason="needs Chromium")
def test_in_a_real_browser(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "why.html"
    assert invoke("-m", str(run), TEXT, "--html", str(page)).exit_code == 0
    with browser(tmp_path) as tab:
        for width, dark in ((390, False), (1280, True)):
            tab.open(page, width, dark=dark)
            assert tab.value("document.documentElement.scrollWidth") <= width
        assert tab.complaints == []
        assert set(tab.requests) == {page.absolute().as_uri()}


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ([" "], 2, "TEXT: is empty"),
        (["one\ntwo"], 2, "TEXT: has several lines"),
        ([TEXT, "--target", ""], 2, "--target: is empty"),
        ([TEXT, "-o", "picture.gif"], 2, "must end in .png, .svg or .pdf"),
        ([TEXT, "--html", "runs"], 2, "runs: is a folder"),
        (["\u200b"], 3, "nothing to translate"),
    ],
)
def test_wrong_input_is_refused(run: Path, args: list[str], code: int, said: str) -> None:
    done = invoke("-m", str(run), *args)
    assert (done.exit_code, said in done.output) == (code, True), done.output


def test_an_export_alone_is_refused(run: Path, tmp_path: Path) -> None:
    export_unchecked(run / "model", tmp_path / "alone", "float32")
    done = invoke("-m", str(tmp_path / "alone"), TEXT)
    assert (done.exit_code, "is an export" in done.output, "--engine" in done.output) == (2, True, False)


def test_an_engine_that_cannot_is_named(run: Path, translator: Translator) -> None:
    class Other:
        name = "CTranslate2"

    other = Translator(Other(), translator.tokenizer, translator.options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="CTranslate2: cannot explain a translation"):
        other.inspect([(TEXT, "le chat")])
    assert Explainer(translator).explain(TEXT)
