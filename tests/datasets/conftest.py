"""The four data sets at full size: their real names and label formats over one tiny image."""

import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from openpyxl import Workbook
from PIL import Image
from scipy.io import savemat

LIVE_FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
CSIQ_TYPES = {
    "AWGN": "noise",
    "JPEG": "jpeg",
    "jpeg2000": "jpeg 2000",
    "fnoise": "fnoise",
    "BLUR": "blur",
    "contrast": "contrast",
}

Rows = list[dict[str, str]]


def encoded(kind: str) -> bytes:
    """A 4 x 4 image as the bytes of a file."""
    buffer = io.BytesIO()
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(buffer, kind)
    return buffer.getvalue()


def fill(root: Path, names: Iterable[str]) -> None:
    """Write the tiny image under every name, as what its suffix says."""
    images = {".bmp": encoded("BMP"), ".png": encoded("PNG")}
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(images[path.suffix.lower()])


@pytest.fixture(scope="session")
def label_rows(test_data: Path) -> Callable[[str], Rows]:
    """The public label list of a data set: dis_img_path, dis_type, ref_img_path, score."""

    def read(name: str) -> Rows:
        with (test_data / "labels" / f"{name}.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    return read


@pytest.fixture(scope="session")
def tid2013_tree(tmp_path_factory: pytest.TempPathFactory, label_rows: Callable[[str], Rows]) -> Path:
    """TID2013 as distributed: names in mixed case, labels with a capital I."""
    root = tmp_path_factory.mktemp("tid2013")
    rows = label_rows("TID2013")
    names = [Path(row["dis_img_path"]).name for row in rows]
    # on disk every fourth name is written with a capital I, and some end in .BMP
    on_disk = [("I" + name[1:] if place % 4 == 0 else name) for place, name in enumerate(names)]
    on_disk = [(name[:-3] + "BMP" if place % 7 == 0 else name) for place, name in enumerate(on_disk)]
    fill(root, (f"distorted_images/{name}" for name in on_disk))
    fill(root, [f"reference_images/I{number:02}.BMP" for number in range(1, 25)] + ["reference_images/i25.bmp"])
    lines = [f"{float(row['score']):.5f} I{name[1:]}" for row, name in zip(rows, names, strict=True)]
    (root / "mos_with_names.txt").write_text("\r\n".join(lines) + "\r\n")
    return root


@pytest.fixture(scope="session")
def kadid10k_tree(tmp_path_factory: pytest.TempPathFactory, label_rows: Callable[[str], Rows]) -> Path:
    """KADID-10k as distributed."""
    root = tmp_path_factory.mktemp("kadid10k")
    rows = label_rows("KADID-10k")
    fill(root, (f"images/{Path(row['dis_img_path']).name}" for row in rows))
    fill(root, (f"images/I{number:02}.png" for number in range(1, 82)))
    lines = [f"{Path(row['dis_img_path']).name},{Path(row['ref_img_path']).name},{row['score']},0.5" for row in rows]
    (root / "dmos.csv").write_text("\n".join(["dist_img,ref_img,dmos,var", *lines]) + "\n")
    return root


@pytest.fixture(scope="session")
def write_live_labels(label_rows: Callable[[str], Rows]) -> Callable[[Path], None]:
    """Writes LIVE's three MATLAB files into a folder; copies of references get the score 0, as in the set."""
    rows = {tuple(row["dis_img_path"].split("/")[1:]): row for row in label_rows("LIVE")}
    images = [(folder, f"img{n}.bmp") for folder, count in LIVE_FOLDERS.items() for n in range(1, count + 1)]
    scores = np.array([[float(rows[image]["score"]) if image in rows else 0.0 for image in images]])
    names = [Path(rows[image]["ref_img_path"]).name if image in rows else "bikes.bmp" for image in images]
    orgs = np.array([[0 if image in rows else 1 for image in images]], dtype=np.uint8)

    def write(root: Path) -> None:
        cells = np.empty((1, len(names)), dtype=object)
        cells[0] = names
        savemat(root / "refnames_all.mat", {"refnames_all": cells})
        savemat(root / "dmos_realigned.mat", {"dmos_new": scores, "orgs": orgs, "dmos_std": np.ones_like(scores)})
        savemat(root / "dmos.mat", {"dmos": scores / 2, "orgs": orgs})

    return write


@pytest.fixture(scope="session")
def live_tree(
    tmp_path_factory: pytest.TempPathFactory,
    label_rows: Callable[[str], Rows],
    write_live_labels: Callable[[Path], None],
) -> Path:
    """LIVE release 2 as distributed: 982 images, 29 references, labels in MATLAB files."""
    root = tmp_path_factory.mktemp("live")
    write_live_labels(root)
    fill(root, (f"{folder}/img{n}.bmp" for folder, count in LIVE_FOLDERS.items() for n in range(1, count + 1)))
    fill(root, {"/".join(row["ref_img_path"].split("/")[1:]) for row in label_rows("LIVE")})
    return root


@pytest.fixture(scope="session")
def csiq_tree(tmp_path_factory: pytest.TempPathFactory, label_rows: Callable[[str], Rows]) -> Path:
    """CSIQ as distributed: folder names in lower case, file names in upper case, labels in an Excel sheet."""
    root = tmp_path_factory.mktemp("csiq")
    rows = label_rows("CSIQ")
    workbook = Workbook()
    workbook.active.title = "all_by_distortion"
    sheet = workbook.create_sheet("all_by_image")
    for _ in range(3):
        sheet.append([])
    sheet.append([None, None, None, "image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"])
    for row in rows:
        name = Path(row["dis_img_path"]).name
        image, kind, level, _ = name.split(".")
        fill(root, [f"dst_imgs/{kind.lower()}/{name}"])
        place = list(CSIQ_TYPES).index(kind) + 1
        first = int(image) if image.isdecimal() else image
        sheet.append([None, None, None, first, place, CSIQ_TYPES[kind], int(level), 0.1, float(row["score"])])
    fill(root, {"/".join(row["ref_img_path"].split("/")[1:]) for row in rows})
    workbook.save(root / "csiq.DMOS.xlsx")
    return root
