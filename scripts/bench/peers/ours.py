"""mtkit's own training: `mtkit.train.trainer.train` and everything below it."""

from __future__ import annotations

from pace import Job, Pace

from mtkit.data.prepare.prepared import open_prepared, read_test
from mtkit.train.machine.distributed import World
from mtkit.train.trainer import Trainer
from mtkit.translate.open import open_translator
from mtkit.translate.request import Request


def train(job: Job, pace: Pace) -> None:
    """Trains round by round; the trainer calls `stop` between two steps, which waits for the next round."""
    config = job.config
    trainer: Trainer
    seen = 0

    def stop() -> bool:
        nonlocal seen
        pace.step(trainer.progress.tokens_seen - seen)
        seen = trainer.progress.tokens_seen
        return False

    trainer = Trainer(config, open_prepared(config), lambda event: None, stop, World())
    trainer.run()


def train_and_translate(job: Job) -> list[str]:
    """Translations of the test set after `train.max_time`, which includes validation and averaging."""
    config = job.config
    finished = Trainer(config, open_prepared(config), lambda event: None, lambda: False, World()).run()
    (test,) = config.data.test
    request = Request(search={"beam_size": 1})
    translator = open_translator(finished.folder, request, config.train.device)
    return list(translator.translate((pair.src for pair in read_test(config, test)), request))
