"""What is shown together is called by the shortest names that tell it apart, with a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqatune.backbones.zoo import ANY_TIMM, BACKBONES
from iqatune.records.labels import OF_IMAGENET
from iqatune.records.names import apart, file_key, names_of, shortened
from iqatune.records.result import Result
from tests.report.conftest import made_result

_PART = st.sampled_from(["a", "b", "runs", "live", "result.json", "fusion.json", "m.safetensors"])
_PATHS = st.lists(st.lists(_PART, min_size=1, max_size=5).map("/".join), min_size=1, max_size=6)


@given(_PATHS)
def test_no_two_files_have_one_name_and_each_name_is_a_part_of_its_path(paths: list[str]) -> None:
    names = shortened(paths, taken={"a", "psnr"})
    assert list(names) == list(dict.fromkeys(paths))
    assert len(set(names.values())) == len(names)
    for path, name in names.items():
        assert f"/{name}/" in f"/{path}/"
        assert name == path or name not in {"a", "psnr"}


@pytest.mark.parametrize(
    ("paths", "names", "key"),
    [
        (["runs/live/fit-s0/result.json"], ["fit-s0"], ("fit-s0: runs/live/fit-s0/result.json",)),
        (
            ["/r/live/vgg19/fit-s0/result.json", "/r/live/vgg19/bohb-s0/result.json"],
            ["fit-s0", "bohb-s0"],
            ("NAME is /r/live/vgg19/NAME/result.json",),
        ),
        (["a/result.json", "a/fusion.json"], ["result.json", "fusion.json"], ("NAME is a/NAME",)),
        (["result.json"], ["result.json"], ()),
        (["m.safetensors", "runs/a/result.json"], ["m.safetensors", "runs/a"], ("runs/a: runs/a/result.json",)),
    ],
)
def test_files_are_called_by_what_differs(paths: list[str], names: list[str], key: tuple[str, ...]) -> None:
    found = shortened(paths)
    assert list(found.values()) == names
    assert file_key(found) == key


@given(st.dictionaries(st.integers(), st.tuples(st.sampled_from("xyz"), st.sampled_from("xyz")), max_size=6))
def test_names_are_apart_where_the_last_ones_are(candidates: dict[int, tuple[str, str]]) -> None:
    given_names = {key: (first, f"{first}/{second}", f"{first} {key}") for key, (first, second) in candidates.items()}
    found = apart(given_names)
    assert len(set(found.values())) == len(found)
    assert all(found[key] in given_names[key] for key in found)


def _of(*weights: str, backbone: str = "squeezenet") -> list[Result]:
    """Records of one backbone with parameters of these names, each with a hash of its own."""
    digests = {name: f"{place + 1:x}" * 64 for place, name in enumerate(dict.fromkeys(weights))}
    return [made_result(backbone=backbone, backbone_weights=name, backbone_sha256=digests[name]) for name in weights]


@pytest.mark.parametrize(
    ("weights", "called"),
    [
        (("pretrained",), ["squeezenet"]),
        (("random",), ["squeezenet (random)"]),
        (("best.pth",), ["squeezenet (file)"]),
        (("pretrained", "best.pth"), ["squeezenet (ImageNet)", "squeezenet (file)"]),
        (("z.pth", "a.pth", "random"), ["squeezenet (file B)", "squeezenet (file A)", "squeezenet (random)"]),
    ],
)
def test_parameters_are_told_as_far_as_needed(weights: tuple[str, ...], called: list[str]) -> None:
    results = _of(*weights)
    assert [names_of(results).backbone(result) for result in results] == called


def test_the_key_says_which_file_with_its_hash() -> None:
    results = [*_of("runs/z.pth", "a.pth"), *_of("v.pth", backbone="vgg19")]
    assert names_of(results).key == (
        f"squeezenet (file A): a.pth, parameters {'2' * 8}",
        f"squeezenet (file B): z.pth, parameters {'1' * 8}",
        f"vgg19 (file): v.pth, parameters {'1' * 8}",
    )


def test_the_same_parameters_have_one_name_wherever_they_came_from() -> None:
    digest = "a" * 64
    results = [made_result(backbone_sha256=digest, backbone_weights=name) for name in ("mine.pth", "pretrained")]
    names = names_of(results)
    assert [names.backbone(result) for result in results] == ["vgg19", "vgg19"]
    assert names.key == ()


def test_csv_sets_are_called_by_their_file() -> None:
    def of(file: str, digest: str) -> Result:
        return made_result(dataset="csv", pairs_file=file, dataset_sha256=digest * 64)

    results = [of("/x/mine.csv", "a"), of("/x/labels.csv", "b"), of("/y/labels.csv", "c"), of("/z/y/labels.csv", "d")]
    names = names_of(results)
    called = [names.dataset(result) for result in results]
    assert called[0] == "csv:mine"
    assert len(set(called)) == 4
    names = names_of(results[:3])
    assert [names.dataset(result) for result in results[:3]] == ["csv:mine", "csv:x/labels", "csv:y/labels"]


def test_the_backbones_that_are_called_of_imagenet_are_the_built_in_ones() -> None:
    built_in = {name for name in BACKBONES.names() if BACKBONES.is_builtin(name)}
    assert set(OF_IMAGENET) == built_in - {ANY_TIMM.name}
