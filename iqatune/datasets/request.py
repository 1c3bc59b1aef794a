"""What a user asks of a data set."""

from dataclasses import dataclass
from pathlib import Path

from iqatune.records.vocabulary import Better


@dataclass(frozen=True)
class DatasetRequest:
    """Which pairs to load, from where, with which labels."""

    dataset: str
    """A name of the registry: tid2013, kadid10k, live, csiq, csv, demo."""
    root: Path | None = None
    """Folder of the data set; None means $IQATUNE_DATA/<dataset> (csv: the CSV's folder; demo: the user's cache)."""
    pairs_file: Path | None = None
    """The CSV file, for csv alone."""
    better: Better | None = None
    """Which score of the CSV file is the better quality, for csv alone; the other sets know."""
    label: str | None = None
    """Another label file that the data set offers; None is its usual one."""
    exclude: tuple[str, ...] = ()
    """Distortions to leave out."""
    allow_missing: bool = False
    """Leave out, and count, the pairs whose images are absent, instead of refusing."""
