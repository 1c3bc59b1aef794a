"""Fusions: several metrics as one, beside each of them."""

from iqatune.records.fusion import Fusion
from iqatune.report.context import Context
from iqatune.report.model import Cell, Column, Section, Table, number, word

NOTES = (
    "All figures are of references held out, by the same folds. The best member is chosen after the fact, which "
    "favours it. The rank mean is no metric: an image by itself has no rank."
)


def fusions_section(context: Context) -> Section | None:
    """Each fusion of the folder beside its best member and the plain means; None where there is none."""
    fusions = [fusion for fusion in context.found.fusions if fusion.held_out is not None]
    if not fusions:
        return None
    table = Table(
        name="fusions",
        title="Fusions",
        columns=(
            Column("data set"),
            Column("weights of the members"),
            Column("searcher"),
            Column("fusion, held-out SRCC"),
            Column("best member"),
            Column("its held-out SRCC"),
            Column("mean of z-scores"),
            Column("rank mean"),
        ),
        rows=tuple(_row(fusion) for fusion in fusions),
        words=3,
        card=(NOTES, *dict.fromkeys(note for fusion in fusions for note in fusion.notes)),
    )
    return Section("Fusions", (), tables=(table,))


def _row(fusion: Fusion) -> tuple[Cell, ...]:
    used = sorted((member for member in fusion.members if member.weight > 0), key=lambda member: -member.weight)
    nothing = len(fusion.members) - len(used)
    words = ", ".join(f"{member.name} {member.weight:.3f}" for member in used)
    best, held_out = fusion.best_member_held_out, fusion.held_out
    return (
        word(fusion.options.dataset),
        word(f"{words}; {nothing} without" if nothing else words),
        word(fusion.options.searcher),
        number(None if held_out is None else held_out.srcc_mean),
        word("" if best is None else best.name),
        number(None if best is None else best.srcc),
        number(None if held_out is None else held_out.uniform_srcc_mean),
        number(fusion.rank_mean.held_out_srcc),
    )
