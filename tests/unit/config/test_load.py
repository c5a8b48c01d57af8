"""Merging, overrides, paths, origins, and every error with its place and its guess."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from mtkit.config.load import Loaded, load_config, load_runs
from mtkit.config.sources import PhrasebookSource, PlainSource, TsvSource
from mtkit.errors import ConfigError

MINIMAL = """\
run: runs/x
data:
  src_lang: en
  tgt_lang: fr
  train:
    - {reader: plain, src: a.en, tgt: a.fr}
  valid: {reader: phrasebook, split: valid, pairs: 50}
"""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(*texts: str, overrides: Sequence[str] = ()) -> Loaded:
    """What files with these texts, a.yaml, b.yaml and so on, give."""
    paths = [Path(f"{name}.yaml") for name, _ in zip("abc", texts, strict=False)]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    return load_config(paths, overrides)


def problems(*texts: str, overrides: Sequence[str] = ()) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(*texts, overrides=overrides)
    return caught.value.problems


# ---------------------------------------------------------------- merging and overrides


def test_later_files_win_key_by_key_and_lists_are_replaced() -> None:
    config = load(
        MINIMAL + "train: {max_steps: 5, optimizer: {lr: 0.5, warmup_steps: 3}}\n",
        "train: {optimizer: {lr: 1e-4}}\ndata: {train: [{reader: tsv, path: c.tsv}]}\n",
    ).config
    assert (config.train.max_steps, config.train.optimizer.warmup_steps) == (5, 3)
    assert config.train.optimizer.lr == 0.0001
    assert [type(source) for source in config.data.train] == [TsvSource]


def test_a_section_whose_reader_changes_is_replaced_and_else_merged() -> None:
    other = load(MINIMAL, "data: {valid: {reader: tsv, path: v.tsv}}").config.data.valid
    same = load(MINIMAL, "data: {valid: {seed: 7}}").config.data.valid
    assert isinstance(other, TsvSource)
    assert same == PhrasebookSource(reader="phrasebook", split="valid", pairs=50, seed=7)


def test_overrides_go_through_the_same_resolver() -> None:
    config = load(
        MINIMAL,
        overrides=[
            "train.optimizer.lr=1e-4",
            "train.optimizer.betas=[.8, .9]",
            "data.tgt_lang=no",
            "train.max_time=1h30m",
            "train.patience=null",
            "evaluate={metrics: [ter]}",
            'tokenizer.model_type="bpe"',
            "data.train.0.tgt=c=d.fr",
        ],
    ).config
    assert config.train.optimizer.lr == 0.0001
    assert config.train.optimizer.betas == (0.8, 0.9)
    assert config.data.tgt_lang == "no"
    assert config.train.max_time == 5400.0
    assert config.train.patience is None
    assert config.evaluate.metrics == ("ter",)
    assert config.tokenizer.model_type == "bpe"
    source = config.data.train[0]
    assert isinstance(source, PlainSource)
    assert source.tgt.name == "c=d.fr"


def test_an_override_of_the_reader_drops_the_old_readers_keys() -> None:
    source = load(
        MINIMAL, overrides=["data.train.0.reader=tsv", "data.train.0.path=x.tsv"]
    ).config.data.train[0]
    assert isinstance(source, TsvSource)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("train.optimizer.lrr=1", "train.optimizer.lrr: unknown option. Did you mean lr?"),
        ("lr=1", "lr: unknown option. It belongs to train.optimizer: train.optimizer.lr."),
        ("data.train.4.src=x", "data.train.4.src: '4' must be an index of the 1 items, counted from 0."),
        ("data.train.x=1", "data.train.x: 'x' must be an index of the 1 items, counted from 0."),
        ("run.x=1", "run.x: 'runs/x' has no options, so 'x' cannot be set."),
        ("train", "'train': expected dotted.path=value."),
        ("=3", "'=3': expected dotted.path=value."),
        ("seed=[1", "seed: not valid YAML: "),
        ("seed=ten", "seed = 'ten' must be a whole number."),
    ],
)
def test_wrong_overrides(override: str, problem: str) -> None:
    (found,) = problems(MINIMAL, overrides=[override])
    assert found.startswith(f"command line: {problem}")


# ---------------------------------------------------------------- paths and origins


def test_paths_start_at_the_folder_of_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "a.yaml").write_text(MINIMAL.replace("runs/x", "../runs/x"), encoding="utf-8")
    (tmp_path / "b.yaml").write_text("data: {test: {t: {reader: tsv, path: t.tsv}}}", encoding="utf-8")
    config = load_config([Path("configs/a.yaml"), Path("b.yaml")], ["data.train.0.tgt=o.fr"]).config
    (source,) = config.data.train
    assert isinstance(source, PlainSource)
    assert config.run == tmp_path / "runs" / "x"
    assert source.src == tmp_path / "configs" / "a.en"
    assert source.tgt == tmp_path / "o.fr"
    assert isinstance(config.data.test["t"], TsvSource)
    assert config.data.test["t"].path == tmp_path / "t.tsv"


def test_paths_of_data_start_at_its_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    text = MINIMAL.replace("data:\n", "data:\n  root: corpora\n") + "\n"
    config = load(text, overrides=["run=~/r", "data.train.0.tgt=/abs/a.fr"]).config
    (source,) = config.data.train
    assert isinstance(source, PlainSource)
    assert config.data.root == tmp_path / "corpora"
    assert config.run == Path("/home/someone/r")
    assert source.src == tmp_path / "corpora" / "a.en"
    assert source.tgt == Path("/abs/a.fr")


def test_the_root_of_an_override_starts_at_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "a.yaml").write_text(MINIMAL, encoding="utf-8")
    config = load_config([Path("configs/a.yaml")], ["data.root=here"]).config
    (source,) = config.data.train
    assert isinstance(source, PlainSource)
    assert source.src == tmp_path / "here" / "a.en"


def test_origins() -> None:
    loaded = load(
        MINIMAL, "model: {preset: small, dropout: 0.3}\n", overrides=["data.train.0.tgt=c.fr", "seed=3"]
    )
    origins = loaded.origins
    assert origins["run"] == "a.yaml:1"
    assert origins["data.train.0.src"] == "a.yaml:6"
    assert origins["data.train.0.tgt"] == "command line"
    assert origins["data.valid.seed"] == "default"
    assert origins["data.filters.1.max_chars"] == "default"
    assert origins["model.dropout"] == "b.yaml:1"
    assert origins["model.d_model"] == "preset small"
    assert origins["model.norm"] == "default"
    assert origins["seed"] == "command line"
    assert loaded.config.model.d_ff == 1024


# ---------------------------------------------------------------- errors

WRONG_VALUES = [
    ("seed: -1", "a.yaml:8:7: seed = -1 must be at least 0."),
    ("seed: 1.5", "a.yaml:8:7: seed = 1.5 must be a whole number."),
    ("seed: 1e3", "a.yaml:8:7: seed = 1000.0 must be a whole number. Write 1000."),
    ("seed: 10_000", "a.yaml:8:7: seed = '10_000' must be a whole number. Write 10000."),
    ("seed: true", "a.yaml:8:7: seed = true must be a whole number."),
    ("seed: '1'", "a.yaml:8:7: seed = '1' must be a whole number. Remove the quotes."),
    ("seed:", "a.yaml:8:6: seed = null must be a whole number."),
    ("tokenizer: {byte_fallback: yes}", "a.yaml:8:28: tokenizer.byte_fallback = 'yes' must be true or false. "
     "Write true."),
    ("model: {preset: smal}", "a.yaml:8:17: model.preset = 'smal' must be tiny, small, base, big, "
     "deep, paper-base, paper-big or auto. Did you mean small?"),
    ("model: {num_heads: 6}", "a.yaml:8:20: model.num_heads = 6 must divide d_model = 512. Try 4 or 8."),
    ("model: {num_kv_heads: 3}", "a.yaml:8:23: model.num_kv_heads = 3 must divide num_heads = 8. "
     "Try 2 or 4."),
    ("model: {num_kv_heads: 16}", "a.yaml:8:23: model.num_kv_heads = 16 must divide num_heads = 8. "
     "Try 4 or 8."),
    ("model: {positions: rope, d_model: 60, num_heads: 4}", "a.yaml:8:20: model.positions = rope requires "
     "an even head width, but d_model / num_heads = 15. Change num_heads, or use sinusoidal."),
    ("model: {positions: learned, max_positions: 256}", "a.yaml:8:44: model.max_positions = 256 must be "
     "greater than max_tokens = 256 of the filter tokens. Try 257."),
    ("model: 5", "a.yaml:8:8: model = 5 must be a section of `key: value` lines."),
    ("model:", "a.yaml:8:7: model: empty. Give options below it, or remove the line."),
    ("train: {ema: 1}", "a.yaml:8:14: train.ema = 1 must be less than 1."),
    ("train: {optimizer: {lr: 0}}", "a.yaml:8:25: train.optimizer.lr = 0 must be more than 0."),
    ("train: {optimizer: {lr: .inf}}", "a.yaml:8:25: train.optimizer.lr = inf must be a finite number."),
    ("train: {optimizer: {betas: [0]}}", "a.yaml:8:28: train.optimizer.betas must have 2 values, but has 1."),
    ("train: {optimizer: {betas: 1}}", "a.yaml:8:28: train.optimizer.betas = 1 must be a list, "
     "such as [a, b]."),
    ("train: {max_time: soon}", "a.yaml:8:19: train.max_time = 'soon': must be a duration such as 90s, "
     "30m, 1h30m or 2d, or a number of seconds."),
    ("evaluate: {metrics: []}", "a.yaml:8:21: evaluate.metrics must have at least 1 item, but has 0."),
    ("evaluate: {metrics: [bleu, 3]}", "a.yaml:8:28: evaluate.metrics.1 = 3 must be bleu, chrf, chrf++, "
     "ter, exact or length."),
]  # fmt: skip


@pytest.mark.parametrize(("line", "problem"), WRONG_VALUES)
def test_wrong_values(line: str, problem: str) -> None:
    assert problems(MINIMAL + line) == [problem]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "train: {optimizer: {lrr: 1}}",
            "a.yaml:8:21: train.optimizer.lrr: unknown option. Did you mean lr?",
        ),
        (
            "train: {dropout: 1}",
            "a.yaml:8:9: train.dropout: unknown option. It belongs to model: model.dropout.",
        ),
        ("evaluate: {seed: 1}", "a.yaml:8:12: evaluate.seed: unknown option. It belongs to the top level."),
        ("decode: {beamsize: 1}", "a.yaml:8:10: decode.beamsize: unknown option. Did you mean beam_size?"),
        ("evaluate: {zz: 1}", "a.yaml:8:12: evaluate.zz: unknown option. Known options: metrics, form."),
    ],
)
def test_unknown_options(line: str, problem: str) -> None:
    assert problems(MINIMAL + line) == [problem]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{reader: plane}", "7:19: data.valid.reader = 'plane' must be plain, tsv, csv, jsonl, tmx, xliff, "
         "po, mono, huggingface, phrasebook or cut. Did you mean plain?"),
        ("{src: a}", "7:3: data.valid.reader: missing. Choose from plain, tsv, csv, jsonl, tmx, xliff, po, "
         "mono, huggingface, phrasebook or cut."),
        ("{reader: tsv}", "7:3: data.valid.path: missing. File of the corpus. `*` and `?` are wildcards; "
         ".gz, .bz2, .xz and .zst files are decompressed."),
        ("{reader: tsv, path: 3}", "7:30: data.valid.path = 3 must be text."),
        ("{reader: tsv, path: a, tsv: 3}", "7:33: data.valid.tsv: unknown option. Known options: "
         "reader, src_lang, tgt_lang, reverse, tags, encoding, path, src_column, tgt_column, refs, "
         "score_column, domain_column, document_column, columns, header, on_error."),
        ("{reader: tsv, path: a, src_column: 0}", "7:45: data.valid.src_column = 0: must be the number of a "
         "column, from 1, or its name in the first line."),
        ("{reader: huggingface}", "7:3: data.valid.path or name must be given, but not both."),
        ("{reader: mono, path: a}", "2:1: data.valid: the reader mono reads text in one language, "
         "expected pairs. Use another reader."),
        ("tsv", "7:10: data.valid = 'tsv' must be a section of `key: value` lines."),
    ],
)  # fmt: skip
def test_the_member_of_a_union_is_no_part_of_the_path(source: str, problem: str) -> None:
    assert problems(MINIMAL.replace("{reader: phrasebook, split: valid, pairs: 50}", source)) == [
        f"a.yaml:{problem}"
    ]


def test_all_problems_at_once_in_the_order_of_the_lines() -> None:
    found = problems(
        "data: {src_lang: en, train: [], src_lang: de}\nseed: x\n",
        "train: {patience: 0}\nmodle: {}\n",
        overrides=["decode.beam_size=0"],
    )
    assert found == [
        "a.yaml:1:1: run: missing. Folder of all files that the run writes.",
        "a.yaml:1:1: data.tgt_lang: missing. Code of the target language, such as fr.",
        "a.yaml:1:1: data.valid: missing. Validation corpus, used for early stopping and to choose the best "
        "checkpoints. {reader: cut, pairs: 500} cuts it from the training pairs, as `mtkit init FILE` does.",
        "a.yaml:1:29: data.train must have at least 1 item, but has 0.",
        "a.yaml:1:33: data.src_lang: given twice, first in line 1. Remove one.",
        "a.yaml:2:7: seed = 'x' must be a whole number.",
        "b.yaml:1:19: train.patience = 0 must be at least 1.",
        "b.yaml:2:1: modle: unknown option. Did you mean model?",
        "command line: decode.beam_size = 0 must be at least 1.",
    ]


def test_a_missing_key_points_at_its_section() -> None:
    (found,) = problems(MINIMAL.replace("  tgt_lang: fr\n", ""))
    assert found.startswith("a.yaml:2:1: data.tgt_lang: missing.")


@pytest.mark.parametrize("text", ["", "# nothing\n", "null\n", "---\n"])
def test_an_empty_file_misses_what_is_required(text: str) -> None:
    assert [line.partition(": missing")[0] for line in problems(text)] == [
        "a.yaml:1:1: run",
        "a.yaml:1:1: data",
    ]


@pytest.mark.parametrize("text", ["- a", "a", "12"])
def test_a_file_that_is_no_section(text: str) -> None:
    assert problems(text) == ["a.yaml:1:1: a config must consist of `key: value` lines."]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"run: x\nseed: \xe9\n")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError) as caught:
        load_config([Path("no.yaml"), Path("latin.yaml"), Path("folder")])
    assert caught.value.problems == [
        "no.yaml: cannot be read: No such file or directory. `mtkit init no.yaml` writes a starter.",
        "latin.yaml:2:7: not UTF-8 text. Save the file as UTF-8.",
        "folder: cannot be read: it is a folder, expected a file.",
    ]


def test_a_byte_order_mark_and_crlf_do_not_matter(tmp_path: Path) -> None:
    plain = load(MINIMAL).config
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load_config([Path("a.yaml")]).config == plain


def test_a_validation_set_needs_a_name_for_files(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    source = "{reader: phrasebook, split: valid}"
    path.write_text(
        f"run: r\ndata: {{src_lang: en, tgt_lang: fr, train: [{{reader: phrasebook}}], valid: {source}, "
        f"extra_valid: {{a/b: {source}}}}}\n",
        "utf-8",
    )
    with pytest.raises(ConfigError, match=r"the name 'a/b' is invalid\. Use letters, digits, - and _"):
        load_config([path])


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ('run: "a\\0b"', r"a\.yaml:1:6: run: the character '\\x00' is not allowed\. Remove it\."),
        (f"run: {'a' * 256}", r"a\.yaml:1:6: run: a name has 256 bytes, the maximum is 255\."),
        (f"run: {'é' * 128}", r"a\.yaml:1:6: run: a name has 256 bytes, the maximum is 255\."),
        (f"run: {'a/' * 2500}", r"a\.yaml:1:6: run: the path has [0-9,]+ characters, the maximum is 4,000"),
        (f"run: ~/{'a' * 300}", r"a\.yaml:1:6: run: a name has 300 bytes, the maximum is 255"),
    ],
)
def test_names_that_no_file_can_have(option: str, problem: str) -> None:
    found = problems(option + MINIMAL[MINIMAL.index("\n") :])
    assert len(found) == 1
    assert re.match(problem, found[0])


def test_names_inside_lists_have_their_place_too() -> None:
    overrides = (f"data.train.0={{reader: tsv, path: {'a' * 256}}}", f"train.init_from={'b' * 256}")
    assert problems(MINIMAL, overrides=overrides) == [
        "command line: data.train.0.path: a name has 256 bytes, the maximum is 255.",
        "command line: train.init_from: a name has 256 bytes, the maximum is 255.",
    ]


SAMPLED = MINIMAL + "decode: {method: sample, top_k: 9, temperature: 0.7}\n"


@pytest.mark.parametrize(
    ("first", "later", "left"),
    [
        (SAMPLED, "decode: {method: beam}\n", {"decode": {"method": "beam"}}),
        (SAMPLED, "decode: {method: mbr}\n", {"decode": {"top_k": 9, "temperature": 0.7}}),
        (SAMPLED, "decode: {method: diverse_beam, diversity_penalty: 2}\n", {"decode": {"top_k": None}}),
        (
            MINIMAL + "tokenizer: {model_type: bpe, sampling: {merge_dropout: 0.2, segmentations: 7}}\n",
            "tokenizer: {model_type: unigram}\n",
            {"tokenizer": {"sampling": {"segmentations": 7, "merge_dropout": None, "alpha": None}}},
        ),
        (
            MINIMAL + "evaluate: {form: moses-lc}\n",
            "evaluate: {metrics: [chrf]}\n",
            {"evaluate": {"form": "raw"}},
        ),
    ],
)
def test_a_later_choice_drops_options_that_belong_to_another_one(
    first: str, later: str, left: dict[str, dict[str, object]]
) -> None:
    given = resolve_overrides(later)
    for loaded in (load(first, later), load(first, overrides=given), load(first, overrides=given[::-1])):
        (section, wanted), *_ = left.items()
        found = loaded.config.model_dump(mode="json")[section]
        assert {name: found[name] for name in wanted} == wanted


def resolve_overrides(text: str) -> list[str]:
    """A YAML file with one section as overrides."""
    section, options = text.strip().split(": {")
    return [f"{section}.{option.replace(': ', '=')}" for option in options.rstrip("}").split(", ")]


@pytest.mark.parametrize(
    ("first", "later", "overrides", "said"),
    [
        (SAMPLED, "decode: {method: beam, top_k: 3}\n", [], "top_k has no effect with method beam"),
        (SAMPLED, "", ["decode.top_k=3", "decode.method=beam"], "top_k has no effect with method beam"),
        (SAMPLED, "", ["decode={method: beam, top_k: 3}"], "top_k has no effect with method beam"),
        (MINIMAL + "decode: {top_k: 9}\n", "decode: {beam_size: 2}\n", [], "top_k has no effect"),
        (MINIMAL + "decode: {top_k: 9}\n", "decode: {method: []}\n", [], "decode.method"),
        (MINIMAL + "evaluate: {form: moses-lc}\n", "evaluate: {metrics: 3}\n", [], "evaluate.metrics = 3"),
    ],
)
def test_an_option_set_with_the_choice_that_makes_it_useless_is_refused(
    first: str, later: str, overrides: list[str], said: str
) -> None:
    assert any(said in problem for problem in problems(first, later or "{}\n", overrides=overrides))


# ---------------------------------------------------------------- longer lists, removed keys, included files


MORE = "{reader: tsv, path: c.tsv}"


@pytest.mark.parametrize(
    ("texts", "overrides"),
    [
        ([MINIMAL], [f"data.train+=[{MORE}]"]),
        ([MINIMAL], [f"data.train+={MORE}"]),
        ([MINIMAL, f"data: {{train+: [{MORE}]}}"], []),
        ([MINIMAL, f"data: {{train+: {MORE}}}"], []),
    ],
)
def test_a_plus_adds_to_a_list(texts: Sequence[str], overrides: Sequence[str]) -> None:
    config = load(*texts, overrides=overrides).config
    assert [type(source) for source in config.data.train] == [PlainSource, TsvSource]
    assert config.data.train[1].path == Path.cwd() / "c.tsv"  # type: ignore[union-attr]


def test_a_plus_adds_to_the_default_of_a_list() -> None:
    config = load(
        MINIMAL, overrides=["evaluate.metrics+=ter", "data.filters+={filter: score, min_score: 0.5}"]
    ).config
    assert config.evaluate.metrics == ("bleu", "chrf", "ter")
    assert config.data.filters[:-1] == load(MINIMAL).config.data.filters


def test_a_plus_after_something_else_is_refused() -> None:
    found = problems(MINIMAL + "seed+: 3\n", overrides=["train.max_steps+=4"])
    assert found == [
        "a.yaml:8:1: seed+: seed is not a list. Only lists can be extended.",
        "command line: train.max_steps+: train.max_steps is not a list. Only lists can be extended.",
    ]


TESTS = "  test: {old: {reader: tsv, path: o.tsv}, new: {reader: tsv, path: n.tsv}}\n"


@pytest.mark.parametrize(
    ("texts", "overrides", "left"),
    [
        ([], ["data.test.old=null"], ["new"]),
        (["data: {test: {old: null}}"], [], ["new"]),
        ([], ["data.test=null"], []),
        ([], ["data.test=null", f"data.test.third={MORE}"], ["third"]),
    ],
)
def test_null_removes_sets_that_have_names(
    texts: Sequence[str], overrides: Sequence[str], left: Sequence[str]
) -> None:
    assert list(load(MINIMAL + TESTS, *texts, overrides=overrides).config.data.test) == left


def test_a_file_is_merged_over_those_that_it_includes() -> None:
    Path("shared").mkdir()
    Path("shared/data.yaml").write_text(MINIMAL + "seed: 3\ntrain: {max_steps: 7, patience: 2}\n")
    Path("shared/fast.yaml").write_text("include: data.yaml\ntrain: {max_steps: 5}\n")
    loaded = load("include: [shared/fast.yaml]\nrun: runs/mine\ntrain: {patience: 4}\n")
    config, here = loaded.config, Path.cwd()
    assert config.run == here / "runs/mine"
    assert (config.seed, config.train.max_steps, config.train.patience) == (3, 5, 4)
    assert config.data.train[0].src == here / "shared/a.en"  # type: ignore[union-attr]
    assert loaded.origins["train.max_steps"] == "shared/fast.yaml:2"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("include: nowhere.yaml\n", "nowhere.yaml: cannot be read: No such file or directory."),
        ("include: a.yaml\n", "a.yaml:1:10: include: a.yaml includes itself. Remove it."),
        ("include: 3\n", "a.yaml:1:10: include = 3 must be the name of a file, or a list of names."),
        ("include: [{a: b}]\n", "a.yaml:1:11: include = {…} must be the name of a file, or a list of names."),
    ],
)
def test_what_cannot_be_included(text: str, problem: str) -> None:
    assert problems(text + MINIMAL)[0].startswith(problem)


# ---------------------------------------------------------------- several runs


def test_files_of_different_runs_are_not_merged() -> None:
    other = MINIMAL.replace("runs/x", "runs/y")
    assert problems(MINIMAL, other) == [
        "b.yaml:1:6: run = 'runs/y', but a.yaml:1 sets run = 'runs/x'. Run the command for each file, or set "
        "run=… on the command line."
    ]
    assert load(MINIMAL, other, overrides=["run=z"]).config.run == Path.cwd() / "z"
    assert load(MINIMAL, other.replace("runs/y", "./runs/x")).config.run == Path.cwd() / "runs/x"


def test_each_run_gets_the_files_that_set_none() -> None:
    for name, text in (("a", MINIMAL), ("b", MINIMAL.replace("runs/x", "runs/y")), ("c", "seed: 9\n")):
        Path(f"{name}.yaml").write_text(text)
    files = [Path(f"{name}.yaml") for name in "abc"]
    found = [loaded.config for loaded in load_runs(files, ["train.max_steps=3"])]
    assert [(config.run.name, config.seed, config.train.max_steps) for config in found] == [
        ("x", 9, 3),
        ("y", 9, 3),
    ]
    assert [loaded.config.run.name for loaded in load_runs(files, ["run=z"])] == ["z"]


# ---------------------------------------------------------------- the shape of sections


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (
            "data.test={reader: tsv, path: t.tsv}",
            "data.test: each set needs a name. Write test: {NAME: {reader: …}}.",
        ),
        (
            "data.test=[{reader: tsv, path: t.tsv}]",
            "data.test: each set needs a name. Write test: {NAME: {reader: …}}.",
        ),
        (
            "data.extra_valid={reader: tsv, path: t.tsv}",
            "data.extra_valid: each set needs a name. Write extra_valid: {NAME: {reader: …}}.",
        ),
        (
            "data.valid=[{reader: tsv, path: t.tsv}]",
            "data.valid: expected a single set. Write valid: {reader: …}, and further sets as extra_valid: "
            "{NAME: {reader: …}}.",
        ),
        (
            "data.train={reader: tsv, path: t.tsv}",
            "data.train: expected a list of corpora. Write train: [{reader: …}].",
        ),
    ],
)
def test_sets_in_the_wrong_shape(override: str, problem: str) -> None:
    assert problems(MINIMAL, overrides=[override]) == [f"command line: {problem}"]


def test_a_backslash_in_double_quotes() -> None:
    [found] = problems(MINIMAL + 'seed: "C:\\data"\n')
    assert found.startswith("a.yaml:8:10: not valid YAML: found unknown escape character")
    assert found.endswith("In double quotes \\ begins an escape. Use single quotes, or write \\\\.")


# ---------------------------------------------------------------- problems that hide others


def test_rules_are_checked_although_other_options_are_wrong() -> None:
    overrides = [
        "model.d_ff=abc",
        "model.num_heads=7",
        "tokenizer.separate=true",
        "train.compile=true",
        "train.packing=true",
        "train.guided_alignment=0.1",
        "seed=-1",
    ]
    found = problems(MINIMAL, overrides=overrides)
    assert sorted(problem.removeprefix("command line: ").split()[0] for problem in found) == [
        "model.d_ff",
        "model.num_heads",
        "seed",
        "tokenizer.separate",
        "train.compile",
        "train.packing",
    ]


def test_rules_about_an_option_that_is_wrong_itself_are_not_checked() -> None:
    assert len(problems(MINIMAL, overrides=["model.d_model=abc", "model.num_heads=7"])) == 1


def test_a_problem_is_told_once() -> None:
    found = problems(
        MINIMAL, overrides=["data.valid.pairs=0", "decode.beam_size=0", "train.lr=3", "data.tgt_lang=7"]
    )
    assert len(found) == len(set(found)) == 4
