"""The verb robust from Python."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqatune.api.cache import open_cache
from iqatune.api.progress import Show, progress_of
from iqatune.api.result import Result
from iqatune.errors import InputError
from iqatune.records import robust as records
from iqatune.records.options import DataOptions
from iqatune.report import robustness as files
from iqatune.runtime.files import check_writable
from iqatune.scoring import robustness as measuring
from iqatune.scoring.asked import as_options, asked
from iqatune.scoring.evaluate import Machine, tuned_on

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


class Robust(records.Robust):
    """How robust metrics are, side by side."""

    def to_frame(self) -> "pandas.DataFrame":
        """A row for each data set, metric and change of the images: what robust.csv has."""
        import pandas

        frame: pandas.DataFrame = pandas.read_csv(io.StringIO(measuring.as_csv(self)), keep_default_na=False)
        figures = list(frame.columns[frame.columns.get_loc("srcc") :])
        frame[figures] = frame[figures].apply(pandas.to_numeric, errors="coerce")
        return frame

    def plot(self, dataset: str | None = None) -> "Figure":
        """Agreement retained against severity, a panel for each kind of degradation and a line for each metric.

        Args:
            dataset: which of several.

        Raises:
            InputError: for a data set that is not there, and where no images were degraded.
        """
        names = [each.dataset for each in self.sets]
        if dataset is not None and dataset not in names:
            raise InputError(f"`dataset` {dataset}: was not scored; give one of {', '.join(names)}")
        figure = files.drawing(self, 0 if dataset is None else names.index(dataset))
        if figure is None:
            raise InputError("`kinds`: unseen alone, and there is nothing to draw; take side, jpeg, blur or noise")
        return figure

    def write(self, folder: Path | str) -> None:
        """robust.json, robust.csv and the drawings, as `--output` writes them.

        Raises:
            InputError: where they cannot be written.
        """
        check_writable(Path(folder), option="folder")
        files.write(self, Path(folder))


def robust(
    results: Result | Path | str | Sequence[Result | Path | str],
    dataset: str | Sequence[str] | None = None,
    *,
    kinds: Sequence[str] | None = None,
    baselines: Sequence[str] = (),
    baseline_weights: Path | str | Mapping[str, Path | str] | None = None,
    device: str = "auto",
    backbone_weights: Path | str | None = None,
    cache_dir: Path | str | None = None,
    progress: Show = "bar",
    force: bool = False,
    **options: Any,
) -> Robust:
    """Measure what degraded images leave of metrics' agreement with people.

    Args:
        results: one record or several, or files: of records, exports (.safetensors), published DISTS weights (.pt).
        dataset: names of `iqatune list datasets`; by default the data that the records were tuned on.
        kinds: of side, jpeg, blur and noise (of both images of a pair) and unseen (of the distorted one alone); all by
            default.
        baselines: other metrics on the same images: names of `iqatune list baselines`.
        baseline_weights, device, backbone_weights, cache_dir, progress, force: as of `evaluate`.
        options: of the data sets, as of `evaluate`.

    Returns:
        `.metrics`, each with `.war`, `.cost` and `.sets`; `.to_frame()`, `.plot()` and `.write(folder)`.

    Raises:
        InputError: in one line, for a kind or a baseline that there is none of, a broken record, and all that is wrong
            with the data or the parameters.

    Example:
        >>> iqatune.robust([first, second], kinds=["side"], baselines=["psnr"]).plot()  # doctest: +SKIP
    """
    several = [results] if isinstance(results, Result | Path | str) else list(results)
    if not several:
        raise InputError("`results`: none; give at least one record")
    paths = [result.file if isinstance(result, Result) else Path(result) for result in several]
    if dataset is None and options:
        raise InputError(f"`{next(iter(options))}`: only possible with `dataset`")
    chosen = measuring.kinds_of(None if kinds is None else ",".join(kinds))
    weights = baseline_weights
    of_baselines = as_options(weights) if isinstance(weights, Mapping) else () if weights is None else (str(weights),)
    others = asked(baselines, weights=of_baselines)
    if dataset is None:
        data_sets = tuned_on(paths, force=force)
    else:
        data_sets = DataOptions.parsed({"dataset": dataset, **options}).sets
    machine = Machine(
        device=device,
        backbone_weights=None if backbone_weights is None else str(backbone_weights),
        cache=open_cache(cache_dir),
        progress=progress_of(progress),
    )
    found = measuring.robustness(paths, data_sets, machine, kinds=chosen, baselines=others, force=force)
    return Robust.model_construct(**dict(found))
