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
    _randomise(model)
    with torch.no_grad():
        model.model.shared.weight[pad] = 0
        model.final_logits_bias.normal_(std=0.5)
    _learn(model, _marian_batch(folder, pad))
    _save(model, folder)
    return folder


def write_fairseq(folder: Path, family: str, **changed: Any) -> Path:
    """A folder of M2M-100, NLLB or mBART-50 as they are published, from English to French.

    Args:
        folder: to write.
        family: m2m, nllb or mbart.
        changed: values of its config that differ.
    """
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    spm = train_spm(EN + FR, 130, model_type="bpe")
    (folder / "sentencepiece.bpe.model").write_bytes(spm)
    src, tgt = FAIRSEQ_LANGUAGES[family]
    words = {"src_lang": src, "tgt_lang": tgt}
    (folder / "tokenizer_config.json").write_text(json.dumps(words), "utf-8")
    ids = {piece: row for row, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", *pieces(spm)])}
    tokens = {"m2m": 100, "nllb": 3, "mbart": 52}[family]
    if family == "m2m":
        (folder / "vocab.json").write_text(json.dumps(ids | {"madeupword0": len(ids)}), "utf-8")
        tokens += 1
    elif family == "nllb":
        names = ["fra_Latn", "eng_Latn", "zho_Hant"]
        added = [{"id": row, "content": name} for row, name in enumerate(names, start=len(ids))]
        (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": added}), "utf-8")
    torch.manual_seed(4)
    sizes: dict[str, Any] = {
        "vocab_size": len(ids) + tokens + 2,
        "d_model": 16,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 24,
        "decoder_ffn_dim": 24,
        "scale_embedding": True,
        "max_position_embeddings": 600 if family == "mbart" else 64,
        "decoder_start_token_id": 2,
        "num_beams": 4,
    }
    kinds: dict[str, tuple[Any, Any]] = {
        "m2m": (transformers.M2M100Config, transformers.M2M100ForConditionalGeneration),
        "mbart": (transformers.MBartConfig, transformers.MBartForConditionalGeneration),
    }
    config, network = kinds.get(family, kinds["m2m"])
    model = network(config(**sizes | changed))
    _randomise(model)
    if family == "mbart":
        model.final_logits_bias.normal_(std=0.5)
    _learn(model, fairseq_batch(folder, family))
    _save(model, folder)
    return folder


FAIRSEQ_LANGUAGES = {"m2m": ("en", "fr"), "nllb": ("eng_Latn", "fra_Latn"), "mbart": ("en_XX", "fr_XX")}


def fairseq_ids(folder: Path, family: str, language: str, texts: list[str]) -> list[list[int]]:
    """Texts in fairseq's ids: language, pieces, end. The same formula for sources and labels."""
    spm = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.bpe.model"))
    size = spm.get_piece_size()
    match family:
        case "m2m":
            from transformers import M2M100Tokenizer

            tokenizer = M2M100Tokenizer.from_pretrained(folder, src_lang=language)
            return [tokenizer(text)["input_ids"] for text in texts]
        case "nllb":
            token = size + 1 + ["fra_Latn", "eng_Latn", "zho_Hant"].index(language)
        case _:
            from transformers.models.mbart50.tokenization_mbart50 import FAIRSEQ_LANGUAGE_CODES

            token = size + 1 + FAIRSEQ_LANGUAGE_CODES.index(language)
    encoded = [spm.encode(text) for text in texts]
    return [[token, *(piece + 1 if piece else 3 for piece in ids), 2] for ids in encoded]


def fairseq_batch(folder: Path, family: str) -> dict[str, torch.Tensor]:
    """The sentences with their translations as training takes them."""
    src, tgt = FAIRSEQ_LANGUAGES[family]
    ids = padded(fairseq_ids(folder, family, src, EN), 1)
    labels = padded(fairseq_ids(folder, family, tgt, FR), -100)
    return {"input_ids": ids, "attention_mask": (ids != 1).long(), "labels": labels}


def padded(rows: list[list[int]], pad: int) -> torch.Tensor:
    """Rows of ids as a matrix."""
    longest = max(map(len, rows))
    return torch.tensor([row + [pad] * (longest - len(row)) for row in rows])


def _randomise(model: Any) -> None:
    """Norms and biases too, whose first values would hide a mistake."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
            elif "embed_positions" not in name or "MBart" in type(model).__name__:
                parameter.normal_(std=0.2)


def _save(model: Any, folder: Path) -> None:
    model.train(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)


def _marian_batch(folder: Path, pad: int) -> Any:
    import transformers

    tokenizer = transformers.MarianTokenizer.from_pretrained(folder)
    batch = tokenizer(EN, text_target=FR, return_tensors="pt", padding=True)
    batch["labels"][batch["labels"] == pad] = -100
    return batch


def _learn(model: Any, batch: Any) -> None:
    """A little training, after which translations differ and end."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(STEPS):
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
