"""Directions and scales of columns: what they are, that no unit and no sign matters, and whose pairs they come from."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hypothesis.extra.numpy as numpy_strategies
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given
from numpy.typing import NDArray
from scipy.stats import spearmanr

from iqatune.datasets.registry import load_pairs
from iqatune.errors import InputError
from iqatune.evaluation.correlation import srcc
from iqatune.evaluation.folds import Split
from iqatune.metric.spaces import ColumnSpace
from iqatune.progress import Progress
from iqatune.records.options import DataOptions
from iqatune.search.objective import Objective
from iqatune.search.task import Task
from iqatune.statistics.columns import PreparedColumns, Scaling, best_column, prepare_columns

Floats = NDArray[np.float64]
Prepared = Callable[..., PreparedColumns]

RNG = np.random.default_rng(5)
QUALITY = RNG.normal(size=40)
COLUMNS = np.stack(
    (-QUALITY + RNG.normal(size=40), 20 + 9 * QUALITY + RNG.normal(size=40), RNG.normal(size=40)), axis=1
)


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    """A features file of columns c0, c1, ... and five references, prepared."""

    def make(columns: Floats, quality: Floats, progress: Progress | None = None) -> PreparedColumns:
        names = [f"c{place}" for place in range(columns.shape[1])]
        lines = [",".join(("reference", "distorted", "score", *names))]
        for row, (score, values) in enumerate(zip(quality, columns, strict=True)):
            lines.append(",".join((f"r{row % 5}.png", f"d{row}.png", repr(float(score)), *map(repr, values.tolist()))))
        file = tmp_path / "columns.csv"
        file.write_text("\n".join(lines))
        table = load_pairs(DataOptions(dataset="csv", features=file, better="higher"))
        return prepare_columns(table, progress or Progress())

    return make


def test_features_are_distances_from_the_best_pair_in_standard_deviations() -> None:
    features = Scaling.of(COLUMNS, QUALITY)(COLUMNS)
    np.testing.assert_allclose(features.std(axis=0), 1)
    np.testing.assert_array_equal(features.min(axis=0), 0)
    for place, column in enumerate(COLUMNS.T):
        sign = np.sign(spearmanr(QUALITY, column).statistic)
        assert spearmanr(QUALITY, features[:, place]).statistic < 0
        np.testing.assert_allclose(spearmanr(-sign * column, features[:, place]).statistic, 1)


@given(data=st.data())
def test_neither_unit_nor_sign_of_a_column_matters(data: st.DataObject) -> None:
    values = st.integers(-50, 50).map(float)
    columns = data.draw(numpy_strategies.arrays(np.float64, (12, 3), elements=values))
    quality = data.draw(numpy_strategies.arrays(np.float64, 12, elements=values))
    # a column without any SRCC has no direction to be found
    assume(all(not np.isnan(figure) and figure != 0 for figure in (srcc(quality, column) for column in columns.T)))
    factors = data.draw(st.lists(st.sampled_from([-4.0, -1.0, -0.5, 0.25, 1.0, 1024.0]), min_size=3, max_size=3))
    shares = data.draw(numpy_strategies.arrays(np.float64, 3, elements=st.floats(0, 1)))
    other = columns * factors
    space = ColumnSpace(("a", "b", "c"))
    figures = [Objective(space, (Scaling.of(part, quality)(part),), quality)(shares) for part in (columns, other)]
    assert figures[0] == figures[1] or np.isnan(figures).all()


def test_a_constant_column_has_no_say_even_where_its_deviation_rounds() -> None:
    columns = np.stack((np.full(30, 0.1), QUALITY[:30]), axis=1)
    assert columns[:, 0].std() > 0  # it is not 0, which is what this is about
    features = Scaling.of(columns, QUALITY[:30])(columns)
    np.testing.assert_array_equal(features[:, 0], 0)
    assert not np.signbit(features).any()


def test_held_out_pairs_say_nothing_of_directions_and_scales(prepared: Prepared) -> None:
    found = prepared(COLUMNS, QUALITY)
    task = Task(
        searcher="random",
        samples=5,
        seed=0,
        space=found.space("columns"),
        tables=found.tables(found.space("columns")),
        quality=QUALITY,
        reference_ids=found.table.reference_ids,
        columns=found.columns,
    )
    mask = np.array([name == "r0.png" for name in task.reference_ids])
    tuned_on, left_out = task.split(Split(mask, ~mask))
    spoiled = found.columns.copy()
    spoiled[mask] = -1000 * spoiled[mask] + 7  # another direction, another scale
    quality = np.where(mask, -QUALITY, QUALITY)
    again, others = replace(task, columns=spoiled, quality=quality).split(Split(mask, ~mask))
    np.testing.assert_array_equal(again.tables[0], tuned_on.tables[0])
    np.testing.assert_array_equal(tuned_on.tables[0], Scaling.of(COLUMNS[~mask], QUALITY[~mask])(COLUMNS[~mask]))
    scaling = Scaling.of(COLUMNS[~mask], QUALITY[~mask])
    np.testing.assert_array_equal(left_out.tables[0], scaling(COLUMNS[mask]))
    np.testing.assert_array_equal(others.tables[0], scaling(spoiled[mask]))
    # with those of all pairs they would be other figures
    assert not np.allclose(left_out.tables[0], task.tables[0][mask])


def test_the_best_column_is_the_one_with_the_highest_srcc() -> None:
    place, figure = best_column(Scaling.of(COLUMNS, QUALITY)(COLUMNS), QUALITY)
    figures = [spearmanr(QUALITY, column).statistic for column in COLUMNS.T]
    assert place == 1
    assert figure == pytest.approx(max(figures), abs=1e-12)


class _Told(Progress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, line: str) -> None:
        self.lines.append(line)


def test_constant_columns_are_left_out_and_told(prepared: Prepared) -> None:
    told = _Told()
    found = prepared(np.insert(COLUMNS, 1, 3.5, axis=1), QUALITY, told)
    assert found.names == found.protocol.columns == ("c0", "c2", "c3")
    np.testing.assert_array_equal(found.columns, COLUMNS)
    assert told.lines == ["columns.csv: left out, for the same in every pair: c1"]


def test_columns_that_are_all_constant_are_refused(prepared: Prepared) -> None:
    with pytest.raises(InputError, match=r"every column \(c0, c1\) is the same for every pair"):
        prepared(np.ones((40, 2)), QUALITY)


def test_equal_shares_are_the_uniform_weights(prepared: Prepared) -> None:
    expected = Scaling.of(COLUMNS, QUALITY)(COLUMNS).mean(axis=1)
    np.testing.assert_allclose(prepared(COLUMNS, QUALITY).uniform(), expected, rtol=1e-14)
