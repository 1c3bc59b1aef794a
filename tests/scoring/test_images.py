"""`iqatune score` and `iqatune export` as they are typed: pairs, bad files, formats, the search's figures."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr

from iqatune.backbones.network import Backbone
from iqatune.cli.main import main
from iqatune.errors import InputError
from iqatune.metric.export import save_metric
from iqatune.metric.module import Metric
from iqatune.metric.weights import Weights
from iqatune.scoring.pairing import pairs_of_paths


@pytest.fixture(scope="module")
def metric(backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights]) -> Metric:
    backbone = backbone_of()
    return Metric(backbone, some_weights(backbone.channels), short_side=64)


@pytest.fixture(scope="module")
def metric_file(metric: Metric, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("metric") / "metric.safetensors"
    save_metric(metric, path, include_backbone=True)
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Folders a and b with images of two sizes, more of one than a batch holds; b has z.jpg for a's z.png."""
    random = np.random.default_rng(7)
    names = ["z.png", "sub/k.png", *(f"{number}.png" for number in range(5))]
    for folder in "ab":
        for name in names:
            path = tmp_path / folder / (name if folder == "a" else name.replace("z.png", "z.jpg"))
            path.parent.mkdir(parents=True, exist_ok=True)
            size = (40, 60, 3) if name in ("z.png", "1.png") else (50, 50, 3)
            Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)).save(path)
    return tmp_path / "a", tmp_path / "b"


def score(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["score", *(str(argument) for argument in arguments), "--device", "cpu"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def rows(text: str) -> list[tuple[str, str, str]]:
    return [(row["reference"], row["distorted"], row["distance"]) for row in csv.DictReader(io.StringIO(text))]


def test_folders_are_paired_by_name_and_score_as_the_metric_does(
    capsys: pytest.CaptureFixture[str], metric: Metric, metric_file: Path, folders: tuple[Path, Path]
) -> None:
    first, second = folders
    (first / "notes.txt").write_text("no image")
    (first / ".hidden.png").write_text("no image")

    code, out, err = score(capsys, metric_file, first, second, "--format", "csv", "--quiet")

    assert (code, err) == (0, "")
    found = rows(out)
    assert len(found) == 7
    assert (str(first / "z.png"), str(second / "z.jpg")) in [names[:2] for names in found]
    for reference, distorted, distance in found:
        assert reference[:-4].replace("/a/", "/b/") == distorted[:-4]
        expected = metric(metric.read(reference), metric.read(distorted)).item()
        assert float(distance) == pytest.approx(expected, abs=1e-6)


def test_files_without_a_counterpart_are_named(
    capsys: pytest.CaptureFixture[str], metric_file: Path, folders: tuple[Path, Path]
) -> None:
    first, second = folders
    (first / "only.png").write_bytes((first / "0.png").read_bytes())
    (second / "sub" / "k.png").rename(second / "k.png")

    code, out, err = score(capsys, metric_file, first, second)
    assert (code, out) == (2, "")
    for name in (first / "only.png", first / "sub" / "k.png", second / "k.png"):
        assert f"{name}: " in err

    code, out, err = score(capsys, metric_file, first, second, "--keep-going", "--format", "csv", "--quiet")
    assert code == 2
    assert len(rows(out)) == 6
    assert err.count("has none of this name") == 3


def test_unreadable_files_are_named_and_the_rest_is_scored(
    capsys: pytest.CaptureFixture[str], metric_file: Path, folders: tuple[Path, Path]
) -> None:
    first, second = folders
    (first / "0.png").write_text("no image")
    whole = (second / "2.png").read_bytes()
    (second / "2.png").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (60, 50)).save(second / "3.png")
    for path in (first / "4.png", second / "4.png"):
        Image.new("RGB", (60, 5)).save(path)

    code, out, err = score(capsys, metric_file, first, second)
    assert (code, out) == (2, "")
    assert len([line for line in err.splitlines() if line.startswith("iqatune:")]) == 1

    code, out, err = score(capsys, metric_file, first, second, "--keep-going", "--json", "--quiet")
    assert code == 2
    lines = err.splitlines()
    assert len(lines) == 4
    bad = (
        f"{first / '0.png'}: not a",
        f"{second / '2.png'}: not a",
        f"{second / '3.png'}: 60x50 differs",
        "is too small",
    )
    for text in bad:
        assert any(text in line for line in lines)
    scores = json.loads(out)
    assert scores["schema"] == "iqatune.scores/1"
    assert scores["higher_is_better"] is False
    assert scores["resize"] == 64
    assert [pair["distance"] is None for pair in scores["pairs"]].count(True) == 4
    assert all((pair["distance"] is None) == (pair["error"] is not None) for pair in scores["pairs"])


def test_a_csv_of_pairs_keeps_its_order_and_names(
    capsys: pytest.CaptureFixture[str], metric_file: Path, folders: tuple[Path, Path]
) -> None:
    first, _ = folders
    names = [("b/1.png", "a/1.png"), ("a/0.png", "b/0.png"), ("a/0.png", "a/0.png")]
    file = first.parent / "pairs.csv"
    file.write_text("distorted,reference,remark\n" + "".join(f"{y},{x},hello\n" for x, y in names))

    code, out, _ = score(capsys, metric_file, "--pairs", file, "--format", "csv")

    assert code == 0
    found = rows(out)
    assert [row[:2] for row in found] == names
    assert float(found[2][2]) == 0 < float(found[1][2])


def test_two_files_in_a_table_and_without_the_protocols_resize(
    capsys: pytest.CaptureFixture[str], metric_file: Path, metric: Metric, tmp_path: Path
) -> None:
    wide = np.random.default_rng(1).integers(0, 65536, (90, 120)).astype(np.uint16)
    Image.fromarray(wide).save(tmp_path / "x.png")
    Image.fromarray(wide // 2).convert("I;16").save(tmp_path / "y.png")
    files = (tmp_path / "x.png", tmp_path / "y.png")

    code, out, _ = score(capsys, metric_file, *files)
    assert code == 0
    resized = metric(*(metric.read(file) for file in files)).item()
    assert f"{resized:.6f}" in out
    assert "lower is better" in out

    _, out, _ = score(capsys, metric_file, *files, "--resize", "none", "--json")
    unresized = json.loads(out)["pairs"][0]["distance"]
    assert unresized != pytest.approx(resized, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{metric}", "{a}"], "score: name REFERENCE and DISTORTED"),
        (["{metric}", "{a}", "{a}/0.png"], "give two files or two folders"),
        (["{metric}", "{a}", "{a}/nothing"], "nothing: no such file or folder"),
        (["{metric}", "--pairs", "{a}/nothing.csv"], "--pairs"),
        (["{metric}", "{a}", "{b}", "--pairs", "x.csv"], "--pairs: names the images itself"),
        (["{a}/0.png", "{a}", "{b}"], "0.png: not a metric"),
        (["{metric}", "{a}", "{b}", "--resize", "-1"], "--resize -1"),
        (["{metric}", "{a}", "{b}", "--device", "tpu"], "--device tpu"),
    ],
)
def test_wrong_usage_is_a_line(
    capsys: pytest.CaptureFixture[str],
    metric_file: Path,
    folders: tuple[Path, Path],
    arguments: list[str],
    message: str,
) -> None:
    first, second = folders

    code = main(["score", *(argument.format(metric=metric_file, a=first, b=second) for argument in arguments)])

    err = capsys.readouterr().err
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


def test_names_with_two_counterparts_are_refused(folders: tuple[Path, Path]) -> None:
    first, second = folders
    (second / "z.webp").write_bytes(b"")

    with pytest.raises(InputError, match="differ in their suffix alone"):
        pairs_of_paths(first, second)
    with pytest.raises(InputError, match="no two images of the same name"):
        pairs_of_paths(first, second / "sub")


def test_export_verb(capsys: pytest.CaptureFixture[str], metric_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "copy.safetensors"

    assert main(["export", str(metric_file), "--output", str(output), "--include-backbone", "--json"]) == 0

    header = json.loads(capsys.readouterr().out)
    assert header["backbone_included"] is True
    assert Metric.load(output).short_side == 64
    assert main(["export", str(metric_file), "--output", str(tmp_path / "metric.tflite")]) == 2
    assert "end its name in .safetensors, .pt2, .onnx" in capsys.readouterr().err


def test_real_images_score_as_their_search_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, test_data: Path
) -> None:
    labels = test_data / "live_r2" / "labels.csv"
    parameters = test_data / "weights" / "squeezenet1_1_imagenet_fp16.pth"
    with labels.open() as file:
        table = [
            row for row in csv.DictReader(file) if row["reference"] in ("refimgs/dancers.png", "refimgs/rapids.png")
        ]
    assert len(table) > 10
    few = tmp_path / "few.csv"
    with few.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["reference", "distorted", "score"])
        root = labels.parent
        writer.writerows([root / row["reference"], root / row["distorted"], row["score"]] for row in table)
    search = ["search", "--dataset", "csv", "--pairs", few, "--better", "lower", "--backbone", "squeezenet"]
    search += ["--backbone-weights", parameters, "--searcher", "random", "--samples", 5, "--folds", 0, "--resize", 96]
    search += ["--device", "cpu", "--output", tmp_path / "runs", "--cache-dir", tmp_path / "cache", "--quiet"]
    assert main([str(argument) for argument in search]) == 0
    capsys.readouterr()
    (result,) = (tmp_path / "runs").rglob("result.json")
    exported = tmp_path / "metric.safetensors"
    assert main(["export", str(result), "--output", str(exported), "--include-backbone"]) == 0
    capsys.readouterr()

    _, out, _ = score(capsys, exported, "--pairs", few, "--format", "csv", "--quiet")

    distances = [float(row[2]) for row in rows(out)]
    srcc = spearmanr([-float(row["score"]) for row in table], np.negative(distances)).statistic
    assert srcc == pytest.approx(json.loads(result.read_text())["best"]["srcc"], abs=1e-6)


def test_names_whose_letters_are_composed_otherwise_are_pairs(
    metric_file: Path, folders: tuple[Path, Path], iqatune: Any
) -> None:
    one, two = "\u00e9.png", "e\u0301.png"
    for folder, name, source in (("A", one, folders[0]), ("B", two, folders[1])):
        Path(folder).mkdir()
        shutil.copy(source / "0.png", Path(folder) / name)
    distances = [
        json.loads(ran.out)["pairs"][0]["distance"]
        for arguments in (("A", "B"), (f"A/{one}", f"B/{two}"))
        for ran in [iqatune("score", metric_file, *arguments, "--json")]
    ]
    # a CSV finds files as a search finds them: in any case and form
    Path("pairs.csv").write_text(f"reference,distorted\na/{two},B/{one}\n", encoding="utf-8")
    ran = iqatune("score", metric_file, "--pairs", "pairs.csv", "--json")
    assert [*distances, json.loads(ran.out)["pairs"][0]["distance"]] == distances[:1] * 3
    shutil.copy(Path("B") / two, Path("B") / one)
    ran = iqatune("score", metric_file, "A", "B")
    assert ran.code == 2
    assert "two files that look like" in ran.last_line
