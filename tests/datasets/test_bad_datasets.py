"""What cannot be used is refused in one line that names the file or option."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from openpyxl import Workbook
from scipy.io import savemat

from iqatune.datasets.adapter import DatasetInfo, Entry, published_set
from iqatune.datasets.registry import load_pairs
from iqatune.errors import InputError
from iqatune.records.options import DataOptions


def refused(request: DataOptions) -> str:
    with pytest.raises(InputError) as error:
        load_pairs(request)
    message = error.value.command_line
    assert "\n" not in message
    return message


@pytest.fixture
def tid2013(tmp_path: Path) -> Path:
    """Five pairs of one reference."""
    for folder in ("reference_images", "distorted_images"):
        (tmp_path / folder).mkdir()
    (tmp_path / "reference_images" / "I01.BMP").write_bytes(b"")
    for level in range(1, 6):
        (tmp_path / "distorted_images" / f"i01_01_{level}.bmp").write_bytes(b"")
    write_tid(tmp_path, [f"{level}.5 I01_01_{level}.bmp" for level in range(1, 6)])
    return tmp_path


def write_tid(root: Path, lines: list[str]) -> None:
    (root / "mos_with_names.txt").write_text("\n".join(lines))


def test_the_small_set_is_good(tid2013: Path) -> None:
    """Otherwise the refusals below would prove nothing."""
    assert len(load_pairs(DataOptions(dataset="tid2013", data_root=tid2013))) == 5


def test_unknown_dataset_is_suggested(tmp_path: Path) -> None:
    message = refused(DataOptions(dataset="tid2012", data_root=tmp_path))
    assert message.startswith("--dataset tid2012")
    assert "'tid2013'" in message


def test_no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IQATUNE_DATA", raising=False)
    message = refused(DataOptions(dataset="kadid10k"))
    assert "--data-root" in message
    assert "IQATUNE_DATA" in message
    assert "https://" in message


def test_missing_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(tmp_path / "nowhere") in refused(DataOptions(dataset="live", data_root=tmp_path / "nowhere"))
    monkeypatch.setenv("IQATUNE_DATA", str(tmp_path))
    assert f"$IQATUNE_DATA {tmp_path / 'live'}" in refused(DataOptions(dataset="live"))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("tid2013", "mos_with_names.txt"),
        ("kadid10k", "dmos.csv"),
        ("live", "dmos_realigned.mat"),
        ("csiq", "csiq.DMOS.xlsx"),
    ],
)
def test_missing_label_file(tmp_path: Path, name: str, label: str) -> None:
    message = refused(DataOptions(dataset=name, data_root=tmp_path))
    assert f"{tmp_path / label}: no such label file" in message


@pytest.mark.parametrize(
    ("name", "label"), [("kadid10k", "dmos.csv"), ("live", "dmos_realigned.mat"), ("csiq", "csiq.DMOS.xlsx")]
)
@pytest.mark.parametrize("content", [b"", b"\xff\xfe not a label file \x00\x01", b"PK\x03\x04 cut off"])
def test_damaged_label_file(tmp_path: Path, name: str, label: str, content: bytes) -> None:
    (tmp_path / label).write_bytes(content)
    (tmp_path / "refnames_all.mat").write_bytes(b"")
    assert str(tmp_path / label) in refused(DataOptions(dataset=name, data_root=tmp_path))


def test_unknown_label(live_tree: Path, tid2013: Path) -> None:
    message = refused(DataOptions(dataset="live", data_root=live_tree, label="dmos_realined.mat"))
    assert message.startswith("--label dmos_realined.mat")
    assert "'dmos_realigned.mat'" in message
    assert "mos_with_names.txt" in refused(DataOptions(dataset="tid2013", data_root=tid2013, label="xyz"))
    assert "--label" in refused(DataOptions(dataset="demo", data_root=tid2013, label="mos.txt"))


def test_unknown_distortion_to_exclude(csiq_tree: Path) -> None:
    message = refused(DataOptions(dataset="csiq", data_root=csiq_tree, exclude=("contarst",)))
    assert message.startswith("--exclude contarst")
    assert "'contrast'" in message


def test_a_plug_ins_set_of_one_layout(tid2013: Path) -> None:
    def read(path: Path) -> tuple[list[Entry], tuple[str, ...]]:
        names = [line.split() for line in path.read_text().splitlines()]
        return [
            Entry(
                where=name,
                reference="reference_images/i01.bmp",
                distorted=f"distorted_images/{name}",
                reference_id="i01",
                distortion="noise",
                level=None,
                score=float(score),
            )
            for score, name in names
        ], ()

    info = DatasetInfo(
        name="own", description="", pairs=5, references=1, source="nowhere", labels=("mos_with_names.txt", "other.txt")
    )
    own = published_set(info, "lower", read)
    table = own.load(DataOptions(dataset="own", data_root=str(tid2013)))
    assert table.quality.tolist() == [-1.5, -2.5, -3.5, -4.5, -5.5]
    with pytest.raises(InputError, match="no such label file; get it with own from nowhere"):
        own.load(DataOptions(dataset="own", data_root=str(tid2013), label="other.txt"))
    with pytest.raises(InputError, match="better"):
        own.load(DataOptions(dataset="own", data_root=str(tid2013), better="lower"))


def test_options_of_the_csv_alone(tid2013: Path) -> None:
    assert "--better" in refused(DataOptions(dataset="tid2013", data_root=tid2013, better="higher"))
    assert "--pairs" in refused(DataOptions(dataset="tid2013", data_root=tid2013, pairs=tid2013 / "pairs.csv"))
    assert "--better" in refused(DataOptions(dataset="demo", data_root=tid2013, better="higher"))


def test_first_absent_image_and_their_number_are_named(tid2013: Path) -> None:
    (tid2013 / "distorted_images" / "i01_01_2.bmp").unlink()
    message = refused(DataOptions(dataset="tid2013", data_root=tid2013))
    assert "I01_01_2.bmp" in message
    assert "line 2" in message
    assert "1 image is absent" in message
    (tid2013 / "distorted_images" / "i01_01_4.bmp").unlink()
    message = refused(DataOptions(dataset="tid2013", data_root=tid2013))
    assert "I01_01_2.bmp" in message
    assert "2 images are absent" in message
    assert "--allow-missing" in message
    table = load_pairs(DataOptions(dataset="tid2013", data_root=tid2013, allow_missing=True))
    assert table.missing == 2
    assert [pair.level for pair in table.pairs] == [1, 3, 5]


def test_absent_reference_is_named(tid2013: Path) -> None:
    (tid2013 / "reference_images" / "I01.BMP").unlink()
    message = refused(DataOptions(dataset="tid2013", data_root=tid2013))
    assert "I01.BMP" in message
    assert "1 image is absent" in message
    assert "0 usable pairs" in refused(DataOptions(dataset="tid2013", data_root=tid2013, allow_missing=True))


def test_images_of_an_excluded_distortion_need_not_be_there(tid2013: Path) -> None:
    write_tid(tid2013, [*(f"{level} I01_01_{level}.bmp" for level in range(1, 6)), "3 I01_17_1.bmp"])
    refused(DataOptions(dataset="tid2013", data_root=tid2013))
    table = load_pairs(DataOptions(dataset="tid2013", data_root=tid2013, exclude=("contrast",)))
    assert (len(table), table.missing, table.excluded) == (5, 0, ("distortion contrast (1 pairs)",))


@pytest.mark.parametrize("score", ["nan", "inf", "-inf", "five"])
def test_score_that_is_no_number(tid2013: Path, score: str) -> None:
    write_tid(tid2013, ["1 I01_01_1.bmp", f"{score} I01_01_2.bmp", "3 I01_01_3.bmp", "4 I01_01_4.bmp"])
    message = refused(DataOptions(dataset="tid2013", data_root=tid2013))
    assert "mos_with_names.txt: line 2" in message
    assert score in message


@pytest.mark.parametrize(
    "line", ["I01_01_1.bmp", "5.5 I01_25_1.bmp", "5.5 I01_00_1.bmp", "5.5 somewhere.bmp", "5.5 I01_01_1.bmp 3"]
)
def test_line_that_is_none(tid2013: Path, line: str) -> None:
    write_tid(tid2013, ["1 I01_01_1.bmp", line])
    assert "line 2" in refused(DataOptions(dataset="tid2013", data_root=tid2013))


def test_constant_scores(tid2013: Path) -> None:
    write_tid(tid2013, [f"4.2 I01_01_{level}.bmp" for level in range(1, 6)])
    message = refused(DataOptions(dataset="tid2013", data_root=tid2013))
    assert "mos_with_names.txt" in message
    assert "4.2" in message


def test_fewer_than_three_pairs(tid2013: Path) -> None:
    write_tid(tid2013, ["4 I01_01_1.bmp", "5 I01_01_2.bmp"])
    assert "2 usable pairs" in refused(DataOptions(dataset="tid2013", data_root=tid2013))
    write_tid(tid2013, [])
    assert "0 usable pairs" in refused(DataOptions(dataset="tid2013", data_root=tid2013))


def test_kadid10k_label_problems(tmp_path: Path) -> None:
    label = tmp_path / "dmos.csv"
    label.write_text("dist_img,ref_img,mos,var\nI01_01_01.png,I01.png,4.5,1\n")
    assert "no column dmos" in refused(DataOptions(dataset="kadid10k", data_root=tmp_path))
    label.write_text("dist_img,ref_img,dmos,var\nI01_26_01.png,I01.png,4.5,1\n")
    assert "row 2" in refused(DataOptions(dataset="kadid10k", data_root=tmp_path))
    label.write_text("dist_img,ref_img,dmos,var\nI01_01_01.png,I01.png,,1\n")
    assert "row 2 has no score" in refused(DataOptions(dataset="kadid10k", data_root=tmp_path))


def test_live_label_problems(tmp_path: Path, write_live_labels: Callable[[Path], None]) -> None:
    write_live_labels(tmp_path)
    (tmp_path / "refnames_all.mat").rename(tmp_path / "names.mat")
    assert "refnames_all.mat" in refused(DataOptions(dataset="live", data_root=tmp_path))
    (tmp_path / "names.mat").rename(tmp_path / "REFNAMES_ALL.MAT")
    assert "808 images are absent" in refused(
        DataOptions(dataset="live", data_root=tmp_path)
    )  # 779 and 29: the labels are fine
    savemat(tmp_path / "dmos_realigned.mat", {"dmos_new": np.ones((1, 981)), "orgs": np.zeros((1, 981))})
    assert "981 entries, not 982" in refused(DataOptions(dataset="live", data_root=tmp_path))
    savemat(tmp_path / "dmos_realigned.mat", {"dmos": np.ones((1, 982))})
    assert "'dmos_new'" in refused(DataOptions(dataset="live", data_root=tmp_path))
    scores = np.linspace(1, 9, 982)
    scores[4] = np.nan
    savemat(tmp_path / "dmos_realigned.mat", {"dmos_new": scores[None], "orgs": np.zeros((1, 982))})
    assert "entry 5 has the score nan" in refused(DataOptions(dataset="live", data_root=tmp_path))


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([["image", "dst_type", "dmos"]], "dst_lev"),
        ([["image", "dst_type", "dst_lev", "dmos"], ["a", "fog", 1, 0.5]], "row 2 has the dst_type 'fog'"),
        ([["image", "dst_type", "dst_lev", "dmos"], ["a", "blur", "x", 0.5]], "row 2 has the dst_lev 'x'"),
        ([["image", "dst_type", "dst_lev", "dmos"], ["a", "blur", 1, None]], "row 2 has no score"),
        ([["image", "dst_type", "dst_lev", "dmos"], ["a", "blur", 1]], "row 2 has no score"),
    ],
)
def test_csiq_label_problems(tmp_path: Path, rows: list[list[object]], complaint: str) -> None:
    workbook = Workbook()
    sheet = workbook.create_sheet("all_by_image")
    for row in rows:
        sheet.append(row)
    workbook.save(tmp_path / "csiq.DMOS.xlsx")
    assert complaint in refused(DataOptions(dataset="csiq", data_root=tmp_path))


def test_csiq_without_the_sheet(tmp_path: Path) -> None:
    Workbook().save(tmp_path / "csiq.DMOS.xlsx")
    assert "no sheet all_by_image" in refused(DataOptions(dataset="csiq", data_root=tmp_path))
