"""Our scores against sacreBLEU's own command line."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from mtkit.evaluate.evaluate import score_files

TEXTS = {
    "fr": [
        "Le train",
        "part",
        "à huit",
        "heures.",
        "n'y",
        "a",
        "plus",
        "de",
        "place,",
        "« dit-elle »",
        ";",
        "!",
    ],
    "zh": list("今天下午三点，我们在北京站见面。请带上你的票和2瓶水！"),
}


@pytest.mark.parametrize(("language", "options"), [("fr", []), ("zh", ["--tokenize", "zh"])])
def test_equals_the_sacrebleu_command(tmp_path: Path, language: str, options: list[str]) -> None:
    draw = random.Random(2)
    joiner = "" if language == "zh" else " "
    hyp, ref = tmp_path / "hyp", tmp_path / "ref"
    for path in (hyp, ref):
        lines = [joiner.join(draw.choices(TEXTS[language], k=12)) for _ in range(30)]
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    ter = ["--ter-normalized", "--ter-asian-support"] if language == "zh" else []
    command = [
        sys.executable,
        "-m",
        "sacrebleu",
        str(ref),
        "-i",
        str(hyp),
        "-m",
        "bleu",
        "chrf",
        "ter",
        "-w",
        "8",
    ]
    run = subprocess.run([*command, *options, *ter], capture_output=True, check=True)
    expected = [(found["score"], found["signature"]) for found in json.loads(run.stdout)]

    scores = score_files(hyp, ref, ["bleu", "chrf", "ter"], language).scores
    assert [score.value for score in scores] == pytest.approx([value for value, _ in expected], abs=1e-7)
    assert [score.signature for score in scores] == [signature for _, signature in expected]
