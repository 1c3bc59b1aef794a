"""The Metric module: the numbers of the search, whatever the batch; pruning; and what it refuses."""

import copy
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import iqatune
from iqatune.backbones.network import Backbone
from iqatune.datasets.table import Pair, PairTable
from iqatune.images import read_rgb
from iqatune.metric.module import Metric, distance
from iqatune.metric.similarity import Similarity
from iqatune.metric.weights import Weights, uniform_weights
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions
from iqatune.records.vocabulary import Structure
from iqatune.statistics.cache import Cache, settings_of
from iqatune.statistics.distances import distances
from iqatune.statistics.extract import extract


@pytest.fixture(scope="module")
def metric(backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights]) -> Metric:
    backbone = backbone_of()
    return Metric(backbone, some_weights(backbone.channels))


@pytest.mark.parametrize("structure", ["covariance", "stddev"])
def test_a_pair_scores_as_the_search_scored_it(
    backbone_of: Callable[..., Backbone],
    some_weights: Callable[..., Weights],
    pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]],
    tmp_path: Path,
    structure: Structure,
) -> None:
    names = [name for name in pairs_of_images if name != "odd-sized"]
    pairs = []
    for number, name in enumerate(names):
        paths = (tmp_path / f"{number}x.png", tmp_path / f"{number}y.png")
        for path, image in zip(paths, pairs_of_images[name], strict=True):
            Image.fromarray((image[0].permute(1, 2, 0) * 255).round().byte().numpy()).save(path)
        reference, distorted = paths
        pairs.append(
            Pair(reference, distorted, str(number), name, level=None, score=float(number), quality=float(number))
        )
    table = PairTable("csv", tuple(pairs), "labels", "", better="higher")
    backbone = backbone_of()
    weights = some_weights(backbone.channels)
    settings = settings_of(backbone.identity, BackboneOptions(backbone="squeezenet", resize=64))
    lookup = Cache(tmp_path / "cache").lookup(table, settings, Progress())
    found = extract(lookup, copy.deepcopy(backbone), torch.device("cpu"), resize=64, progress=Progress())
    expected = distances(found.moments, weights, Similarity(structure))

    metric = Metric(backbone, weights, similarity=Similarity(structure), short_side=64)
    scores = [float(metric(metric.read(pair.reference), metric.read(pair.distorted))) for pair in pairs]

    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert max(expected) > 0.1


@pytest.mark.parametrize("batch", [0, 1, 2, 5])
def test_any_batch_gives_the_scores_of_its_pairs(metric: Metric, batch: int) -> None:
    reference, distorted = torch.rand(2, batch, 3, 40, 48, generator=torch.Generator().manual_seed(1))

    scores = metric(reference, distorted)

    assert scores.shape == (batch,)
    one_by_one = [metric(x[None], y[None]) for x, y in zip(reference, distorted, strict=True)]
    torch.testing.assert_close(scores, torch.cat([*one_by_one, torch.empty(0)]), atol=1e-6, rtol=0)


def test_is_what_the_pure_function_says(
    metric: Metric, pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]]
) -> None:
    for reference, distorted in pairs_of_images.values():
        expected = distance(reference, distorted, backbone=metric.backbone, weights=metric.weights)
        torch.testing.assert_close(metric(reference, distorted), expected)


def test_identical_images_have_distance_0_and_the_two_images_can_be_swapped(
    metric: Metric, pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]]
) -> None:
    for name, (reference, distorted) in pairs_of_images.items():
        if "identical" in name:
            assert metric(reference, distorted).item() == pytest.approx(0, abs=1e-7)
        else:
            assert metric(reference, distorted).item() > 1e-4
        torch.testing.assert_close(metric(distorted, reference), metric(reference, distorted))


def test_reductions(metric: Metric) -> None:
    images = torch.rand(2, 3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    scores = metric(*images)

    torch.testing.assert_close(metric(*images, reduction="mean"), scores.mean())
    torch.testing.assert_close(metric(*images, reduction="sum"), scores.sum())
    parts = metric(*images, reduction="mean", per_stage=True)
    torch.testing.assert_close(parts.l.sum() + parts.s.sum(), scores.mean())
    with pytest.raises(ValueError, match="reduction 'median'"):
        metric(*images, reduction="median")


def test_the_parts_of_the_stages_add_up(
    backbone_of: Callable[..., Backbone],
    some_weights: Callable[..., Weights],
    pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]],
) -> None:
    backbone = backbone_of()
    metric = Metric(backbone, some_weights(backbone.channels, without=(1, 4, 5)))
    reference, distorted = pairs_of_images["noisy"]

    parts = metric(reference, distorted, per_stage=True)

    assert parts.l.shape == parts.s.shape == (1, 6)
    torch.testing.assert_close(parts.l.sum(dim=1) + parts.s.sum(dim=1), metric(reference, distorted))
    assert [stage for stage in range(6) if parts.s[0, stage] == 0] == [1, 4, 5]


@pytest.mark.parametrize("name", ["squeezenet", "alexnet"])
@pytest.mark.parametrize("without", [(0,), (5,), (4, 5), (0, 2), (1, 2, 3, 4, 5)])
def test_stages_without_weight_are_pruned_and_change_no_score(
    backbone_of: Callable[..., Backbone],
    some_weights: Callable[..., Weights],
    pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]],
    name: str,
    without: tuple[int, ...],
) -> None:
    backbone = backbone_of(name)
    weights = some_weights(backbone.channels, without=without)
    metric = Metric(backbone, weights)

    for reference, distorted in pairs_of_images.values():
        expected = distance(reference, distorted, backbone=backbone, weights=weights)
        torch.testing.assert_close(metric(reference, distorted), expected, atol=1e-7, rtol=1e-5)
    last = max(set(range(6)) - set(without))
    assert metric.backbone.channels == backbone.channels[: last + 1]
    before, after = (sum(p.numel() for p in network.parameters()) for network in (backbone, metric.backbone))
    assert after < before if last < 5 else after == before
    assert metric.backbone_sha256 == backbone.parameters_sha256


def test_channels_without_weight_are_pruned_and_change_no_score(
    backbone_of: Callable[..., Backbone], pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]]
) -> None:
    backbone = backbone_of()
    random = np.random.default_rng(4)
    alpha, beta = random.random((2, sum(backbone.channels))) * (random.random((2, sum(backbone.channels))) < 0.3)
    weights = Weights(backbone.channels, alpha / (alpha + beta).sum(), beta / (alpha + beta).sum())

    metric = Metric(backbone, weights)

    kept = sum(len(metric.get_buffer(f"alpha_{stage}")) for stage in range(6))
    assert kept == np.count_nonzero(alpha + beta) < sum(backbone.channels)
    for reference, distorted in pairs_of_images.values():
        expected = distance(reference, distorted, backbone=backbone, weights=weights)
        torch.testing.assert_close(metric(reference, distorted), expected, atol=1e-7, rtol=1e-5)


def test_two_last_stages_without_weight_make_scoring_faster(
    backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights]
) -> None:
    backbone = backbone_of()
    whole = Metric(backbone, some_weights(backbone.channels))
    pruned = Metric(backbone, some_weights(backbone.channels, without=(4, 5)))
    images = torch.rand(2, 1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    ratios = []
    with torch.no_grad():
        whole(*images), pruned(*images)
        for _ in range(9):
            seconds = []
            for metric in (whole, pruned):
                started = time.process_time()
                metric(*images)
                seconds.append(time.process_time() - started)
            ratios.append(seconds[0] / seconds[1])

    assert statistics.median(ratios) > 1.1, ratios


def test_resize_agrees_with_the_protocol_and_forward_never_resizes(
    backbone_of: Callable[..., Backbone], tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    path = tmp_path / "image.png"
    Image.fromarray(random.integers(0, 256, (90, 131, 3), dtype=np.uint8)).save(path)
    backbone = backbone_of()
    metric = Metric(backbone, uniform_weights(backbone.channels), short_side=48)

    read = metric.read(path)
    whole = torch.from_numpy(read_rgb(path)).permute(2, 0, 1)[None] / 255

    assert read.shape == (1, 3, 48, 69)
    torch.testing.assert_close(metric.resize(whole), read, atol=1 / 255, rtol=0)
    assert metric.resize(read) is read
    assert metric(whole, whole.flip(3)).item() != pytest.approx(
        metric(metric.resize(whole), metric.resize(whole.flip(3))).item(), abs=1e-4
    )


def test_no_resize_reads_images_as_they_are(backbone_of: Callable[..., Backbone], tmp_path: Path) -> None:
    Image.new("L", (300, 280), 100).save(tmp_path / "grey.png")
    backbone = backbone_of()

    image = Metric(backbone, uniform_weights(backbone.channels), short_side=None).read(str(tmp_path / "grey.png"))

    assert image.shape == (1, 3, 280, 300)
    assert torch.unique(image).tolist() == [pytest.approx(100 / 255)]


GOOD = torch.rand(2, 3, 32, 40, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("reference", "distorted", "message"),
    [
        (GOOD[0], GOOD, r"reference: shape \(3, 32, 40\), not \(B, 3, H, W\)"),
        (GOOD, GOOD[:, :1], r"distorted: shape \(2, 1, 32, 40\)"),
        (GOOD, GOOD[:1], r"reference \(2, 3, 32, 40\) and distorted \(1, 3, 32, 40\)"),
        (GOOD, GOOD[..., 1:], "must have one shape"),
        (GOOD * 255, GOOD, r"reference: values from [\d.]+ to 254\.\d+, not in \[0, 1\]"),
        (GOOD, GOOD - 0.5, "distorted: values from -0"),
        (GOOD, GOOD * float("nan"), "distorted: values from nan"),
        ((GOOD * 255).byte(), GOOD, "reference: torch.uint8"),
        (GOOD, GOOD.numpy(), "distorted: a ndarray, not a tensor"),
        (GOOD, GOOD.to("meta"), "distorted: on meta while the metric is on cpu"),
        (GOOD[..., :8], GOOD[..., :8], "reference: 32 x 8 pixels are too small; squeezenet needs 17"),
    ],
)
def test_wrong_images_are_refused_with_what_is_wrong(
    metric: Metric, reference: object, distorted: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        metric(reference, distorted)


def test_a_training_loop_may_overshoot_when_it_says_so(
    backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights]
) -> None:
    backbone = backbone_of()
    metric = Metric(backbone, some_weights(backbone.channels), check_range=False)

    assert metric(GOOD, GOOD * 1.2).isfinite().all()


def test_weights_of_another_backbone_are_refused(backbone_of: Callable[..., Backbone]) -> None:
    with pytest.raises(ValueError, match="do not fit squeezenet"):
        Metric(backbone_of(), uniform_weights(backbone_of("alexnet").channels))
    with pytest.raises(ValueError, match="reduction 'all'"):
        Metric(backbone_of(), uniform_weights(backbone_of().channels), reduction="all")  # type: ignore[arg-type]


def test_the_attributes_that_tool_kits_read(metric: Metric) -> None:
    assert metric.higher_is_better is False
    assert metric.is_differentiable is True
    assert not [name for name, parameter in metric.named_parameters() if parameter.requires_grad]
    assert not metric.train().backbone.training
    assert "squeezenet" in repr(metric)


def test_a_copy_and_a_metric_in_double_precision_score_the_same(
    metric: Metric, pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]]
) -> None:
    reference, distorted = pairs_of_images["noisy"]
    scores = metric(reference, distorted)

    torch.testing.assert_close(copy.deepcopy(metric)(reference, distorted), scores)
    double = copy.deepcopy(metric).double()(reference.double(), distorted.double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), scores, atol=1e-6, rtol=0)


def test_importing_iqatune_loads_neither_torch_nor_a_search_library() -> None:
    code = "import sys, iqatune; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not {"torch", "ray", "flaml", "ax", "nevergrad", "hpbandster", "matplotlib"} & set(modules)
    assert iqatune.Metric is Metric
    with pytest.raises(AttributeError, match="no attribute 'Metrics'"):
        _ = iqatune.Metrics


def test_white_stays_white_when_it_is_resized(metric: Metric) -> None:
    for height, width in ((300, 400), (384, 512), (257, 257), (1080, 1920)):
        white = torch.ones(1, 3, height, width)
        assert float(metric(metric.resize(white), metric.resize(white * 0.5))) > 0
    assert metric.resize(torch.ones(0, 3, 384, 512)).shape == (
        0,
        3,
        *metric.resize(torch.ones(1, 3, 384, 512)).shape[2:],
    )
    noise = torch.rand(1, 3, 300, 400, generator=torch.Generator().manual_seed(0), requires_grad=True)
    (gradient,) = torch.autograd.grad(metric.resize(noise).sum(), noise)
    assert gradient.min() > 0


def test_float64_images_are_refused_by_a_float32_metric(metric: Metric) -> None:
    images = torch.rand(1, 3, 48, 48, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"reference: torch\.float64 while the metric is torch\.float32"):
        metric(images, images)
    exact = copy.deepcopy(metric).double()
    assert exact(images, images).dtype == torch.float64


def test_a_metric_is_float32_on_a_gpu_too(metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    forward = type(metric.backbone).forward

    def watched(backbone: Backbone, images: torch.Tensor) -> list[torch.Tensor]:
        seen.append(torch.backends.cudnn.allow_tf32)
        return forward(backbone, images)

    monkeypatch.setattr(type(metric.backbone), "forward", watched)
    images = torch.rand(1, 3, 48, 48)
    metric(images, images)
    assert seen == [False, False]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_a_part_of_a_backbone_is_where_the_whole_is(backbone_of: Callable[..., Backbone], dtype: torch.dtype) -> None:
    backbone = backbone_of().placed(torch.device("cpu"), dtype)
    part = backbone.first_stages(3)
    stages = part(torch.rand(1, 3, 64, 64))
    assert [maps.dtype for maps in stages[1:]] == [dtype] * 2
