"""Prints the plan of a run."""

from __future__ import annotations

from mtkit.cli.bars import duration
from mtkit.cli.console import out, out_prose, size, table
from mtkit.errors import counted
from mtkit.train.plan import Plan


def show_plan(plan: Plan) -> None:
    """Prints the memory, time and disk space that a run will need, on stdout."""
    pairs = "data not prepared, sizes assumed" if plan.num_pairs is None else counted(plan.num_pairs, "pair")
    ranks = f"{plan.num_ranks} processes" if plan.num_ranks > 1 else "1 process"
    out(f"{plan.num_parameters:,} parameters, vocabulary {plan.vocab_size:,}, {pairs}")
    out(f"{plan.device}, {plan.precision}, {ranks}")
    out("")
    _show_memory(plan)
    out("")
    made, seconds, tokens = plan.probe
    probe = f"{made} updates of {tokens / made:,.0f} in {seconds:.1f} s"
    out_prose(f"speed  {plan.tokens_per_s:,.0f} target tokens/s ({probe})", indent=7)
    if plan.steps == float("inf"):
        out("time   unlimited: set train.max_steps, max_epochs or max_time")
    else:
        out_prose(
            f"time   {duration(plan.seconds)} for {plan.steps:,.0f} steps, without validation and saving",
            indent=7,
        )
    total = sum(plan.disk.values())
    parts = ", ".join(f"{name} {size(number)}" for name, number in plan.disk.items())
    out_prose(f"disk   {size(total)} of {size(plan.disk_free)} free: {parts}", indent=7)


def _show_memory(plan: Plan) -> None:
    """Prints the memory computed by formula beside the measured memory."""
    largest, measured, micro = plan.largest, plan.measured, plan.micro_batch_tokens
    formula = dict(plan.memory)
    activations, gradients = formula.pop("activations"), formula.pop("gradients")
    state, passing = sum(formula.values()), activations + gradients
    rows = [(name, size(number), "") for name, number in formula.items()]
    rows += [
        ("total state", size(state), size(measured["state"])),
        ("gradients", size(gradients), ""),
        ("activations", size(activations), ""),
        ("total largest batch", size(passing), size(measured["largest"])),
        ("total", size(state + passing), size(sum(measured.values()))),
    ]
    table(["memory", "by formula", "measured"], rows, to_stdout=True)
    at_once = "the whole step" if micro is None else f"{micro:,} target tokens"
    halved = f", in {plan.splits} parts because memory ran out" if plan.splits > 1 else ""
    out_prose(
        f"The largest batch has {len(largest.pairs):,} pairs of up to {largest.src_len} and "
        f"{largest.tgt_len} tokens. Computed at once: {at_once}{halved}."
    )
