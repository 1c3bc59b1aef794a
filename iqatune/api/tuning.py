"""Tuning from Python: the verbs search, sweep, replay and extract."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from iqatune.api.cache import open_cache
from iqatune.api.fusing import Fusion
from iqatune.api.progress import Show, progress_of
from iqatune.api.result import Result, in_folder
from iqatune.datasets import registry as datasets
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.metric.similarity import Similarity
from iqatune.records.fusion import is_fusion
from iqatune.records.options import BackboneOptions, DataOptions, Run
from iqatune.records.replay import Replay
from iqatune.records.sweep import Sweep
from iqatune.records.vocabulary import C1, C2, Structure
from iqatune.statistics import prepare as statistics
from iqatune.statistics.prepare import Prepared
from iqatune.tuning import replay as replaying
from iqatune.tuning.fusion_replay import replay_fusion
from iqatune.tuning.grid import cells_of, read_grid
from iqatune.tuning.run import run_search
from iqatune.tuning.sweep import run_sweep


def load_pairs(dataset: str, **options: Any) -> PairTable:
    """Read a data set's labels and find its images; no image is decoded.

    Args:
        dataset: a name of `iqatune list datasets`.
        options: data_root, pairs and better (of "csv"), label, exclude, allow_missing, raters, features and
            feature_columns (of "csv"), as of the command line.

    Returns:
        the pair table: `.pairs`, `.quality` (N,) with higher is better, `.references`, `.reference_ids`. References are
        told apart by their files; `prepare` also tells which of the files are the same picture.

    Raises:
        InputError: in one line, for everything that is wrong with the options, the labels or the images.

    Example:
        >>> len(iqatune.load_pairs("demo"))  # doctest: +SKIP
        350
    """
    data = DataOptions.parsed({"dataset": dataset, **options})
    if data.datasets:
        raise InputError("`dataset`: give one; the pairs of several data sets are of different scales")
    return datasets.load_pairs(data)


def prepare(
    dataset: str | Sequence[str],
    backbone: str,
    *,
    structure: Structure = "covariance",
    c1: float = C1,
    c2: float = C2,
    cache_dir: Path | str | None = None,
    progress: Show = "bar",
    **options: Any,
) -> Prepared:
    """A data set seen through a backbone: its pairs, and the moments of every pair, from the cache where they are.

    Args:
        dataset, backbone: names of `iqatune list datasets` and `iqatune list backbones`.
        structure: what s compares.
        c1, c2: the constants of l and of s, above 0.
        cache_dir: where statistics are kept; by default the user's cache.
        progress: "bar", "none", or a function that takes a `Step`.
        options: of the data set and the backbone, as of `iqatune extract`: data_root, backbone_weights, resize, ...

    Returns:
        `.table`, `.moments` (N, 5, C) in the order mean x, mean y, var x, var y, cov; `.distances(weights)` (N,),
        `.space(name)` and `.tables(space)`, a tuple of (N, F) features; `.protocol`.

    Raises:
        InputError: in one line, for everything that is wrong with the options, the data or the parameters.

    Example:
        >>> iqatune.prepare("demo", "squeezenet", backbone_weights="random").moments.shape  # doctest: +SKIP
        (350, 5, 1347)
    """
    given = {name: value for name, value in options.items() if name in DataOptions.names()}
    others = {name: value for name, value in options.items() if name not in DataOptions.names()}
    return statistics.prepare(
        DataOptions.parsed({"dataset": dataset, **given}),
        BackboneOptions.parsed({"backbone": backbone, **others}),
        similarity=Similarity(structure, c1, c2),
        cache=open_cache(cache_dir),
        progress=progress_of(progress),
    )


def tune(
    run: Run | None = None,
    *,
    output: Path | str = "runs",
    name: str | None = None,
    cache_dir: Path | str | None = None,
    progress: Show = "bar",
    strict: bool = False,
    track: Sequence[str] = (),
    **options: Any,
) -> Result:
    """Tune a metric's weights to the human scores of a data set: the verb `search`.

    Writes `result.json` and `trials.jsonl` below `output`, as the command line does; interrupted and called again, it
    goes on where it stopped, and a run that is complete is returned as it is.

    Args:
        run: what to search; in its place, or to change some of it, the same options by name.
        output: folder of results.
        name: of the run's folder; by default what differs from the defaults is in its path.
        cache_dir: where statistics are kept; by default the user's cache.
        progress: "bar", "none", or a function that takes a `Step`. What is said goes to the logger `iqatune`.
        strict: refuse a run whose searcher could not act as its name says.
        track: trackers that are told of every sample: "tensorboard", "mlflow", "wandb".
        options: of the search: dataset, backbone (or features), searcher, samples, space, seed, folds, data_root, ...
            Several data sets are tuned on together: dataset=["tid2013", "live"], data_root={"tid2013": ...,
            "live": ...}, dataset_weight={"live": 0.5}.

    Returns:
        the record, with `.trials()` as a pandas DataFrame and `.plot()` as a matplotlib figure.

    Raises:
        InputError: in one line, for everything that is wrong with the options, the data or the parameters.

    Example:
        >>> result = iqatune.tune(
        ...     dataset="demo", backbone="squeezenet", backbone_weights="random", searcher="random"
        ... )  # doctest: +SKIP
        >>> result.held_out.srcc_mean  # doctest: +SKIP
        0.8977
    """
    asked = Run.parsed({**(dict(run) if run is not None else {}), **options})
    cache, told = open_cache(cache_dir), progress_of(progress)
    record, folder = run_search(asked, Path(output), cache=cache, progress=told, name=name, strict=strict, track=track)
    return in_folder(record, folder)


def sweep(
    grid: Mapping[str, Any] | Path | str,
    output: Path | str = "runs",
    *,
    jobs: int | None = None,
    address: str | None = None,
    device: str = "auto",
    cache_dir: Path | str | None = None,
    progress: Show = "bar",
    strict: bool = False,
    track: Sequence[str] = (),
) -> Sweep:
    """Search every cell of a grid: all combinations of the values that it lists for the options of a search.

    Args:
        grid: options in singular or plural with a value or a list of them, or a YAML file of such.
        output: folder of results.
        jobs: runs side by side; by default the number of processors.
        address: of a Ray cluster that does the work; by default processes of this machine.
        device: where the CNN runs, if the grid does not say.
        cache_dir, progress, strict, track: as of `tune`.

    Returns:
        the state of every cell; its record is in `output / cell.folder`, for `read_result`.

    Raises:
        InputError: in one line, for a grid that is wrong, data that cannot be loaded, or no cluster at the address.

    Example:
        >>> grid = {"datasets": ["demo"], "backbones": ["squeezenet"], "backbone_weights": "random"}
        >>> iqatune.sweep({**grid, "searchers": ["random", "bohb"], "seeds": [0, 1]}).status  # doctest: +SKIP
        'complete'
    """
    cells = cells_of(grid, "grid", device) if isinstance(grid, Mapping) else read_grid(Path(grid), device)
    cache, told = open_cache(cache_dir), progress_of(progress)
    return run_sweep(
        cells, Path(output), cache=cache, progress=told, address=address, jobs=jobs, strict=strict, track=track
    )


def replay(
    result: Result | Fusion | Path | str,
    *,
    cache_dir: Path | str | None = None,
    progress: Show = "bar",
    **where: str | Path | Mapping[str, str | Path],
) -> Replay:
    """Recompute every figure of a record from its stored weights and the data.

    Args:
        result: a record, of a search or of a fusion, or its file.
        cache_dir, progress: as of `tune`.
        where: data_root, pairs, features, textures, backbone_weights or device, when they are not where the search had
            them; data_root of several data sets as a mapping.

    Returns:
        every figure as recorded and as recomputed; `.same` says whether all agree.

    Raises:
        InputError: for a file that is no record, and all that is wrong with the data or the backbone's parameters.

    Example:
        >>> iqatune.replay("runs/live/squeezenet/random-stage-s0/result.json").same  # doctest: +SKIP
        True
    """
    file = result.file if isinstance(result, Result | Fusion) else Path(result)
    moved = {name: _paths(value) for name, value in where.items()}
    proving = replay_fusion if is_fusion(file) else replaying.replay
    return proving(file, moved, cache=open_cache(cache_dir), progress=progress_of(progress))


def _paths(value: str | Path | Mapping[str, str | Path]) -> str | list[str]:
    """A path, or of several data sets NAME=PATH each."""
    return [f"{name}={path}" for name, path in value.items()] if isinstance(value, Mapping) else str(value)
