"""What `iqatune fuse` shows a person."""

from pathlib import Path

from iqatune.cli.table import print_table
from iqatune.cli.tables import SIMULATED
from iqatune.cli.terminal import figure, interval, print_line
from iqatune.errors import counted
from iqatune.records.fusion import Fusion, FusionMember

HOW = {"refitted": "tuned again", "of its record": "its own folds", "as it is": "as it is"}
"""How a member comes to its held-out figure."""


def print_fusion(fusion: Fusion, file: Path) -> None:
    """The members, those without weight last, beside the fusion and the plain means; and what to quote."""
    held_out, options = fusion.held_out, fusion.options
    rows = [
        (member.name, f"{member.weight:.3f}", figure(member.srcc), "-", figure(member.held_out_srcc), _seen(member))
        for member in sorted(fusion.members, key=lambda member: -member.weight)
    ]
    mean = None if held_out is None else held_out.srcc_mean
    bounds = interval(None if fusion.confidence is None else fusion.confidence.srcc)
    uniform = None if held_out is None else held_out.uniform_srcc_mean
    ranks = fusion.rank_mean
    rows += [
        (f"fusion ({options.searcher})", "1.000", figure(fusion.figures.srcc), bounds, figure(mean), "tuned again"),
        ("mean of z-scores", "-", figure(fusion.uniform.srcc), "-", figure(uniform), "-"),
        ("rank mean", "-", figure(ranks.srcc), "-", figure(ranks.held_out_srcc), "-"),
    ]
    pairs = f"{counted(fusion.protocol.pairs, 'pair')}, {counted(fusion.protocol.references, 'reference')}"
    columns = ("metric", "weight", "SRCC", "95% interval", "held-out SRCC", "held out how")
    important = ("SRCC", "held-out SRCC", "weight", "held out how")
    title = f"{options.dataset} ({pairs}), {counted(len(fusion.members), 'member')}"
    print_table(title, columns, rows, first=important)
    nothing = [member.name for member in fusion.members if member.weight == 0]
    if nothing:
        print_line(f"Without weight: {', '.join(nothing)}.")
    if held_out is not None and fusion.best_member_held_out is not None:
        best, chosen = fusion.best_member_held_out, held_out.best_column_srcc_mean
        gain, over_uniform = held_out.srcc_mean - best.srcc, held_out.srcc_mean - held_out.uniform_srcc_mean
        print_line(
            f"Held out the fusion is {gain:+.4f} from the best member, {best.name}, chosen after the fact, "
            f"{held_out.srcc_mean - (chosen or 0.0):+.4f} from each fold's choice of one, and {over_uniform:+.4f} from "
            f"the mean of z-scores (standard error {figure(held_out.gain_error)})."
        )
        print_line(f"Optimism {held_out.optimism:+.4f}: quote the held-out figure.")
    for note in fusion.notes:
        print_line(f"{note[0].upper()}{note[1:]}.")
    if fusion.protocol.simulated:
        print_line(SIMULATED)
    if not fusion.is_of_images:
        print_line("It has columns as members, so that it takes a features file and no images.")
    print_line(f"Record: {file}")


def _seen(member: FusionMember) -> str:
    """How a member's held-out figure came about, and of one that could not be tuned anew what it had seen."""
    how, seen = HOW[member.held_out_how], member.tuned_here
    if member.held_out_how != "as it is":
        return how
    if seen is None or (seen.references is None and not seen.pairs):
        return f"{how}; what it saw is not known"
    if seen.pairs:
        return f"{how}; TUNED ON THESE PAIRS"
    return f"{how}; tuned elsewhere" if not seen.references else f"{how}; TUNED ON {seen.references} of the pictures"
