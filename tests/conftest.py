"""What the tests of every room share."""

import csv
import hashlib
import io
import json
import os
import resource
import shutil
import signal
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openpyxl import Workbook
from PIL import Image, ImageFilter, ImageOps
from scipy.io import savemat

# before anything imports Ray: it must neither read nor write a token in the home folder
os.environ["RAY_AUTH_MODE"] = "disabled"

# workers of pytest-xdist have a terminal of 80 columns by these: lines would be folded only with -n
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)

# before anything imports torch: tests side by side share the processors out among them
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(share, 1)))


@contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))  # Python ignores the signal, and gets an error
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(scope="session")
def files_of_at_most() -> Callable[[int], AbstractContextManager[None]]:
    """A context in which the system refuses what would make a file larger than so many bytes."""
    return _files_of_at_most


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data beside the project: ../shared/data, or $IQATUNE_TEST_DATA."""
    folder = Path(os.environ.get("IQATUNE_TEST_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the real data for tests, which are not in {folder} (set IQATUNE_TEST_DATA)")
    return folder.resolve()


@dataclass(frozen=True)
class Ran:
    """What a command line printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The last line on stderr: where an error is told."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


Run = Callable[..., Ran]


@pytest.fixture
def iqatune(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Run]:
    """Run `iqatune ARGUMENTS...` in this process, as typed in an empty folder without settings."""
    from iqatune.cli.main import main

    for name in [name for name in os.environ if name.startswith("IQATUNE_") and name != "IQATUNE_TEST_DATA"]:
        monkeypatch.delenv(name)
    workplace = tmp_path / "workplace"
    workplace.mkdir()
    monkeypatch.chdir(workplace)
    # a test run in the background of a shell starts with SIGINT ignored, and Ctrl-C is among what is tested
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    yield run
    signal.signal(signal.SIGINT, before)


@dataclass(frozen=True)
class SmallSet:
    """Real files of a made-up data set, with the options that name it."""

    folder: Path
    labels: Path
    options: tuple[str, ...]


def seal_of(content: dict[str, Any]) -> str:
    """The seal of a record, by the rule that its schema states, in the shortest way there is."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(part) for name, part in value.items()}
        if isinstance(value, list):
            return [plain(part) for part in value]
        return int(value) if isinstance(value, float) and value == int(value) else value

    rest = plain({name: value for name, value in content.items() if name != "seal"})
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@pytest.fixture(scope="session")
def forge() -> Callable[..., None]:
    """Change a record by a function of its content, and give it the seal of what it now says."""

    def forged(file: Path, change: Callable[[Any], object]) -> None:
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps({**content, "seal": seal_of(content)}))

    return forged


@pytest.fixture
def make_older(forge: Callable[..., None]) -> Callable[[Path], None]:
    """Make of a record one of the releases whose optimism was the tuned SRCC minus the held-out one."""

    def change(content: Any) -> None:
        held_out = content["held_out"]
        held_out["optimism"] = content["best"]["srcc"] - held_out["srcc_mean"]
        for key in ("gain_error", "verdict"):
            del held_out[key]
        for fold in held_out["per_fold"]:
            del fold["tuned_on_all_srcc"]

    return lambda file: forge(file, change)


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> SmallSet:
    """6 smooth references of 40x36 with 5 noisy and 3 blurred versions each; the more damage, the lower the score."""
    folder = tmp_path_factory.mktemp("small")
    rng = np.random.default_rng(7)
    lines = ["reference,distorted,score,distortion,level"]
    for r in range(6):
        coarse = Image.fromarray(rng.integers(20, 235, (5, 5, 3), dtype=np.uint8))
        base = np.asarray(coarse.resize((40, 36), Image.Resampling.BICUBIC)).astype(float)
        base = np.clip(base + rng.normal(0, 6, base.shape), 0, 255)
        Image.fromarray(base.astype(np.uint8)).save(folder / f"ref{r}.png")
        for level in range(1, 6):
            noisy = np.clip(base + rng.normal(0, 5 * level, base.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / f"noise{r}_{level}.png")
            lines.append(f"ref{r}.png,noise{r}_{level}.png,{8 - level + rng.normal(0, 0.5):.4f},noise,{level}")
        for level in range(1, 4):
            blurred = Image.fromarray(base.astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6 * level))
            blurred.save(folder / f"blur{r}_{level}.png")
            lines.append(f"ref{r}.png,blur{r}_{level}.png,{7 - level + rng.normal(0, 0.5):.4f},blur,{level}")
    labels = folder / "labels.csv"
    labels.write_text("\n".join(lines) + "\n")
    return SmallSet(folder, labels, ("--dataset", "csv", "--pairs", str(labels), "--better", "higher"))


@pytest.fixture(scope="session")
def demo_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root for the demo set, whose images are made once for a session's tests; nobody may change them."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="session")
def user_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for XDG_CACHE_HOME that all processes of a test run share, so that the demo passes the CNN but once."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "user-cache"
    (folder / "iqatune").mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def small_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that a session's tests share, so that the small set passes the CNN once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def backbone_of() -> Callable[..., Any]:
    """build_backbone(name, "random"), remembered for the session; nobody may change what it gives."""
    from iqatune.backbones.network import build_backbone

    return cache(lambda name="squeezenet": build_backbone(name, "random"))


@pytest.fixture(scope="session")
def some_weights() -> Callable[..., Any]:
    """Random weights of the given channels, 0 in the stages `without`."""
    from iqatune.metric.weights import Weights

    def make(channels: Sequence[int], seed: int = 0, without: tuple[int, ...] = ()) -> Weights:
        alpha, beta = np.random.default_rng(seed).random((2, sum(channels)))
        starts = np.cumsum((0, *channels))
        for stage in without:
            alpha[starts[stage] : starts[stage + 1]] = beta[starts[stage] : starts[stage + 1]] = 0
        total = alpha.sum() + beta.sum()
        return Weights(tuple(channels), alpha / total, beta / total)

    return make


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, small_set: SmallSet, small_cache: Path) -> Callable[..., Path]:
    """The folder of a finished search of the small set, searched once for each set of options; for reading alone."""
    from iqatune.progress import Progress
    from iqatune.records.options import Run as RunOptions
    from iqatune.statistics.cache import Cache
    from iqatune.tuning.run import run_search

    @cache
    def search(**options: Any) -> Path:
        data = {"dataset": "csv", "pairs": str(small_set.labels), "better": "higher"}
        defaults = {"backbone": "squeezenet", "backbone_weights": "random", "searcher": "random"}
        run = RunOptions(**{**data, **defaults, "samples": 5, "folds": 2, **options})
        output = tmp_path_factory.mktemp("finished")
        return run_search(run, output, cache=Cache(small_cache), progress=Progress())[1].path

    return search


@pytest.fixture
def own_copy(finished: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """`finished`, copied into a folder that a test may spoil."""

    def copy(name: str = "run", **options: Any) -> Path:
        return Path(shutil.copytree(finished(**options), tmp_path / name, dirs_exist_ok=True))

    return copy


# the four data sets at full size: their real names and label formats over tiny images

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


@cache
def tiny(reference: str, strength: int, kind: str) -> bytes:
    """An 8 x 8 image as the bytes of a file: every reference another one, with noise that grows with the strength."""
    rng = np.random.default_rng(zlib.crc32(reference.casefold().encode()))
    image = rng.integers(60, 195, (8, 8, 3)) + rng.integers(-10, 11, (8, 8, 3)) * strength
    buffer = io.BytesIO()
    Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def fill(root: Path, images: Iterable[tuple[str, str, int]]) -> None:
    """Write tiny images, each a name, its reference and the strength of its damage, as what the name's suffix says."""
    folders: set[Path] = set()
    for name, reference, strength in images:
        path = root / name
        if path.parent not in folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            folders.add(path.parent)
        path.write_bytes(tiny(reference, strength, path.suffix[1:].upper()))


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
    fill(root, ((f"distorted_images/{name}", name[:3], int(name[7])) for name in on_disk))
    fill(root, ((f"reference_images/I{number:02}.BMP", f"I{number:02}", 0) for number in range(1, 25)))
    fill(root, [("reference_images/i25.bmp", "I25", 0)])
    lines = [f"{float(row['score']):.5f} I{name[1:]}" for row, name in zip(rows, names, strict=True)]
    (root / "mos_with_names.txt").write_text("\r\n".join(lines) + "\r\n")
    return root


@pytest.fixture(scope="session")
def kadid10k_tree(tmp_path_factory: pytest.TempPathFactory, label_rows: Callable[[str], Rows]) -> Path:
    """KADID-10k as distributed."""
    root = tmp_path_factory.mktemp("kadid10k")
    rows = label_rows("KADID-10k")
    names = [Path(row["dis_img_path"]).name for row in rows]
    fill(root, ((f"images/{name}", name[:3], int(name[7:9])) for name in names))
    fill(root, ((f"images/I{number:02}.png", f"I{number:02}", 0) for number in range(1, 82)))
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
    fill(root, ((f"{folder}/img{n}.bmp", "", 0) for folder, count in LIVE_FOLDERS.items() for n in range(1, count + 1)))
    for row in label_rows("LIVE"):
        distorted, reference = ("/".join(row[path].split("/")[1:]) for path in ("dis_img_path", "ref_img_path"))
        fill(root, [(distorted, reference, 1 + int(max(0.0, float(row["score"])) / 20)), (reference, reference, 0)])
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
        fill(root, [(f"dst_imgs/{kind.lower()}/{name}", image, int(level)), (f"src_imgs/{image}.png", image, 0)])
        place = list(CSIQ_TYPES).index(kind) + 1
        first = int(image) if image.isdecimal() else image
        sheet.append([None, None, None, first, place, CSIQ_TYPES[kind], int(level), 0.1, float(row["score"])])
    workbook.save(root / "csiq.DMOS.xlsx")
    return root


@pytest.fixture(scope="session")
def photographs() -> list[Path]:
    """Photographs of eight scenes, which ship with scikit-image."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    names = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "motorcycle_left.png")
    return [folder / name for name in (*names, "rocket.jpg", "gravel.png")]


@dataclass(frozen=True)
class TwoSets:
    """Two data sets on disk, with the options that name both.

    Attributes:
        shared: references of the two that show one photograph, as records name them.
    """

    tid2013: Path
    labels: Path
    options: tuple[str, ...]
    shared: tuple[tuple[str, str], ...]


@pytest.fixture(scope="session")
def two_sets(tmp_path_factory: pytest.TempPathFactory, photographs: list[Path]) -> TwoSets:
    """Five photographs as TID2013, five as a CSV set on another scale and with the lower score the better.

    Two are in both under other names: cut out, resized and compressed there.
    """
    folder = tmp_path_factory.mktemp("two")
    rng = np.random.default_rng(11)
    tid, own = folder / "tid2013", folder / "own"
    for place in (tid / "reference_images", tid / "distorted_images", own):
        place.mkdir(parents=True)

    def damaged(image: Image.Image, level: int, kind: str) -> Image.Image:
        if kind == "blur":
            return image.filter(ImageFilter.GaussianBlur(0.7 * level))
        values = np.asarray(image, np.float64) + rng.normal(0, 9 * level, (image.height, image.width, 3))
        return Image.fromarray(values.clip(0, 255).astype(np.uint8))

    mos, rows = [], ["reference,distorted,score,distortion,part"]
    for number, path in enumerate(photographs[:5], 1):
        with Image.open(path) as image:
            reference = ImageOps.fit(image.convert("RGB"), (96, 72))
        reference.save(tid / "reference_images" / f"I{number:02}.png")
        for kind, code in (("noise", 1), ("blur", 8)):
            for level in (1, 3):
                damaged(reference, level, kind).save(tid / "distorted_images" / f"i{number:02}_{code:02}_{level}.png")
                mos.append(f"{7 - 1.5 * level + rng.normal(0, 0.5):.4f} I{number:02}_{code:02}_{level}.bmp")
    (tid / "mos_with_names.txt").write_text("\n".join(mos) + "\n")
    names = ("face", "cup", "bike", "sky", "stones")
    for name, path in zip(names, (photographs[0], photographs[3], *photographs[5:]), strict=True):
        with Image.open(path) as image:
            whole = image.convert("RGB")
        width, height = whole.size
        cut = whole.crop((width // 12, height // 10, width * 11 // 12, height))
        cut.thumbnail((110, 110))
        cut.save(own / f"{name}.jpg", quality=70)
        for kind in ("noise", "blur"):
            for level in (1, 3):
                damaged(cut, level, kind).save(own / f"{name}-{kind}{level}.png")
                score = 20 * level + rng.normal(0, 6)
                part = {"stones": "test", "sky": "val"}.get(name, "train")
                rows.append(f"{name}.jpg,{name}-{kind}{level}.png,{score:.4f},{kind},{part}")
    labels = own / "labels.csv"
    labels.write_text("\n".join(rows) + "\n")
    data = ("--dataset", "tid2013", "--dataset", "csv", "--data-root", f"tid2013={tid}")
    return TwoSets(
        tid,
        labels,
        (*data, "--pairs", str(labels), "--better", "lower"),
        (("tid2013/I01", "csv/face.jpg"), ("tid2013/I04", "csv/cup.jpg")),
    )
