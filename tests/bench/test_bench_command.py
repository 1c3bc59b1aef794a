"""The bench runs, and its record says what it should; how fast it is, is not for a test on any machine."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

import iqatune as package
from iqatune.bench.backbone import Setting, made_up_pairs
from iqatune.bench.objective import bench_ray
from iqatune.bench.peer_process import Comparison, peers_at_work
from iqatune.bench.peers import PEERS, Peer, compare_with, shared_state
from iqatune.bench.promises import AT_LEAST, OF_SMALL
from iqatune.bench.timing import rates, ratio, spread
from iqatune.cli.bench_tables import print_bench
from iqatune.records.bench import Bench


class Quick(NamedTuple):
    """A quick bench: what it printed, and its record."""

    printed: str
    bench: Bench


def test_rates_take_turns_and_leave_the_first_out() -> None:
    order: list[str] = []

    def work(name: str, items: int) -> Callable[[], int]:
        def run() -> int:
            order.append(name)
            return items

        return run

    found = rates({"a": work("a", 1000), "b": work("b", 1)}, 3)
    assert order == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert {name: len(values) for name, values in found.items()} == {"a": 3, "b": 3}
    assert ratio([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]) == 2.0
    assert spread([3.0, 1.0, 2.0]).model_dump() == {"median": 2.0, "low": 1.0, "high": 3.0}


@cache
def _state(backbone: str) -> Mapping[str, torch.Tensor]:
    state = shared_state(backbone)
    assert state is not None
    return state


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: f"{peer.name}-{peer.backbone}")
def test_peers_hold_the_shared_parameters_and_download_nothing(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(peer.package)

    def no_download(*arguments: object, **settings: object) -> None:
        raise AssertionError("a download")

    monkeypatch.setattr("urllib.request.urlopen", no_download)
    state = _state(peer.backbone)
    built: list[torch.nn.Module] = []

    def noted(module: torch.nn.Module) -> torch.nn.Module:
        built.append(module)
        return module.train(False)

    monkeypatch.setattr(torch.nn.Module, "eval", noted)
    compare = compare_with(peer.backbone, state, torch.device("cpu"))[peer.name]
    first = next(tensor for key, tensor in state.items() if key.endswith("weight"))
    assert any(torch.equal(first, tensor) for tensor in built[-1].parameters())
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    compare(images[:1], images[1:])


def test_peers_run_in_a_process_without_what_iqatune_asks_torch_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torchmetrics")
    asked = {"THP_MEM_ALLOC_ENABLE": "1", "GOMP_SPINCOUNT": "30000"}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    pairs = made_up_pairs(tmp_path, Setting(size=(80, 64), references=1, distorted=3)).pairs
    distorted = tuple(pair.distorted for pair in pairs)
    comparison = Comparison(
        backbone="alexnet", reference=pairs[0].reference, distorted=distorted, resize=None, batch=2, device="cpu"
    )
    with peers_at_work(comparison) as work:
        assert asked.items() <= os.environ.items()
        (child,) = multiprocessing.active_children()
        if Path(f"/proc/{child.pid}/environ").exists():
            there = Path(f"/proc/{child.pid}/environ").read_text()
            assert not any(name in there for name in asked)
        assert {name: run() for name, run in work.items()} == {
            "torchmetrics LPIPS": 3,
            "torchmetrics LPIPS from files": 3,
        }
    with peers_at_work(replace(comparison, backbone="vgg19")) as work:
        assert work == {}


def test_the_process_of_the_peers_ends_with_a_bench_that_is_killed(tmp_path: Path) -> None:
    pytest.importorskip("torchmetrics")
    code = f"""
import sys
from pathlib import Path
from iqatune.bench.backbone import Setting, made_up_pairs
from iqatune.bench.peer_process import Comparison, peers_at_work
pairs = made_up_pairs(Path({str(tmp_path)!r}), Setting(size=(80, 64), references=1, distorted=3)).pairs
comparison = Comparison(backbone="alexnet", reference=pairs[0].reference, distorted=(pairs[0].distorted,), resize=None,
    batch=2, device="cpu")
with peers_at_work(comparison):
    import multiprocessing
    print(multiprocessing.active_children()[0].pid, flush=True)
    sys.stdin.read()
"""
    settings = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    bench = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=settings
    )
    assert bench.stdout is not None
    peers = int(bench.stdout.readline())
    bench.kill()
    bench.communicate()
    deadline = time.monotonic() + 10
    while _alive(peers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
        stat = Path(f"/proc/{process}/stat")
        return not stat.exists() or stat.read_text().rpartition(") ")[2][0] not in "ZX"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Quick:
    """A quick bench of two CNNs, as it is typed."""
    output = tmp_path_factory.mktemp("bench") / "new"
    command = [sys.executable, "-m", "iqatune", "bench", "--quick", "--backbone", "alexnet", "--backbone", "squeezenet"]
    ran = subprocess.run([*command, "--output", output, "--json", "--quiet"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return Quick(ran.stdout, Bench.model_validate_json((output / "bench.json").read_text()))


def test_a_quick_bench(quick: Quick) -> None:
    bench = quick.bench
    assert json.loads(quick.printed) == json.loads(bench.model_dump_json(by_alias=True))
    assert bench.quick
    backbone, other = bench.backbones
    assert (backbone.name, other.name) == ("alexnet", "squeezenet")
    for rate in (backbone.pairs_per_second, backbone.bare_forward_pairs_per_second, *backbone.peers.values()):
        assert 0 < rate.low <= rate.median <= rate.high
    assert list(backbone.profile_milliseconds) == ["decode", "transfer", "forward", "moments", "write"]
    assert backbone.peak_memory_mib is not None
    assert 1 < backbone.peak_memory_mib < 2000
    # the convolutions of AlexNet up to the fifth ReLU, from torchvision's shapes
    assert backbone.parameters == 2469696
    assert [objective.space for objective in bench.objective] == ["stage", "channel"]


def test_rays_tuner_is_measured_beside_the_same_search_here(capfd: pytest.CaptureFixture[str]) -> None:
    found = bench_ray(samples=2)
    assert found.samples == 2
    assert 0 < found.iqatune_seconds < found.tuner_seconds
    assert capfd.readouterr().out == ""


def test_a_bench_of_what_is_not_there(iqatune: Callable[..., Any]) -> None:
    assert iqatune("bench", "--backbone", "vgg99").code == 2
    assert iqatune("bench", "--quick", "--device", "cuda:99").code == 2


def test_several_backbones_are_measured_in_one_pass_too(quick: Quick, capsys: pytest.CaptureFixture[str]) -> None:
    bench = quick.bench
    assert bench.together is not None
    assert bench.together.backbones == ("alexnet", "squeezenet")
    assert bench.together.pairs == 3
    assert bench.together.times_the_floor > 0
    assert bench.promises == ()
    for backbone in bench.backbones:
        assert backbone.score_share_of_extraction is not None
        assert backbone.bmp_share_of_bare_forward is not None
        assert min(backbone.score_share_of_extraction, backbone.bmp_share_of_bare_forward) > 0
    print_bench(bench)
    assert "2 backbones over 3 pairs in one pass" in capsys.readouterr().out


@pytest.mark.parametrize(("share", "code"), [(0.95, 0), (0.49, 1)])
def test_a_share_below_what_is_promised_is_exit_code_1(
    quick: Quick,
    iqatune: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    share: float,
    code: int,
) -> None:
    backbone, *_ = quick.bench.backbones
    figures = dict.fromkeys(AT_LEAST, 0.95) | {"share_of_bare_forward": share}
    # what a whole bench would have measured: a real one takes minutes
    monkeypatch.setattr("iqatune.bench.run.bench_backbone", lambda *_, **__: backbone.model_copy(update=figures))
    monkeypatch.setattr("iqatune.bench.run.bench_objective", lambda *_, **__: quick.bench.objective[0])
    ran = iqatune("bench", "--check", "--device", "cpu", "--backbone", "alexnet", "--output", tmp_path, "--quiet")
    assert ran.code == code
    bench = Bench.model_validate_json((tmp_path / "bench.json").read_text())
    promised = OF_SMALL["alexnet"]["share_of_bare_forward"]
    assert [promise.kept for promise in bench.promises] == [True, share > promised, True, True]
    line = f"Promised: share_of_bare_forward of alexnet {promised} at least; it is 0.490."
    assert (line in ran.out) == bool(code)


def test_a_check_of_less_than_a_whole_bench_is_refused(iqatune: Callable[..., Any]) -> None:
    for options in (("--quick",), ("--precision", "bf16")):
        ran = iqatune("bench", "--check", *options)
        assert ran.code == 2
        assert ran.err.startswith("iqatune: --check: needs a whole bench")


@pytest.mark.parametrize(
    ("given", "expected"), [({}, "30000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")]
)
def test_threads_that_wait_sleep_soon_unless_variables_say_otherwise(given: dict[str, str], expected: str) -> None:
    code = "import os; from iqatune.runtime.threads import *; prepare_threads(); print(os.environ.get(SPINS))"
    others = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    ran = subprocess.run([sys.executable, "-c", code], env=others | given, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == expected
