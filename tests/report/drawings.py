"""What really is written in a drawing, and where."""

from itertools import combinations

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def texts_of(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Bbox]]:
    """Every text that was drawn, ticks outside of their axes not, with its box in pixels."""
    written: dict[int, Text] = {}
    draw = Text.draw

    def watched(self: Text, renderer: object) -> None:
        if self.get_visible() and self.get_text().strip():
            written[id(self)] = self
        draw(self, renderer)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Text, "draw", watched)
        figure.draw_without_rendering()
    return [(text.get_text(), text.get_window_extent()) for text in written.values()]


def assert_legible(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> None:
    """No text stands on another or is cut off at the edge, and the drawing fits on A4."""
    texts = texts_of(figure, monkeypatch)
    assert texts
    for (one, its), (other, others) in combinations(texts, 2):
        # boxes of letters have a pixel of air
        meet = Bbox.intersection(its, others)
        assert meet is None or meet.width <= 1 or meet.height <= 1, f"{one!r} stands on {other!r}"
    for text, box in texts:
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        assert inside, f"{text!r} is cut off"
    width, height = figure.get_size_inches()
    assert width <= 7.2
    assert height <= 10.3
