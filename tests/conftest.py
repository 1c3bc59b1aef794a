"""What the tests of every room share."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

# before anything imports Ray: it must neither read nor write a token in the home folder
os.environ["RAY_AUTH_MODE"] = "disabled"


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
def iqatune(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `iqatune ARGUMENTS...` in this process, as typed in an empty folder without settings."""
    from iqatune.cli.main import main

    for name in [name for name in os.environ if name.startswith("IQATUNE_") and name != "IQATUNE_TEST_DATA"]:
        monkeypatch.delenv(name)
    workplace = tmp_path / "workplace"
    workplace.mkdir()
    monkeypatch.chdir(workplace)

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@dataclass(frozen=True)
class SmallSet:
    """Real files of a made-up data set, with the options that name it."""

    folder: Path
    labels: Path
    options: tuple[str, ...]


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
def small_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that a session's tests share, so that the small set passes the CNN once."""
    return tmp_path_factory.mktemp("cache")
