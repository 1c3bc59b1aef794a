"""What agreement costs: the frontiers that are in the folder."""

from iqatune.records.frontier import Frontier, Point
from iqatune.report import figures
from iqatune.report.context import SIMULATED, Context
from iqatune.report.model import Cell, Column, Figure, Section, Table, interval, number, slug, word


def frontiers_section(context: Context) -> Section | None:
    """A table and a drawing of each frontier; None where there is none."""
    found = context.found.frontiers
    if not found:
        return None
    text = (
        "Metrics from every stage of a CNN to the image alone: what each agrees with people on references that neither "
        "its fit nor its choice of stages saw, and what it costs. * is the cheapest that loses no more than a standard "
        "error against the best, on the same folds. Times are of the machine that found the frontier.",
    )
    return Section("What agreement costs", text, tables=tuple(map(_table, found)), figures=tuple(map(_figure, found)))


def _name(frontier: Frontier) -> str:
    options = frontier.options
    return f"{options.dataset}, {options.backbone}, {options.space} space, by {options.by}"


def _table(frontier: Frontier) -> Table:
    width, height = frontier.image
    return Table(
        name=f"frontier-{slug(_name(frontier))}",
        title=f"{_name(frontier)}: held-out SRCC against cost",
        columns=(
            Column("stages"),
            Column("penalty"),
            Column("channels"),
            Column("held-out SRCC"),
            Column("95 %"),
            Column("below the best"),
            Column("its error"),
            Column("ms"),
            Column("10^9 MACs"),
            Column("10^6 parameters"),
            Column("times as fast"),
        ),
        rows=tuple(_row(frontier, point) for point in frontier.points),
        words=2,
        card=(
            f"One pair of {width}x{height} pixels on {frontier.environment.device}, "
            f"{frontier.environment.threads} threads, median of {frontier.rounds} rounds.",
        ),
        notes=(
            f"Uniform weights on everything: held-out SRCC {frontier.uniform_held_out_srcc:.4f}.",
            *((SIMULATED,) if frontier.simulated else ()),
        ),
    )


def _row(frontier: Frontier, point: Point) -> tuple[Cell, ...]:
    mark = " *" if point.name == frontier.chosen else ""
    return (
        word(",".join(map(str, point.stages)) + mark),
        word(f"{point.penalty:g}" if point.penalty else "none"),
        number(point.channels, 0),
        number(point.held_out_srcc),
        interval(point.interval),
        number(point.loss),
        number(point.loss_error),
        number(point.cost.milliseconds.median, 1),
        number(point.cost.macs / 1e9, 3),
        number(point.cost.parameters / 1e6, 3),
        number(point.speedup, 2),
    )


def _figure(frontier: Frontier) -> Figure:
    drawing = figures.frontier_figure(frontier)
    simulated = " (SIMULATED observers)" if frontier.simulated else ""
    title = f"{_name(frontier)}{simulated}: held-out SRCC against cost"
    return figures.drawn(f"frontier-{slug(_name(frontier))}", title, drawing)
