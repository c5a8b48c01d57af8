"""No command touches the network unless the config names a place there."""

from __future__ import annotations

from pathlib import Path

from tests.support.faults.figures import trial
from tests.support.faults.server import ForkServer

OFFLINE = "no command touches the network"
CONFIG = """\
run: run
data:
  src_lang: en
  tgt_lang: fr
  train: [{reader: phrasebook, pairs: 150}]
  valid: {reader: phrasebook, split: valid, pairs: 6}
  test: {held_out: {reader: phrasebook, split: test, pairs: 6}}
tokenizer: {vocab_size: 150, model_type: bpe}
model: {preset: tiny, d_model: 16, d_ff: 32, num_encoder_layers: 1, num_decoder_layers: 1}
train: {max_steps: 2, batch_tokens: 150, validate_every: 2, save_every: 2}
"""
COMMANDS = [
    ("config", "check", "c.yaml"),
    ("prepare", "c.yaml"),
    ("train", "c.yaml"),
    ("translate", "-m", "run", "-i", "in", "-o", "out"),
    ("evaluate", "c.yaml"),
    ("export", "run", "--to", "ctranslate2"),
]


def test_every_command_works_where_no_socket_connects(server: ForkServer, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG, "utf-8")
    (tmp_path / "in").write_text("the cat sat\n", "utf-8")
    watched = 0
    for number, argv in enumerate(COMMANDS):
        log, tried = tmp_path / f"log-{number}", tmp_path / f"tried-{number}"
        # In a new cache no tokenizer is known, so that it is tried out in a process of its own.
        hooks = {
            "set_environ": {"XDG_CACHE_HOME": str(tmp_path / "cache")},
            "block_network": {"tried": str(tried)},
        }
        child = server.mtkit(*argv, log=log, cwd=tmp_path, **hooks)
        code = child.wait()
        blocked = tried.read_text("utf-8").splitlines()
        watched += blocked.count("refused")
        trial(
            OFFLINE,
            struck=blocked[0] == "refused",  # the hook's own attempt
            # An untrained model may miss the gate of export.
            kept=code in (0, 4) and set(blocked) == {"refused"},
            detail=(argv, code, blocked, child.said()[-2000:]),
        )
    assert watched >= len(COMMANDS) + 1, "the processes that commands start were not watched"
