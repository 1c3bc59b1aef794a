"""The contract of a data set."""

from collections import Counter
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from iqatune.datasets.registry import DATASETS, available, load_pairs, table_fault
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.evaluation.folds import possible_folds
from iqatune.images import open_rgb
from iqatune.records.options import DataOptions
from iqatune.testing.common import generators_left_alone, is_a_line

NOBODY = "no-distortion-is-called-this"
FOLDS = 5


class DatasetContract:
    """Tests of one data set, which a derived class names.

    Attributes:
        name: of the data set, as on the command line.
        makes_its_images: whether it makes its images in `data_root`, and so needs no folder that is there.
        decoded: pairs whose images are decoded, spread over the set.
    """

    name: ClassVar[str]
    makes_its_images: ClassVar[bool] = False
    decoded: ClassVar[int] = 100

    @pytest.fixture
    def options(self, tmp_path_factory: pytest.TempPathFactory) -> DataOptions:
        """What the set is loaded with; a derived class says where its images are for tests.

        As it is: a temporary folder for a set that makes its images, else $IQATUNE_DATA/<name>.
        """
        folder = tmp_path_factory.getbasetemp() / f"images of {self.name}"
        return DataOptions(dataset=self.name, data_root=str(folder) if self.makes_its_images else None)

    @pytest.fixture
    def table(self, options: DataOptions) -> PairTable:
        """The set, loaded as a search loads it."""
        return load_pairs(options)

    def load(self, options: DataOptions, **changes: object) -> PairTable:
        """What the set itself gives or raises, without the checks that a search puts around a plug-in."""
        return DATASETS.find(self.name).load(options.model_copy(update=changes))

    def test_describes_itself(self, table: PairTable) -> None:
        (listed,) = (listed for listed in available() if listed.info.name == self.name)
        assert is_a_line(listed.info.description), f"its description is {listed.info.description!r}"
        assert is_a_line(listed.info.source), "source says where the images come from"
        if not table.excluded and not table.missing:
            assert listed.info.pairs in (None, len(table))
            assert listed.info.references in (None, len(table.references))

    def test_loads_a_table_to_tune_on(self, options: DataOptions) -> None:
        table = self.load(options)
        assert table_fault(table, self.name) is None

    def test_levels_count_from_1(self, table: PairTable) -> None:
        assert all(pair.level is None or (type(pair.level) is int and pair.level >= 1) for pair in table.pairs)
        assert all(isinstance(pair.distortion, str) and pair.distortion for pair in table.pairs)

    def test_no_pair_is_there_twice(self, table: PairTable) -> None:
        counts = Counter((pair.reference, pair.distorted) for pair in table.pairs)
        assert [pair for pair, count in counts.items() if count > 1] == []

    def test_images_are_there_and_can_be_decoded(self, table: PairTable) -> None:
        for pair in table.pairs:
            assert pair.reference.is_file()
            assert pair.distorted.is_file()
        places = np.linspace(0, len(table) - 1, min(self.decoded, len(table))).astype(int)
        for pair in (table.pairs[place] for place in places):
            assert open_rgb(pair.reference).size == open_rgb(pair.distorted).size, (
                f"{pair.distorted} is of another size"
            )

    def test_the_same_options_give_the_same_table(self, options: DataOptions, table: PairTable) -> None:
        assert load_pairs(options) == table

    def test_leaves_a_distortion_out(self, options: DataOptions, table: PairTable) -> None:
        distortions = list(dict.fromkeys(pair.distortion for pair in table.pairs))
        if len(distortions) < 2:
            pytest.skip(f"{self.name} has a single distortion")
        left = load_pairs(options.model_copy(update={"exclude": (*options.exclude, distortions[0])}))
        assert left.pairs == tuple(pair for pair in table.pairs if pair.distortion != distortions[0])
        assert len(left.excluded) > len(table.excluded), "the table says what was left out"

    def test_an_unknown_distortion_to_exclude_is_refused(self, options: DataOptions) -> None:
        with pytest.raises(InputError, match=NOBODY):
            self.load(options, exclude=(NOBODY,))

    def test_an_unknown_label_is_refused(self, options: DataOptions) -> None:
        with pytest.raises(InputError, match="no-such-label"):
            self.load(options, label="no-such-label")

    def test_a_folder_that_is_not_there_is_refused(self, options: DataOptions, tmp_path: Path) -> None:
        """A set that makes its images makes the folder, but cannot where a file is in its place."""
        folder = tmp_path / "absent"
        if self.makes_its_images:
            folder.write_text("a file")
        with pytest.raises(InputError) as refusal:
            self.load(options, data_root=str(folder))
        assert str(folder) in str(refusal.value), "the line names the folder"

    def test_references_allow_folds(self, table: PairTable) -> None:
        assert possible_folds(table.reference_ids, FOLDS, 0) >= 2, "too few references to hold some out"

    def test_leaves_the_global_generators_alone(self, options: DataOptions, tmp_path: Path) -> None:
        self.load(options)  # a library that is imported now may seed them
        anew = {"data_root": str(tmp_path)} if self.makes_its_images else {}
        with generators_left_alone():
            self.load(options, **anew)
