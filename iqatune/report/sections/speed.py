"""Speed of the backbones."""

from iqatune.report.context import Context
from iqatune.report.model import Cell, Column, Missing, Section, Table, number, word
from iqatune.report.published.figures import speeds


def speed_section(context: Context) -> Section | Missing:
    """The study's table 9, measured: where a bench is in the folder."""
    measured = context.found.speeds
    if not measured:
        return Missing("Speed", "no bench is in the folder; 'iqatune bench --output DIR' measures it.")
    used = {run.result.run.backbone for run in context.found.runs if run.result.channels}
    missing = sorted(used - {speed.backbone for speed in measured})
    rows = [
        (word(speed.backbone), word(speed.precision), word(speed.device), number(speed.pairs_per_second, 1))
        for speed in measured
    ]
    table = Table(
        name="speed",
        title="Measured speed, from image files to kept statistics",
        columns=(Column("backbone"), Column("precision"), Column("device"), Column("pairs per second")),
        rows=(*rows, *((word(name), Cell(), Cell(), Cell()) for name in missing)),
        words=3,
        card=("Machine, batch and image size: as in the bench files.",),
    )
    return Section("Speed", tables=(table,))


def published_speed() -> Table:
    """The study's table 9, as published."""
    return Table(
        name="published-speed",
        title="Published, not measured here: speed",
        columns=(Column("backbone"), Column("frames per second")),
        rows=tuple((word(speed.backbone), number(speed.pairs_per_second, 0)) for speed in speeds()),
        card=(f"Protocol as published: {speeds()[0].protocol}.",),
        source=speeds()[0].source,
    )
