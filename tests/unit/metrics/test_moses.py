"""The form moses-lc: equal to published texts of Multi30k, with BLEU equal to sacreBLEU's."""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mtkit.errors import UsageError
from mtkit.metrics.moses import MosesForm, open_form
from mtkit.metrics.surface import score_corpus
from tests.support.corpora import REPOSITORY, corpus

SETS = ("test_2016_flickr", "test_2017_flickr", "test_2017_mscoco")
TOKENS = {"en": [12_968, 11_376, 5_239], "de": [12_103, 10_758, 5_158], "fr": [13_988, 12_596, 5_710]}
"""The numbers of tokens that the papers' data have."""


def moses(lang: str) -> MosesForm:
    pytest.importorskip("sacremoses")
    form = open_form("moses-lc", lang)
    assert form is not None
    return form


def texts(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().split("\n")[:-1]


@pytest.mark.parametrize("lang", TOKENS)
def test_the_published_references_are_reproduced(lang: str) -> None:
    raw, published, form = corpus("multi30k"), corpus("multi30k-published"), moses(lang)
    for name, tokens in zip(SETS, TOKENS[lang], strict=True):
        lines = form.lines(texts(raw / f"{name}.{lang}.gz"))
        assert lines == texts(published / f"{name}.{lang}.gz")
        assert sum(len(line.split()) for line in lines) == tokens


@pytest.mark.parametrize(
    ("lang", "text", "expected"),
    [
        ("en", "A Dog's tail,  1,000 hairs.", "a dog &apos;s tail , 1,000 hairs ."),
        ("en", "[A] & <b>|", "&#91; a &#93; &amp; &lt; b &gt; &#124;"),
        ("en", 'He says "no".', "he says &quot; no . &quot;"),  # English moves the full stop inside
        (
            "fr",
            "L’Homme d’œil",
            "l&apos; homme d &quot; œil",
        ),  # ’ is an apostrophe between ASCII letters only
        ("fr", 'Il dit "non."', "il dit &quot; non &quot; ."),  # others outside, because a line feed follows
        ("de", "„Groß“ – ÜBER", "&quot; groß &quot; - über"),
        ("deu", "Das ist z.B. gut", "das ist z.b. gut"),
        ("en", "", ""),
    ],
)
def test_rules_of_moses(lang: str, text: str, expected: str) -> None:
    assert moses(lang).lines([text]) == [expected]


def test_the_signature_names_language_and_version() -> None:
    assert (
        moses("fra").signature() == f"moses-lc|lang:fr|sacremoses:{importlib.metadata.version('sacremoses')}"
    )


HYPS = ("Ein Hund rennt über das Gras.", "Zwei „Kinder“ spielen im Sand & Schnee!", "Ja.")
REFS = ("Ein Hund läuft über das Gras.", "Zwei Kinder spielen im Sand & im Schnee!", "Nein, danke.")


NO_4_GRAMS = slice(2, None)
"""A pair for which BLEU is 0 without smoothing, but not with it."""


@pytest.mark.parametrize(("hyps", "refs"), [(HYPS, REFS), (HYPS[NO_4_GRAMS], REFS[NO_4_GRAMS])])
def test_bleu_is_that_of_the_sacrebleu_command_on_the_processed_files(
    hyps: Sequence[str], refs: Sequence[str], tmp_path: Path
) -> None:
    form = moses("de")
    for name, lines in (("hyp", hyps), ("ref", refs), ("ref2", HYPS[: len(refs)])):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in form.lines(lines)), "utf-8")
    for others in ([], [HYPS[: len(refs)]]):
        files = [str(tmp_path / name) for name in ("ref", "ref2")[: 1 + len(others)]]
        options = ["--tokenize", "none", "--smooth-method", "none", "--force", "-w", "8"]
        command = [sys.executable, "-m", "sacrebleu", *files, "-i", str(tmp_path / "hyp"), *options]
        expected = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

        [bleu] = score_corpus(hyps, refs, ["bleu"], "de", more_refs=others, form="moses-lc")
        assert bleu.value == pytest.approx(expected["score"], abs=1e-7)
        assert bleu.signature == expected["signature"]
        assert bleu.form == form.signature()
        assert bleu.title == "BLEU moses-lc"


def test_other_metrics_take_the_texts_as_they_are() -> None:
    moses("de")
    plain = score_corpus(HYPS, REFS, ["chrf", "ter"], "de")
    assert score_corpus(HYPS, REFS, ["chrf", "ter"], "de", form="moses-lc") == plain
    assert [score.form for score in plain] == [None, None]


@pytest.mark.parametrize(
    ("lang", "message"),
    [
        ("tr", "sacremoses does not know the language tr. Use the form raw; moses-lc is for as, bn, "),
        ("", "depends on the language. Give it with --tgt-lang"),
    ],
)
def test_unknown_languages_are_refused(lang: str, message: str) -> None:
    pytest.importorskip("sacremoses")
    with pytest.raises(UsageError, match=message):
        open_form("moses-lc", lang)


def test_the_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacremoses", None)
    with pytest.raises(UsageError, match=r"sacremoses is not installed\. Install it: pip install sacremoses"):
        open_form("moses-lc", "de")
    assert open_form("raw", "de") is None


def test_the_docs_list_the_languages() -> None:
    sacremoses = pytest.importorskip("sacremoses")
    page = " ".join((REPOSITORY / "docs" / "evaluate.md").read_text("utf-8").split())
    listed = page.partition("abbreviations sacremoses knows: ")[2].partition(".")[0].replace(" and ", ", ")
    assert listed.split(", ") == sorted({*sacremoses.NonbreakingPrefixes().available_langs.values()})
