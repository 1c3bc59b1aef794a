"""The words of `--view`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from iqatune.records.options import BackboneOptions
from iqatune.records.view import canonical, fronted, unfronted, without_file


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("flip", "flip"),
        ("resize:0192", "resize:192"),
        ("stages:2", "stages:2-2"),
        ("stages:0-3", "stages:0-3"),
        ("backbone:timm:mobilenetv2_100@0,1", "backbone:timm:mobilenetv2_100@0,1"),
        ("backbone:alexnet=a b.pth", "backbone:alexnet=a b.pth"),
    ],
)
def test_a_view_has_one_spelling(given: str, expected: str) -> None:
    assert canonical(given) == expected
    assert canonical(expected) == expected


@pytest.mark.parametrize(
    "given", ["", "flop", "flip:1", "resize", "resize:15", "resize:-3", "stages:3-1", "stages:", "backbone:", "a=b"]
)
def test_what_is_no_view_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"no view|short side|stages go"):
        canonical(given)


def test_a_file_is_no_part_of_what_a_view_is() -> None:
    assert without_file("backbone:alexnet=a.pth") == without_file("backbone:alexnet") == "backbone:alexnet"
    assert without_file("resize:192") == "resize:192"


@given(st.text(min_size=1), st.one_of(st.just("flip"), st.integers(1, 9999).map("resize:{}".format)))
def test_what_images_go_through_is_told_from_the_name(name: str, front: str) -> None:
    assert unfronted(fronted(name, front)) == (name, front)


def test_of_one_view_the_other_is_the_backbone_as_it_is() -> None:
    plain = BackboneOptions(backbone="squeezenet", backbone_weights="s.pth")
    one = plain.model_copy(update={"view": ("flip",)}).branches
    assert [branch.view for branch in one] == ["plain", "flip"]
    assert [branch.backbone.backbone for branch in one] == ["squeezenet", "squeezenet~flip"]
    assert all(branch.backbone.backbone_weights == "s.pth" for branch in one)
    two = plain.model_copy(update={"view": ("stages:0-1", "backbone:alexnet=a.pth")}).branches
    assert two[0].stages == (0, 1)
    assert two[0].backbone == plain
    assert (two[1].backbone.backbone, two[1].backbone.backbone_weights) == ("alexnet", "a.pth")
    assert plain.branches == ()


def test_a_file_is_of_the_run_own_backbone_alone() -> None:
    views = {"view": ("backbone:alexnet",)}
    for source, expected in (("s.pth", "pretrained"), ("random", "random"), ("pretrained", "pretrained")):
        options = BackboneOptions(backbone="squeezenet", backbone_weights=source, **views)
        assert options.branches[1].backbone.backbone_weights == expected


def test_parameters_that_were_moved() -> None:
    options = BackboneOptions(backbone="squeezenet", backbone_weights="s.pth", view=("backbone:alexnet=a.pth",))
    moved = options.with_weights("squeezenet=t.pth,alexnet=b.pth")
    assert [branch.backbone.backbone_weights for branch in moved.branches] == ["t.pth", "b.pth"]
    assert options.with_weights("alexnet=b.pth").backbone_weights == "s.pth"
    assert options.with_weights("a=b.pth").backbone_weights == "a=b.pth"  # a file's name


@pytest.mark.parametrize("views", [("flip", "flip"), ("flip", "resize:64", "stages:0")])
def test_there_are_two_branches(views: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match=r"twice|2 views"):
        BackboneOptions(backbone="squeezenet", view=views)
