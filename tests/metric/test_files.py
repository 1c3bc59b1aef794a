"""The export: it loads without a search library, checks itself, and needs nothing when it includes its backbone."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import iqatune
from iqatune.backbones.network import Backbone, build_backbone
from iqatune.errors import InputError
from iqatune.metric.export import save_metric
from iqatune.metric.files import HEADER
from iqatune.metric.golden import golden_images
from iqatune.metric.module import Metric
from iqatune.metric.weights import Weights

SEARCH_LIBRARIES = ("ray", "flaml", "ax", "nevergrad", "hpbandster", "bayes_opt", "ConfigSpace", "optuna")


@pytest.fixture(scope="module")
def metric(backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights]) -> Metric:
    backbone = backbone_of()
    return Metric(backbone, some_weights(backbone.channels, without=(5,)), short_side=128, origin="a test")


@pytest.fixture(scope="module")
def record(metric: Metric) -> dict[str, Any]:
    """A result.json of that metric."""
    figures = {"srcc": 0.9, "krcc": 0.7, "plcc": 0.9}
    return {
        "schema": "iqatune.result/1",
        "status": "complete",
        "run": {
            "dataset": "demo",
            "backbone": "squeezenet",
            "backbone_weights": "random",
            "searcher": "random",
            "space": "channel",
        },
        "protocol": {
            "pairs": 280,
            "references": 7,
            "label": "simulated observers",
            "better": "higher",
            "excluded": [],
            "missing": 0,
            "simulated": True,
            "resize": 128,
            "interpolation": "pil-bilinear-antialias",
            "pooling": "native",
            "structure": "covariance",
            "precision": "fp32",
            "c1": 1e-6,
            "c2": 1e-6,
            "dataset_sha256": "0" * 64,
            "backbone_weights": "random",
            "backbone_sha256": metric.backbone_sha256,
        },
        "channels": metric.channels,
        "best": {
            **figures,
            "sample": 0,
            "parameters": {},
            "alpha": metric.weights.alpha.tolist(),
            "beta": metric.weights.beta.tolist(),
        },
        "baselines": {"uniform": figures},
        "strategy": {"evaluations": {}},
        "timing": {"extraction": 0, "pairs_extracted": 0, "search": 0, "total": 0},
        "environment": {"versions": {}, "git": None, "platform": "", "device": "cpu", "threads": 1},
    }


def read(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        header: dict[str, Any] = json.loads(file.metadata()[HEADER])
    return header


def rewritten(path: Path, tensors: dict[str, torch.Tensor] | None = None, **header: Any) -> Path:
    """The file with other tensors or another header."""
    metadata = {HEADER: json.dumps({**read(path), **header})}
    save_file(load_file(path) if tensors is None else tensors, path, metadata)
    return path


@pytest.mark.parametrize("included", [False, True])
def test_what_is_saved_scores_as_before(
    metric: Metric, tmp_path: Path, pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]], included: bool
) -> None:
    path = tmp_path / "metric.safetensors"
    save_metric(metric, path, include_backbone=included)

    loaded = Metric.load(path)

    assert isinstance(loaded, Metric)
    assert (loaded.short_side, loaded.origin, loaded.similarity.structure) == (128, "a test", "covariance")
    assert loaded.backbone_sha256 == metric.backbone_sha256
    assert loaded.backbone.weights == "random"
    np.testing.assert_array_equal(loaded.weights.alpha, metric.weights.alpha)
    for reference, distorted in pairs_of_images.values():
        torch.testing.assert_close(loaded(reference, distorted), metric(reference, distorted), atol=0, rtol=0)


def test_an_export_says_all_that_a_score_depends_on(metric: Metric, tmp_path: Path) -> None:
    header = save_metric(metric, tmp_path / "metric.safetensors")

    written = read(tmp_path / "metric.safetensors")
    assert written == header.model_dump(mode="json")
    assert written["higher_is_better"] is False
    assert written["taps"] == ["features.1", "features.4", "features.7", "features.10", "features.12"]
    assert (written["resize"], written["interpolation"]) == (128, "pil-bilinear-antialias")
    assert len(set(written["golden"]["scores"])) == 3


def test_stages_without_weight_are_not_in_the_file(
    metric: Metric, backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights], tmp_path: Path
) -> None:
    sizes = []
    for number, without in enumerate([(), (5,), (4, 5)]):
        backbone = backbone_of()
        path = tmp_path / f"{number}.safetensors"
        save_metric(Metric(backbone, some_weights(backbone.channels, without=without)), path, include_backbone=True)
        sizes.append(path.stat().st_size)

    assert sizes[2] < 0.6 * sizes[1] < 0.6 * sizes[0]


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment that has every package of this one but the search libraries."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False, symlinks=True)
    left_out = {library.lower() for library in SEARCH_LIBRARIES}
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    for place in [Path(entry) for entry in sys.path if entry.endswith("-packages")]:
        for package in place.iterdir():
            name = package.name.partition("-")[0].partition(".")[0].lower()
            link = Path(paths["purelib"]) / package.name
            if package.suffix != ".pth" and name not in left_out and not link.exists():
                link.symlink_to(package)
    return Path(paths["scripts"]) / "python"


def test_a_fresh_process_without_any_search_library_loads_checks_and_scores(
    metric: Metric, bare_python: Path, tmp_path: Path
) -> None:
    path = tmp_path / "metric.safetensors"
    save_metric(metric, path, include_backbone=True)
    code = (
        "import importlib.util, sys, iqatune\n"
        "from iqatune.metric.golden import golden_images\n"
        f"found = [name for name in {SEARCH_LIBRARIES} if importlib.util.find_spec(name)]\n"
        "if found: sys.exit(f'the environment has {found}')\n"
        f"metric = iqatune.Metric.load({str(path)!r})\n"
        "print(*metric(*golden_images(80)).tolist())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(iqatune.__file__).parents[1])}
    done = subprocess.run(
        [bare_python, "-c", code], capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path
    )

    assert done.returncode == 0, done.stderr
    found = [float(score) for score in done.stdout.split()]
    np.testing.assert_allclose(found, metric(*golden_images(80)).tolist(), atol=1e-6)


def test_golden_images_are_the_same_everywhere() -> None:
    reference, distorted = golden_images(64)

    assert reference.shape == distorted.shape == (3, 3, 64, 64)
    plain = [
        [[(i * (k + 2) + j * (3 * k + 1) + i * j // 8) % 256 for j in range(64)] for i in range(64)] for k in range(3)
    ]
    assert (reference[0] * 255).round().int().tolist() == plain
    # pinned: another formula would refuse every file written before
    assert (distorted * 255).round().sum(dim=(1, 2, 3)).tolist() == [1331296.0, 1628544.0, 1518080.0]


def test_a_result_and_its_export_are_one_metric(
    metric: Metric,
    record: dict[str, Any],
    tmp_path: Path,
    pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]],
) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(record))

    loaded = Metric.load(path)

    assert "SIMULATED" in loaded.origin
    assert loaded.short_side == 128
    reference, distorted = pairs_of_images["noisy"]
    torch.testing.assert_close(loaded(reference, distorted), metric(reference, distorted), atol=0, rtol=0)


def test_a_run_without_a_sample_or_of_another_backbone_is_refused(
    record: dict[str, Any], tmp_path: Path, test_data: Path
) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps({**record, "status": "interrupted", "best": None}))
    with pytest.raises(InputError, match="no sample with a defined SRCC yet"):
        Metric.load(path)
    path.write_text(json.dumps({**record, "channels": [3, 5]}))
    with pytest.raises(InputError, match="must hold 8 weights each"):
        Metric.load(path)
    path.write_text(json.dumps({**record, "schema": "iqatune.result/9"}))
    with pytest.raises(InputError, match=r"not a record of iqatune\.result/1"):
        Metric.load(path)
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"tuned with other parameters of squeezenet \(random\)"):
        Metric.load(path, backbone_weights=test_data / "weights" / "squeezenet1_1_imagenet_fp16.pth")


def test_damage_is_found(metric: Metric, tmp_path: Path) -> None:
    path = tmp_path / "metric.safetensors"
    save_metric(metric, path, include_backbone=True)
    tensors = load_file(path)
    whole = path.read_bytes()

    key = next(key for key in tensors if key.startswith("backbone."))
    changed = {**tensors, key: tensors[key] + 1e-3}
    with pytest.raises(InputError, match="damaged: its content is not what was written"):
        Metric.load(rewritten(path, changed))
    path.write_bytes(whole)
    for change in ({"c2": 1e-3}, {"resize": None}, {"golden": {"side": 4, "scores": [0, 0, 0]}}):
        with pytest.raises(InputError, match="damaged: its content is not what was written"):
            Metric.load(rewritten(path, **change))
        path.write_bytes(whole)
    with pytest.raises(InputError, match=r"not an export of iqatune\.metric/1"):
        Metric.load(rewritten(path, format="iqatune.metric/2"))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a readable"):
        Metric.load(path)
    save_file({"alpha": torch.ones(3)}, path)
    with pytest.raises(InputError, match="not a metric but other tensors"):
        Metric.load(path)


def test_parameters_from_a_file_have_to_be_named_and_be_the_same(
    some_weights: Callable[..., Weights], tmp_path: Path, test_data: Path
) -> None:
    parameters = test_data / "weights" / "squeezenet1_1_imagenet_fp16.pth"
    backbone = build_backbone("squeezenet", str(parameters))
    path = tmp_path / "metric.safetensors"
    save_metric(Metric(backbone, some_weights(backbone.channels)), path)

    with pytest.raises(InputError, match=r"came from the file squeezenet1_1_imagenet_fp16\.pth; name it"):
        Metric.load(path)
    with pytest.raises(InputError, match="other parameters"):
        Metric.load(path, backbone_weights="random")
    assert Metric.load(path, backbone_weights=parameters, reduction="mean").reduction == "mean"


def test_files_that_hold_no_metric_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        Metric.load(tmp_path / "nothing.json")
    for name in ("metric.txt", "metric.pt", "metric.json", "metric.safetensors"):
        (tmp_path / name).write_text("text")
        with pytest.raises(InputError, match=name):
            Metric.load(tmp_path / name)
    torch.save({"alpha": torch.ones(3), "beta": torch.ones(3)}, tmp_path / "metric.pt")
    with pytest.raises(InputError, match="must each hold 1475 weights"):
        Metric.from_dists(tmp_path / "metric.pt")


def test_a_machine_that_scores_otherwise_is_found(
    metric: Metric, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "metric.safetensors"
    save_metric(metric, path)
    forward = Metric.forward

    def shifted(metric: Metric, *images: torch.Tensor, **options: Any) -> torch.Tensor:
        scores = forward(metric, *images, **options)
        assert isinstance(scores, torch.Tensor)
        return scores + 1e-3

    monkeypatch.setattr(Metric, "forward", shifted)
    with pytest.raises(InputError, match="scores its golden images"):
        Metric.load(path)


def test_a_backbone_from_an_export_knows_its_parameters(metric: Metric, tmp_path: Path) -> None:
    path = tmp_path / "metric.safetensors"
    save_metric(metric, path, include_backbone=True)
    assert Metric.load(path).backbones[0].parameters_sha256 == metric.backbone.parameters_sha256


def test_the_precision_of_the_search_is_told(record: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps({**record, "protocol": {**record["protocol"], "precision": "bf16"}}))
    assert "statistics in bf16" in Metric.load(path).origin
