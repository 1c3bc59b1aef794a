"""Published sets at full size in every layout in which people have them, with real names and scores over tiny images:
the same pairs, scores and orientation, and whatever is otherwise is said.
"""

import csv
import io
import json
import math
import os
import posixpath
import shutil
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from PIL import Image
from scipy.io import savemat

from iqatune.datasets.folders import tree
from iqatune.datasets.registry import DATASETS, load_pairs
from iqatune.datasets.table import PairTable
from iqatune.doctor.labels import label_outcomes
from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.records.options import DataOptions, Run
from iqatune.statistics.cache import Cache
from iqatune.statistics.prepare import load_table
from iqatune.testing import DatasetContract
from iqatune.tuning.checks import checked_run
from iqatune.tuning.folds import folds_of

Rows = list[dict[str, str]]

LIVE_FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
CSIQ_TYPES = {
    "AWGN": "noise",
    "JPEG": "jpeg",
    "jpeg2000": "jpeg 2000",
    "fnoise": "fnoise",
    "BLUR": "blur",
    "contrast": "contrast",
}

PIPAL_VARIANTS = (12, 16, 10, 24, 13, 14, 27)
CID22_ENCODERS = ("JPEG", "WebP", "AVIF_aom_s7", "JPEG_XL")
SPLIT = "ratio802_seed123_split_01"


@dataclass(frozen=True)
class Truth:
    """One pair as its set has it."""

    reference: str
    image: str
    """In the set's own folders, as its list spells it."""
    score: float
    """As the set itself publishes it."""

    @property
    def name(self) -> str:
        return posixpath.basename(self.image)

    @property
    def std(self) -> float:
        """The list has no deviations: one that depends on the name."""
        return 0.1 + zlib.crc32(self.image.casefold().encode()) % 900 / 1000

    @property
    def split(self) -> str:
        return "test" if zlib.crc32(self.reference.casefold().encode()) % 5 == 0 else "train"


@dataclass(frozen=True)
class Layout:
    """A copy of a set: how it is made, and what is to be known of it.

    Attributes:
        make: writes it into a folder, with links to the set's images.
        label: the file that its scores come from.
        std: whether the copy holds deviations.
        says: parts of what has to be said of the copy, each in a line of its own.
        pairs: those it holds; None for all.
        scores: the scores that the file holds, from the set's own.
    """

    make: Callable[[Path, "Images"], None]
    label: str
    std: bool = False
    says: tuple[str, ...] = ()
    pairs: int | None = None
    scores: Callable[[float], float] = float


@dataclass(frozen=True)
class Images:
    """The images of one set in its own folders, and the truth of them."""

    root: Path
    truth: tuple[Truth, ...]

    def link(self, root: Path, **folders: str) -> None:
        """Links to folders of images, each under the name it shall have (with __ for a slash)."""
        for name, folder in folders.items():
            target = root / name.replace("__", "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(self.root / folder)

    def copy(self, root: Path, names: Iterable[str]) -> None:
        """Files of their own in one folder."""
        root.mkdir(parents=True, exist_ok=True)
        for name in names:
            os.link((self.root / name).resolve(), root / posixpath.basename(name))


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def iqa_dataset(path: Path, truth: Iterable[Truth], name: str) -> None:
    rows = [[f"{name}/{each.image}", "whatever", f"{name}/{each.reference}", each.score] for each in truth]
    write_csv(path, ("dis_img_path", "dis_type", "ref_img_path", "score"), rows)


def meta(path: Path, truth: Iterable[Truth], score: str, *, reference: str = "ref_name", whole: bool = False) -> None:
    """pyiqa's list; names are paths where `whole`."""
    rows = [
        [
            *((each.reference, each.image) if whole else (posixpath.basename(each.reference), each.name)),
            repr(each.score),
            repr(each.std),
            each.split,
        ]
        for each in truth
    ]
    write_csv(path, (reference, "dist_name", score, "std", SPLIT), rows)


def by_name(truth: Iterable[Truth]) -> list[Truth]:
    return sorted(truth, key=lambda each: each.name.casefold())


# TID2013 and TID2008


def tid_truth(rows: Rows, types: int = 24, levels: int = 5) -> tuple[Truth, ...]:
    found = []
    for row in rows:
        name = Path(row["dis_img_path"]).name
        if int(name[4:6]) <= types and int(name[7]) <= levels:
            reference = f"reference_images/{Path(row['ref_img_path']).name}"
            found.append(Truth(reference, f"distorted_images/{name}", float(row["score"])))
    return tuple(found)


def _tid_images(root: Path, images: Images) -> None:
    images.link(root, reference_images="reference_images", distorted_images="distorted_images")


def tid_own(root: Path, images: Images) -> None:
    _tid_images(root, images)
    named = by_name(images.truth)
    write_lines(root / "mos_with_names.txt", (f"{each.score!r} I{each.name[1:]}" for each in named))
    tid_unnamed(root, images, link=False)


def tid_unnamed(root: Path, images: Images, *, link: bool = True) -> None:
    if link:
        _tid_images(root, images)
    named = by_name(images.truth)
    write_lines(root / "mos.txt", (repr(each.score) for each in named))
    write_lines(root / "mos_std.txt", (repr(each.std) for each in named))


def tid_splits(root: Path, images: Images) -> None:
    tid_own(root, images)
    (root / "splits").mkdir()
    for part in ("train", "val", "test"):
        np.save(root / "splits" / f"{part}.npy", np.full((10, 2100), -1))


def tid_list(root: Path, images: Images) -> None:
    _tid_images(root, images)
    iqa_dataset(root / "TID2013.txt", images.truth, "TID2013")


def tid_pyiqa(root: Path, images: Images, name: str = "TID2013") -> None:
    _tid_images(root / name.lower(), images)
    meta(root / "meta_info" / f"meta_info_{name}Dataset.csv", images.truth, "mos")


def tid2008_pyiqa(root: Path, images: Images) -> None:
    tid_pyiqa(root, images, "TID2008")


def tid_csv(root: Path, images: Images) -> None:
    _tid_images(root, images)
    write_csv(root / "mos.csv", ("image_id", "mean"), ([each.name, each.score] for each in images.truth))


def tid_both(root: Path, images: Images) -> None:
    """The two sets side by side, each with labels of the same names."""
    tid_own(root / "tid2013", images)
    few = tuple(each for each in images.truth if int(each.name[4:6]) <= 17 and int(each.name[7]) <= 4)
    tid_own(root / "tid2008", Images(images.root, tuple(Truth(e.reference, e.image, e.score / 2) for e in few)))


NO_NAMES = "mos.txt names no images"

# KADID-10k


def kadid_truth(rows: Rows) -> tuple[Truth, ...]:
    return tuple(
        Truth(f"images/{Path(r['ref_img_path']).name}", f"images/{Path(r['dis_img_path']).name}", float(r["score"]))
        for r in rows
    )


def _kadid_csv(path: Path, images: Images) -> None:
    rows = ([each.name, posixpath.basename(each.reference), each.score, repr(each.std)] for each in images.truth)
    write_csv(path, ("dist_img", "ref_img", "dmos", "var"), rows)


def kadid_own(root: Path, images: Images) -> None:
    images.link(root, images="images")
    _kadid_csv(root / "dmos.csv", images)


def kadid_nested(root: Path, images: Images) -> None:
    images.link(root, kadid10k__images="images")
    _kadid_csv(root / "kadid10k" / "dmos.csv", images)


def kadid_apart(root: Path, images: Images) -> None:
    images.copy(root / "distorted_images", (each.image for each in images.truth))
    images.copy(root / "reference_images", dict.fromkeys(each.reference for each in images.truth))
    _kadid_csv(root / "dmos.csv", images)


def kadid_list(root: Path, images: Images) -> None:
    images.link(root, **{"KADID-10k__images": "images"})
    iqa_dataset(root / "KADID-10k" / "KADID-10k.txt", images.truth, "KADID-10k")


def kadid_pyiqa(root: Path, images: Images) -> None:
    images.link(root, images="images")
    meta(root / "meta_info_KADID10kDataset.csv", images.truth, "dmos")


def kadid_csv(root: Path, images: Images) -> None:
    images.link(root, images="images")
    _kadid_csv(root / "kadid10k.csv", images)


def kadid_words(root: Path, images: Images) -> None:
    images.link(root, images="images")
    write_lines(root / "kadid10k_label.txt", (f"{each.name} {each.score!r}" for each in images.truth))


def kadid_all(root: Path, images: Images) -> None:
    images.link(root, images="images")
    lines = (f"{each.image}\t{each.score!r}\t{each.std!r}" for each in images.truth)
    write_lines(root / "kadid10k_all.txt", lines)


# LIVE


def live_truth(rows: Rows) -> tuple[Truth, ...]:
    return tuple(
        Truth(
            "/".join(row["ref_img_path"].split("/")[1:]),
            "/".join(row["dis_img_path"].split("/")[1:]),
            float(row["score"]),
        )
        for row in rows
    )


def older(score: float) -> float:
    """Invented scores in the place of dmos.mat's, in another order than the realigned ones."""
    return score / 2 + 5 * math.sin(score)


def live_images(root: Path, images: Images, *, blur: str = "gblur") -> None:
    for folder in ("refimgs", *LIVE_FOLDERS):
        images.link(root, **{blur if folder == "gblur" else folder: folder})


def live_matlab(root: Path, images: Images, *, realigned: bool) -> None:
    truth = {each.image: each for each in images.truth}
    names = [f"{folder}/img{n}.bmp" for folder, count in LIVE_FOLDERS.items() for n in range(1, count + 1)]
    score = np.array([[truth[name].score if name in truth else 0.0 for name in names]])
    copies = np.array([[0 if name in truth else 1 for name in names]], dtype=np.uint8)
    if realigned:
        std = np.array([[truth[name].std if name in truth else 0.0 for name in names]])
        savemat(root / "dmos_realigned.mat", {"dmos_new": score, "orgs": copies, "dmos_std": std})
    else:
        savemat(root / "dmos.mat", {"dmos": np.vectorize(older)(score) * (copies == 0), "orgs": copies})


def live_references(root: Path, images: Images) -> None:
    truth = {each.image: Path(each.reference).name for each in images.truth}
    cells = np.empty((1, sum(LIVE_FOLDERS.values())), dtype=object)
    names = (f"{folder}/img{n}.bmp" for folder, count in LIVE_FOLDERS.items() for n in range(1, count + 1))
    cells[0] = [truth.get(name, "bikes.bmp") for name in names]
    savemat(root / "refnames_all.mat", {"refnames_all": cells})


def live_own(root: Path, images: Images) -> None:
    live_images(root, images)
    live_matlab(root, images, realigned=True)
    live_matlab(root, images, realigned=False)
    live_references(root, images)


def live_nested(root: Path, images: Images) -> None:
    (root / "databaserelease2" / "databaserelease2").mkdir(parents=True)
    live_own(root / "databaserelease2" / "databaserelease2", images)


def live_split_nesting(root: Path, images: Images) -> None:
    """The separate download beside the folder, not in it."""
    (root / "databaserelease2").mkdir()
    live_images(root / "databaserelease2", images)
    live_references(root / "databaserelease2", images)
    live_matlab(root, images, realigned=True)


def live_older(root: Path, images: Images) -> None:
    """The references named by info.txt alone, which lies in the folders of images."""
    truth = {each.image: Path(each.reference).name for each in images.truth}
    for folder, count in LIVE_FOLDERS.items():
        names = [f"{folder}/img{n}.bmp" for n in range(1, count + 1)]
        images.copy(root / folder, names)
        lines = (f"{truth.get(name, 'bikes.bmp')} {posixpath.basename(name)} 0.5" for name in names)
        write_lines(root / folder / "info.txt", lines)
    images.link(root, refimgs="refimgs")
    live_matlab(root, images, realigned=False)


def live_blur(root: Path, images: Images) -> None:
    live_images(root, images, blur="blur")
    live_matlab(root, images, realigned=True)
    live_references(root, images)


def live_list(root: Path, images: Images) -> None:
    live_images(root, images)
    iqa_dataset(root / "LIVE.txt", images.truth, "LIVE")


def live_pyiqa(root: Path, images: Images) -> None:
    live_images(root / "LIVEIQA_release2", images)
    truth = [Truth(each.reference, each.image, older(each.score)) for each in images.truth]
    rows = [(each.reference, each.image, repr(each.score)) for each in truth]
    write_csv(root / "LIVEIQA_release2" / "meta_info_LIVEIQADataset.csv", ("ref_name", "dist_name", "mos"), rows)


def live_all(root: Path, images: Images, *, turned: bool = False) -> None:
    live_images(root, images)
    live_references(root, images)
    most = max(each.score for each in images.truth)
    values = ((each, most - each.score if turned else each.score) for each in images.truth)
    write_lines(root / "live_all.txt", (f"{each.image}\t{value!r}\t{each.std!r}" for each, value in values))


def live_all_turned(root: Path, images: Images) -> None:
    live_all(root, images, turned=True)


# CSIQ


def csiq_truth(rows: Rows) -> tuple[Truth, ...]:
    found = []
    for row in rows:
        name = Path(row["dis_img_path"]).name
        image, kind, _, _ = name.split(".")
        found.append(Truth(f"src_imgs/{image}.png", f"dst_imgs/{kind.lower()}/{name}", float(row["score"])))
    return tuple(found)


def csiq_folders(root: Path, images: Images, *, upper: bool = False) -> None:
    images.link(root, src_imgs="src_imgs")
    for kind in CSIQ_TYPES:
        images.link(root, **{f"dst_imgs__{kind if upper else kind.lower()}": f"dst_imgs/{kind.lower()}"})


def csiq_flat(root: Path, images: Images, folder: str) -> None:
    images.copy(root / folder, (each.image for each in images.truth))


def csiq_sheet(root: Path, truth: Iterable[Truth]) -> None:
    workbook = Workbook()
    sheet = workbook.active
    sheet.title = "all_by_image"
    for _ in range(3):
        sheet.append([])
    sheet.append([None, None, None, "image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"])
    for each in truth:
        image, kind, level, _ = each.name.split(".")
        first = int(image) if image.isdecimal() else image
        sheet.append([None, None, None, first, 1, CSIQ_TYPES[kind], int(level), each.std, each.score])
    workbook.save(root / "csiq.DMOS.xlsx")


def csiq_own(root: Path, images: Images) -> None:
    csiq_folders(root, images)
    csiq_sheet(root, images.truth)


def csiq_upper(root: Path, images: Images) -> None:
    csiq_folders(root, images, upper=True)
    csiq_sheet(root, images.truth)


def csiq_one_folder(root: Path, images: Images) -> None:
    images.link(root, src_imgs="src_imgs")
    csiq_flat(root, images, "dst_imgs")
    csiq_sheet(root, images.truth)


def csiq_common(root: Path, images: Images) -> None:
    images.link(root, src_imgs="src_imgs")
    csiq_flat(root, images, "dst_imgs_all")
    write_lines(root / "csiq_label.txt", (f"{each.name} {each.score!r}" for each in images.truth))


def csiq_renamed(root: Path, images: Images) -> None:
    images.link(root, reference_images="src_imgs")
    csiq_flat(root, images, "distorted_images")
    csiq_sheet(root, images.truth)


def csiq_list(root: Path, images: Images) -> None:
    csiq_folders(root, images, upper=True)
    iqa_dataset(root / "CSIQ.txt", images.truth, "CSIQ")


def csiq_pyiqa(root: Path, images: Images) -> None:
    images.link(root, CSIQ__src_imgs="src_imgs")
    csiq_flat(root / "CSIQ", images, "dst_imgs")
    rows = ((Path(each.reference).name, each.name, each.score) for each in images.truth)
    write_csv(root / "meta_info_CSIQDataset.csv", ("ref_name", "dist_name", "dmos"), rows)


def csiq_turned(root: Path, images: Images) -> None:
    csiq_folders(root, images)
    write_lines(root / "csiq_all.txt", (f"{each.image}\t{1 - each.score!r}\t{each.std!r}" for each in images.truth))


def without_contrast(images: Images) -> Images:
    return Images(images.root, tuple(each for each in images.truth if ".contrast." not in each.name))


def csiq_without_contrast(root: Path, images: Images) -> None:
    csiq_common(root, without_contrast(images))


def csiq_without_contrast_images(root: Path, images: Images) -> None:
    """The label file of all 866 over the images of 750."""
    images.link(root, src_imgs="src_imgs")
    csiq_flat(root, without_contrast(images), "dst_imgs_all")
    write_lines(root / "csiq_label.txt", (f"{each.name} {each.score!r}" for each in images.truth))


# PIPAL and CID22, whose scores are invented here


def pipal_truth() -> tuple[Truth, ...]:
    return tuple(
        Truth(
            f"Train_Ref/A{reference:04}.bmp",
            f"Train_Dist/A{reference:04}_{kind:02}_{variant:02}.bmp",
            1000 + zlib.crc32(f"{reference} {kind} {variant}".encode()) % 80000 / 100,
        )
        for reference in range(1, 201)
        for kind, count in enumerate(PIPAL_VARIANTS)
        for variant in range(count)
    )


def pipal_labels(root: Path, truth: Iterable[Truth]) -> None:
    lines: dict[str, list[str]] = {}
    for each in truth:
        lines.setdefault(Path(each.reference).stem, []).append(f"{each.name},{each.score!r}")
    (root / "Train_Label").mkdir()
    for reference, rows in lines.items():
        write_lines(root / "Train_Label" / f"{reference}.txt", rows)


def pipal_folder(folder: str) -> Callable[[Path, Images], None]:
    def make(root: Path, images: Images) -> None:
        images.link(root, Train_Ref="Train_Ref", **{folder: "Train_Dist"})
        pipal_labels(root, images.truth)

    return make


def pipal_four(root: Path, images: Images) -> None:
    images.link(root, Train_Ref="Train_Ref")
    for number in range(1, 5):
        mine = [each.image for each in images.truth if (int(each.name[1:5]) - 1) // 50 == number - 1]
        # as some archives unpack: once more in a folder of the same name
        folder = root / f"Distortion_{number}"
        images.copy(folder / folder.name if number == 3 else folder, mine)
    pipal_labels(root, images.truth)


def pipal_pyiqa(root: Path, images: Images) -> None:
    """With the validation part, as pyiqa's list goes on."""
    images.link(root, PIPAL__Train_Ref="Train_Ref", PIPAL__Dist_Imgs="Train_Dist")
    rows = [[Path(e.reference).name, e.name, repr(e.score), "0.5", "train"] for e in images.truth]
    rows += [["A0005.bmp", f"A0005_10_{n:02}.bmp", "1400.5", "0.5", "val"] for n in range(40)]
    header = ("hq_name", "dist_name", "elo_score", "scaled", "official_split")
    write_csv(root / "meta_info_PIPALDataset.csv", header, rows)


def cid22_truth() -> tuple[Truth, ...]:
    found = [
        Truth(
            f"original/{1000 + reference}.png",
            f"compressed/{1000 + reference}/{CID22_ENCODERS[n % 4]}_q{n}.png",
            30 + zlib.crc32(f"{reference} {n}".encode()) % 6500 / 100,
        )
        for reference in range(49)
        for n in range(88)
    ]
    return tuple(found[:4292])


def cid22_own(root: Path, images: Images) -> None:
    images.link(root, original="original", compressed="compressed")
    header = ("reference_img", "distorted_img", "encoder", "setting", "bpp", "MCOS", "RMOS", "Elo", "nb_pc_opinions")
    rows: list[Sequence[object]] = []
    for each in images.truth:
        encoder, setting = each.name.removesuffix(".png").rsplit("_", 1)
        rows.append((each.reference, each.image, encoder, setting, 0.5, repr(each.score), 0, 0, 9))
    rows += [
        (name, name, "Reference", "", 24, 100, 0, 0, 0) for name in dict.fromkeys(e.reference for e in images.truth)
    ]
    write_csv(root / "CID22_validation_set.csv", header, rows)


def cid22_nested(root: Path, images: Images) -> None:
    (root / "CID22").mkdir()
    cid22_own(root / "CID22" / "CID22_validation_set", images)


TRUTH: dict[str, Callable[[Callable[[str], Rows]], tuple[Truth, ...]]] = {
    "tid2013": lambda rows: tid_truth(rows("TID2013")),
    "tid2008": lambda rows: tid_truth(rows("TID2013"), types=17, levels=4),
    "kadid10k": lambda rows: kadid_truth(rows("KADID-10k")),
    "live": lambda rows: live_truth(rows("LIVE")),
    "csiq": lambda rows: csiq_truth(rows("CSIQ")),
    "pipal": lambda rows: pipal_truth(),
    "cid22": lambda rows: cid22_truth(),
}


def tiny(reference: str, strength: int, kind: str) -> bytes:
    """An 8 x 8 image as the bytes of a file: every reference another one, with noise that grows with the strength."""
    rng = np.random.default_rng(zlib.crc32(reference.casefold().encode()))
    image = rng.integers(60, 195, (8, 8, 3)) + rng.integers(-10, 11, (8, 8, 3)) * strength
    buffer = io.BytesIO()
    Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def write_images(name: str, truth: Iterable[Truth], root: Path) -> None:
    """The set's own folders with tiny images; the worse the score, the more noise."""
    every = list(truth)
    scores = np.array([each.score for each in every])
    worst = scores.max() if name in ("live", "csiq") else scores.min()
    strengths = 1 + np.round(4 * (1 - np.abs(scores - worst) / np.ptp(scores))).astype(int)
    first: dict[tuple[str, int], Path] = {}
    for each, strength in zip(every, strengths, strict=True):
        for image, amount in ((each.image, int(strength)), (each.reference, 0)):
            path = root / image
            # one file for all images of the same content
            known = first.get((each.reference, amount))
            if path.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if known is None:
                path.write_bytes(tiny(each.reference, amount, path.suffix[1:].upper()))
                first[each.reference, amount] = path
            else:
                os.link(known, path)
    if name == "live":
        copies = (f"{folder}/img{n}.bmp" for folder, count in LIVE_FOLDERS.items() for n in range(1, count + 1))
        for path in (root / copy for copy in copies):
            if not path.exists():
                path.write_bytes(tiny("", 0, "BMP"))


OLDER = "before realignment"
TURNED = "runs the other way"

LAYOUTS: dict[str, dict[str, Layout]] = {
    "tid2013": {
        "own": Layout(tid_own, "mos_with_names.txt", std=True),
        "mos.txt alone": Layout(tid_unnamed, "mos.txt", std=True, says=(NO_NAMES,)),
        "IQA-Dataset": Layout(tid_list, "TID2013.txt"),
        "pyiqa": Layout(tid_pyiqa, "meta_info_TID2013Dataset.csv", std=True, says=("the images are in tid2013/",)),
        "mos.csv": Layout(tid_csv, "mos.csv"),
        "splits": Layout(tid_splits, "mos_with_names.txt", std=True),
        "beside TID2008": Layout(tid_both, "mos_with_names.txt", std=True, says=("the images are in tid2013/",)),
    },
    "tid2008": {
        "own": Layout(tid_own, "mos_with_names.txt", std=True),
        "mos.txt alone": Layout(tid_unnamed, "mos.txt", std=True, says=(NO_NAMES,)),
        "pyiqa": Layout(tid2008_pyiqa, "meta_info_TID2008Dataset.csv", std=True, says=("the images are in tid2008/",)),
    },
    "kadid10k": {
        "own": Layout(kadid_own, "dmos.csv", std=True),
        "nested": Layout(kadid_nested, "dmos.csv", std=True, says=("the images are in kadid10k/",)),
        "apart": Layout(
            kadid_apart,
            "dmos.csv",
            std=True,
            says=("distorted_images/ is read as images/", "reference_images/ is read as images/"),
        ),
        "IQA-Dataset": Layout(kadid_list, "KADID-10k.txt", says=("the images are in KADID-10k/",)),
        "pyiqa": Layout(kadid_pyiqa, "meta_info_KADID10kDataset.csv", std=True),
        "kadid10k.csv": Layout(kadid_csv, "kadid10k.csv", std=True),
        "kadid10k_label.txt": Layout(kadid_words, "kadid10k_label.txt"),
        "kadid10k_all.txt": Layout(kadid_all, "kadid10k_all.txt", std=True),
    },
    "live": {
        "own": Layout(live_own, "dmos_realigned.mat", std=True),
        "nested": Layout(
            live_nested,
            "dmos_realigned.mat",
            std=True,
            says=("the images are in databaserelease2/databaserelease2/",),
        ),
        "realigned beside": Layout(
            live_split_nesting, "dmos_realigned.mat", std=True, says=("the images are in databaserelease2/",)
        ),
        "dmos.mat alone": Layout(live_older, "dmos.mat", says=(OLDER, ".03"), scores=older),
        "blur": Layout(live_blur, "dmos_realigned.mat", std=True, says=("blur/ is read as gblur/",)),
        "IQA-Dataset": Layout(live_list, "LIVE.txt"),
        "pyiqa": Layout(
            live_pyiqa,
            "meta_info_LIVEIQADataset.csv",
            says=("the images are in LIVEIQA_release2/", OLDER, ".03"),
            scores=older,
        ),
        "live_all.txt": Layout(live_all, "live_all.txt", std=True),
        "live_all.txt turned": Layout(live_all_turned, "live_all.txt", std=True, says=("turned round", TURNED)),
    },
    "csiq": {
        "own": Layout(csiq_own, "csiq.DMOS.xlsx", std=True),
        "upper case": Layout(
            csiq_upper,
            "csiq.DMOS.xlsx",
            std=True,
            says=tuple(f"dst_imgs/{k.upper()}/ is read as dst_imgs/{k}/" for k in ("awgn", "blur", "jpeg")),
        ),
        "flat": Layout(csiq_one_folder, "csiq.DMOS.xlsx", std=True, says=("dst_imgs/ is read as dst_imgs/TYPE/",)),
        "dst_imgs_all": Layout(csiq_common, "csiq_label.txt", says=("dst_imgs_all/ is read as dst_imgs/TYPE/",)),
        "renamed": Layout(
            csiq_renamed,
            "csiq.DMOS.xlsx",
            std=True,
            says=("reference_images/ is read as src_imgs/", "distorted_images/ is read as dst_imgs/TYPE/"),
        ),
        "IQA-Dataset": Layout(
            csiq_list,
            "CSIQ.txt",
            says=tuple(f"dst_imgs/{k.upper()}/ is read as dst_imgs/{k}/" for k in ("awgn", "blur", "jpeg")),
        ),
        "pyiqa": Layout(
            csiq_pyiqa,
            "meta_info_CSIQDataset.csv",
            says=("the images are in CSIQ/", "dst_imgs/ is read as dst_imgs/TYPE/"),
        ),
        "1 - DMOS": Layout(csiq_turned, "csiq_all.txt", std=True, says=("holds 1 - DMOS", TURNED)),
        "750 rows": Layout(
            csiq_without_contrast,
            "csiq_label.txt",
            pairs=750,
            says=("dst_imgs_all/ is read as", "contrast is not in this copy: 750 pairs of the set's 866"),
        ),
        "750 images": Layout(
            csiq_without_contrast_images,
            "csiq_label.txt",
            pairs=750,
            says=("dst_imgs_all/ is read as", "contrast is not in this copy: 750 pairs of the set's 866"),
        ),
    },
    "pipal": {
        "Train_Dist": Layout(pipal_folder("Train_Dist"), "Train_Label"),
        "Train_Dis": Layout(pipal_folder("Train_Dis"), "Train_Label", says=("Train_Dis/ is read as Train_Dist/",)),
        "Dist_Imgs": Layout(pipal_folder("Dist_Imgs"), "Train_Label", says=("Dist_Imgs/ is read as Train_Dist/",)),
        "Distortion_1 to 4": Layout(
            pipal_four,
            "Train_Label",
            says=(
                "Distortion_1/ is read as Train_Dist/",
                "Distortion_2/ is read as Train_Dist/",
                "Distortion_3/Distortion_3/ is read as Train_Dist/",
                "Distortion_4/ is read as Train_Dist/",
            ),
        ),
        "pyiqa": Layout(
            pipal_pyiqa,
            "meta_info_PIPALDataset.csv",
            says=("the images are in PIPAL/", "Dist_Imgs/ is read as Train_Dist/"),
        ),
    },
    "cid22": {
        "own": Layout(cid22_own, "CID22_validation_set.csv"),
        "nested": Layout(
            cid22_nested, "CID22_validation_set.csv", says=("the images are in CID22/CID22_validation_set/",)
        ),
    },
}


ALL = [(name, layout) for name, layouts in LAYOUTS.items() for layout in layouts]
QUICK = [
    ("tid2013", "mos.txt alone"),
    ("tid2008", "own"),
    ("live", "blur"),
    ("csiq", "upper case"),
    ("csiq", "1 - DMOS"),
    ("csiq", "750 rows"),
]
"""What is examined as a whole each time, with the images; the others only where there is time."""


@pytest.fixture(scope="session")
def images(label_rows: Callable[[str], Rows], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Images]:
    """The images of a set in its own folders, written once."""
    written: dict[str, Images] = {}

    def of(name: str) -> Images:
        if name not in written:
            root = tmp_path_factory.mktemp(f"images-of-{name}")
            truth = TRUTH[name](label_rows)
            write_images(name, truth, root)
            written[name] = Images(root, truth)
        return written[name]

    return of


@pytest.fixture(scope="session")
def copies(
    images: Callable[[str], Images], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], tuple[Path, PairTable]]:
    """A copy of a set in a layout and the table that it loads as; for reading alone."""
    made: dict[tuple[str, str], tuple[Path, PairTable]] = {}

    def of(name: str, layout: str) -> tuple[Path, PairTable]:
        if (name, layout) not in made:
            root = tmp_path_factory.mktemp("copy")
            LAYOUTS[name][layout].make(root, images(name))
            made[name, layout] = root, load_pairs(DataOptions(dataset=name, data_root=str(root)))
        return made[name, layout]

    return of


@pytest.mark.parametrize(("name", "layout"), ALL)
def test_the_same_pairs_scores_and_orientation(
    copies: Callable[..., Any], images: Callable[[str], Images], name: str, layout: str
) -> None:
    made = LAYOUTS[name][layout]
    table = copies(name, layout)[1]
    in_folders = name in ("live", "cid22")  # images of one name are in several folders
    truth = {
        (Path(each.image).parent.name if in_folders else "", each.name.casefold()): each for each in images(name).truth
    }
    info = DATASETS.find(name).info
    assert len(table) == (made.pairs or info.pairs)
    assert len(table.references) == info.references
    assert table.label == made.label
    better = "lower" if name in ("live", "csiq") else "higher"
    sign = 1 if better == "higher" else -1
    expected = []
    for pair in table.pairs:
        folder = pair.distorted.parent.name.replace("blur", "gblur").replace("gg", "g") if in_folders else ""
        each = truth.pop((folder, pair.distorted.name.casefold()))
        assert Path(each.reference).stem.casefold() == pair.reference.stem.casefold() == pair.reference_id.casefold()
        assert pair.score_std == (pytest.approx(each.std, abs=1e-12) if made.std else None)
        expected.append(sign * made.scores(each.score))
    # a constant may lie between the two where a file holds 1 - DMOS: ranks and differences are the same
    difference = table.quality - np.array(expected)
    np.testing.assert_allclose(difference, difference[0], atol=1e-9)
    if "turned" not in layout and layout != "1 - DMOS":
        assert table.better == better
        np.testing.assert_allclose(difference, 0, atol=1e-12)


@pytest.mark.parametrize(("name", "layout"), ALL)
def test_whatever_is_otherwise_is_said_and_nothing_else(copies: Callable[..., Any], name: str, layout: str) -> None:
    table = copies(name, layout)[1]
    said = (*table.notes, *table.cautions)
    assert len(said) == len(LAYOUTS[name][layout].says), said
    for part in LAYOUTS[name][layout].says:
        assert any(part in line for line in said), (part, said)


@pytest.mark.parametrize(("name", "layout"), ALL)
def test_doctor_finds_nothing_wrong_with_the_labels(copies: Callable[..., Any], name: str, layout: str) -> None:
    table = copies(name, layout)[1]
    outcomes = list(label_outcomes(table, DATASETS.find(name).info, ()))
    assert {level for _, level, _ in outcomes} <= {"ok", "note"}, outcomes
    (says,) = (says for check, level, says in outcomes if (check, level) == ("layout", "ok"))
    assert says.startswith(f"{table.label} (")
    notes = [says for check, level, says in outcomes if (check, level) == ("layout", "note")]
    assert notes == [*table.notes, *table.cautions]


@pytest.mark.parametrize(
    ("name", "layout"),
    [*QUICK, *(pytest.param(*each, marks=pytest.mark.thorough) for each in ALL if each not in QUICK)],
)
def test_doctor_is_silent_on_a_right_copy(
    copies: Callable[..., Any], name: str, layout: str, iqatune: Callable[..., Any]
) -> None:
    root = copies(name, layout)[0]
    ran = iqatune("doctor", "--dataset", name, "--data-root", root, "--only", "data", "--json")
    findings = json.loads(ran.out)["findings"]
    assert ran.code == 0, findings
    assert {finding["level"] for finding in findings} <= {"ok", "note"}, findings
    noted = [finding["says"] for finding in findings if finding["level"] == "note" and finding["check"] == "layout"]
    assert len(noted) == len(LAYOUTS[name][layout].says)


def test_distortions_and_levels_are_the_sets_own(copies: Callable[..., Any]) -> None:
    """The name of the image tells them; IQA-Dataset's list calls two of TID2013's types alike."""
    tables = {(name, layout): copies(name, layout)[1] for name, layout in ALL if name in ("tid2013", "csiq", "live")}
    for (name, layout), table in tables.items():
        own = {_key(pair): (pair.distortion, pair.level) for pair in tables[name, "own"].pairs}
        for pair in table.pairs:
            assert own[_key(pair)] == (pair.distortion, pair.level), layout
    assert len({pair.distortion for pair in tables["tid2013", "IQA-Dataset"].pairs}) == 24


def _key(pair: Any) -> tuple[str, str]:
    name = pair.distorted.name.casefold()
    return (pair.distortion if name.startswith("img") else "", name)


def test_pipals_types_have_the_published_numbers_of_variants(copies: Callable[..., Any]) -> None:
    table = copies("pipal", "Train_Dist")[1]
    names = [pair.distortion for pair in table.pairs[:116]]
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    assert tuple(counts.values()) == PIPAL_VARIANTS
    assert list(counts)[:2] == ["sr-traditional", "sr-psnr-oriented"]
    assert copies("pipal", "pyiqa")[1].excluded == ("images of the validation or test part (40 images)",)


@pytest.mark.parametrize("layout", ["dst_imgs_all", "750 rows", "750 images"])
def test_contrast_may_be_excluded_whether_a_copy_has_it_or_not(copies: Callable[..., Any], layout: str) -> None:
    options = DataOptions(dataset="csiq", data_root=str(copies("csiq", layout)[0]), exclude=("contrast",))
    assert len(load_pairs(options)) == 750


def test_cid22_leaves_out_originals_compared_with_themselves(copies: Callable[..., Any]) -> None:
    table = copies("cid22", "own")[1]
    assert table.excluded == ("originals compared with themselves (49 images)",)
    assert {pair.distortion for pair in table.pairs} == set(CID22_ENCODERS)


class Heard(Progress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def warn(self, line: str) -> None:
        self.warned.append(line)


def test_a_search_says_where_the_images_are_and_warns_of_other_scores(
    copies: Callable[..., Any], tmp_path: Path
) -> None:
    root = copies("live", "pyiqa")[0]
    heard = Heard()
    load_table(DataOptions(dataset="live", data_root=str(root)), Cache(tmp_path), heard)
    assert "live: the images are in LIVEIQA_release2/" in heard.said
    assert heard.warned == [
        "live: meta_info_LIVEIQADataset.csv holds DMOS before realignment, not the realigned DMOS of "
        "dmos_realigned.mat",
        "live: between realigned DMOS and those before SRCC differs by about .03",
    ]


def test_a_label_file_is_chosen_and_the_usual_scores_are_pointed_to(
    copies: Callable[..., Any], images: Callable[[str], Images], tmp_path: Path
) -> None:
    live_images(tmp_path, images("live"))
    live_matlab(tmp_path, images("live"), realigned=False)
    live_references(tmp_path, images("live"))
    live_list(tmp_path / "lists", images("live"))
    (tmp_path / "lists" / "LIVE.txt").rename(tmp_path / "LIVE.txt")
    shutil.rmtree(tmp_path / "lists")
    table = load_pairs(DataOptions(dataset="live", data_root=str(tmp_path)))
    assert table.label == "dmos.mat", "the set's own comes first"
    assert table.cautions[0].endswith("LIVE.txt, which is there as well, has those: `label` LIVE.txt")
    chosen = load_pairs(DataOptions(dataset="live", data_root=str(tmp_path), label="live.TXT"))
    assert (chosen.label, chosen.cautions) == ("LIVE.txt", ())


def test_what_is_missing_is_named_with_where_it_comes_from(copies: Callable[..., Any], tmp_path: Path) -> None:
    root = copies("live", "dmos.mat alone")[0]
    said = refused("live", root, label="dmos_realigned.mat")
    assert f"{root / 'dmos_realigned.mat'}: no such label file" in said
    assert "a download of its own from https://live.ece.utexas.edu" in said
    assert "huggingface.co" in refused("live", root, label="meta_info_LIVEIQADataset.csv")
    assert "Train_Label: no such label file, there or below (nor meta_info_PIPALDataset.csv)" in refused(
        "pipal", tmp_path
    )


def refused(name: str, root: Path, **options: Any) -> str:
    with pytest.raises(InputError) as error:
        load_pairs(DataOptions(dataset=name, data_root=str(root), **options))
    assert "\n" not in error.value.command_line
    return error.value.command_line


def test_a_column_of_the_label_file_splits_published_sets(
    copies: Callable[..., Any], images: Callable[..., Any]
) -> None:
    root = copies("tid2013", "pyiqa")[0]
    run = Run(dataset="tid2013", data_root=str(root), backbone="alexnet", searcher="random", split_column=SPLIT)
    table = load_pairs(checked_run(run))
    truth = {each.name.casefold(): each.split for each in images("tid2013").truth}
    assert [pair.split for pair in table.pairs] == [truth[pair.distorted.name.casefold()] for pair in table.pairs]
    (split,) = folds_of(run, table).splits
    assert split.held_out.sum() == sum(value == "test" for value in truth.values())
    without = refused("tid2013", copies("tid2013", "own")[0], split_column=SPLIT)
    assert without.startswith(f"--split-column {SPLIT.lower()}: mos_with_names.txt has no columns")
    assert "no column other" in refused("tid2013", root, split_column="other")
    with pytest.raises(InputError, match="whose label file has columns"):
        checked_run(run.model_copy(update={"dataset": "demo", "data_root": None}))


# wrong trees: each is refused in a line


def small_tid(root: Path) -> Path:
    """Five pairs of one reference."""
    for folder in ("reference_images", "distorted_images"):
        (root / folder).mkdir(parents=True)
    (root / "reference_images" / "I01.BMP").touch()
    for level in range(1, 6):
        (root / "distorted_images" / f"i01_01_{level}.bmp").touch()
    write_lines(root / "mos_with_names.txt", (f"{level}.5 I01_01_{level}.bmp" for level in range(1, 6)))
    return root


def test_labels_of_another_set_are_refused(copies: Callable[..., Any], tmp_path: Path) -> None:
    root = small_tid(tmp_path)
    shutil.copy(copies("csiq", "dst_imgs_all")[0] / "csiq_label.txt", root / "mos_with_names.txt")
    assert "csiq" not in refused("tid2013", root)
    assert "line 1" in refused("tid2013", root)
    write_lines(root / "mos_with_names.txt", ["5.5 I01_18_5.bmp"] * 3)
    assert "names 'I01_18_5.bmp'" in refused("tid2008", root)
    (root / "mos_with_names.txt").unlink()
    write_lines(root / "mos.txt", ["1.5"] * 1700)
    assert "1700 scores for 3000 images, and no names" in refused("tid2013", root)


def test_deviations_of_another_length_are_refused(tmp_path: Path) -> None:
    root = small_tid(tmp_path)
    write_lines(root / "mos_std.txt", ["0.1"] * 4)
    assert "mos_std.txt: 4 standard deviations for the 5 scores of mos_with_names.txt" in refused("tid2013", root)
    write_lines(root / "mos_std.txt", ["0.1"] * 4 + ["-0.1"])
    assert "line 5 has the standard deviation -0.1, below 0" in refused("tid2013", root)
    write_lines(root / "mos_std.txt", ["0.1"] * 4 + ["NA"])
    deviations = [pair.score_std for pair in load_pairs(DataOptions(dataset="tid2013", data_root=str(root))).pairs]
    assert deviations == [0.1] * 4 + [None]


def test_no_folder_of_images_is_refused(tmp_path: Path) -> None:
    root = small_tid(tmp_path)
    for folder in ("reference_images", "distorted_images"):
        shutil.rmtree(root / folder)
    said = refused("tid2013", root)
    assert f"{root / 'reference_images' / 'I01.BMP'}: no such image" in said
    assert "complete the data set from https://www.ponomarenko.info" in said


def test_between_two_copies_nobody_guesses(tmp_path: Path) -> None:
    for copy in ("first", "second"):
        small_tid(tmp_path / copy)
    said = refused("tid2013", tmp_path)
    assert "both first and second may be tid2013" in said
    assert "--data-root" in said
    (tmp_path / "second").rename(tmp_path / "TID-2013")
    table = load_pairs(DataOptions(dataset="tid2013", data_root=str(tmp_path)))
    assert table.notes[0] == "the images are in TID-2013/"


def test_labels_of_a_neighbour_are_not_taken(tmp_path: Path) -> None:
    small_tid(tmp_path / "tid2008")
    (small_tid(tmp_path / "tid2013") / "mos_with_names.txt").unlink()
    (tmp_path / "tid2008" / "reference_images" / "I01.BMP").unlink()
    # the neighbour's labels are with the neighbour's images
    assert "tid2008/reference_images/I01.BMP" in refused("tid2013", tmp_path)
    assert "no such label file" in refused("tid2013", tmp_path / "tid2013")


def test_a_folder_of_many_folders_is_looked_through_quickly(tmp_path: Path) -> None:
    small_tid(tmp_path / "a" / "b" / "c" / "tid")
    for number in range(50):
        (tmp_path / f"x{number}" / "y" / "z").mkdir(parents=True)
    (tmp_path / "loop").symlink_to(tmp_path)
    table = load_pairs(DataOptions(dataset="tid2013", data_root=str(tmp_path)))
    assert len(table) == 5
    assert len(tree(tmp_path, ()).folders) <= 2000


@settings(deadline=None, max_examples=25)
@given(
    nesting=st.lists(st.sampled_from(["data", "TID2013", "tid2013", "x y", "été"]), max_size=4),
    upper=st.lists(st.booleans(), min_size=3, max_size=3),
    labels_above=st.integers(0, 4),
)
def test_any_nesting_and_any_case(
    tmp_path_factory: pytest.TempPathFactory, nesting: list[str], upper: list[bool], labels_above: int
) -> None:
    base = tmp_path_factory.mktemp("nested")
    root = small_tid(base.joinpath(*nesting))
    for name, up in zip(("reference_images", "distorted_images", "mos_with_names.txt"), upper, strict=True):
        (root / name).rename(root / (name.upper() if up else name))
    above = base.joinpath(*nesting[: max(0, len(nesting) - labels_above)])
    label = "MOS_WITH_NAMES.TXT" if upper[2] else "mos_with_names.txt"
    if above != root:
        (root / label).rename(above / label)
    table = load_pairs(DataOptions(dataset="tid2013", data_root=str(base)))
    assert [pair.level for pair in table.pairs] == [1, 2, 3, 4, 5]
    assert (table.notes[:1] == (f"the images are in {'/'.join(nesting)}/",)) == bool(nesting)
    shutil.rmtree(base)


class CopiedContract(DatasetContract):
    """Of a set in its own layout."""

    @pytest.fixture
    def options(self, copies: Callable[..., Any]) -> DataOptions:
        return DataOptions(dataset=self.name, data_root=str(copies(self.name, next(iter(LAYOUTS[self.name])))[0]))

    @pytest.fixture
    def table(self, copies: Callable[..., Any]) -> PairTable:
        """Loaded once: PIPAL is large."""
        loaded: PairTable = copies(self.name, next(iter(LAYOUTS[self.name])))[1]
        return loaded


class TestPipal(CopiedContract):
    name = "pipal"


class TestCid22(CopiedContract):
    name = "cid22"


class TestTid2008(CopiedContract):
    name = "tid2008"
