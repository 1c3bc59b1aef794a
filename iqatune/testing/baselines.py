"""The contract of a baseline."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from iqatune.backbones.identity import PRETRAINED
from iqatune.datasets.table import Pair, PairTable
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.scoring.baselines import BASELINES, TooSmall, available, baseline_scores, find
from iqatune.statistics.cache import Cache
from iqatune.testing.common import generators_left_alone, is_a_line, picture

NOISE = (0.0, 4.0, 12.0, 36.0)
"""Standard deviations of the noise on a reference's versions, of 255; the first version is the reference itself."""


class BaselineContract:
    """Tests of one baseline, which a derived class names. It has to be installed.

    Attributes:
        name: of the baseline, as on the command line.
        weights: where the parameters of its CNN are, as of `--baseline-weights`, if it has one.
    """

    name: ClassVar[str]
    weights: ClassVar[str] = PRETRAINED

    @pytest.fixture
    def table(self, tmp_path: Path) -> PairTable:
        """Two references, each with itself and with three versions under ever more noise."""
        return _two_references(self.name, tmp_path)

    @pytest.fixture
    def scores(self) -> Floats:
        """(8,) scores of the table, higher is better, measured once for all tests."""
        return _scores(self.name, BASELINES.origin(self.name), self.weights)

    def test_describes_itself(self) -> None:
        assert find(self.name).name == self.name
        (listed,) = (listed for listed in available() if listed.name == self.name)
        assert is_a_line(listed.description), f"its description is {listed.description!r}"

    def test_gives_a_finite_number_for_every_pair(self, scores: Floats) -> None:
        assert scores.shape == (2 * len(NOISE),)
        assert np.isfinite(scores).all()

    def test_identical_images_are_the_best(self, scores: Floats) -> None:
        for of_reference in np.split(scores, 2):
            assert of_reference[0] > of_reference[1:].max(), "is higher_is_better what it says?"

    def test_more_noise_is_worse(self, scores: Floats) -> None:
        for of_reference in np.split(scores, 2):
            assert (np.diff(of_reference) < 0).all(), "is higher_is_better what it says?"

    def test_repeats_itself_whatever_the_order(self, scores: Floats, table: PairTable, tmp_path: Path) -> None:
        backwards = replace(table, pairs=table.pairs[::-1])
        np.testing.assert_array_equal(self._measured(backwards, tmp_path / "cache")[::-1], scores)

    def test_comes_back_from_the_cache(self, scores: Floats, table: PairTable, tmp_path: Path) -> None:
        np.testing.assert_array_equal(self._measured(table, tmp_path / "cache"), scores)
        files = sorted((tmp_path / "cache" / "baselines").iterdir())
        assert files, "nothing was kept"
        before = [file.stat().st_mtime_ns for file in files]
        np.testing.assert_array_equal(self._measured(table, tmp_path / "cache"), scores)
        assert [file.stat().st_mtime_ns for file in files] == before, "it was measured again"

    def test_takes_its_minimum_size_and_nothing_smaller(self, tmp_path: Path) -> None:
        smallest = find(self.name).minimum_size
        table = _table(tmp_path, [(smallest, smallest), (smallest, smallest + 30), (smallest + 30, smallest)])
        assert np.isfinite(self._measured(table, tmp_path / "cache")).all()
        if smallest > 1:
            for size in ((smallest - 1, smallest + 30), (smallest + 30, smallest - 1)):
                with pytest.raises(TooSmall, match=self.name):
                    self._measured(_table(tmp_path, [size]), tmp_path / "cache")

    def test_leaves_the_global_generators_alone(self, table: PairTable, tmp_path: Path) -> None:
        baseline = BASELINES.find(self.name)
        # a library that is imported now may seed them
        baseline.build(self.weights) if baseline.backbone else baseline.build()
        with generators_left_alone():
            self._measured(replace(table, pairs=table.pairs[:2]), tmp_path / "cache")

    def _measured(self, table: PairTable, cache: Path) -> Floats:
        return _measured(self.name, table, cache, self.weights)


@lru_cache(maxsize=2)
def _scores(name: str, _origin: str, weights: str) -> Floats:
    """Of the two references, as long as the name stands for the same code."""
    with TemporaryDirectory() as folder:
        return _measured(name, _two_references(name, Path(folder)), Path(folder) / "cache", weights)


def _measured(name: str, table: PairTable, cache: Path, weights: str) -> Floats:
    """(N,) scores of a table, higher is better, as `iqatune evaluate` gets them."""
    return baseline_scores(
        name, table, resize=None, device="cpu", cache=Cache(cache), progress=Progress(), weights=weights
    ).scores


def _two_references(name: str, folder: Path) -> PairTable:
    side = max(find(name).minimum_size, 64)
    return _table(folder, [(side + 13, side + 40), (side + 24, side)])


def _table(folder: Path, sizes: Sequence[tuple[int, int]]) -> PairTable:
    """A reference for each of the sizes (height, width), with its versions."""
    pairs: list[Pair] = []
    for number, (height, width) in enumerate(sizes):
        clean = picture(height, width, seed=number)
        grain = np.random.default_rng(number).normal(0, 1, clean.shape)
        names = [folder / f"{height}x{width}-{level}.png" for level in range(len(NOISE))]
        for name, strength in zip(names, NOISE, strict=True):
            _write(name, clean + strength * grain)
        pairs += [
            Pair(names[0], name, str(number), "noise", level=level + 1, score=float(-level), quality=float(-level))
            for level, name in enumerate(names)
        ]
    return PairTable("contract", tuple(pairs), "noise", "", better="higher")


def _write(path: Path, image: NDArray[np.float64]) -> None:
    Image.fromarray(np.clip(np.rint(image), 0, 255).astype(np.uint8)).save(path)
