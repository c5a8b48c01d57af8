"""The pieces of one subword model, spelled with those of another: for a model whose vocabulary changes."""

from __future__ import annotations

from mtkit.text.subwords import EOS, Subwords


def respell(new: Subwords, old: Subwords) -> list[tuple[int, ...]]:
    """The ids of `old` that spell each id of `new`.

    A piece that both have is one id. Another one is spelled with as few pieces as possible; of several such
    spellings, with the likeliest pieces. No ids if it cannot be spelled. Special ids, tags, symbols and bytes
    are never spelled with others: they are the same or have no ids.
    """
    spelled: list[tuple[int, ...]] = [(token,) for token in range(EOS + 1)]
    tokens = range(EOS + 1, new.size)
    plain_new, plain_old = new.plain_pieces(), old.plain_pieces()
    longest = max(map(len, plain_old), default=0)
    for piece, same in zip(new.pieces(tokens), _same_ids(new, old), strict=True):
        if same is not None:
            spelled.append((same,))
        elif piece in plain_new:
            spelled.append(_fewest(piece, plain_old, longest))
        else:
            spelled.append(())
    return spelled


def _same_ids(new: Subwords, old: Subwords) -> list[int | None]:
    """The id in `old` of each piece of `new` above the special ids; None where it has no such piece."""
    pieces = new.pieces(range(EOS + 1, new.size))
    ids = old.ids_of(pieces)
    return [
        token if token > EOS and spelling == piece else None
        for piece, token, spelling in zip(pieces, ids, old.pieces(ids), strict=True)
    ]


def _fewest(piece: str, plain: dict[str, tuple[int, float]], longest: int) -> tuple[int, ...]:
    """The ids of the fewest plain pieces that spell `piece`; none if nothing does."""
    # (pieces, minus the sum of scores, ids) of the best spelling of the first `end` characters.
    best: list[tuple[int, float, tuple[int, ...]] | None] = [(0, 0.0, ())]
    for end in range(1, len(piece) + 1):
        options = []
        for begin in range(max(0, end - longest), end):
            before, found = best[begin], plain.get(piece[begin:end])
            if before is not None and found is not None:
                token, score = found
                options.append((before[0] + 1, before[1] - score, (*before[2], token)))
        best.append(min(options, default=None))
    whole = best[-1]
    return whole[2] if whole is not None else ()
