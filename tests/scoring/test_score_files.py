"""Published per-image figures of whole data sets, found by the names of the images; the images themselves are tiny."""

import csv
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import curve_fit
from scipy.special import expit
from scipy.stats import kendalltau, pearsonr, spearmanr

from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import PairTable
from iqatune.evaluation.correlation import correlations
from iqatune.records.options import DataOptions
from iqatune.scoring.asked import Asked
from iqatune.scoring.score_files import file_scores

METRICS = ("psnr", "msssim", "fsim", "lpips", "dists", "clip_vitb32_cos")


@pytest.mark.parametrize(("name", "pairs", "sign"), [("live", 779, -1), ("tid2013", 3000, 1)])
def test_published_scores_agree_with_scipy(
    request: pytest.FixtureRequest, test_data: Path, name: str, pairs: int, sign: int
) -> None:
    tree = request.getfixturevalue(f"{name}_tree")
    table: PairTable = load_pairs(DataOptions(dataset=name, data_root=str(tree)))
    path = test_data / "scores" / f"{name}.csv"
    with path.open(newline="") as file:
        published = list(csv.DictReader(file))
    assert len(table) == len(published) == pairs
    human = [sign * float(row["score"]) for row in published]
    for metric in METRICS:
        found = file_scores(Asked(name=metric, scores=path), table)
        way = 1 if metric == "psnr" else -1
        theirs = [way * float(row[metric]) for row in published]
        measured = correlations(table.quality, found.scores)
        assert found.record.better == ("higher" if metric == "psnr" else "lower")
        assert found.record.other_rows == 0
        assert measured.srcc == pytest.approx(spearmanr(human, theirs).statistic, abs=1e-9)
        assert measured.krcc == pytest.approx(kendalltau(human, theirs).statistic, abs=1e-9)
        if name == "live":  # the package bounds its fit, and on TID2013 a free one lies beyond
            assert abs(measured.plcc) == pytest.approx(_fitted(human, theirs), abs=2e-3)


def _fitted(quality: list[float], prediction: list[float]) -> float:
    """Pearson's correlation after scipy's own fit of the 5-parameter logistic, from several starts the best."""
    x = (np.array(prediction) - np.mean(prediction)) / np.std(prediction)
    y = np.array(quality)

    def logistic(x: NDArray[np.float64], *b: float) -> NDArray[np.float64]:
        return np.asarray(b[0] * (0.5 - expit(-b[1] * (x - b[2]))) + b[3] * x + b[4])

    found = []
    for slope in (0.5, 2.0, 8.0):
        for centre in (-1.0, 0.0, 1.0):
            with suppress(RuntimeError):  # no convergence from there
                start = (np.ptp(y), slope, centre, 0.0, y.mean())
                best, _ = curve_fit(logistic, x, y, p0=start, maxfev=4000)
                found.append(float(pearsonr(y, logistic(x, *best)).statistic))
    return max(found)
