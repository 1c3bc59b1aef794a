"""GRID.yaml: what its cells are, where they go, and what is refused before any work."""

from collections.abc import Callable
from pathlib import Path

import pytest

from iqatune.errors import InputError
from iqatune.tuning.grid import Cell, cells_of, read_grid

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def cells(tmp_path: Path) -> Callable[[str], tuple[Cell, ...]]:
    """The cells of a grid given as text."""

    def read(text: str) -> tuple[Cell, ...]:
        path = tmp_path / "grid.yaml"
        path.write_text(text)
        return read_grid(path)

    return read


GOOD = {"datasets": "[live, csiq]", "backbones": "[alexnet]", "searchers": "[random]"}


def _grid(**changes: str) -> str:
    return "\n".join(f"{key}: {value}" for key, value in {**GOOD, **changes}.items())


def test_cells_are_all_combinations_with_the_data_set_changing_slowest(cells: Callable[..., tuple[Cell, ...]]) -> None:
    found = cells("seeds: [0, 1]\nsamples: 7\nresize: none\n" + _grid(searchers="[random, bohb]"))
    assert [cell.place.as_posix() for cell in found] == [
        f"{dataset}/alexnet/resize=none/{searcher}-stage-samples=7-s{seed}"
        for dataset in ("live", "csiq")
        for seed in (0, 1)
        for searcher in ("random", "bohb")
    ]
    assert {cell.run.samples for cell in found} == {7}
    assert {cell.run.resize for cell in found} == {None}


def test_an_entry_may_hold_options_that_belong_together(cells: Callable[..., tuple[Cell, ...]]) -> None:
    found = cells(_grid(datasets="[{dataset: csv, pairs: a.csv, better: lower, exclude: [blur]}, live]"))
    assert [(cell.run.dataset, cell.run.pairs, cell.run.better) for cell in found] == [
        ("csv", "a.csv", "lower"),
        ("live", None, None),
    ]
    assert found[0].run.exclude == ("blur",)


def test_cells_that_would_share_a_folder_get_one_between_that_tells_them_apart(
    cells: Callable[..., tuple[Cell, ...]], tmp_path: Path
) -> None:
    for name in ("a.pth", "b/c.pth", "d/c.pth"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    entries = ", ".join(
        f"{{backbone: alexnet, backbone_weights: {weights}}}"
        for weights in ("random", *(tmp_path / name for name in ("a.pth", "b/c.pth", "d/c.pth")))
    )
    found = cells(_grid(datasets="live", backbones=f"[{entries}, vgg16]"))
    places = [cell.place.as_posix() for cell in found]
    assert places[0] == "live/alexnet/backbone_weights=random/random-stage-s0"
    assert places[1] == "live/alexnet/backbone_weights=a.pth/random-stage-s0"
    assert places[2].startswith("live/alexnet/backbone_weights=c.pth/backbone_weights=c.pth-")
    assert places[4] == "live/vgg16/random-stage-s0"
    assert len(set(places)) == 5


def test_every_option_can_vary(cells: Callable[..., tuple[Cell, ...]]) -> None:
    found = cells(_grid(datasets="live", samples="[5, 10]", folds="[0]", structures="[covariance, stddev]"))
    folders = {"/".join(cell.place.parts[2:]) for cell in found}
    assert folders == {
        f"{structure}random-stage-folds=0-samples={samples}-s0"
        for samples in (5, 10)
        for structure in ("", "structure=stddev/")
    }


@pytest.mark.parametrize(
    ("written", "seeds"),
    [
        ("seed: 3", [3]),
        ("seeds: 0-4", [0, 1, 2, 3, 4]),
        ("seeds: [3]", [3]),
        ("seeds: [0-2, 7]", [0, 1, 2, 7]),
        ("seed: 2-2", [2]),
    ],
)
def test_seeds_are_those_that_a_reader_expects(
    written: str, seeds: list[int], cells: Callable[..., tuple[Cell, ...]]
) -> None:
    assert [cell.run.seed for cell in cells(f"{_grid(datasets='live')}\n{written}\n")] == seeds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (_grid(serchers="[random]"), "'serchers'; did you mean 'searchers'"),
        (_grid(searchers="[random, bobh]"), "did you mean 'bohb'"),
        (_grid(backbones="[alexnat]"), "did you mean 'alexnet'"),
        (_grid(spaces="[stage, chanel]"), "chanel"),
        (_grid(samples="[50, 0]"), "--samples 0"),
        (_grid(samples="[many]"), "samples 'many': not a whole number"),
        (_grid(folds="1"), "--folds 1"),
        (_grid(seeds="[0, 0]"), "twice"),
        (_grid(seeds="[0]", seed="1"), "given twice"),
        (_grid(seeds="[]"), "'seeds' is empty"),
        (_grid(seeds="3"), "'seeds: 3' could be one seed or their number; write 'seed: 3', or 'seeds: 0-2'"),
        (_grid(seeds="4-0"), "'seeds: 4-0': give the lower one first"),
        (_grid(seeds="0-99999999"), "at most 10000 seeds"),
        (_grid(seeds="[0-2, 1]"), "twice"),
        (_grid(name="mine"), "'name' is no option of a grid; the folder of each cell says what it is"),
        (_grid(engine="ray"), "'engine' is no option of a grid"),
        (_grid(backbones="[{backbone_weights: random}]"), "has no 'backbone'"),
        (_grid(backbones="[{backbone: alexnet, weights: random}]"), "unknown key 'weights'"),
        (_grid(backbones="[{backbone: alexnet, backbone_weights: nowhere.pth}]"), "nowhere.pth"),
        (_grid(datasets="[{dataset: live, resize: none}]", resize="256"), "'resize' is given by two keys"),
        ("datasets: [live]\nsearchers: [random]\n", "says nothing about 'backbones'"),
        ("- live\n", "must hold options"),
        ("datasets: [live\n", "not YAML (line 2, column 1: "),
    ],
)
def test_what_is_wrong_is_said_in_a_line(text: str, says: str, cells: Callable[..., tuple[Cell, ...]]) -> None:
    with pytest.raises(InputError) as caught:
        cells(text)
    assert says in caught.value.command_line
    assert "grid.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_published_grid(cells: Callable[..., tuple[Cell, ...]]) -> None:
    found = read_grid(CONFIGS / "study.yaml")
    assert len(found) == len({cell.place for cell in found}) == 6 * 6 * 4
    assert {cell.run.samples for cell in found} == {50}


def test_the_quick_grid(test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = (CONFIGS / "quick.yaml").read_text().replace("../shared/data", str(test_data))
    (tmp_path / "quick.yaml").write_text(grid)
    found = read_grid(tmp_path / "quick.yaml")
    assert len(found) == len({cell.place for cell in found}) == 6 * 2 * 3


def test_a_grid_limits_what_a_fit_may_use() -> None:
    """Costs are a list in themselves, also as on the command line; each limit is a cell with a folder of its own."""
    shared = {"datasets": "demo", "backbones": "squeezenet", "backbone_weights": "random", "searchers": "fit"}
    limited = cells_of({**shared, "last_stages": [1, 2]}, "grid")
    assert [cell.run.last_stage for cell in limited] == [1, 2]
    for costs in ([0, 1, 2, 3, 4, 5], "0,1,2,3,4,5"):
        penalised = cells_of({**shared, "penalty": [0.1, 0.2], "stage_costs": costs}, "grid")
        assert {cell.run.stage_costs for cell in penalised} == {(0.0, 1.0, 2.0, 3.0, 4.0, 5.0)}
        assert len({cell.place for cell in (*penalised, *limited)}) == 4
