"""All checks that were asked for, one after the other."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal

from iqatune.backbones.zoo import find as find_backbone
from iqatune.datasets.registry import DATASETS, load_pairs
from iqatune.datasets.table import PairTable
from iqatune.doctor.findings import Outcome
from iqatune.doctor.images import TrySizes, picture_outcomes, without_copies
from iqatune.doctor.labels import column_outcomes, label_outcomes
from iqatune.errors import InputError, UsageError
from iqatune.progress import Progress
from iqatune.records.diagnosis import Diagnosis, Finding
from iqatune.records.options import DataOptions
from iqatune.statistics.same_pictures import one_picture_a_group, shared_line

if TYPE_CHECKING:
    from iqatune.backbones.network import Backbone

Part = Literal["data", "backbone", "searchers", "device"]

STAND_IN = "squeezenet"
"""What the device computes where no backbone is named, with random parameters."""


def examine(
    parts: Iterable[Part],
    data: DataOptions | None,
    *,
    backbone: str | None,
    backbone_weights: str,
    pooling: str,
    device: str,
    full: bool,
    progress: Progress,
) -> Diagnosis:
    """Check the parts; whatever is wrong with one is a finding, and the others are checked all the same.

    Args:
        data: None for no data set; the part "data" then says nothing.
        backbone: None for none; the part "backbone" then says nothing.
        full: decode every image of the data set.

    Raises:
        InputError: for a data set, backbone or device that no one knows, and options that do not go together.
    """
    wanted = set(parts)
    if data is not None:
        for each in data.sets:
            DATASETS.find(each.dataset)
    if backbone is not None:
        find_backbone(backbone)
    network: Backbone | None = None
    network_findings: list[Finding] = []
    if wanted & {"backbone", "device"}:
        network, network_findings = _network_findings(
            wanted, backbone, weights=backbone_weights, pooling=pooling, device=device
        )
    findings: list[Finding] = []
    if "data" in wanted and data is not None:
        tried = None if network is None else _trying(network)
        for each in data.sets:
            findings += _as_findings(each.dataset, _data_outcomes(each, progress, full=full, tried=tried))
        if data.datasets:
            findings += _as_findings(data.dataset, _shared_pictures(data, progress))
    findings += network_findings
    if "searchers" in wanted:
        findings += _searcher_findings(progress)
    return Diagnosis(findings=tuple(findings))


def _as_findings(subject: str, outcomes: Iterable[Outcome]) -> list[Finding]:
    return [Finding(subject=subject, check=check, level=level, says=says) for check, level, says in outcomes]


def _data_outcomes(data: DataOptions, progress: Progress, *, full: bool, tried: TrySizes | None) -> Iterator[Outcome]:
    table: PairTable | None = None
    try:
        table = load_pairs(data)
    except UsageError:
        raise
    except InputError as error:
        yield "loading", "problem", error.command_line
    if table is None:
        try:
            # what is there can be looked at even where something is missing
            table = load_pairs(data.model_copy(update={"allow_missing": True}))
        except InputError:
            return
    if table.columns:
        yield from label_outcomes(table, DATASETS.find(data.dataset).info, data.exclude)
        yield from column_outcomes(table)
        return
    table, copies = without_copies(table, progress)
    yield copies
    yield from label_outcomes(table, DATASETS.find(data.dataset).info, data.exclude)
    yield from picture_outcomes(table, progress, full=full, tried=tried)


def _shared_pictures(data: DataOptions, progress: Progress) -> Iterator[Outcome]:
    """Which references of several sets show one picture; of sets that cannot be loaded their own findings speak."""
    try:
        groups = one_picture_a_group([load_pairs(each) for each in data.sets], progress)
    except InputError:
        return
    line = shared_line(groups)
    yield (
        ("pictures", "ok", "no picture is a reference in several of them")
        if line is None
        else ("pictures", "note", line)
    )


def _trying(network: "Backbone") -> TrySizes:
    # here, not above: torch takes seconds to import
    from iqatune.doctor.backbone import size_outcomes

    return partial(size_outcomes, network)


def _network_findings(
    wanted: set[Part], name: str | None, *, weights: str, pooling: str, device: str
) -> tuple["Backbone | None", list[Finding]]:
    """The backbone that was named, where it can be built, and what there is to say of it and of the device."""
    if name is None and "device" not in wanted:
        return None, []
    # here, not above: torch takes seconds to import
    from iqatune.backbones.network import build_backbone
    from iqatune.doctor.backbone import backbone_outcomes, device_outcomes

    findings = []
    network = None
    if name is not None:
        try:
            network = build_backbone(name, weights, pooling)
        except InputError as error:
            findings += _as_findings(name, [("parameters", "problem", error.command_line)])
        if network is not None and "backbone" in wanted:
            findings += _as_findings(name, backbone_outcomes(network))
    if "device" in wanted:
        findings += _as_findings(
            f"device {device}", device_outcomes(device, network or build_backbone(STAND_IN, "random"))
        )
    return network, findings


def _searcher_findings(progress: Progress) -> list[Finding]:
    from iqatune.doctor.searchers import searcher_outcome
    from iqatune.search.searchers.registry import available

    findings = []
    names = [info.name for info in available()]
    with progress.track("trying searchers", len(names), "searchers") as advance:
        for name in names:
            findings += _as_findings(name, [searcher_outcome(name)])
            advance(1)
    return findings
