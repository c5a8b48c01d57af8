"""The peers of `mtkit translate`, each in its own process: filters.py NAME FOLDER BEAM.

Standard input is a number N, N lines, another number, and so on; translations go to standard output. The
calls follow the peers' documentation.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

Translate = Callable[[list[str]], list[str]]

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> None:
    name, folder, beam = sys.argv[1:]
    translate = (
        transformers(folder, int(beam)) if name == "transformers" else ctranslate2(name, folder, int(beam))
    )
    while header := sys.stdin.readline():
        lines = [sys.stdin.readline().rstrip("\n") for _ in range(int(header))]
        sys.stdout.write("".join(f"{hyp}\n" for hyp in translate(lines)))
        sys.stdout.flush()


def ctranslate2(name: str, folder: str, beam: int) -> Translate:
    """The documented call, or for `name` = N one worker per core and batches of N sentences by length."""
    import ctranslate2
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/tokenizer.model")
    best = {} if name == "documented" else {"inter_threads": CORES, "intra_threads": 1}
    batch = {} if name == "documented" else {"max_batch_size": int(name)}
    translator = ctranslate2.Translator(folder, device="cpu", **best)

    def translate(lines: list[str]) -> list[str]:
        tokens = pieces.encode(lines, out_type=str)
        found = translator.translate_batch(tokens, beam_size=beam, **batch)
        return [pieces.decode(result.hypotheses[0]) for result in found]

    return translate


def transformers(folder: str, beam: int) -> Translate:
    """`generate` over text sorted by length, in batches of 32."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    torch.set_num_threads(CORES)
    model, tokenizer = (
        AutoModelForSeq2SeqLM.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )

    def translate(lines: list[str]) -> list[str]:
        order = sorted(range(len(lines)), key=lambda i: -len(lines[i]))
        hyps = [""] * len(lines)
        for begin in range(0, len(order), 32):
            chosen = order[begin : begin + 32]
            batch = tokenizer([lines[i] for i in chosen], return_tensors="pt", padding=True)
            with torch.inference_mode():
                ids = model.generate(**batch, num_beams=beam, max_length=128)
            for i, hyp in zip(chosen, tokenizer.batch_decode(ids, skip_special_tokens=True), strict=True):
                hyps[i] = hyp
        return hyps

    return translate


if __name__ == "__main__":
    main()
