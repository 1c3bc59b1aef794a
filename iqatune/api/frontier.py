"""Agreement against cost from Python: the verb frontier."""

from pathlib import Path
from typing import Any

from pydantic import PrivateAttr

from iqatune.api.cache import open_cache
from iqatune.api.progress import Show, progress_of
from iqatune.progress import Progress
from iqatune.records import frontier as records
from iqatune.records.frontier import DRAWINGS, FrontierOptions
from iqatune.report.figures import as_png, as_svg, frontier_figure
from iqatune.runtime.files import write_bytes, write_text
from iqatune.statistics.cache import Cache
from iqatune.tuning.frontier import run_frontier


class Frontier(records.Frontier):
    """The record of a frontier, and where it is.

    Every key of `frontier.json` is an attribute: `frontier.points`, `frontier.chosen`.
    """

    _folder: Path = PrivateAttr(default=Path())

    @property
    def folder(self) -> Path:
        """The folder of `frontier.json`, its drawings, and the points' folders."""
        return self._folder

    def file(self, name: str | None = None) -> Path:
        """The `result.json` of a point, for `Metric.load`; by default of the chosen one.

        Raises:
            ValueError: when no point has that name.
        """
        point = self.point(self.chosen if name is None else name)
        if point is None:
            raise ValueError(f"no point is called {name}; there are {', '.join(each.name for each in self.points)}")
        return self._folder / point.result


def frontier(
    dataset: str | list[str],
    backbone: str,
    *,
    output: Path | str = "runs",
    name: str | None = None,
    cache_dir: Path | str | None = None,
    progress: Show = "bar",
    **options: Any,
) -> Frontier:
    """Find how much agreement costs: metrics from every stage to the image alone, each with its held-out SRCC and time.

    Writes `frontier.json`, its drawing and a `result.json` for every point below `output`; interrupted and called
    again, it goes on where it stopped.

    Args:
        dataset, backbone: names of `iqatune list datasets` and `iqatune list backbones`.
        output: folder of results.
        name: of the frontier's folder; by default what differs from the defaults is in its path.
        cache_dir: where statistics are kept; by default the user's cache.
        progress: "bar", "none", or a function that takes a `Step`.
        options: by ("ms" or "macs"), space, folds, seed, data_root, backbone_weights, ..., as of `iqatune frontier`.

    Returns:
        the record; `.file()` is the chosen point's `result.json`.

    Raises:
        InputError: in one line, for everything that is wrong with the options, the data or the parameters.

    Example:
        >>> found = iqatune.frontier("demo", "vgg16", backbone_weights="random")  # doctest: +SKIP
        >>> found.point(found.chosen).speedup  # doctest: +SKIP
        2.1
    """
    asked = FrontierOptions.parsed({"dataset": dataset, "backbone": backbone, **options})
    cache, told = open_cache(cache_dir), progress_of(progress)
    return find_frontier(asked, Path(output), cache=cache, progress=told, name=name)


def find_frontier(
    options: FrontierOptions,
    output: Path,
    *,
    cache: Cache,
    progress: Progress,
    name: str | None = None,
    command: str | None = None,
) -> Frontier:
    """The frontier, recorded and drawn in its folder; errors as of `frontier`."""
    record, folder = run_frontier(options, output, cache=cache, progress=progress, name=name, command=command)
    figure = frontier_figure(record)
    vector, picture = (folder / drawing for drawing in DRAWINGS)
    write_text(vector, as_svg(figure))
    write_bytes(picture, as_png(figure))
    found = Frontier.model_construct(**{key: getattr(record, key) for key in type(record).model_fields})
    found._folder = folder
    return found
