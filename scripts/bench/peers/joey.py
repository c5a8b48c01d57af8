"""Joey NMT's own TrainManager on the same pieces; needs the package joeynmt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from joeynmt.config import parse_global_args
from joeynmt.prediction import prepare
from joeynmt.training import TrainManager
from pace import Job, Pace

from mtkit.config.schema import Config
from mtkit.data.prepare.prepared import open_prepared


def train(job: Job, pace: Pace) -> None:
    """Trains round by round."""

    class PacedManager(TrainManager):
        """Only counts; the training is the library's."""

        tokens = 0

        def _train_step(self, batch: Any) -> Any:
            if self.tokens:  # tokens of the previous step, whose update is complete
                pace.step(self.tokens)
            self.tokens = batch.ntokens
            return super()._train_step(batch)

    folder = job.config.run / "joey"
    (folder / "model").mkdir(parents=True)
    tokens_per_pair = write_pieces(job.config, folder)
    args = parse_global_args(options(job, folder, tokens_per_pair), rank=0, mode="train")
    model, train_data, valid_data, _ = prepare(args, rank=0, mode="train")
    manager = PacedManager(
        rank=0,
        model=model,
        model_dir=args.model_dir,
        device=args.device,
        n_gpu=args.n_gpu,
        autocast=args.autocast,
        seed=args.seed,
        train_args=args.train,
        dev_args=args.test,
    )
    manager.train_and_validate(train_data, valid_data)


def write_pieces(config: Config, folder: Path) -> float:
    """Writes training pairs as lines of piece numbers, and the vocabulary. Returns target tokens per pair."""
    prepared = open_prepared(config)
    shard = prepared.train[0]
    for side, read in (("src", shard.src), ("tgt", shard.tgt)):
        lines = (" ".join(f"p{token}" for token in read(index)) for index in range(len(shard)))
        (folder / f"train.{side}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    pieces = "".join(f"p{token}\n" for token in range(4, prepared.tokenizer.tgt.size))
    (folder / "vocab").write_text(f"<unk>\n<pad>\n<s>\n</s>\n{pieces}", encoding="utf-8")
    return float(shard.lengths[:, 1].mean() + 1)


def options(job: Job, folder: Path, tokens_per_pair: float) -> dict[str, Any]:
    """Joey NMT's configuration for the same model and batch size; its batches are in random order."""
    model, training = job.config.model, job.config.train
    side = {"max_length": 512, "level": "word", "voc_file": str(folder / "vocab"), "lowercase": False}
    layers = {
        "type": "transformer",
        "num_heads": model.num_heads,
        "embeddings": {"embedding_dim": model.d_model, "scale": True, "dropout": 0.0},
        "hidden_size": model.d_model,
        "ff_size": model.d_ff,
        "dropout": model.dropout,
        "layer_norm": model.norm,
    }
    return {
        "name": "bench",
        "model_dir": str(folder / "model"),
        "joeynmt_version": "2.3.0",
        "use_cuda": job.device.type == "cuda",
        "fp16": False,
        "data": {
            "train": str(folder / "train"),
            "dev": str(folder / "train"),
            "sample_dev_subset": 10,
            "dataset_type": "plain",
            "src": {"lang": "src", **side},
            "trg": {"lang": "tgt", **side},
        },
        "testing": {"beam_size": 1},
        "training": {
            "random_seed": job.config.seed,
            "optimizer": "adam",
            "learning_rate": 1e-4,
            "scheduling": "noam",  # its "plateau" no longer fits torch
            "normalization": "tokens",
            "loss": "crossentropy",
            "label_smoothing": training.label_smoothing,
            "clip_grad_norm": 1.0,
            "batch_size": max(1, round(training.batch_tokens / tokens_per_pair)),
            "batch_type": "sentence",
            "epochs": 1_000_000,
            "validation_freq": 10_000_000,
            "logging_freq": 10_000_000,
            "model_dir": str(folder / "model"),
        },
        "model": {
            "initializer": "xavier_uniform",
            "tied_embeddings": True,
            "tied_softmax": True,
            "encoder": {**layers, "num_layers": model.num_encoder_layers},
            "decoder": {**layers, "num_layers": model.num_decoder_layers},
        },
    }
