"""The contract of a backbone."""

from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from iqatune.backbones.network import Backbone, build_backbone
from iqatune.backbones.zoo import TIMM, available, find, origin_of
from iqatune.errors import InputError
from iqatune.metric.module import Metric
from iqatune.metric.weights import uniform_weights
from iqatune.testing.common import generators_left_alone, is_a_line, other_generators

_NETWORK = "_network."


class BackboneContract:
    """Tests of one backbone, which a derived class names. They build it with random parameters, and download nothing.

    Attributes:
        name: of the backbone, as on the command line.
        sizes: heights and widths of the images that it is tried with. A CNN that takes images of one size names that.
        tolerance: what the maps of an image may differ by in another batch, as a share of a stage's largest value.
    """

    name: ClassVar[str]
    sizes: ClassVar[tuple[tuple[int, int], ...]] = ((64, 72), (97, 83))
    tolerance: ClassVar[float] = 1e-4

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for every size of images."""
        if "size" in metafunc.fixturenames:
            metafunc.parametrize("size", self.sizes, ids=lambda size: f"{size[0]}x{size[1]}")

    @pytest.fixture
    def backbone(self) -> Backbone:
        """Built once for all tests, none of which may change it."""
        return _built(self.name, origin_of(self.name))

    @pytest.fixture
    def images(self) -> Tensor:
        """Two images (2, 3, H, W) of noise in [0, 1], of the first size."""
        return _noise(*self.sizes[0])

    def test_describes_itself(self) -> None:
        info = find(self.name)
        assert info.name == self.name
        assert is_a_line(info.description), f"its description is {info.description!r}"
        assert self.name.startswith(TIMM) or self.name in {listed.info.name for listed in available()}

    def test_is_what_the_zoo_says(self, backbone: Backbone) -> None:
        info = find(self.name)
        assert backbone.name == self.name
        assert backbone.channels[0] == 3
        assert tuple(info.channels) in ((), backbone.channels[1:])
        assert info.mean in (None, backbone.mean)
        assert info.std in (None, backbone.std)
        assert len(backbone.mean) == len(backbone.std) == 3
        assert min(backbone.std) > 0

    def test_gives_the_maps_of_every_stage(self, backbone: Backbone, size: tuple[int, int]) -> None:
        images = _noise(*size)
        kept = images.clone()
        with torch.no_grad():
            stages = backbone(images)
        assert torch.equal(images, kept), "the images are written over"
        assert torch.equal(stages[0], images), "stage 0 is the image itself"
        assert len(stages) == len(backbone.channels)
        for stage, channels in zip(stages, backbone.channels, strict=True):
            assert tuple(stage.shape[:2]) == (2, channels)
            assert min(stage.shape[2:]) >= 1
            assert stage.dtype == torch.float32
            assert stage.isfinite().all()
        assert all(stage.std() > 0 for stage in stages), "a stage is the same everywhere"

    def test_an_images_maps_do_not_depend_on_its_batch(self, backbone: Backbone, images: Tensor) -> None:
        with torch.no_grad():
            together, alone = backbone(images), backbone(images[1:])
        for ours, theirs in zip(together, alone, strict=True):
            assert _difference(ours[1:], theirs) <= self.tolerance

    def test_the_same_seed_builds_the_same_backbone(self, backbone: Backbone, images: Tensor) -> None:
        for seed in (1, 2):
            with other_generators(seed), torch.no_grad():
                again = build_backbone(self.name, "random")
                assert again.parameters_sha256 == backbone.parameters_sha256
                for ours, theirs in zip(backbone(images), again(images), strict=True):
                    assert torch.equal(ours, theirs)

    def test_building_and_running_leave_the_global_generators_alone(self, images: Tensor) -> None:
        with generators_left_alone(), torch.no_grad():
            build_backbone(self.name, "random")(images)

    def test_is_frozen_and_in_eval_mode(self, backbone: Backbone) -> None:
        assert not any(parameter.requires_grad for parameter in backbone.parameters())
        assert not any(module.training for module in backbone.modules())

    def test_gradients_of_every_stage_reach_the_image(self, backbone: Backbone, images: Tensor) -> None:
        image = images[:1].clone().requires_grad_()
        for number, stage in enumerate(backbone(image)):
            assert stage.requires_grad, f"no gradient of stage {number} reaches the image"
            (gradient,) = torch.autograd.grad(stage.square().sum(), image, retain_graph=True)
            assert gradient.isfinite().all(), f"stage {number}"
            assert gradient.any(), f"the gradient of stage {number} is 0 everywhere"

    def test_makes_a_metric_that_is_0_for_identical_images(self, backbone: Backbone, images: Tensor) -> None:
        metric = Metric(backbone, uniform_weights(backbone.channels))
        noisy = (images + 0.2 * (_noise(*images.shape[2:], seed=1) - 0.5)).clamp(0, 1)
        with torch.no_grad():
            same, other = metric(images, images.clone()), metric(images, noisy)
        assert same.abs().max() <= 1e-5
        assert (other > same + 1e-4).all()

    def test_its_first_stages_are_those_of_the_whole(self, backbone: Backbone, images: Tensor) -> None:
        images = images[:1]
        with torch.no_grad():
            whole = backbone(images)
            for count in range(1, len(backbone.channels) + 1):
                part = backbone.first_stages(count)
                assert part.channels == backbone.channels[:count]
                stages = part(images)
                assert len(stages) == count
                for ours, theirs in zip(stages, whole, strict=False):
                    assert _difference(ours, theirs) <= self.tolerance

    def test_its_hash_is_of_its_parameters(self) -> None:
        backbone = build_backbone(self.name, "random")
        before = backbone.parameters_sha256
        state = {key: value.clone() for key, value in backbone.state_dict().items()}
        assert state, "it has no parameters that a hash could tell apart"
        backbone.load_parameters(state)
        assert backbone.parameters_sha256 == before
        first = next(key for key, value in state.items() if value.is_floating_point())
        state[first] += 0.01
        backbone.load_parameters(state)
        assert backbone.parameters_sha256 != before

    def test_takes_its_own_parameters_from_a_file(self, backbone: Backbone, tmp_path: Path) -> None:
        """Or says in a line that it takes none."""
        file = tmp_path / "parameters.pth"
        torch.save({key.removeprefix(_NETWORK): value for key, value in backbone.state_dict().items()}, file)
        try:
            loaded = build_backbone(self.name, str(file))
        except InputError as refusal:
            line, loaded = str(refusal), None
        if loaded is None:
            assert self.name in line or str(file) in line, "the line names the backbone or the file"
        else:
            assert loaded.parameters_sha256 == backbone.parameters_sha256

    def test_works_in_half_precision(self, backbone: Backbone, images: Tensor) -> None:
        with torch.no_grad():
            exact, stages = backbone(images), backbone.placed(torch.device("cpu"), torch.bfloat16)(images)
        for ours, theirs in zip(stages, exact, strict=True):
            assert _difference(ours.float(), theirs) <= 0.2

    def test_the_minimum_size_passes_and_one_less_is_refused(self, backbone: Backbone) -> None:
        smallest = backbone.minimum_size
        with torch.no_grad():
            assert len(backbone(_noise(smallest, smallest))) == len(backbone.channels)
            if smallest > 1:
                with pytest.raises(InputError, match=self.name):
                    backbone(_noise(smallest - 1, smallest - 1))


@lru_cache(maxsize=2)
def _built(name: str, _origin: str) -> Backbone:
    """The backbone of a name, as long as the name stands for the same code."""
    return build_backbone(name, "random")


def _noise(height: int, width: int, *, seed: int = 0) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))


def _difference(values: Tensor, expected: Tensor) -> float:
    """The largest difference, as a share of the largest expected value."""
    return float((values - expected).abs().max() / expected.abs().max().clamp_min(1e-12))
