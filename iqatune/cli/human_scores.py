"""Under an evaluation: what metrics miss of the human scores, and what these allow."""

from iqatune.cli.table import print_table
from iqatune.cli.terminal import figure, print_line
from iqatune.records.evaluation import Evaluation
from iqatune.scoring.human_scores import ceiling_line, couples_line, has_figures

HEADS = ("RMSE", "outliers", "different AUC", "better AUC", "better right", "resolving power")
"""Of `FIGURES`, in their order."""


def print_human_scores(evaluation: Evaluation) -> None:
    """A line for each metric, of its RMSE alone where human scores have no deviations; nothing of older documents."""
    if not has_figures(evaluation):
        return
    heads = HEADS if evaluation.human_scores is not None else HEADS[:1]
    rows = [
        tuple(
            [
                metric.file,
                figure(metric.rmse),
                figure(metric.outlier_ratio),
                figure(metric.different_auc),
                figure(metric.better_auc),
                figure(metric.better_accuracy),
                figure(metric.resolving_power),
            ][: 1 + len(heads)]
        )
        for metric in evaluation.results
    ]
    print_table("beside the human scores", ("metric", *heads), rows)
    print_line(ceiling_line(evaluation))
    if evaluation.human_scores is not None:
        print_line(couples_line(evaluation.human_scores))
