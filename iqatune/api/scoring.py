"""Scoring from Python: the verbs evaluate and score."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from iqatune.api.cache import open_cache
from iqatune.api.fusing import Fusion
from iqatune.api.progress import Show, progress_of
from iqatune.api.result import Result, read_result
from iqatune.backbones.devices import resolve_device
from iqatune.errors import InputError
from iqatune.metric.base import ImageMetric
from iqatune.metric.module import Metric
from iqatune.metric.scale import choose_scale
from iqatune.records import evaluation as records
from iqatune.records.distances import Distances
from iqatune.records.fusion import is_fusion, open_fusion
from iqatune.records.options import DataOptions
from iqatune.records.vocabulary import Better, Grouping, ScoredAs
from iqatune.scoring import evaluate as evaluating
from iqatune.scoring import images
from iqatune.scoring.asked import as_options, asked
from iqatune.scoring.human_scores import FIGURES
from iqatune.scoring.metric_files import is_metric_file
from iqatune.scoring.pairing import ImagePairs, pairs_of_csv, pairs_of_paths

if TYPE_CHECKING:
    import pandas


class Evaluation(records.Evaluation):
    """Metrics side by side on one data set."""

    def to_frame(self) -> "pandas.DataFrame":
        """A row for each metric (its `group` empty) and each of its groups, with what `--format csv` has."""
        import pandas

        frame: pandas.DataFrame = pandas.read_csv(io.StringIO(evaluating.as_csv(self)), keep_default_na=False)
        figures = ["srcc", "krcc", "plcc", "srcc_low", "srcc_high", *FIGURES]
        figures += ["texture_tolerance", "texture_tolerance_low", "texture_tolerance_high"]
        frame[figures] = frame[figures].apply(pandas.to_numeric, errors="coerce")
        return frame


def evaluate(
    results: Result | Fusion | Path | str | Sequence[Result | Fusion | Path | str],
    dataset: str | None = None,
    *,
    by: Grouping | None = None,
    baselines: Sequence[str] = (),
    baseline_weights: Path | str | Mapping[str, Path | str] | None = None,
    baseline_better: Mapping[str, Better] | None = None,
    device: str = "auto",
    backbone_weights: Path | str | None = None,
    cache_dir: Path | str | None = None,
    progress: Show = "bar",
    force: bool = False,
    strict: bool = False,
    textures: Path | str | None = None,
    **options: Any,
) -> Evaluation:
    """Score tuned metrics on a data set, with intervals over its reference images.

    Args:
        results: one record or several, or files: of records, exports (.safetensors), published DISTS weights (.pt).
        dataset: a name of `iqatune list datasets`; by default the data that the first record was tuned on.
        by: give the figures of every distortion, reference or level as well.
        baselines: other metrics on the same pairs: names of `iqatune list baselines`, or NAME=FILE.csv for scores in a
            file with columns reference, distorted and NAME.
        baseline_weights: by name where the parameters of a baseline's CNN are; of a single one the file alone.
        baseline_better: by name which scores of a file are better, "higher" or "lower"; by default the sign of their
            SRCC tells.
        backbone_weights: where the backbone's parameters are now, when not where the search had them.
        cache_dir, progress: as of `tune`.
        force: take records whose seal is broken; the metric's `forced` says so.
        strict: refuse scores whose direction is probably wrong, in place of a warning.
        textures: a folder of textures, or "scikit-image": each metric's `texture_tolerance` is then told too.
        options: of the data set: data_root, pairs, better, label, exclude, allow_missing, raters; of a features file
            features, better, feature_columns, by default the columns that the records were tuned on.

    Returns:
        the figures; `.to_frame()` gives them as a pandas DataFrame.

    Raises:
        InputError: in one line, for a file that is no record, and all that is wrong with the data or the parameters.

    Example:
        >>> iqatune.evaluate(result, by="distortion", baselines=["psnr"]).to_frame()  # doctest: +SKIP
    """
    several = [results] if isinstance(results, Result | Fusion | Path | str) else list(results)
    if not several:
        raise InputError("`results`: none; give at least one record")
    files = [result.file if isinstance(result, Result | Fusion) else Path(result) for result in several]
    if dataset is None and options and "features" not in options:
        raise InputError(f"`{next(iter(options))}`: only possible with `dataset`")
    given = {**options, **({} if dataset is None else {"dataset": dataset})}
    data = DataOptions.parsed(given) if given else _tuned_on(files, force=force)
    if data.datasets:
        names = ", ".join(each.dataset for each in data.datasets)
        raise InputError(f"`dataset`: name one of {names}; scores of different data sets are never ranked together")
    machine = evaluating.Machine(
        device=device,
        backbone_weights=None if backbone_weights is None else str(backbone_weights),
        cache=open_cache(cache_dir),
        progress=progress_of(progress),
    )
    others = asked(baselines, weights=_of_baselines(baseline_weights), better=as_options(baseline_better or {}))
    evaluation = evaluating.evaluate(
        files,
        data,
        machine,
        by=by,
        baselines=others,
        force=force,
        strict=strict,
        textures=None if textures is None else str(Path(textures).expanduser()),
    )
    return Evaluation.model_construct(**dict(evaluation))


def _tuned_on(files: Sequence[Path], *, force: bool) -> DataOptions:
    """The data that the first of the records was tuned on."""
    for file in files:
        if is_fusion(file):
            return open_fusion(file).trusted(force=force).options.data
        if not is_metric_file(file):
            return DataOptions.of(read_result(file, force=force).run)
    raise InputError("`dataset`: needed, because the files do not name the data set that they were tuned on; give one")


def _of_baselines(weights: Path | str | Mapping[str, Path | str] | None) -> tuple[str, ...]:
    if weights is None:
        return ()
    return as_options(weights) if isinstance(weights, Mapping) else (str(weights),)


def score_images(
    metric: ImageMetric | Path | str,
    reference: Path | str | None = None,
    distorted: Path | str | None = None,
    *,
    pairs: Path | str | None = None,
    resize: int | str | None = "protocol",
    device: str = "auto",
    backbone_weights: Path | str | None = None,
    keep_going: bool = False,
    force: bool = False,
    scale: ScoredAs = "distance",
    scale_of: str | None = None,
    progress: Show = "bar",
) -> Distances:
    """Distances of image files under a tuned metric: lower is better, 0 is identical.

    Args:
        metric: a `Metric` or `FusedMetric`, or a file that `Metric.load` reads.
        reference, distorted: two image files, or two folders whose files are paired by name.
        pairs: in their place a CSV file with columns reference and distorted.
        resize: short side that larger images are brought down to; "protocol" is what the metric was tuned with, None
            for none.
        keep_going: tell what cannot be scored, and score the rest.
        force: take a record whose seal is broken; `.origin` says so.
        scale: "score" gives the score that people would give as well, and the interval in which it lies.
        scale_of: the data set whose scale is meant, where the metric was tuned on several.

    Returns:
        `.pairs`, each with reference, distorted, distance, and the reason where there is no distance; on a scale also
        score, low and high. `.scale` says which.

    Raises:
        InputError: in one line, for a file that is no metric, and for images that cannot be scored.

    Example:
        >>> found = iqatune.score_images("metric.safetensors", "original.png", "compressed.jpg")  # doctest: +SKIP
        >>> found.pairs[0].distance  # doctest: +SKIP
        0.0731
    """
    found = _pairs(reference, distorted, pairs)
    if isinstance(resize, str) and resize != "protocol":
        raise InputError(f"`resize` {resize}: give a short side in pixels, None, or 'protocol'")
    if scale not in get_args(ScoredAs):
        raise InputError(f"`scale` {scale}: give 'distance' or 'score'")
    if scale_of is not None and scale != "score":
        raise InputError(f"`scale_of` {scale_of}: only possible with `scale` score")
    loaded = metric if isinstance(metric, ImageMetric) else Metric.load(metric, backbone_weights, force=force)
    name = loaded.origin if isinstance(metric, ImageMetric) else str(metric)
    return images.score(
        loaded,
        found,
        name=name,
        device=resolve_device(device),
        resize=loaded.short_side if isinstance(resize, str) else resize,
        progress=progress_of(progress),
        keep_going=keep_going,
        scale=choose_scale(loaded.scales, scale_of, holder=name or "this metric") if scale == "score" else None,
    )


def _pairs(reference: Path | str | None, distorted: Path | str | None, pairs: Path | str | None) -> ImagePairs:
    if pairs is not None:
        if reference is not None or distorted is not None:
            raise InputError("`pairs`: names the images itself; leave reference and distorted out")
        return pairs_of_csv(Path(pairs))
    if reference is None or distorted is None:
        raise InputError("`reference`, `distorted`: name two files or two folders, or `pairs`")
    return pairs_of_paths(Path(reference), Path(distorted))
