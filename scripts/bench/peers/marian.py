"""Hugging Face's Marian model in its own Trainer, with default options unless they must equal mtkit's."""

from __future__ import annotations

from typing import Any

import torch
from pace import Job, Pace
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    MarianConfig,
    MarianMTModel,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)

from mtkit.data.prepare.prepared import open_prepared
from mtkit.text.tokenizer import Tokenizer

IGNORED = -100


def build_model(job: Job, vocab_size: int) -> MarianMTModel:
    model = job.config.model
    return MarianMTModel(
        MarianConfig(
            vocab_size=vocab_size,
            d_model=model.d_model,
            encoder_layers=model.num_encoder_layers,
            decoder_layers=model.num_decoder_layers,
            encoder_attention_heads=model.num_heads,
            decoder_attention_heads=model.num_heads,
            encoder_ffn_dim=model.d_ff,
            decoder_ffn_dim=model.d_ff,
            activation_function=model.activation,
            dropout=model.dropout,
            attention_dropout=model.attention_dropout,
            scale_embedding=True,
            pad_token_id=Tokenizer.PAD,
            eos_token_id=Tokenizer.EOS,
            forced_eos_token_id=Tokenizer.EOS,
            decoder_start_token_id=Tokenizer.BOS,
        )
    )


def collate(pairs: list[dict[str, Any]]) -> dict[str, Tensor]:
    srcs = pad_sequence([torch.tensor(pair["input_ids"]) for pair in pairs], True, Tokenizer.PAD)
    labels = pad_sequence([torch.tensor(pair["labels"]) for pair in pairs], True, IGNORED)
    tgt_in = labels.roll(1, dims=1).masked_fill(labels.roll(1, dims=1) == IGNORED, Tokenizer.PAD)
    tgt_in[:, 0] = Tokenizer.BOS
    mask = (srcs != Tokenizer.PAD).long()
    # Like DataCollatorForSeq2Seq, this includes decoder_input_ids, because the Trainer's label smoothing
    # removes the labels from the model's inputs.
    return {"input_ids": srcs, "attention_mask": mask, "decoder_input_ids": tgt_in, "labels": labels}


class PacedTrainer(Seq2SeqTrainer):
    """Only counts; the training is the library's."""

    tokens = 0

    def training_step(self, model: Any, inputs: dict[str, Tensor], *more: Any) -> Tensor:
        self.tokens = int((inputs["labels"] != IGNORED).sum())
        return super().training_step(model, inputs, *more)


def train(job: Job, pace: Pace) -> None:
    """Trains round by round."""
    prepared = open_prepared(job.config)
    shard, options = prepared.train[0], job.config.train
    pairs = [
        {
            "input_ids": [*shard.src(index).tolist(), Tokenizer.EOS],
            "labels": [*shard.tgt(index).tolist(), Tokenizer.EOS],
        }
        for index in range(len(shard))
    ]
    # The Trainer's batch size is in sentences; this number has the wanted tokens on average.
    mean_tokens = sum(len(pair["labels"]) for pair in pairs) / len(pairs)
    arguments = Seq2SeqTrainingArguments(
        output_dir=str(job.config.run / "marian"),
        per_device_train_batch_size=max(1, round(options.batch_tokens / mean_tokens)),
        train_sampling_strategy="group_by_length",
        max_steps=10_000_000,
        label_smoothing_factor=options.label_smoothing,
        bf16=job.dtype == torch.bfloat16,
        use_cpu=job.device.type == "cpu",
        dataloader_pin_memory=job.device.type == "cuda",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = PacedTrainer(build_model(job, prepared.tokenizer.tgt.size), arguments, collate, pairs)

    class Turns(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            pace.step(trainer.tokens)

    trainer.add_callback(Turns())
    trainer.train()
