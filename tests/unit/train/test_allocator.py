from __future__ import annotations

import subprocess
import sys

import pytest

# Blocks as large as a step's, all freed and made again: how many pages the system had to clear for it.
PROGRAM = """
import resource, sys
import numpy as np
from mtkit.model.tricks import tricks
from mtkit.train.machine.allocator import keep_blocks

tricks.kept_blocks = sys.argv[1] == "with"
keep_blocks()

def step():
    blocks = [np.ones(2**20) for _ in range(8)]  # 8 MiB each

step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator is meant")
def test_freed_blocks_are_used_again() -> None:
    faults = {}
    for way in ("with", "without"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, way], check=True, capture_output=True, text=True
        )
        faults[way] = int(done.stdout)
    # Five steps of 64 MiB are 81,920 pages of 4 KiB.
    assert faults["with"] < 2000 < 20_000 < faults["without"]
