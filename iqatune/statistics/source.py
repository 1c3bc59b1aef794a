"""What a run is tuned on: a data set, or several, seen through a backbone; or the columns of a features file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypedDict

from iqatune.datasets.table import PairTable
from iqatune.metric.similarity import Similarity
from iqatune.metric.spaces import Space
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.records import result as records
from iqatune.records.options import BackboneOptions, DataOptions, Run
from iqatune.records.prior import DEFAULT_PRIOR
from iqatune.records.result import Best, BestColumn
from iqatune.statistics.cache import Cache
from iqatune.statistics.columns import columns_protocol, prepare_columns, usable_columns
from iqatune.statistics.prepare import current_protocol, load_table, prepare, table_sha256
from iqatune.statistics.textures import protocol_with_textures, textures_of, with_textures
from iqatune.statistics.unlabelled import unlabelled_pairs, unlabelled_record, with_unlabelled


class PreparedPairs(Protocol):
    """What a search works on, and what its record says of it: `Prepared` or `PreparedColumns`."""

    @property
    def table(self) -> PairTable:
        """The pairs."""

    @property
    def channels(self) -> tuple[int, ...]:
        """Of every stage of the backbone; empty where there is none."""

    @property
    def columns(self) -> Floats | None:
        """(N, F) columns of a features file, which each part of a split scales anew; None through a backbone."""

    @property
    def protocol(self) -> records.Protocol:
        """What decides the figures."""

    @property
    def set_protocols(self) -> Mapping[str, records.Protocol]:
        """Of several data sets the protocol of each, by its name; empty of one."""

    @property
    def device(self) -> str:
        """What the backbone ran on, or why none did."""

    @property
    def seconds(self) -> float:
        """That preparing took."""

    @property
    def computed(self) -> int:
        """Pairs that passed the backbone now."""

    @property
    def textures(self) -> "PreparedPairs | None":
        """The crop pairs of textures, seen likewise; None where none were asked for."""

    def space(self, name: str, prior: str = DEFAULT_PRIOR) -> Space:
        """The space of that name."""

    def tables(self, space: Any) -> tuple[Floats, ...]:
        """(N, F) features in one of its own spaces, a table for each way to compare that it offers."""

    @property
    def views(self) -> tuple[range, ...]:
        """The stages that each of two views has among all; none where there are no views."""

    def unlabelled_tables(self, space: Any) -> tuple[Floats, ...]:
        """(U, F) features of the pairs without scores, as of `tables`; none where there are no such pairs."""

    def uniform(self) -> Floats:
        """(N,) distances under the untuned weights."""

    def best_column(self) -> BestColumn | None:
        """The best of the columns by itself; None where there are none."""

    def weights(self, space: Any, parameters: Floats) -> dict[str, Any]:
        """What a record says of the weights that (P,) parameters of one of its own spaces stand for."""

    def distances_of(self, best: Best) -> Floats:
        """(N,) distances under recorded weights; a ValueError where they are none."""


class _Where(TypedDict):
    backbone: BackboneOptions
    similarity: Similarity
    cache: Cache
    progress: Progress


@dataclass(frozen=True, kw_only=True)
class Source:
    """Options of one or several runs that work on the same statistics.

    Attributes:
        data: which pairs.
        backbone: None for a features file.
        similarity: how l and s compare.
        textures: a folder of them, or `scikit-image`; None for none.
        unlabelled: a folder of images without scores; None for none.
    """

    data: DataOptions
    backbone: BackboneOptions | None
    similarity: Similarity
    textures: str | None = None
    unlabelled: str | None = None

    @classmethod
    def of(cls, run: Run) -> "Source":
        """What a run asks for."""
        backbone = BackboneOptions.of(run) if run.features is None else None
        return cls(
            data=DataOptions.of(run),
            backbone=backbone,
            similarity=Similarity.of(run),
            textures=run.textures,
            unlabelled=run.unlabelled,
        )

    def prepare(self, cache: Cache, progress: Progress, table: PairTable | None = None) -> PreparedPairs:
        """The statistics, or the columns.

        Args:
            table: the pairs, when `load_table` has loaded them already.

        Raises:
            InputError: for everything that is wrong with the options, the labels, the images or the parameters.
        """
        if self.backbone is None:
            return prepare_columns(table or load_table(self.data, cache, progress), progress)
        where: _Where = {
            "backbone": self.backbone,
            "similarity": self.similarity,
            "cache": cache,
            "progress": progress,
        }
        # what is wrong with textures is refused before the pairs pass the backbone
        textures = None if self.textures is None else textures_of(self.textures, progress)
        prepared = prepare(self.data, **where, table=table)
        if textures is not None:
            prepared = with_textures(prepared, textures, **where)
        return prepared if self.unlabelled is None else with_unlabelled(prepared, Path(self.unlabelled), **where)

    def protocol(self, table: PairTable, cache: Cache, progress: Progress) -> records.Protocol:
        """The protocol that `prepare` would come to, without any statistics."""
        if self.backbone is None:
            return columns_protocol(table, usable_columns(table))
        protocol = current_protocol(table, self.backbone, similarity=self.similarity, cache=cache, progress=progress)
        if self.textures is not None:
            protocol = protocol_with_textures(protocol, self.textures, cache, progress)
        if self.unlabelled is None:
            return protocol
        pairs = unlabelled_pairs(Path(self.unlabelled))
        record = unlabelled_record(pairs, table_sha256(pairs, cache, progress))
        return protocol.model_copy(update={"unlabelled": record})
