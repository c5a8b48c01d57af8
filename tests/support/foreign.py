"""Small models as other toolkits write them, with random weights."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import sentencepiece
import torch

STEPS = 70
EN = [
    "the cat sat on the mat.",
    "a dog ran over the hill!",
    "we saw 12 big ships at sea.",
    "is it late, or early?",
    "my sister reads old books in the garden.",
    "ﬁne weather and “quotes”",
]
FR = [
    "le chat est assis sur le tapis.",
    "un chien a couru sur la colline !",
    "nous avons vu 12 grands bateaux en mer.",
    "est-il tard, ou tôt ?",
    "ma sœur lit de vieux livres au jardin.",
    "beau temps et « guillemets »",
]


def train_spm(texts: list[str], vocab_size: int, **options: Any) -> bytes:
    """A SentencePiece model as other toolkits train it, with their ids of special pieces."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts * 30),
        model_writer=written,
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    return written.getvalue()


def pieces(model: bytes) -> list[str]:
    """Its pieces but for the special ones."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [processor.id_to_piece(i) for i in range(3, processor.get_piece_size())]


def write_opus(folder: Path, **changed: Any) -> Path:
    """A folder as OPUS-MT publishes it: two `.spm`, one `vocab.json`, a language code, and an output bias."""
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    source, target = train_spm(EN, 80), train_spm(FR, 80)
    (folder / "source.spm").write_bytes(source)
    (folder / "target.spm").write_bytes(target)
    entries = dict.fromkeys(
        ["</s>", "<unk>", *sorted({*pieces(source), *pieces(target)}), ">>fra<<", "<pad>"]
    )
    vocab = {piece: row for row, piece in enumerate(entries)}
    (folder / "vocab.json").write_text(json.dumps(vocab), "utf-8")
    (folder / "tokenizer_config.json").write_text('{"source_lang": "en", "target_lang": "fr"}', "utf-8")
    (folder / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n# a model\n", "utf-8")
    torch.manual_seed(3)
    pad = vocab["<pad>"]
    sizes: dict[str, Any] = {
        "vocab_size": len(vocab),
        "d_model": 16,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 24,
        "decoder_ffn_dim": 24,
        "activation_function": "swish",
        "scale_embedding": True,
        "max_position_embeddings": 256,
        "pad_token_id": pad,
        "decoder_start_token_id": pad,
        "eos_token_id": 0,
        "forced_eos_token_id": None,
        "bos_token_id": None,
        "num_beams": 4,
    }
    model = transformers.MarianMTModel(transformers.MarianConfig(**sizes | changed))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)  # norms and biases that count
            elif "embed_positions" not in name:
                parameter.normal_(std=0.2)
        model.model.shared.weight[pad] = 0
        model.final_logits_bias.normal_(std=0.5)
    _learn(model, folder)
    model.train(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)
    return folder


def _learn(model: Any, folder: Path) -> None:
    """A little training, after which translations differ and end."""
    import transformers

    tokenizer = transformers.MarianTokenizer.from_pretrained(folder)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    batch = tokenizer(EN, text_target=FR, return_tensors="pt", padding=True)
    batch["labels"][batch["labels"] == model.config.pad_token_id] = -100
    for _ in range(STEPS):
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
