"""Fusing from Python: the verb fuse."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr

from iqatune.api.cache import open_cache
from iqatune.api.progress import Show, progress_of
from iqatune.api.result import Result
from iqatune.errors import InputError
from iqatune.records import fusion as records
from iqatune.records.fusion import FuseOptions
from iqatune.tuning import fusion as fusing


class Fusion(records.Fusion):
    """Several metrics as one; every key of `fusion.json` is an attribute: `fusion.members`, `fusion.held_out`.

    Example:
        >>> fusion = iqatune.fuse([first, second], "demo")  # doctest: +SKIP
        >>> iqatune.Metric.load(fusion.file)  # doctest: +SKIP
    """

    _file: Path | None = PrivateAttr(default=None)

    @property
    def file(self) -> Path:
        """The record's file, for `Metric.load`, `evaluate`, `replay` and the command line."""
        if self._file is None:
            raise InputError("this fusion has no file; it is of `fuse`")
        return self._file


def fuse(
    members: Sequence[Result | Path | str] = (),
    dataset: str | None = None,
    *,
    output: Path | str = "runs",
    name: str | None = None,
    cache_dir: Path | str | None = None,
    progress: Show = "bar",
    strict: bool = False,
    **options: Any,
) -> Fusion:
    """Fuse metrics into one, with weights of 0 and more: the verb `fuse`.

    Args:
        members: records or their files, exports (.safetensors), published DISTS weights (.pt) and names of columns of
            `features`; as text each may also be NAME=WHAT.
        dataset: a name of `iqatune list datasets`; none where the pairs are those of `features`.
        output: folder of results.
        name: of the fusion's folder; by default what differs from the defaults is in its path.
        cache_dir, progress, strict: as of `tune`.
        options: of the data set, as of `tune`: data_root, pairs, better, ...; features, feature_columns; searcher,
            samples, prior, objective, seed, folds, leave_one_distortion_out, split_column; device; backbone_weights, as
            NAME=FILE each.

    Returns:
        the record: `.members` with their weights, `.held_out`, `.file` for `Metric.load`.

    Raises:
        InputError: in one line, for everything that is wrong with the options, the members or the data.

    Example:
        >>> fusion = iqatune.fuse([first, second], "demo")  # doctest: +SKIP
        >>> {member.name: member.weight for member in fusion.members}  # doctest: +SKIP
        {'squeezenet': 0.62, 'alexnet': 0.38}
    """
    files = tuple(str(each.file) if isinstance(each, Result) else str(each) for each in members)
    given = {**options, "members": files, **({} if dataset is None else {"dataset": dataset})}
    asked = FuseOptions.parsed(given)
    cache, told = open_cache(cache_dir), progress_of(progress)
    record, file = fusing.fuse(asked, Path(output), cache=cache, progress=told, name=name, strict=strict)
    fusion = Fusion.model_construct(**dict(record))
    fusion._file = file
    return fusion
