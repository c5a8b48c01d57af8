"""The flags of `translate` that decide how is searched and what is shown, and `score`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, get_type_hints

import pytest
from typer.testing import CliRunner, Result

from mtkit.cli.commands import app
from mtkit.cli.translate import translate
from mtkit.config.decode import DecodeConfig
from mtkit.config.option_types import bare, choices
from mtkit.documents.formats import FORMATS
from tests.support.fakes import make_tiny_run

Run: TypeAlias = Callable[..., Result]

LINES = "the cat sat\n\na dog ran on the mat\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flags")
    make_tiny_run(folder)
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MTKIT_MODEL", raising=False)

    def invoke(*args: str, stdin: str = LINES, command: str = "translate") -> Result:
        return CliRunner().invoke(app, [command, *args], input=stdin)

    return invoke


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("\n")
    return result.stdout[:-1].split("\n")


@pytest.mark.parametrize(
    "flags",
    [
        [
            "--method",
            "diverse_beam",
            "--beam-size",
            "4",
            "--diversity-groups",
            "2",
            "--diversity-penalty",
            "1",
        ],
        ["--method", "sample", "--top-k", "10", "--top-p", "0.9", "--temperature", "0.7", "--seed", "4"],
        ["--method", "mbr", "--num-samples", "6"],
        ["--beam-size", "3", "--patience", "2", "--min-len", "3", "--no-repeat-ngram-size", "2"],
        ["--repetition-penalty", "1.3", "--no-guard"],
    ],
)
def test_every_way_of_searching_gives_a_line_for_a_line_again_and_again(run: Run, flags: list[str]) -> None:
    first = lines(run(*flags))
    assert len(first) == 3
    assert [bool(line) for line in first] == [True, False, True]
    assert lines(run(*flags)) == first


def test_samples_follow_the_seed_and_not_the_neighbours(run: Run) -> None:
    drawn = ["--method", "sample", "--no-guard", "--temperature", "2"]
    both = lines(run(*drawn, stdin="the cat sat\na dog ran\n"))
    assert lines(run(*drawn, stdin="the cat sat\nthe mat\n"))[0] == both[0]
    assert lines(run(*drawn, "--seed", "9", stdin="the cat sat\na dog ran\n")) != both


def test_a_sampling_option_without_sampling_is_refused(run: Run) -> None:
    result = run("--top-k", "5")
    assert result.exit_code == 2
    assert "top_k has no effect with method beam" in result.stderr


def test_n_best_lists_are_moses_lines_and_their_best_is_the_translation(run: Run) -> None:
    best = lines(run("--beam-size", "3", "--no-guard"))
    listed = [line.split(" ||| ") for line in lines(run("--beam-size", "3", "--n-best", "2", "--no-guard"))]
    assert [number for number, *_ in listed] == ["0", "0", "1", "2", "2"]
    assert [listed[0][1], listed[3][1]] == [best[0], best[2]]
    assert float(listed[0][2]) >= float(listed[1][2])


def test_scores_are_those_that_score_gives(run: Run, folder: Path) -> None:
    sources = ["the cat sat", "a dog ran on the mat"]
    shown = [
        line.split("\t") for line in lines(run("--scores", "--token-scores", stdin="\n".join(sources) + "\n"))
    ]
    (folder / "s.txt").write_text("\n".join(sources), "utf-8")
    (folder / "t.txt").write_text("".join(f"{text}\n" for text, *_ in shown), "utf-8")
    result = run("--token-scores", "s.txt", "t.txt", command="score")
    again = [line.split("\t") for line in lines(result)]
    for (_, score, tokens), (other, others) in zip(shown, again, strict=True):
        if len(tokens.split()) == len(others.split()):  # else the search had cut the words in other pieces
            assert float(score) == pytest.approx(float(other), abs=2e-3)
    assert "2 translations" in result.stderr


def test_unequal_files_are_not_scored(run: Run, folder: Path) -> None:
    (folder / "one.txt").write_text("a\n", "utf-8")
    (folder / "two.txt").write_text("a\nb\n", "utf-8")
    result = run("one.txt", "two.txt", command="score")
    assert result.exit_code == 3
    assert "two.txt: 2 lines, but one.txt has 1." in result.stderr


def test_alignments_link_words_that_exist(run: Run) -> None:
    for source, line in zip(LINES.split("\n"), lines(run("--alignment", "--no-guard")), strict=False):
        text, links = line.split("\t") if "\t" in line else (line, "")
        for src, tgt in re.findall(r"(\d+)-(\d+)", links):
            assert int(src) < len(source.split())
            assert int(tgt) < len(text.split())


def test_a_prefix_begins_each_translation(run: Run) -> None:
    found = lines(run("--target-prefix", "le chat", "--no-guard"))
    assert [line.startswith("le chat") for line in found] == [True, False, True]


@pytest.mark.parametrize("prefix", ["le 滑板 chat", "滑板", "le 滑板"])
def test_a_prefix_with_unknown_characters_begins_each_translation_too(run: Run, prefix: str) -> None:
    flags = ("--target-prefix", prefix, "--no-guard", "--min-len", "8")
    result = run(*flags)
    found = lines(result)
    assert [line.startswith(prefix) for line in found] == [True, False, True]
    assert all(len(line) > len(prefix) + 3 for line in found if line)
    assert f"prefix {prefix}: the model has no pieces for 滑板" in result.stderr
    for line in lines(run(*flags, "--alignment")):
        text, _, links = line.partition("\t")
        assert all(int(link.split("-")[1]) < len(text.split()) for link in links.split())


def test_terms_are_used_and_counted(run: Run, folder: Path) -> None:
    (folder / "terms.tsv").write_text("dog\tun chien\nmat\tle tapis\nhouse\tla maison\n", "utf-8")
    result = run("--glossary", "terms.tsv", "--no-guard", "--beam-size", "4")
    found = lines(result)
    assert "un chien" in found[2]
    assert "le tapis" in found[2]
    assert "terms: 2 requested, 2 used, 0 missed" in result.stderr


def test_banned_phrases_are_not_written(run: Run, folder: Path) -> None:
    before = lines(run("--no-guard"))
    phrase = before[0].split()[0]
    (folder / "banned.txt").write_text(f"{phrase}\n", "utf-8")
    after = lines(run("--banned", "banned.txt", "--no-guard"))
    assert all(phrase.casefold() not in line.casefold() for line in after)


def test_an_ensemble_of_a_model_with_itself_is_that_model(run: Run) -> None:
    assert lines(run("-m", "runs/tiny", "-m", "runs/tiny")) == lines(run("-m", "runs/tiny"))


def test_json_shows_all_hypotheses_of_a_line_in_one_object(run: Run) -> None:
    flags = ["--beam-size", "3", "--n-best", "2", "--token-scores", "--alignment", "--no-guard"]
    moses = [line.split(" ||| ") for line in lines(run(*flags))]
    found = [json.loads(line) for line in lines(run(*flags, "--json"))]
    assert [one["number"] for one in found] == [0, 1, 2]
    assert [len(one["hypotheses"]) for one in found] == [2, 1, 2]
    for (number, text, score, tokens, links), one in zip(
        moses, ((own["number"], hyp) for own in found for hyp in own["hypotheses"]), strict=True
    ):
        assert (int(number), text, float(score)) == (one[0], one[1]["text"], one[1]["score"])
        assert list(map(float, tokens.split())) == one[1]["token_scores"]
        assert links.split() == [f"{src}-{tgt}" for src, tgt in one[1]["alignment"]]


def test_json_tells_what_the_guard_blames(run: Run) -> None:
    found = [json.loads(line) for line in lines(run("--json", "--beam-size", "1"))]
    told = run("--beam-size", "1").stderr
    blamed = {one["number"] + 1: hyp["fault"] for one in found for hyp in one["hypotheses"] if "fault" in hyp}
    shown = re.findall(r"standard input:(\d+): the translation looks wrong: (.*)\.\n", told)
    assert blamed == {int(number): fault for number, fault in shown}


def test_each_line_of_json_may_come_with_its_own_terms(run: Run, folder: Path) -> None:
    rows = [
        {"text": "the cat sat", "terms": {"sat": "est assis"}},
        {"text": "the cat sat"},
        {"text": "a dog ran", "terms": [["dog", "un chien"], ["ran", "couru"]]},
    ]
    stdin = "".join(json.dumps(row) + "\n" for row in rows)
    flags = ["--format", "jsonl", "--no-guard", "--beam-size", "4"]
    result = run(*flags, "--terms", "terms", stdin=stdin)
    first, second, third = (json.loads(line)["text"] for line in lines(result))
    assert "est assis" in first
    assert second == json.loads(lines(run(*flags, stdin=stdin))[1])["text"]
    assert "un chien" in third
    assert "couru" in third
    assert "terms: 3 requested, 3 used, 0 missed" in result.stderr
    wrong = run(*flags, "--terms", "terms", stdin='{"text": "a", "terms": ["b"]}\n')
    assert wrong.exit_code == 3
    assert "standard input:1: the field terms does not hold terms." in wrong.stderr
    assert run("--terms", "terms").exit_code == 2


def test_bad_bytes_are_repaired_and_counted_or_refused(folder: Path, run: Run) -> None:
    (folder / "bad.txt").write_bytes(b"the cat\na \xff dog\n")
    repaired = run("-i", "bad.txt", "--no-guard")
    assert len(lines(repaired)) == 2
    assert "warning: bad.txt:2: has bytes that are not UTF-8, and are read as U+FFFD." in repaired.stderr
    assert "notes: 1 not UTF-8" in repaired.stderr
    for flags in (["--strict"], ["--invalid", "error"]):
        for kind in ("text", "tsv"):
            result = run("-i", "bad.txt", "-o", "out.txt", "--format", kind, *flags)
            assert result.exit_code == 3
            assert "bad.txt:2: byte 3 of the line, 0xff, is not UTF-8." in result.stderr
            assert not (folder / "out.txt").exists()


def test_utf16_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    wide = "the cat\n".encode("utf-16")
    result = CliRunner().invoke(app, ["translate", "-m", "runs/tiny", "--no-guard"], input=wide)
    assert "This looks like UTF-16: set --encoding utf-16." in result.stderr


@pytest.mark.parametrize(
    ("flags", "rows", "out"),
    [
        (["--format", "tsv", "--column", "2"], "1\tthe cat\nbad\n2\t\n", "bad\n"),
        (["--format", "csv", "--column", "2"], "1,the cat\nbad\n2,\n", "bad\n"),
        (["--format", "jsonl"], '{"text": "the cat"}\n{"n": 1}\n{"text": ""}\n', '{"n": 1}\n'),
    ],
)
def test_a_row_without_text_stops_or_stays_or_is_left_blank(
    run: Run, flags: list[str], rows: str, out: str
) -> None:
    assert run(*flags, stdin=rows).exit_code == 3
    assert run(*flags, "--on-error", "source", "--strict", stdin=rows).exit_code == 3
    kept, blank = (run(*flags, "--on-error", way, stdin=rows) for way in ("source", "blank"))
    assert "standard input:2: " in kept.stderr
    assert "notes: 1 not translated" in kept.stderr
    assert kept.stdout.replace(out, "\n") == blank.stdout
    assert kept.stdout.count("\n") == blank.stdout.count("\n") == 3
    assert kept.stdout.split("\n")[1] + "\n" == out


def test_a_column_that_is_not_there_stops_all_the_same(run: Run) -> None:
    result = run("--format", "tsv", "--column", "fr", "--on-error", "source", stdin="id\ten\n1\tcat\n")
    assert result.exit_code == 3
    assert "there is no column fr" in result.stderr


@pytest.mark.parametrize("option", ["--flush", "--invalid", "--on-error", "--engine"])
def test_an_unknown_way_is_refused(run: Run, option: str) -> None:
    result = run(option, "maybe")
    assert result.exit_code == 2
    assert f"{option} maybe: unknown value. Choose from " in result.stderr


def test_quiet_says_nothing_but_errors(run: Run) -> None:
    result = run("-q", stdin="a dog ran " * 300 + "\n\xff\n")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert run("-q", "--strict", stdin="a dog ran " * 300).stderr.startswith("error: standard input:1: has ")


def test_other_columns_and_fields_come_back_untouched(run: Run) -> None:
    plain = lines(run("--no-guard"))
    rows = "7\tthe cat sat\t x \n8\t\t\n9\ta dog ran on the mat\t\n"
    shown = [
        line.split("\t") for line in lines(run("--format", "tsv", "--column", "2", "--no-guard", stdin=rows))
    ]
    assert shown == [["7", plain[0], " x "], ["8", "", ""], ["9", plain[2], ""]]
    row = '{"n": 1.50,  "en": {"text": "the cat sat"}, "z": [1 , 2]}\n'
    result = run("--format", "jsonl", "--field", "en.text", "--no-guard", stdin=row)
    assert lines(result) == [row.strip().replace('"the cat sat"', json.dumps(plain[0], ensure_ascii=False))]


def test_nothing_can_be_added_to_a_table(run: Run) -> None:
    result = run("--format", "tsv", "--scores")
    assert result.exit_code == 2
    assert (
        "Leave out --n-best, --json, --scores, --token-scores, --alignment and --confidence." in result.stderr
    )


def test_a_file_keeps_its_markup_and_its_times(run: Run, folder: Path) -> None:
    plain = lines(run("--no-guard", stdin="the cat sat\n"))[0]
    cue = "1\n00:00:01,000 --> 00:00:02,500\n{}\n\n"
    (folder / "film.srt").write_text(cue.format("the cat sat"), "utf-8")
    result = run("--format", "srt", "-i", "film.srt", "-o", "done.srt", "--no-guard")
    assert result.exit_code == 0, result.output
    assert (folder / "done.srt").read_text("utf-8") == cue.format(plain)
    page = "<p class=a>the cat sat</p><script>the cat sat</script>\n"
    assert lines(run("--format", "html", "--no-guard", stdin=page)) == [
        page.strip().replace("the cat sat", plain, 1)
    ]


def test_an_unknown_format_is_refused(run: Run) -> None:
    result = run("--format", "doc")
    assert result.exit_code == 2
    assert f"Choose from auto, {', '.join(FORMATS)}." in result.stderr


def test_search_flags_have_the_names_types_and_words_of_the_options(run: Run) -> None:
    shared = {
        name: hint
        for name, hint in get_type_hints(translate).items()
        if name in DecodeConfig.model_fields and name not in ("banned", "tags")  # a file, and repeated
    }
    assert len(shared) == 16
    for name, hint in shared.items():
        kind = bare(DecodeConfig.model_fields[name].annotation)
        assert bare(hint) is (str if choices(kind) else kind), name
    shown = " ".join(re.sub(r"[^\x20-\x7e]", " ", run("--help").stdout).split())
    for name in shared:
        assert f"--{name.replace('_', '-')} " in shown
    assert "beam|diverse_beam|sample|mbr" in shown
    assert "the config of the run, else 5" in shown
