"""Texture tolerance for people: under a search, and under an evaluation."""

import math

from iqatune.cli.table import print_table
from iqatune.cli.terminal import figure, interval, print_line
from iqatune.errors import counted
from iqatune.records.evaluation import Evaluation
from iqatune.records.result import Result
from iqatune.records.textures import Textures

MEANING = "mean D of two crops of one texture over mean D of the pairs; smaller is more tolerant"


def tolerance_lines(result: Result) -> list[str]:
    """What a record says of texture tolerance; nothing without textures."""
    best, textures, held_out = result.best, result.protocol.textures, result.held_out
    if best is None or textures is None or best.texture_tolerance is None:
        return []
    uniform = result.baselines.uniform_texture_tolerance
    line = f"Texture tolerance {figure(best.texture_tolerance)} (uniform {figure(uniform)})"
    if held_out is not None and held_out.texture_tolerance is not None:
        of_folds = held_out.texture_tolerance
        line += f", on held-out pairs {figure(of_folds.tuned)} (uniform {figure(of_folds.uniform)})"
    return [f"{line}: {MEANING} ({_of(textures)})."]


def print_tolerance(evaluation: Evaluation) -> None:
    """A line for each metric; nothing of an evaluation without textures."""
    if evaluation.textures is None:
        return
    rows = []
    for metric in evaluation.results:
        found = metric.texture_tolerance
        bounds = None if found is None or math.isnan(found.low) else (found.low, found.high)
        rows.append((metric.file, figure(None if found is None else found.value), interval(bounds)))
    print_table(f"texture tolerance ({_of(evaluation.textures)})", ("metric", "tolerance", "95%"), rows)
    print_line(f"{MEANING[0].upper()}{MEANING[1:]}. The interval is over textures.")


def _of(textures: Textures) -> str:
    return f"{counted(textures.textures, 'texture')} of {textures.source}, {counted(textures.crop_pairs, 'crop pair')}"
