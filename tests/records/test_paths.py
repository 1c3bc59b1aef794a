"""Two experiments never meet in one folder, and the usual one has the shortest path."""

from pathlib import Path, PurePath
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqatune.errors import InputError
from iqatune.records.options import Run
from iqatune.records.paths import LONGEST_NAME, checked_name, other_samples, run_path
from iqatune.records.vocabulary import Better, ObjectiveName, Pooling, Precision, Structure
from iqatune.tuning.resume import INCIDENTAL

FILES = ("pairs", "features", "backbone_weights", "textures", "unlabelled")
"""Options whose folder decides nothing."""

_NAMES = st.sampled_from(
    ["a", "b", "a-b", "a+b", "a b", "a_b", "cube", "krcc", "dirichlet1", "x" * 80, "y" * 300, "=", "é"]
)
_FILE = st.builds("{}/{}.csv".format, st.sampled_from(["x", "/y"]), _NAMES)
_SETS = st.fixed_dictionaries(
    {"dataset": st.just(["tid2013", "live"])},
    optional={
        "dataset_weight": st.dictionaries(st.sampled_from(["tid2013", "live"]), st.floats(0.1, 2), max_size=2),
        "exclude": st.dictionaries(st.sampled_from(["tid2013", "live"]), st.lists(_NAMES, min_size=1, max_size=2)),
        "label": st.dictionaries(st.sampled_from(["tid2013", "live"]), _NAMES),
    },
)
_OF_PAIRS: dict[str, st.SearchStrategy[Any]] = {
    "pairs": _FILE,
    "features": _FILE,
    "feature_columns": st.lists(_NAMES.filter(lambda name: "," not in name), max_size=2, unique=True),
    "better": st.sampled_from(get_args(Better)),
    "label": _NAMES,
    "exclude": st.lists(_NAMES, max_size=2),
    "raters": st.booleans(),
    "allow_missing": st.booleans(),
    "split_column": _NAMES,
    "data_root": _NAMES,
}
_OF_REST: dict[str, st.SearchStrategy[Any]] = {
        "backbone_weights": st.one_of(st.sampled_from(["pretrained", "random"]), _FILE),
        "pooling": st.sampled_from(get_args(Pooling)),
        "resize": st.sampled_from([None, 192, 256]),
        "precision": st.sampled_from(get_args(Precision)),
        "structure": st.sampled_from(get_args(Structure)),
        "device": st.sampled_from(["cpu", "cuda"]),
        "samples": st.sampled_from([5, 50, 1000]),
        "stop": st.sampled_from([None, "auto"]),
        "space": st.sampled_from(["stage", "channel+c"]),
        "prior": st.sampled_from(["cube", "simplex", "dirichlet:0.3", "dirichlet:1"]),
        "objective": st.sampled_from(get_args(ObjectiveName)),
        "seed": st.integers(0, 2),
        "folds": st.sampled_from([0, 5, 10]),
        "c1": st.sampled_from([1e-6, 0.1]),
        "c2": st.sampled_from([1e-6, 0.1]),
        "penalty": st.sampled_from([0.0, 0.1]),
        "stage_costs": st.lists(st.sampled_from([0.0, 1.0]), max_size=2),
        "last_stage": st.sampled_from([None, 0, 1]),
        "leave_one_set_out": st.booleans(),
        "leave_one_distortion_out": st.booleans(),
        "engine": st.sampled_from(["local", "ray"]),
        "concurrency": st.integers(1, 2),
        "textures": _FILE,
        "texture_weight": st.sampled_from([0.0, 0.3, 0.30000001]),
        "view": st.lists(
            st.sampled_from(["flip", "resize:192", "backbone:b", "backbone:b=x/f.pth", "backbone:b=x/g.pth"]),
            max_size=2, unique=True,
        ),
        "unlabelled": _FILE,
}  # fmt: skip
_ONE = st.fixed_dictionaries({"dataset": st.sampled_from(["csv", "live"])}, optional=_OF_PAIRS)
_REST = st.fixed_dictionaries(
    {"backbone": st.sampled_from(["vgg19", "timm:a", "vgg19@1,2"]), "searcher": st.sampled_from(["random", "fit"])},
    optional=_OF_REST,
)
_RUNS = st.builds(lambda data, rest: Run.parsed({**data, **rest}), st.one_of(_ONE, _SETS), _REST)

SPLITS = {"leave_one_set_out", "leave_one_distortion_out", "split_column"}
"""Of these one is given; what they come to is `split`."""


def _experiment(run: Run) -> dict[str, Any]:
    """What makes a run another one: its options, files by their names alone."""
    left = run.model_dump(exclude={"data_root", "device", "address", *SPLITS, *FILES})
    left["datasets"] = [
        {name: value for name, value in each.items() if name != "data_root"} for each in left["datasets"]
    ]
    left["view"] = ["=".join(PurePath(part).name for part in view.split("=")) for view in left["view"]]
    left["split"] = run.split, run.split_column if run.split == "column" else None
    if run.features is not None:
        left["backbone"] = ""
    for name in FILES:
        value = getattr(run, name)
        left[name] = None if value is None else PurePath(value).name
    return left


@given(_RUNS, _RUNS)
def test_two_runs_meet_only_where_they_are_one_experiment(first: Run, second: Run) -> None:
    assert (run_path(first) == run_path(second)) == (_experiment(first) == _experiment(second))


@given(st.builds(dict, _ONE), _REST, st.data())
def test_a_change_of_one_option_changes_the_path(
    one: dict[str, Any], rest: dict[str, Any], data: st.DataObject
) -> None:
    run = Run.parsed({**one, **rest})
    name = data.draw(st.sampled_from([*_OF_PAIRS, *_OF_REST]))
    value = data.draw({**_OF_PAIRS, **_OF_REST}[name])
    changed = Run.parsed({**one, **rest, name: value})
    assert (run_path(changed) == run_path(run)) == (_experiment(changed) == _experiment(run)), name


def test_an_option_of_a_run_is_told_or_changes_nothing() -> None:
    """One that is added to a run later has to be drawn above, and so told in the path."""
    drawn = {*_OF_PAIRS, *_OF_REST, "dataset", "datasets", "backbone", "searcher"}
    assert drawn | {"address"} == {*Run.model_fields}
    assert {"address", "data_root", "device"} <= INCIDENTAL


@given(_RUNS)
def test_every_folder_is_one_that_a_disk_takes(run: Run) -> None:
    for part in run_path(run).parts:
        assert len(part.encode()) <= 255
        assert not set(part) & set('\0/\\:*?"<>|\n')


def test_the_usual_run_has_the_usual_path() -> None:
    assert run_path(Run(dataset="live", backbone="vgg19", searcher="bohb")) == Path("live/vgg19/bohb-stage-s0")


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"searcher": "nevergrad:PSO", "seed": 3}, "live/vgg19/nevergrad_PSO-stage-s3"),
        ({"resize": None}, "live/vgg19/resize=none/bohb-stage-s0"),
        ({"samples": 200, "folds": 0}, "live/vgg19/bohb-stage-folds=0-samples=200-s0"),
        ({"stop": "auto"}, "live/vgg19/bohb-stage-stop=auto-s0"),
        ({"stop": "auto", "samples": 50}, "live/vgg19/bohb-stage-stop=auto-samples=50-s0"),
        ({"backbone_weights": "/x/best.pth"}, "live/vgg19/backbone_weights=best.pth/bohb-stage-s0"),
        ({"exclude": ["wn", "jpeg"], "precision": "bf16"}, "live/vgg19/exclude=wn+jpeg,precision=bf16/bohb-stage-s0"),
        (
            {"dataset": "csv", "pairs": "/x/mine.csv", "better": "lower"},
            "csv/vgg19/pairs=mine.csv,better=lower/bohb-stage-s0",
        ),
        (
            {"dataset": ["live", "tid2013"], "exclude": {"live": ["wn"]}, "dataset_weight": {"live": 0.5}},
            "live+tid2013/vgg19/live.exclude=wn/bohb-stage-live=0.5-s0",
        ),
    ],
)
def test_what_differs_from_the_defaults_is_in_the_path(options: dict[str, Any], path: str) -> None:
    run = Run.parsed({"dataset": "live", "backbone": "vgg19", "searcher": "bohb", **options})
    assert run_path(run) == Path(path)
    assert run_path(run, "mine") == Path(*Path(path).parts[:2], "mine")


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "a\\b", "-a", " a", "a ", "a.", "x" * 201, "a\nb", "a:b"]
)
def test_a_name_that_is_none_of_a_folder_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no plain name of a folder") as refused:
        checked_name(name)
    assert refused.value.command_line.startswith("--name ")


@pytest.mark.parametrize("name", ["mine", "smaller images", "resize=192", "v1.2_é"])
def test_plain_names_are_taken(name: str) -> None:
    assert checked_name(name) == name


@given(_RUNS, st.integers(1, 10**6))
def test_folders_of_other_numbers_of_samples_are_known(run: Run, samples: int) -> None:
    folder, other = (run_path(each).name for each in (run, run.model_copy(update={"samples": samples})))
    if max(len(folder), len(other)) < LONGEST_NAME - 20:
        assert other_samples(run).fullmatch(other)
        assert other_samples(run).fullmatch(folder)
        assert not other_samples(run).fullmatch(f"x{other}")
