"""The training loop of PyTorch's tutorial around `torch.nn.Transformer`: full logits, and autocast for bf16.

It follows "Language Translation with nn.Transformer and torchtext" with three improvements, to compare only
speed: it has mtkit's batches (pairs of similar length with equal token budgets), tied embeddings, and the
learning-rate schedule of the config.
"""

from __future__ import annotations

import math
import time

import torch
from pace import Finished, Job, Pace
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from mtkit.data.feed.batching import plan_epoch
from mtkit.data.feed.loader import PairTable
from mtkit.data.prepare.prepared import open_prepared, read_test
from mtkit.engine.native import autocast
from mtkit.text.tokenizer import Tokenizer
from mtkit.train.optim.schedule import learning_rate

PAD, BOS, EOS = Tokenizer.PAD, Tokenizer.BOS, Tokenizer.EOS


class PositionalEncoding(nn.Module):
    def __init__(self, d_model: int, dropout: float, max_len: int = 5000) -> None:
        super().__init__()
        rate = torch.exp(-torch.arange(0, d_model, 2) * math.log(10000) / d_model)
        position = torch.arange(0, max_len).reshape(max_len, 1)
        table = torch.zeros((max_len, d_model))
        table[:, 0::2] = torch.sin(position * rate)
        table[:, 1::2] = torch.cos(position * rate)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("table", table)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(x + self.table[: x.size(1)])


class Seq2SeqTransformer(nn.Module):
    def __init__(self, job: Job, vocab_size: int) -> None:
        super().__init__()
        model = job.config.model
        self.d_model = model.d_model
        self.transformer = nn.Transformer(
            d_model=model.d_model,
            nhead=model.num_heads,
            num_encoder_layers=model.num_encoder_layers,
            num_decoder_layers=model.num_decoder_layers,
            dim_feedforward=model.d_ff,
            dropout=model.dropout,
            norm_first=model.norm == "pre",
            batch_first=True,
        )
        self.embedding = nn.Embedding(vocab_size, model.d_model)
        self.positions = PositionalEncoding(model.d_model, model.dropout)
        self.generator = nn.Linear(model.d_model, vocab_size, bias=False)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        nn.init.normal_(self.embedding.weight, std=model.d_model**-0.5)
        self.generator.weight = self.embedding.weight

    def embed(self, ids: Tensor) -> Tensor:
        return self.positions(self.embedding(ids) * math.sqrt(self.d_model))

    def encode(self, src: Tensor) -> Tensor:
        return self.transformer.encoder(self.embed(src), src_key_padding_mask=src == PAD)

    def decode(self, tgt: Tensor, memory: Tensor, src: Tensor) -> Tensor:
        length = tgt.size(1)
        future = torch.ones(length, length, dtype=torch.bool, device=tgt.device).triu(1)
        return self.transformer.decoder(
            self.embed(tgt),
            memory,
            tgt_mask=future,
            tgt_key_padding_mask=tgt == PAD,
            memory_key_padding_mask=src == PAD,
        )

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        return self.generator(self.decode(tgt, self.encode(src), src))


def collate(table: PairTable, pairs: list[int]) -> tuple[Tensor, Tensor]:
    """Padded source ids with EOS, and target ids between BOS and EOS."""
    srcs, tgts = [], []
    for pair in pairs:
        src, tgt = table.shards[0].src(pair), table.shards[0].tgt(pair)
        srcs.append(torch.tensor([*src.tolist(), EOS]))
        tgts.append(torch.tensor([BOS, *tgt.tolist(), EOS]))
    return pad_sequence(srcs, True, PAD), pad_sequence(tgts, True, PAD)


class Loop:
    """The training loop of the tutorial, step by step."""

    def __init__(self, job: Job) -> None:
        self.job, self.options = job, job.config.train
        prepared = open_prepared(job.config)
        self.table = PairTable(prepared.train)
        self.model = Seq2SeqTransformer(job, prepared.tokenizer.tgt.size).to(job.device)
        self.loss = nn.CrossEntropyLoss(ignore_index=PAD, label_smoothing=self.options.label_smoothing)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9)
        self.steps = 0

    def epoch(self, number: int) -> list[list[int]]:
        seed, tokens = self.job.config.seed, self.options.batch_tokens
        plan = plan_epoch(self.table.lengths, tokens, seed, number, batching="by_length")
        return [pairs.tolist() for pairs in plan]

    def step(self, pairs: list[int], share: float) -> int:
        """Makes one update. Returns its number of target tokens."""
        self.model.train()
        self.steps += 1
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.options.optimizer, self.steps, share)
        src, tgt = (ids.to(self.job.device) for ids in collate(self.table, pairs))
        tgt_in, tgt_out = tgt[:, :-1], tgt[:, 1:]
        with autocast(self.job.dtype, self.job.device):
            logits = self.model(src, tgt_in)
            loss = self.loss(logits.reshape(-1, logits.shape[-1]), tgt_out.reshape(-1))
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.options.optimizer.clip_norm)
        self.optimizer.step()
        return int((tgt_out != PAD).sum())

    def run(self, seconds: float) -> None:
        """Trains for `seconds`; the learning rate decays over this time."""
        begin, share, number = time.monotonic(), 0.0, 0
        while share < 1.0:
            for pairs in self.epoch(number):
                share = (time.monotonic() - begin) / seconds
                if share >= 1.0:
                    return
                self.step(pairs, share)
            number += 1

    @torch.inference_mode()
    def greedy(self, srcs: list[list[int]]) -> list[list[int]]:
        """The tutorial's greedy decoding, for a batch of sources with EOS."""
        self.model.eval()
        src = pad_sequence([torch.tensor(ids) for ids in srcs], True, PAD).to(self.job.device)
        memory = self.model.encode(src)
        tgt = torch.full((len(srcs), 1), BOS, device=self.job.device)
        ended = torch.zeros(len(srcs), dtype=torch.bool, device=self.job.device)
        for _ in range(2 * src.size(1) + 10):
            logits = self.model.generator(self.model.decode(tgt, memory, src)[:, -1])
            tgt = torch.cat([tgt, logits.argmax(-1, keepdim=True)], dim=1)
            ended |= tgt[:, -1] == EOS
            if ended.all():
                break
        rows = [ids[1:] for ids in tgt.tolist()]
        return [ids[: ids.index(EOS)] if EOS in ids else ids for ids in rows]


def train_and_translate(job: Job) -> list[str]:
    """Translations of the test set after `train.max_time`."""
    loop = Loop(job)
    loop.run(job.config.train.max_time or math.inf)
    (test,) = job.config.data.test
    tokenizer = open_prepared(job.config).tokenizer
    srcs = tokenizer.encode([tokenizer.form.normalize(pair.src) for pair in read_test(job.config, test)])
    hyps: list[str] = []
    for begin in range(0, len(srcs), 50):
        batch = [[*ids, EOS] for ids in srcs[begin : begin + 50]]
        hyps += tokenizer.decode(loop.greedy(batch))
    return hyps


def train(job: Job, pace: Pace) -> None:
    """Trains round by round."""
    loop = Loop(job)
    for number in range(1_000_000):
        for pairs in loop.epoch(number):
            pace.step(loop.step(pairs, share=0.0))
    raise Finished
