"""Links between the pages lead somewhere, and what docs/questions.md says of CNNs is what they are."""

import re
from collections import Counter
from pathlib import Path

import pytest
import torchvision

from iqatune.backbones import zoo

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "results" / "README.md"])


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to headings: a second one of the same words ends in -1."""
    seen: Counter[str] = Counter()
    names = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        names.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


QUESTIONS = ROOT / "docs" / "questions.md"


@pytest.mark.parametrize("name", ["vgg16", "vgg19", "alexnet", "squeezenet", "resnet50", "resnet101"])
def test_parameter_files_are_those_that_torchvision_downloads(name: str) -> None:
    weights = torchvision.models.get_model_weights(zoo.find(name).model)["IMAGENET1K_V1"]
    rows = [line.strip("| ").split(" | ") for line in prose(QUESTIONS).splitlines() if line.startswith("| ")]
    _, link, size = next(row for row in rows if row[0] == f"`{name}`" and ".pth" in row[1])
    assert link == f"[{weights.url.rpartition('/')[2]}]({weights.url})"
    assert size == f"{weights.meta['_file_size']:.0f} MB"


@pytest.mark.parametrize("names", ["`squeezenet`", "`vgg16`, `vgg19`", "`resnet50`, `resnet101`"])
def test_the_memory_of_moments_is_20_bytes_a_channel_and_pair(names: str) -> None:
    line = next(line for line in prose(QUESTIONS).splitlines() if line.startswith(f"| {names} | "))
    channels, *sizes = line.strip("| ").split(" | ")[1:]
    for name in names.replace("`", "").split(", "):
        assert 3 + sum(zoo.find(name).channels) == int(channels)
    for pairs, size in zip((3000, 10125, 23200), sizes, strict=True):
        assert abs(20 * pairs * int(channels) / 1e6 - float(size.removesuffix(" MB"))) <= 0.5
