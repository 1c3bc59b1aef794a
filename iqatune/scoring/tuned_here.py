"""What a tuned metric has seen of the pairs that it is scored on: its figures there say nothing of other images."""

from collections.abc import Sequence

from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.records.evaluation import TunedHere
from iqatune.records.options import DataOptions
from iqatune.records.result import Protocol, Result, dataset_hashes
from iqatune.statistics.cache import Cache
from iqatune.statistics.pictures import reference_files
from iqatune.statistics.same_pictures import one_picture_a_group


def tuned_here(result: Result, table: PairTable, protocol: Protocol, *, cache: Cache, progress: Progress) -> TunedHere:
    """Whether a record was tuned on the pairs of a table, or on other pairs of the same pictures.

    Args:
        protocol: of the table.
    """
    known = pairs_seen(dataset_hashes(result), table, protocol)
    if known is not None and known.pairs:
        return known
    if table.columns or result.protocol.columns or result.protocol.simulated or table.simulated:
        return TunedHere(pairs=False, references=None)
    try:
        others = [load_pairs(data) for data in DataOptions.of(result.run).sets]
        return TunedHere(pairs=False, references=_shared(table, others, cache, progress))
    except InputError:  # what it was tuned on is not here, or not as it was
        return TunedHere(pairs=False, references=None)


def pairs_seen(hashes: Sequence[str], table: PairTable, protocol: Protocol) -> TunedHere | None:
    """Whether what was tuned on data sets of these hashes was tuned on the pairs of a table; None without hashes.

    Args:
        protocol: of the table.
    """
    if not hashes:
        return None
    seen = protocol.dataset_sha256 in hashes
    return TunedHere(pairs=seen, references=len(table.references) if seen else None)


def _shared(table: PairTable, others: list[PairTable], cache: Cache, progress: Progress) -> int:
    """How many references of a table show what those of others show, whatever their files, formats and sizes."""
    own = reference_files(table)
    taken = {path for other in others for path in reference_files(other)}
    shared = {path for path in own if path in taken}
    tables = [table, *others]
    pictures = cache.remembered(tables, progress)
    of_others = {pictures.pictures[path] for path in taken}
    shared |= {path for path in own if pictures.pictures[path] in of_others}
    groups = one_picture_a_group(tables, progress, pictures)
    of_groups = {groups[path] for other in others for path in reference_files(other)}
    shared |= {path for path in own if groups[path] in of_groups}
    return len({pair.reference_id for pair in table.pairs if pair.reference in shared})
