"""What `--dry-run` prints for people."""

from iqatune.cli.table import print_table
from iqatune.cli.terminal import print_line
from iqatune.errors import as_flags
from iqatune.progress import duration
from iqatune.records.plan import Plan, PlannedRun, PlannedStatistics


def print_plan(plan: Plan) -> None:
    """What would pass the CNN, what would be searched and where it would go, and how long all of it would take."""
    if plan.statistics:
        rows = [_of_images(each) for each in plan.statistics]
        columns = ("data set", "backbone", "pairs", "cached", "images", "pass the CNN", "images a second", "time")
        print_table("statistics", columns, rows, names=2, first=("pass the CNN", "time", "cached"))
    if plan.runs:
        heads = ("folder", "pairs", "references", "samples", "folds", "time", "in the folder")
        print_table("searches", heads, [_of_run(run) for run in plan.runs], first=("time", "samples", "in the folder"))
    for note in plan.notes:
        print_line(f"{as_flags(note[0].upper() + note[1:])}.")
    if plan.seconds is not None:
        print_line(f"About {duration(plan.seconds)} in all, one after another, at the rates known here.")
    print_line("Nothing was computed or written (--dry-run).")


def _of_images(found: PlannedStatistics) -> tuple[str, ...]:
    rate = "-" if found.images_a_second is None else f"{found.images_a_second:.1f}"
    counts = (found.pairs, found.pairs_cached, found.images, found.images_to_compute)
    return (found.dataset, found.backbone, *map(str, counts), rate, _time(found.seconds))


def _of_run(run: PlannedRun) -> tuple[str, ...]:
    counts = (run.pairs, run.references, run.samples, run.folds)
    state = {"new": "nothing", "unfinished": "to go on with", "complete": "complete", "another run": "ANOTHER RUN"}
    return (run.folder, *map(str, counts), _time(run.seconds), state[run.state])


def _time(seconds: float | None) -> str:
    return "not known" if seconds is None else duration(seconds)
