"""What a user is told before a search: what is probably wrong with it, and how long it will take."""

from iqatune.errors import InputError
from iqatune.evaluation.agreement import against_the_scores
from iqatune.metric.weights import Floats
from iqatune.progress import Progress, duration
from iqatune.records.options import Run
from iqatune.search.searchers.registry import find as find_searcher
from iqatune.search.stopping import first_look
from iqatune.search.task import Task


def advise(run: Run, task: Task, progress: Progress, *, strict: bool, uniform: Floats) -> tuple[str, ...]:
    """Say before the run what is probably wrong with it, and how long it will take.

    Args:
        uniform: (N,) distances under the uniform weights.
    """
    searcher = find_searcher(run.searcher)
    problem = task.problem()
    degenerate = searcher.degenerate(problem)
    reversed_scores = [
        against_the_scores(
            f"uniform weights on {part.name}" if task.set_ids else "uniform weights",
            part.task.quality,
            uniform[part.rows],
            reference_ids=part.task.reference_ids,
        )
        for part in task.parts()
    ]
    warnings = [line for line in (degenerate, *reversed_scores) if line is not None]
    for warning in warnings:
        if strict:
            raise InputError(f"`strict`: {warning}")
        progress.warn(warning)
    caution = searcher.caution(problem)
    if caution is not None:
        progress.warn(caution)
    if run.concurrency > 1:
        progress.say(
            f"`concurrency` {run.concurrency}: {run.searcher} decides with up to {run.concurrency - 1} results "
            "missing, and another run may choose other samples"
        )
    for part in task.parts():
        left_out = _left_out(part.task, f" on {part.name}" if task.set_ids else "")
        if left_out is not None:
            progress.warn(left_out)
            warnings.append(left_out)
    if run.stop is not None and run.samples < (first := first_look(len(problem.names))):
        late = (
            f"`stop` {run.stop}: the first look is after {first} samples, 10 for each number of the space, so nothing "
            f"ends this search before its {run.samples}; use more `samples`, or a smaller `space`"
        )
        progress.warn(late)
        warnings.append(late)
    seconds = searcher.expected_seconds(problem)
    if seconds is not None:
        most = searcher.most_samples(problem)
        number = f"{most} samples" if run.stop is None else f"all {most} samples that there may be"
        progress.say(f"{run.searcher}: about {duration(seconds)} for {number}, and as long for each fold")
    return (*warnings, caution) if caution is not None else tuple(warnings)


def _left_out(task: Task, where: str) -> str | None:
    """Which references or distortions the objective leaves out.

    Args:
        where: what follows the objective's name: which of several data sets.

    Raises:
        InputError: when it leaves out all.
    """
    measure = task.measure()
    if not measure.left_out:
        return None
    kind = "references" if task.objective_name == "reference-srcc" else "distortions"
    why = "they have fewer than 3 pairs, one score for all, or the same D for all whatever the weights"
    if not measure.groups:
        raise InputError(
            f"`objective` {task.objective_name}{where}: no SRCC within any of the {kind}: {why}; take another"
        )
    names = ", ".join(measure.left_out[:3]) + (", ..." if len(measure.left_out) > 3 else "")
    every = len(measure.left_out) + len(measure.groups)
    return (
        f"`objective` {task.objective_name}{where}: {len(measure.left_out)} of {every} {kind} left out ({names}): {why}"
    )
