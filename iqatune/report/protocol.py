"""Protocol cards, and the marks of results whose protocol differs from the others' in their table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from iqatune.records.result import Protocol
from iqatune.records.vocabulary import PRETRAINED, RANDOM
from iqatune.report.collect import SettingRuns
from iqatune.report.model import MARKS

DATA_FIELDS = ("pairs", "references", "label", "better", "excluded", "missing", "ratings", "dataset_sha256")
METHOD_FIELDS = ("resize", "interpolation", "pooling", "structure", "precision", "c1", "c2")


@dataclass(frozen=True)
class Usual:
    """The protocol that most results of a report share, from which the others are told apart.

    Attributes:
        data: for each data set the usual values of DATA_FIELDS.
        method: the usual values of METHOD_FIELDS.
    """

    data: dict[str, dict[str, object]]
    method: dict[str, object]

    def same_pairs(self, dataset: str, protocol: Protocol) -> bool:
        """Whether a protocol has the data set's usual pairs and scores: only such figures are tested together."""
        return protocol.dataset_sha256 == self.data.get(dataset, {}).get("dataset_sha256")

    def differences(self, dataset: str, protocol: Protocol) -> str:
        """In what a protocol differs from the usual one, in words; empty where it does not."""
        # of a features file what is said of images and of a CNN says nothing
        expected = {**self.data.get(dataset, {}), **({} if protocol.columns else self.method)}
        fields = protocol.model_dump()
        return ", ".join(
            f"{_title(name)} {_say(fields[name])} instead of {_say(value)}"
            for name, value in expected.items()
            if fields[name] != value and not (name == "label" and self.same_pairs(dataset, protocol))
        )


def usual(groups: Sequence[SettingRuns]) -> Usual:
    """What most groups' protocols say, field by field."""
    data: dict[str, dict[str, object]] = {}
    for dataset in sorted({group.setting.dataset for group in groups}):
        data[dataset] = _commonest(
            [group.protocol for group in groups if group.setting.dataset == dataset], DATA_FIELDS
        )
    through_backbones = [group.protocol for group in groups if not group.protocol.columns]
    return Usual(data, _commonest(through_backbones, METHOD_FIELDS) if through_backbones else {})


class Marks:
    """Hands out ¹, ², ... to deviations of one table, the same mark to the same deviation."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def of(self, deviation: str) -> str:
        """The mark of a deviation; none where there is no deviation."""
        if not deviation:
            return ""
        if deviation not in self._marks:
            place = len(self._marks)
            self._marks[deviation] = MARKS[place] if place < len(MARKS) else f"({place + 1})"
        return self._marks[deviation]

    def lines(self) -> tuple[str, ...]:
        """What the marks stand for."""
        return tuple(f"{mark} another protocol: {deviation}." for deviation, mark in self._marks.items())


def card(usual_protocol: Usual, groups: Sequence[SettingRuns]) -> tuple[str, ...]:
    """The protocol of the figures of these groups, in a few lines."""
    lines = []
    for dataset in sorted({group.setting.dataset for group in groups}):
        mine = [group for group in groups if group.setting.dataset == dataset]
        data = usual_protocol.data[dataset]
        simulated = "; SIMULATED observers" if any(group.protocol.simulated for group in mine) else ""
        excluded = data["excluded"]
        left_out = f"; left out: {', '.join(map(str, excluded))}" if isinstance(excluded, tuple) and excluded else ""
        missing = f"; {data['missing']} pairs missing" if data["missing"] else ""
        rated = f" (of {data['ratings']} ratings)" if data["ratings"] else ""
        better = "each with its own direction" if data["better"] == "by set" else f"{data['better']} is better"
        lines.append(
            f"{dataset}: {data['pairs']} pairs{rated}, {data['references']} references, labels {data['label']} "
            f"({better}){left_out}{missing}, data {_short(data['dataset_sha256'])}{simulated}."
        )
    method = usual_protocol.method
    through_backbones = [group for group in groups if not group.protocol.columns]
    if through_backbones:
        resized = f"short side {method['resize']} ({method['interpolation']})" if method["resize"] else "none"
        lines.append(
            f"Resize {resized}, pooling {method['pooling']}, structure by {method['structure']}, "
            f"{method['precision']}, c1 {method['c1']:g}, c2 {method['c2']:g}."
        )
        parameters = sorted({(group.setting.backbone, _parameters(group.protocol)) for group in through_backbones})
        lines.append("Backbone parameters: " + ", ".join(f"{name} {of_name}" for name, of_name in parameters) + ".")
    lines += [
        f"Features of {dataset}: {', '.join(columns)}."
        for dataset, columns in sorted(
            {(group.setting.dataset, group.protocol.columns) for group in groups if group.protocol.columns}
        )
    ]
    seeds = sorted({run.result.protocol.split_seed for group in groups for run in group.runs} - {None}, key=str)
    if seeds:
        lines.append(f"Folds by reference, split seeds {', '.join(map(str, seeds))}.")
    return (*lines, *deviations(usual_protocol, groups))


def deviations(usual_protocol: Usual, groups: Sequence[SettingRuns]) -> tuple[str, ...]:
    """Which backbones' results have another protocol on which data sets, and in what it differs."""
    found: dict[tuple[str, str], list[str]] = {}
    for group in groups:
        setting = group.setting
        if difference := usual_protocol.differences(setting.dataset, group.protocol):
            found.setdefault((setting.backbone, difference), []).append(setting.dataset)
    return tuple(
        f"{backbone} on {', '.join(dict.fromkeys(datasets))}: {difference}."
        for (backbone, difference), datasets in found.items()
    )


def _commonest(protocols: Sequence[Protocol], names: Sequence[str]) -> dict[str, object]:
    return {name: Counter(getattr(protocol, name) for protocol in protocols).most_common(1)[0][0] for name in names}


def _title(name: str) -> str:
    return name.replace("_sha256", " contents").replace("_", " ")


def _parameters(protocol: Protocol) -> str:
    """The hash of a backbone's parameters, and the file that they came from."""
    in_file = protocol.backbone_weights not in (PRETRAINED, RANDOM)
    return _short(protocol.backbone_sha256) + (f" ({PurePath(protocol.backbone_weights).name})" if in_file else "")


def _say(value: object) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return " and ".join(map(str, value))
    text = str(value)
    return _short(text) if len(text) == 64 else text


def _short(digest: object) -> str:
    return str(digest)[:10]
