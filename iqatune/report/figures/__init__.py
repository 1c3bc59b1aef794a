"""Drawings of numbers alone, one kind a file; the same numbers give the same bytes."""

from iqatune.report.figures.best_so_far import Progressed, curves
from iqatune.report.figures.fits import fit_paths
from iqatune.report.figures.frontier import frontier_figure
from iqatune.report.figures.fronts import FrontPoint, front
from iqatune.report.figures.importance import draw_importance, importance_figure
from iqatune.report.figures.intervals import Dot, dots
from iqatune.report.figures.looks import Look, look, looks_of
from iqatune.report.figures.panels import Panel, line_panels
from iqatune.report.figures.point_clouds import points
from iqatune.report.figures.rankings import ranks
from iqatune.report.figures.samples import COLOUR_OF, Searched, draw_search, history
from iqatune.report.figures.scatter import (
    DISTANCE,
    Scatter,
    draw_distortions,
    draw_scatter,
    scatter_by_distortion,
    scatter_figure,
    scatter_panels,
)
from iqatune.report.figures.stages import stage_shares
from iqatune.report.figures.style import GREY, as_pdf, as_png, as_svg, drawn

__all__ = [
    "COLOUR_OF",
    "DISTANCE",
    "GREY",
    "Dot",
    "FrontPoint",
    "Look",
    "Panel",
    "Progressed",
    "Scatter",
    "Searched",
    "as_pdf",
    "as_png",
    "as_svg",
    "curves",
    "dots",
    "draw_distortions",
    "draw_importance",
    "draw_scatter",
    "draw_search",
    "drawn",
    "fit_paths",
    "front",
    "frontier_figure",
    "history",
    "importance_figure",
    "line_panels",
    "look",
    "looks_of",
    "points",
    "ranks",
    "scatter_by_distortion",
    "scatter_figure",
    "scatter_panels",
    "stage_shares",
]
