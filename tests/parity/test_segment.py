"""Sentences found in joined lines of corpora, against the lines themselves."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.corpora import REPOSITORY, corpus


@pytest.mark.parametrize(
    ("name", "folder"), [("flores", "flores200"), pytest.param("newstest", "wmt", marks=pytest.mark.slow)]
)
def test_sentences_of_news_and_encyclopedias_are_found(name: str, folder: str) -> None:
    script = REPOSITORY / "scripts" / "bench" / "sentences"
    command = [str(script), str(corpus(folder).parent), "--corpus", name, "--fail-under", "0.97"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 1 + len(("en", "fr", "de", "zh"))
