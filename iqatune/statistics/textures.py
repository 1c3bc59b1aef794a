"""The crop pairs of textures seen through a backbone, beside a data set's pairs."""

from dataclasses import replace

from iqatune.datasets.textures import TextureSource, load_textures
from iqatune.metric.similarity import Similarity
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions
from iqatune.records.result import Protocol
from iqatune.records.textures import Textures
from iqatune.statistics.cache import Cache
from iqatune.statistics.prepare import Prepared, prepare_pairs, table_sha256


def textures_of(given: str, progress: Progress) -> TextureSource:
    """The crop pairs of a folder, or of `scikit-image`; a warning says which textures are left out.

    Raises:
        InputError: as of `load_textures`.
    """
    source = load_textures(given)
    if source.left_out_line is not None:
        progress.warn(source.left_out_line)
    return source


def textures_record(source: TextureSource, sha256: str) -> Textures:
    """What a document says of textures.

    Args:
        sha256: of the images' contents and of where the crops are.
    """
    return Textures(
        source=source.name,
        textures=len(source.table.references),
        crop_pairs=len(source.table),
        left_out=len(source.left_out),
        sha256=sha256,
    )


def with_textures(
    prepared: Prepared,
    source: TextureSource,
    backbone: BackboneOptions,
    *,
    similarity: Similarity,
    cache: Cache,
    progress: Progress,
) -> Prepared:
    """A prepared data set, and the crop pairs of textures through the same backbone beside it.

    Raises:
        InputError: for an image that cannot be read.
    """
    crops = prepare_pairs(source.table, backbone, similarity=similarity, cache=cache, progress=progress)
    return replace(
        prepared,
        protocol=_with_record(prepared.protocol, source, crops.protocol.dataset_sha256),
        seconds=prepared.seconds + crops.seconds,
        textures=crops,
    )


def protocol_with_textures(protocol: Protocol, given: str, cache: Cache, progress: Progress) -> Protocol:
    """The protocol that `with_textures` comes to, without any statistics.

    Raises:
        InputError: for what is wrong with the textures.
    """
    source = load_textures(given)
    return _with_record(protocol, source, table_sha256(source.table, cache, progress))


def _with_record(protocol: Protocol, source: TextureSource, sha256: str) -> Protocol:
    """A protocol that says which textures were looked at."""
    return protocol.model_copy(update={"textures": textures_record(source, sha256)})
