"""Each part that depends on a language treats every code of it alike: `jpn`, `jpn_Jpan` and `ja`."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from typer.testing import CliRunner

from mtkit.cli.commands import app
from mtkit.config.filters import (
    Filter,
    LanguageFilter,
    RatioFilter,
    RepetitionFilter,
    ScriptFilter,
    SentencesFilter,
    UrlsFilter,
    WordsFilter,
)
from mtkit.config.load import load_config
from mtkit.config.sources import PoSource, TmxSource, XliffSource
from mtkit.convert.argos import package_name, write_argos
from mtkit.convert.huggingface import model_card
from mtkit.data.clean.column import column_of
from mtkit.data.clean.judging import Judge, build_filter
from mtkit.data.prepare.prepare import prepare
from mtkit.data.read.pair import Pair
from mtkit.data.read.phrasebook.compose import compose
from mtkit.data.read.readers import read_pairs
from mtkit.errors import InputError
from mtkit.metrics.surface import score_corpus
from mtkit.runs.exports import read_export
from mtkit.text.languages import language_of
from mtkit.text.subwords import default_coverage, has_many_characters
from mtkit.translate.account import Account
from mtkit.translate.call import Call
from mtkit.translate.glossary import Glossary, Term
from mtkit.translate.guard import Guard
from mtkit.translate.open import open_translator
from mtkit.translate.request import Request
from tests.support import fakes

SAME = {
    "zh": ("zh", "zho", "cmn", "chi", "zh-TW", "zho_Hans", "zh_CN"),
    "ja": ("ja", "jpn", "jpn_Jpan", "ja-JP"),
    "ko": ("ko", "kor", "kor_Hang"),
    "th": ("th", "tha", "tha_Thai"),
    "en": ("en", "eng", "eng_Latn", "en-GB"),
    "ru": ("ru", "rus", "rus_Cyrl"),
    "jv": ("jv", "jav", "jav_Latn"),
    "fi": ("fi", "fin", "fin_Latn"),
    "tl": ("tl", "fil", "tgl_Latn"),
}
CODES = [(main, code) for main, codes in SAME.items() for code in codes]
TEXTS = {
    "zh": ("今天天气很好，我们去公园。", "我们今天去公园散步吧。"),
    "ja": ("今日は天気がいいので公園に行きます。", "明日は雨が降るでしょう。"),
    "ko": ("오늘은 날씨가 좋아서 공원에 갑니다.", "내일은 비가 올 것입니다."),
    "th": ("วันนี้อากาศดีมากเราจะไปสวนสาธารณะ", "พรุ่งนี้ฝนอาจจะตก"),
    "en": ("The weather is good today.", "We go to the park tomorrow."),
    "ru": ("Сегодня хорошая погода.", "Завтра мы пойдём в парк."),
    "jv": ("Dina iki hawane apik banget.", "Sesuk kita menyang taman."),
    "fi": ("Tänään on hyvä sää.", "Huomenna menemme puistoon."),
    "tl": ("Maganda ang panahon ngayon.", "Pupunta kami sa parke bukas."),
}
UNSPACED = {"zh", "ja", "th"}
MANY = {"zh", "ja", "ko"}


# ---------------------------------------------------------------- metrics


def judge_of(options: Filter, src_lang: str, tgt_lang: str) -> Judge:
    built = build_filter(options, src_lang, tgt_lang)
    assert isinstance(built, Judge)
    return built


@pytest.mark.parametrize(("main", "code"), CODES)
def test_bleu_and_ter_split_words_as_in_the_language(main: str, code: str) -> None:
    tokenizer = "zh" if main == "zh" else "char" if main in UNSPACED else "13a"
    bleu, ter = score_corpus(["今天天气很好。"], ["今天天气不好。"], ["bleu", "ter"], code)
    assert f"tok:{tokenizer}|" in bleu.signature
    assert ter.value == pytest.approx(100 / 7 if main in UNSPACED else 100)


@pytest.mark.parametrize("code", SAME["ja"])
def test_japanese_has_a_score_under_every_code(code: str) -> None:
    hyps, refs = ["今日は天気がいいので公園に行く。"], ["今日は天気がいいので公園に行きます。"]
    expected = BLEU(tokenize="char").corpus_score(hyps, [refs]).score
    assert expected > 75
    assert score_corpus(hyps, refs, ["bleu"], code)[0].value == pytest.approx(expected)


# ---------------------------------------------------------------- data


@pytest.mark.parametrize(("main", "code"), CODES)
def test_every_filter_judges_alike(main: str, code: str) -> None:
    filters: list[Filter] = [
        ScriptFilter(filter="script"),
        WordsFilter(filter="words"),
        RatioFilter(filter="ratio"),
        SentencesFilter(filter="sentences"),
        RepetitionFilter(filter="repetition"),
        UrlsFilter(filter="urls"),
    ]
    own = TEXTS[main][0]
    others = [text for name, (text, _) in TEXTS.items() if name != main]
    tgts = [own, own * 4, own[:4], f"{own[:6]} " * 30, own.replace(" ", "") * 3, *others]
    pairs = [Pair(src, tgt) for src in (TEXTS["en"][0], TEXTS["ru"][0] * 3) for tgt in tgts]
    columns = [column_of([pair.src for pair in pairs]), column_of([pair.tgt for pair in pairs])]
    for options in filters:
        one, other = (judge_of(options, "en", name) for name in (main, code))
        assert [one.verdict(pair) for pair in pairs] == [other.verdict(pair) for pair in pairs]
        assert (one.screen is None) == (other.screen is None)
        if one.screen and other.screen:
            assert np.array_equal(one.screen(*columns), other.screen(*columns))
    script = judge_of(filters[0], "en", code).verdict
    assert script(Pair(TEXTS["en"][0], own)) is None
    foreign = TEXTS["en" if main in {"zh", "ja", "ko", "th", "ru"} else "ru"][0]
    assert script(Pair(TEXTS["en"][0], foreign))


@pytest.mark.parametrize("code", ["srp_Latn", "sr-Latn"])
def test_the_script_filter_knows_the_script_in_the_code(code: str) -> None:
    judge = judge_of(ScriptFilter(filter="script"), "en", code).verdict
    assert judge(Pair("Today it rains.", "Danas pada kiša.")) is None
    assert judge(Pair("Today it rains.", "Данас пада киша."))


@pytest.mark.parametrize(("main", "code"), [one for one in CODES if one[0] in {"zh", "ja", "en", "fi", "tl"}])
def test_the_language_filter_finds_the_label_of_its_package(main: str, code: str) -> None:
    pytest.importorskip("py3langid")
    judge = judge_of(LanguageFilter(filter="language", min_chars=5), code, "ru").verdict
    assert judge(Pair(TEXTS[main][1], TEXTS["ru"][1])) is None
    assert judge(Pair(TEXTS["ru"][1], TEXTS["ru"][1]))


@pytest.mark.parametrize("code", ["zho", "zh-TW", "cmn_Hant"])
def test_readers_take_a_language_under_any_of_its_codes(code: str, tmp_path: Path) -> None:
    tmx, xlf, po = (tmp_path / f"a.{suffix}" for suffix in ("tmx", "xlf", "po"))
    tmx.write_text(
        '<tmx version="1.4"><body><tu><tuv xml:lang="en-US"><seg>car</seg></tuv>'
        '<tuv xml:lang="zh-CN"><seg>汽车</seg></tuv><tuv xml:lang="zh-Hant-TW"><seg>汽車</seg></tuv></tu>'
        "</body></tmx>",
        "utf-8",
    )
    xlf.write_text(
        '<xliff version="1.2"><file source-language="en" target-language="zh-Hant"><body><trans-unit id="1">'
        "<source>car</source><target>汽車</target></trans-unit></body></file></xliff>",
        "utf-8",
    )
    po.write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\nLanguage: zh_TW\\n"\n\n'
        'msgid "car"\nmsgstr "汽車"\n',
        "utf-8",
    )
    [pair] = read_pairs(TmxSource(reader="tmx", path=tmx), "eng_Latn", code)
    assert (pair.src, pair.tgt) == ("car", "汽车" if code == "zho" else "汽車")  # zho takes the first variety
    for source in (XliffSource(reader="xliff", path=xlf), PoSource(reader="po", path=po)):
        [pair] = read_pairs(source, "eng_Latn", code)
        assert (pair.src, pair.tgt) == ("car", "汽車")


def test_tmx_takes_the_variant_with_the_same_script(tmp_path: Path) -> None:
    path = tmp_path / "a.tmx"
    variants = {"zh-TW": "汽車", "zh-CN": "汽车", "jav": "mobil", "ja": "車", "zh": "车"}
    tuvs = "".join(f'<tuv xml:lang="{code}"><seg>{text}</seg></tuv>' for code, text in variants.items())
    path.write_text(f'<tmx version="1.4"><body><tu>{tuvs}</tu></body></tmx>', "utf-8")
    source = TmxSource(reader="tmx", path=path)
    found = [
        next(iter(read_pairs(source, "jpn", code))).tgt
        for code in ("zho_Hans", "zho_tw", "cmn", "jv", "zho_Hant")
    ]
    assert found == ["汽车", "汽車", "车", "mobil", "汽車"]


def test_the_phrasebook_speaks_its_languages_under_every_code() -> None:
    expected = list(compose("valid", 5, 1, "en", "zh"))
    assert list(compose("valid", 5, 1, "eng_Latn", "zho_Hans")) == expected
    with pytest.raises(InputError, match="fil is not supported"):
        list(compose("valid", 5, 1, "en", "fil"))


def test_init_offers_the_phrasebook_under_every_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init", "--src-lang", "eng", "--tgt-lang", "zho_Hans"])
    assert done.exit_code == 0, done.output
    data = load_config([tmp_path / "mtkit.yaml"]).config.data
    assert (data.src_lang, data.tgt_lang) == ("eng", "zho_Hans")


# ---------------------------------------------------------------- text


@pytest.mark.parametrize(("main", "code"), CODES)
def test_coverage_and_vocabulary_size_follow_the_script(main: str, code: str) -> None:
    assert has_many_characters("en", code) is (main in MANY)
    assert default_coverage("en", code) == (0.9995 if main in MANY else 1.0)


# ---------------------------------------------------------------- translation


@pytest.mark.parametrize(("main", "code"), CODES)
def test_a_glossary_finds_terms_inside_words_only_without_spaces(main: str, code: str) -> None:
    found = Glossary([Term("天气", "weather")]).find("今天天气很好", language_of(code).spaced)
    assert len(found) == (main in UNSPACED)


@pytest.mark.parametrize(("main", "code"), CODES)
def test_the_guard_blames_alike(main: str, code: str) -> None:
    src, own = TEXTS["en"][1], TEXTS[main][1]
    guard = Guard("en", code)
    assert guard.fault(src, own) is None or main == "en"
    assert (guard.fault(src, src) == "it is the source") is (main != "en")
    foreign = TEXTS["zh" if main in {"en", "ru", "jv", "fi", "tl"} else "ru"][1]
    assert guard.fault(src, foreign) == "it is not in the script of its language"


@pytest.mark.parametrize(("src", "tgt"), [("fil", "fi"), ("jav", "ja"), ("slk", "sl"), ("kor", "kok")])
def test_the_guard_does_not_take_one_language_for_another(src: str, tgt: str) -> None:
    text = "it has four words"
    assert Guard(src, tgt).fault(text, text) == "it is the source"


def test_the_guard_lets_text_be_copied_between_codes_of_one_language() -> None:
    text = "it has four words"
    assert Guard("eng_Latn", "en-GB").fault(text, text) is None


def tiny_run(folder: Path, monkeypatch: pytest.MonkeyPatch, src: str, tgt: str) -> Path:
    """The config of an untrained model of two languages."""
    run = fakes.TINY_RUN.replace("src_lang: en", f"src_lang: {src}").replace("lang: fr", f"lang: {tgt}")
    monkeypatch.setattr(fakes, "TINY_RUN", run)
    return fakes.make_tiny_run(folder)


@pytest.mark.parametrize(
    ("src", "tgt", "joiner", "spaced"),
    [
        ("eng", "jpn", "", (True, False)),
        ("zho_Hans", "tha_Thai", "", (False, False)),
        ("jav", "kor", " ", (True, True)),
    ],
)
def test_parts_are_joined_as_in_the_language(
    src: str,
    tgt: str,
    joiner: str,
    spaced: tuple[bool, bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny_run(tmp_path, monkeypatch, src, tgt)
    monkeypatch.chdir(tmp_path)
    translator = open_translator(Path("runs/tiny/model"), device="cpu")
    call = Call(translator, Request(), Account(""))
    assert (call.joiner.joiner, call.joiner.spaced) == (joiner, spaced)


# ---------------------------------------------------------------- exports


def test_exports_name_languages_as_others_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config([tiny_run(tmp_path, monkeypatch, "zho_Hans", "fil")]).config
    assert "\nlanguage: [zh, tl]\n" in model_card(config, None, 1000)
    fakes.export_unchecked(tmp_path / "runs/tiny/model", tmp_path / "export", "float32")
    exported = read_export(tmp_path / "export")
    assert package_name(exported) == "translate-zh_tl-1_0"
    write_argos(exported, tmp_path / "x.argosmodel")
    with zipfile.ZipFile(tmp_path / "x.argosmodel") as archive:
        metadata = json.loads(archive.read("translate-zh_tl-1_0/metadata.json"))
    names = [metadata[name] for name in ("from_code", "from_name", "to_code", "to_name")]
    assert names == ["zh", "Chinese", "tl", "Tagalog"]


# ---------------------------------------------------------------- unknown codes


def test_an_unknown_code_is_warned_of_once_by_each_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "jp.yaml"
    path.write_text(fakes.TINY_RUN.format(run="run").replace("tgt_lang: fr", "tgt_lang: jp"), "utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("a", "test.en", "test.fr"):
        (tmp_path / name).write_text("a\n", "utf-8")
    score = "evaluate --hyp a --hyp b=a --ref a --tgt-lang jp --metrics bleu,ter"
    for command in ("config check jp.yaml", score):
        done = CliRunner().invoke(app, command.split())
        assert done.exit_code == 0, done.output
        assert done.stderr.count("unknown language code") == 1
        assert "Did you mean ja (Japanese)?" in " ".join(done.stderr.split())


def test_preparing_warns_of_an_unknown_code_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("t.a", "t.b", "v.a", "v.b"):
        lines = (f"{name} word {number} and {number * 7919 % 1000} more\n" for number in range(300))
        (tmp_path / name).write_text("".join(lines), "utf-8")
    (tmp_path / "a.yaml").write_text(
        "run: run\ndata:\n  src_lang: en\n  tgt_lang: cz\n  filters: [{filter: script}]\n"
        "  train: [{reader: plain, src: t.a, tgt: t.b}, {reader: plain, src: t.b, tgt: t.a}]\n"
        "  valid: {reader: plain, src: v.a, tgt: v.b}\ntokenizer: {vocab_size: 60}\nmodel: {preset: tiny}\n",
        "utf-8",
    )
    monkeypatch.chdir(tmp_path)
    prepare(load_config([tmp_path / "a.yaml"]).config)
    found = [record.getMessage() for record in caplog.records if "language code" in record.getMessage()]
    assert len(found) == 1
    assert "Did you mean cs (Czech)?" in found[0]
