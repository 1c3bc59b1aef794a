"""Figures that a notebook shows by itself, without pyplot's global state."""

import io
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def empty_figure() -> "Figure":
    """One without axes."""
    figure: Figure = _figure_class()(layout="constrained")
    return figure


def subplots(*, width: float, height: float, columns: int = 1) -> "tuple[Figure, list[Axes]]":
    """An empty figure of that size in inches, and its axes from left to right."""
    figure = empty_figure()
    figure.set_size_inches(width, height)
    return figure, [figure.add_subplot(1, columns, column + 1) for column in range(columns)]


@cache
def _figure_class() -> Any:
    # matplotlib takes a second to import, and only drawings need it
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        def _repr_png_(self) -> bytes:
            """What IPython shows of a figure; pyplot's own figures need a backend for that."""
            image = io.BytesIO()
            self.savefig(image, format="png", dpi=110)
            return image.getvalue()

    return ShownFigure
