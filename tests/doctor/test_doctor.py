"""`iqatune doctor`: whole sets pass, and every planted fault is named."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

Findings = dict[str, dict[str, str]]


@pytest.fixture
def examined(iqatune: Callable[..., Any]) -> Callable[..., tuple[int, Findings]]:
    """The exit code of `iqatune doctor --only data`, and its findings: level -> check -> what it says."""

    def run(*options: object) -> tuple[int, Findings]:
        ran = iqatune("doctor", "--only", "data", "--json", *options)
        assert ran.code in (0, 1), ran.err
        findings: Findings = {"ok": {}, "note": {}, "warning": {}, "problem": {}}
        for finding in json.loads(ran.out)["findings"]:
            findings[finding["level"]][finding["check"]] = finding["says"]
        return ran.code, findings

    return run


def _linked(tree: Path, folder: Path, copied: tuple[str, ...] = ()) -> Path:
    """A set that shares a tree's files, but for folders of its own whose files may be changed."""
    folder.mkdir()
    for entry in tree.iterdir():
        if entry.name in copied:
            # hard links: a file is replaced, never written into
            shutil.copytree(entry, folder / entry.name, copy_function=os.link)
        elif entry.is_dir():
            (folder / entry.name).symlink_to(entry)
        else:
            shutil.copy(entry, folder / entry.name)
    return folder


def _replace(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["tid2013", "kadid10k", "live", "csiq"])
def test_whole_sets_pass(name: str, request: pytest.FixtureRequest, examined: Callable[..., Any]) -> None:
    tree = request.getfixturevalue(f"{name}_tree")
    code, findings = examined("--dataset", name, "--data-root", tree)
    assert code == 0, findings["problem"]
    assert not findings["warning"]
    # TID2013's copy is in mixed case, as the set itself
    assert set(findings["note"]) == ({"case"} if name == "tid2013" else set())
    expected = {"counts", "levels", "scores", "rows", "sizes", "images", "content", "direction"}
    assert expected <= set(findings["ok"])


def test_older_labels_and_exclusions_pass(live_tree: Path, csiq_tree: Path, examined: Callable[..., Any]) -> None:
    code, findings = examined("--dataset", "live", "--data-root", live_tree, "--label", "dmos.mat")
    assert (code, findings["warning"]) == (0, {})
    code, findings = examined("--dataset", "csiq", "--data-root", csiq_tree, "--exclude", "Contrast")
    assert (code, findings["warning"]) == (0, {})
    assert "750 pairs" in findings["ok"]["counts"]


def test_real_images_pass(test_data: Path, examined: Callable[..., Any]) -> None:
    labels = test_data / "live_r2" / "labels.csv"
    code, findings = examined("--dataset", "csv", "--pairs", labels, "--better", "lower", "--full")
    assert (code, findings["warning"], findings["note"]) == (0, {}, {})


def test_the_demo_passes(examined: Callable[..., Any], demo_root: Path) -> None:
    code, findings = examined("--dataset", "demo", "--data-root", demo_root)
    assert (code, findings["warning"]) == (0, {}), findings


def test_swapped_direction(tid2013_tree: Path, examined: Callable[..., Any], tmp_path: Path) -> None:
    root = _linked(tid2013_tree, tmp_path / "set")
    lines = [line.split() for line in (root / "mos_with_names.txt").read_text().splitlines()]
    turned = [f"{0.24242 + 7.2143 - float(score):.5f} {name}" for score, name in lines]
    (root / "mos_with_names.txt").write_text("\n".join(turned))
    code, findings = examined("--dataset", "tid2013", "--data-root", root)
    assert code == 1
    assert set(findings["problem"]) == {"direction"}
    assert "wrong way round" in findings["problem"]["direction"]


def test_missing_level(tid2013_tree: Path, examined: Callable[..., Any], tmp_path: Path) -> None:
    root = _linked(tid2013_tree, tmp_path / "set")
    lines = (root / "mos_with_names.txt").read_text().splitlines()
    (root / "mos_with_names.txt").write_text("\n".join(line for line in lines if "_08_3" not in line))
    code, findings = examined("--dataset", "tid2013", "--data-root", root)
    assert code == 1
    assert set(findings["problem"]) == {"counts", "levels"}
    assert "gaussian-blur has 100 pairs, not 125" in findings["problem"]["counts"]
    assert findings["problem"]["levels"] == "missing: gaussian-blur level 3"


def test_duplicated_row(tid2013_tree: Path, examined: Callable[..., Any], tmp_path: Path) -> None:
    root = _linked(tid2013_tree, tmp_path / "set")
    text = (root / "mos_with_names.txt").read_text()
    (root / "mos_with_names.txt").write_text(text + text.splitlines()[7] + "\n")
    code, findings = examined("--dataset", "tid2013", "--data-root", root)
    assert code == 1
    assert set(findings["problem"]) == {"counts", "rows"}
    assert "1 row repeats a pair (the same score), the first i01_02_3.bmp" in findings["problem"]["rows"].lower()


def test_wrong_reference_in_the_labels(kadid10k_tree: Path, examined: Callable[..., Any], tmp_path: Path) -> None:
    root = _linked(kadid10k_tree, tmp_path / "set")
    text = (root / "dmos.csv").read_text()
    (root / "dmos.csv").write_text(text.replace("I01_02_02.png,I01.png", "I01_02_02.png,I81.png"))
    code, findings = examined("--dataset", "kadid10k", "--data-root", root)
    assert code == 1
    assert "I01_02_02.png with I81.png" in findings["problem"]["references"]


def test_wrong_reference_on_disk(tid2013_tree: Path, examined: Callable[..., Any], tmp_path: Path) -> None:
    root = _linked(tid2013_tree, tmp_path / "set", copied=("reference_images",))
    first, second = (root / "reference_images" / f"I0{number}.BMP" for number in (1, 2))
    ours, theirs = first.read_bytes(), second.read_bytes()
    _replace(first, theirs)
    _replace(second, ours)
    code, findings = examined("--dataset", "tid2013", "--data-root", root)
    assert code == 1
    assert set(findings["problem"]) == {"content"}
    assert "fits I02.BMP better than I01.BMP" in findings["problem"]["content"]


def test_wrong_reference_in_one_row_of_many(small_set: Any, examined: Callable[..., Any], tmp_path: Path) -> None:
    text = small_set.labels.read_text()
    assert "ref2.png,blur2_3.png" in text
    labels = tmp_path / "labels.csv"
    labels.write_text(text.replace("ref2.png,blur2_3.png", "ref5.png,blur2_3.png"))
    options = ("--dataset", "csv", "--pairs", labels, "--better", "higher", "--data-root", small_set.folder)
    code, findings = examined(*options, "--full")
    assert code == 1
    assert findings["problem"] == {"content": "wrong reference: blur2_3.png fits ref2.png better than ref5.png"}


def test_mixed_case_is_a_note(live_tree: Path, examined: Callable[..., Any], tmp_path: Path) -> None:
    root = _linked(live_tree, tmp_path / "set", copied=("jpeg", "refimgs"))
    (root / "jpeg" / "img4.bmp").rename(root / "jpeg" / "IMG4.BMP")
    (root / "refimgs" / "bikes.bmp").rename(root / "refimgs" / "Bikes.bmp")
    code, findings = examined("--dataset", "live", "--data-root", root)
    assert code == 0, findings["problem"]
    assert set(findings["note"]) == {"case"}
    assert "IMG4.BMP" in findings["note"]["case"]
    assert "Bikes.bmp" in findings["note"]["case"]


def test_names_that_differ_in_case_alone_are_a_warning(
    small_set: Any, examined: Callable[..., Any], tmp_path: Path
) -> None:
    for path in small_set.folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    shutil.copy(tmp_path / "noise0_1.png", tmp_path / "Noise0_1.png")
    if len(list(tmp_path.glob("*oise0_1.png"))) == 1:
        pytest.skip("this file system ignores case")
    code, findings = examined("--dataset", "csv", "--pairs", tmp_path / "labels.csv", "--better", "higher")
    assert code == 0
    assert "Noise0_1.png, noise0_1.png" in findings["warning"]["case"]


@pytest.mark.parametrize("keep", [0, 30, 0.9])
def test_truncated_image(keep: float, csiq_tree: Path, examined: Callable[..., Any], tmp_path: Path) -> None:
    root = _linked(csiq_tree, tmp_path / "set", copied=("dst_imgs",))
    image = root / "dst_imgs" / "blur" / "1600.BLUR.3.png"
    content = image.read_bytes()
    _replace(image, content[: int(keep if keep > 1 else keep * len(content))])
    code, findings = examined("--dataset", "csiq", "--data-root", root)
    assert code == 1
    assert set(findings["problem"]) == {"images"}
    assert "1600.BLUR.3.png" in findings["problem"]["images"]


@pytest.mark.parametrize("suffix", ["bmp", "jpg", "tiff", "webp"])
def test_truncation_is_seen_in_every_format(
    suffix: str, small_set: Any, examined: Callable[..., Any], tmp_path: Path
) -> None:
    lines = small_set.labels.read_text().splitlines()
    with Image.open(small_set.folder / "noise0_1.png") as image:
        image.save(tmp_path / f"noise.{suffix}")
    for path in small_set.folder.glob("*.png"):
        (tmp_path / path.name).symlink_to(path)
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(line.replace("noise0_1.png", f"noise.{suffix}") for line in lines))
    options = ("--dataset", "csv", "--pairs", labels, "--better", "higher")
    assert examined(*options)[0] == 0
    content = (tmp_path / f"noise.{suffix}").read_bytes()
    (tmp_path / f"noise.{suffix}").write_bytes(content[: len(content) // 2])
    code, findings = examined(*options)
    assert code == 1
    assert f"noise.{suffix}" in findings["problem"]["images"]


def test_foreign_labels_of_the_same_form(tid2013_tree: Path, examined: Callable[..., Any], tmp_path: Path) -> None:
    root = _linked(tid2013_tree, tmp_path / "set")
    lines = [line.split() for line in (root / "mos_with_names.txt").read_text().splitlines()]
    # 17 distortions at 4 levels, as the set's predecessor, with names and scores of the same form
    old = [f"{score} {name}" for score, name in lines if int(name[4:6]) <= 17 and int(name[7]) <= 4]
    (root / "mos_with_names.txt").write_text("\n".join(old))
    code, findings = examined("--dataset", "tid2013", "--data-root", root)
    assert code == 1
    assert {"counts", "levels"} <= set(findings["problem"])
    # another set's scores under this set's names
    (root / "mos_with_names.txt").write_text("\n".join(f"{float(score) / 7.5:.5f} {name}" for score, name in lines))
    code, findings = examined("--dataset", "tid2013", "--data-root", root)
    assert code == 1
    assert set(findings["problem"]) == {"scores"}
    assert "another set's" in findings["problem"]["scores"]


def test_foreign_labels_of_another_form(
    tid2013_tree: Path, kadid10k_tree: Path, examined: Callable[..., Any], tmp_path: Path
) -> None:
    root = _linked(tid2013_tree, tmp_path / "set")
    shutil.copy(kadid10k_tree / "dmos.csv", root / "mos_with_names.txt")
    code, findings = examined("--dataset", "tid2013", "--data-root", root)
    assert code == 1
    assert "restore the set's own file" in findings["problem"]["loading"]


def test_a_missing_image_is_named_and_the_rest_is_checked(
    live_tree: Path, examined: Callable[..., Any], tmp_path: Path
) -> None:
    root = _linked(live_tree, tmp_path / "set", copied=("wn",))
    (root / "wn" / "img3.bmp").unlink()
    code, findings = examined("--dataset", "live", "--data-root", root)
    assert code == 1
    assert "img3.bmp" in findings["problem"]["loading"]
    assert "direction" in findings["ok"]
    assert "wn has 144 pairs, not 145" in findings["warning"]["counts"]


def test_another_size_is_named(small_set: Any, examined: Callable[..., Any], tmp_path: Path) -> None:
    for path in small_set.folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "noise0_1.png").unlink()
    Image.new("RGB", (20, 36)).save(tmp_path / "noise0_1.png")
    code, findings = examined("--dataset", "csv", "--pairs", tmp_path / "labels.csv", "--better", "higher")
    assert code == 1
    assert "noise0_1.png 20x36, ref0.png 40x36" in findings["problem"]["sizes"]


def test_images_too_small_for_the_backbone_are_named(
    small_set: Any, iqatune: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    shutil.copytree(small_set.folder, folder)
    for path in folder.glob("*2*.png"):
        with Image.open(path) as image:
            image.resize((30, 24)).save(path)
    options = ("--dataset", "csv", "--pairs", folder / "labels.csv", "--better", "higher")
    network = ("--only", "data", "--only", "backbone", "--backbone", "alexnet", "--backbone-weights", "random")
    ran = iqatune("doctor", *options, *network, "--json")
    findings = json.loads(ran.out)["findings"]
    problems = [finding["says"] for finding in findings if finding["level"] == "problem"]
    assert ran.code == 1
    (says,) = (says for says in problems if "refused" in says)
    assert re.match(
        r"1 refused \(19 images, as \w*2\w*\.png\), 2 of 2 sizes tried: --backbone alexnet: images of 24 x 30 ", says
    )
    assert "too small, it needs 31 x 31" in says


def test_searchers_backbone_and_device(iqatune: Callable[..., Any]) -> None:
    ran = iqatune("doctor", "--backbone", "squeezenet", "--backbone-weights", "random", "--device", "cpu")
    assert ran.code == 0, ran.out
    for name in ("random", "blendsearch", "ax", "bayesopt", "bohb", "nevergrad"):
        assert f"{name} " in ran.out
    assert "17x17" in ran.out
    assert "agrees with float64" in ran.out


def test_unsound_parameters_are_named(iqatune: Callable[..., Any], tmp_path: Path) -> None:
    from torchvision.models import squeezenet1_1

    state = squeezenet1_1(weights=None).state_dict()
    state["features.0.weight"].zero_()
    state["features.0.bias"].zero_()
    torch.save(state, tmp_path / "zero.pth")
    doctor = ("doctor", "--only", "backbone", "--backbone", "squeezenet", "--backbone-weights")
    ran = iqatune(*doctor, tmp_path / "zero.pth")
    assert ran.code == 1
    assert "stage 1" in ran.out
    state["features.0.bias"][0] = float("nan")
    torch.save(state, tmp_path / "nan.pth")
    ran = iqatune(*doctor, tmp_path / "nan.pth")
    assert ran.code == 1
    assert "NaN" in ran.out


def test_a_broken_searcher_is_a_problem_and_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    from iqatune.doctor import searchers

    def broken(name: str, problem: object) -> object:
        raise AttributeError("'Objective' object has no attribute 'objectives'")

    monkeypatch.setattr(searchers, "make_searcher", broken)
    check, level, says = searchers.searcher_outcome("random")
    assert (check, level) == ("samples", "problem")
    assert "objectives" in says


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--dataset", "tid2031"), "did you mean 'tid2013'"),
        (("--backbone", "vgg91"), "did you mean 'vgg19'"),
        (("--only", "data"), "needs --dataset"),
        (("--only", "everything"), "--only"),
    ],
)
def test_bad_usage_is_refused(options: tuple[str, ...], says: str, iqatune: Callable[..., Any]) -> None:
    ran = iqatune("doctor", *options)
    assert ran.code == 2
    assert says in ran.last_line


def test_no_such_device_is_a_problem(iqatune: Callable[..., Any]) -> None:
    ran = iqatune("doctor", "--only", "device", "--device", "cuda:99")
    assert ran.code == 1
    assert "cuda:99" in ran.out
