"""All checks that were asked for, one after the other."""

from collections.abc import Iterable, Iterator
from typing import Literal

from iqatune.backbones.zoo import find as find_backbone
from iqatune.datasets.registry import ADAPTERS
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.results.doctor.findings import Diagnosis, Finding
from iqatune.results.doctor.labels import Outcome, label_outcomes
from iqatune.results.doctor.pictures import picture_outcomes
from iqatune.results.prepare import load_table
from iqatune.results.record import DataOptions
from iqatune.suggestions import did_you_mean

Part = Literal["data", "backbone", "searchers", "device"]

STAND_IN = "squeezenet"
"""What the device computes where no backbone is named, with random parameters."""


def examine(
    parts: Iterable[Part],
    data: DataOptions | None,
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
        InputError: for a data set or backbone that no one knows.
    """
    wanted = set(parts)
    if data is not None and data.dataset not in ADAPTERS:
        raise InputError(f"--dataset {data.dataset}: unknown; {did_you_mean(data.dataset, ADAPTERS)}")
    if backbone is not None:
        find_backbone(backbone)
    findings: list[Finding] = []
    if "data" in wanted and data is not None:
        findings += _as_findings(data.dataset, _data_outcomes(data, full, progress))
    if wanted & {"backbone", "device"}:
        findings += _network_findings(wanted, backbone, backbone_weights, pooling, device)
    if "searchers" in wanted:
        findings += _searcher_findings(progress)
    return Diagnosis(findings=tuple(findings))


def _as_findings(subject: str, outcomes: Iterable[Outcome]) -> list[Finding]:
    return [Finding(subject=subject, check=check, level=level, says=says) for check, level, says in outcomes]


def _data_outcomes(data: DataOptions, full: bool, progress: Progress) -> Iterator[Outcome]:
    table: PairTable | None = None
    try:
        table = load_table(data)
    except InputError as error:
        yield "loading", "problem", str(error)
    if table is None:
        try:
            # what is there can be looked at even where something is missing
            table = load_table(data.model_copy(update={"allow_missing": True}))
        except InputError:
            return
    yield from label_outcomes(table, ADAPTERS[data.dataset].info, data.exclude)
    yield from picture_outcomes(table, full, progress)


def _network_findings(wanted: set[Part], name: str | None, weights: str, pooling: str, device: str) -> list[Finding]:
    if name is None and "device" not in wanted:
        return []
    # here, not above: torch takes seconds to import
    from iqatune.backbones.network import build_backbone
    from iqatune.results.doctor.backbone import backbone_outcomes, device_outcomes

    findings = []
    network = None
    if name is not None:
        try:
            network = build_backbone(name, weights, pooling)
        except InputError as error:
            findings += _as_findings(name, [("parameters", "problem", str(error))])
        if network is not None and "backbone" in wanted:
            findings += _as_findings(name, backbone_outcomes(network))
    if "device" in wanted:
        network = network or build_backbone(STAND_IN, "random")
        findings += _as_findings(f"device {device}", device_outcomes(device, network))
    return findings


def _searcher_findings(progress: Progress) -> list[Finding]:
    from iqatune.results.doctor.searchers import searcher_outcome
    from iqatune.search.searchers.registry import available

    findings = []
    names = [info.name for info in available()]
    with progress.track("trying searchers", len(names), "searchers") as advance:
        for name in names:
            findings += _as_findings(name, [searcher_outcome(name)])
            advance(1)
    return findings
