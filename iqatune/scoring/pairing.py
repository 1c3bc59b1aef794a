"""Which image files are compared with which: two files, two folders, or a CSV of pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from iqatune.datasets.columns import read_sheet
from iqatune.datasets.files import FileFinder, composed, image_name
from iqatune.datasets.pairs_csv import DISTORTED, IMAGES, REFERENCE, column_of, filled
from iqatune.errors import InputError


@dataclass(frozen=True)
class ImagePair:
    """Two image files, and how the user names them."""

    reference: Path
    distorted: Path
    names: tuple[str, str]


@dataclass(frozen=True)
class ImagePairs:
    """Pairs to score, and a line for every file that has no counterpart."""

    pairs: tuple[ImagePair, ...]
    unpaired: tuple[str, ...] = ()


def pairs_of_paths(reference: Path, distorted: Path) -> ImagePairs:
    """Two files, or the files of two folders that have the same name.

    Files in folders, and in folders inside them, are paired by their path below the folder, and where that has no
    counterpart by the path without its suffix: a.png and a.jpg are a pair. Never by their order.

    Raises:
        InputError: when one is a folder and the other a file, or a name has more than one counterpart.
    """
    for path in (reference, distorted):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
    if reference.is_dir() != distorted.is_dir():
        raise InputError(f"{reference} and {distorted}: give two files or two folders (or `pairs` FILE.csv)")
    if not reference.is_dir():
        return ImagePairs((ImagePair(reference, distorted, (str(reference), str(distorted))),))
    return _pairs_of_folders(reference, distorted)


def pairs_of_csv(path: Path) -> ImagePairs:
    """The pairs of a CSV file with columns reference and distorted; paths are relative to the file's folder.

    The columns may go by their other names, too, as in a search.

    Raises:
        InputError: naming the file and the row.
    """
    if not path.is_file():
        raise InputError(f"`pairs` {path}: no such file")
    finder = FileFinder(path.parent)
    sheet = read_sheet(path, IMAGES)
    columns = [column_of(names, sheet) or names[0] for names in (REFERENCE, DISTORTED)]
    pairs = []
    for where, cells in sheet.rows:
        reference, distorted = (filled(cells, column, f"{path}: {where}") for column in columns)
        pairs.append(ImagePair(_found(finder, reference), _found(finder, distorted), (reference, distorted)))
    if not pairs:
        raise InputError(f"{path}: contains no pair")
    return ImagePairs(tuple(pairs))


def _found(finder: FileFinder, name: str) -> Path:
    """The file of that name, as a data set's are found; where there is none, whoever opens it says so."""
    spelled = image_name(name)
    return finder.find(spelled) or finder.root / spelled


def _pairs_of_folders(reference: Path, distorted: Path) -> ImagePairs:
    first, second = (_images(folder) for folder in (reference, distorted))
    matches = {name: name for name in first if name in second}
    by_stem = _by_stem(distorted, [name for name in second if name not in matches])
    _by_stem(reference, [name for name in first if name not in matches])
    for name in first:
        stem = str(Path(name).with_suffix(""))
        if name not in matches and stem in by_stem:
            matches[name] = by_stem[stem]
    taken = set(matches.values())
    unpaired = [f"{first[name]}: {distorted} has none of this name" for name in first if name not in matches]
    unpaired += [f"{second[name]}: {reference} has none of this name" for name in second if name not in taken]
    if not matches:
        raise InputError(f"{reference} and {distorted}: hold no two images of the same name")
    pairs = [
        ImagePair(first[name], second[matches[name]], (str(first[name]), str(second[matches[name]])))
        for name in first
        if name in matches
    ]
    return ImagePairs(tuple(pairs), tuple(unpaired))


def _images(folder: Path) -> dict[str, Path]:
    """The image files below a folder by their path in it; hidden files and other kinds are passed over."""
    suffixes = set(Image.registered_extensions())
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    names: dict[str, Path] = {}
    for path in files:
        name = composed(path.relative_to(folder).as_posix())
        if name in names:
            raise InputError(f"{folder}: contains two files that look like '{name}'; move one away")
        names[name] = path
    return {name: path for name, path in names.items() if not any(part.startswith(".") for part in Path(name).parts)}


def _by_stem(folder: Path, names: Sequence[str]) -> dict[str, str]:
    stems: dict[str, str] = {}
    for name in names:
        stem = str(Path(name).with_suffix(""))
        if stem in stems:
            raise InputError(f"{folder}: {stems[stem]} and {name} differ in their suffix alone; move one away")
        stems[stem] = name
    return stems
