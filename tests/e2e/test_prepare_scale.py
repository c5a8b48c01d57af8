"""The memory that prepare takes does not grow with the corpora."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, resource, sys
from pathlib import Path
from mtkit.config.schema import Config
from mtkit.data.prepare import stages
from mtkit.data.prepare.prepare import prepare

def generate(path, count, words):
    with path.open("w") as file:
        for n in range(count):
            kind = n - 7 if n % 10 == 9 else n       # one in ten repeats an earlier pair
            src = " ".join(f"w{kind * k % 1009}" for k in range(1, words + 1)) + f" no {kind}."
            file.write(f"{src}\\t{src[::-1]} {kind}.\\n")

def megabytes():
    most = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return (most[0] + workers * most[1]) / 1024

def run(name, count):
    generate(folder / f"{name}.tsv", count, words)
    source = {"reader": "tsv", "path": str(folder / f"{name}.tsv")}
    generate(folder / "valid.tsv", 20, 3)
    data = {
        "src_lang": "en", "tgt_lang": "fr", "train": [source], "num_workers": workers,
        "valid": {"reader": "tsv", "path": str(folder / "valid.tsv")},
        "filters": [{"filter": "empty"}, {"filter": "length", "max_chars": 5000}, {"filter": "duplicate"}],
    }
    tokenizer = {"vocab_size": 500, "sample_pairs": 2000, "num_threads": 1, "model_type": "bpe"}
    values = {"run": str(folder / name), "data": data, "tokenizer": tokenizer}
    report = prepare(Config.model_validate_json(json.dumps(values)))
    row = report.ledger.total()
    return {"read": row.read, "dropped": row.dropped["duplicate"], "megabytes": megabytes()}

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    small, large, words, workers, stages.PAIRS_IN_PART = map(int, sys.argv[2:])
    print(json.dumps([run("small", small), run("large", large)]))
"""


def run(folder: Path, *numbers: int) -> tuple[dict[str, float], dict[str, float]]:
    script = folder / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(folder), *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    small, large = json.loads(done.stdout)
    return small, large


def test_forty_times_the_text_takes_no_more_memory(tmp_path: Path) -> None:
    small, large = run(tmp_path, 500, 20_000, 150, 1, 256)
    text = (tmp_path / "large.tsv").stat().st_size / 2**20
    assert text > 25
    assert (large["read"], large["dropped"]) == (20_000, 2_000)
    # Positions and fates take some bytes a pair; the text itself, let alone its ids, would not fit.
    assert large["megabytes"] - small["megabytes"] < 12


@pytest.mark.slow
def test_five_million_pairs_in_less_than_one_and_a_half_gigabytes(tmp_path: Path) -> None:
    _, large = run(tmp_path, 500, 5_000_000, 8, 2, 16_384)
    assert (large["read"], large["dropped"]) == (5_000_000, 500_000)
    assert large["megabytes"] < 1500
