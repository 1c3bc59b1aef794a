"""Speed as ratios within one run, the best of several tries, so that a busy machine does not matter."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from iqatune.backbones.network import build_backbone
from iqatune.bench.backbone import Setting, made_up_pairs
from iqatune.bench.objective import CHANNELS, planted
from iqatune.metric import moments
from iqatune.metric.spaces import make_space
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions
from iqatune.search.objective import Objective
from iqatune.statistics import fused_cpu
from iqatune.statistics.cache import Cache, settings_of
from iqatune.statistics.extract import extract

TRIES = 15


def _cpu_seconds(work: Callable[[], object]) -> float:
    """The least processor time of a few tries: what other processes take does not count."""
    found = []
    for _ in range(TRIES):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


@pytest.fixture
def one_thread() -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _objective(space_name: str, pairs: int) -> tuple[Objective, np.ndarray, np.ndarray, np.ndarray]:
    space = make_space(space_name, CHANNELS)
    features, quality, _ = planted(space, pairs=pairs, references=25)
    parameters = np.random.default_rng(0).uniform(size=(64, len(space.names)))
    return Objective(space, (features,), quality), parameters, features, quality


def test_a_sample_costs_less_than_scipys_ranks() -> None:
    from scipy.stats import spearmanr

    objective, parameters, features, quality = _objective("stage", 10125)
    with threadpool_limits(1):  # idle BLAS threads spin, and their time would count
        ours = _cpu_seconds(lambda: objective(parameters[0]))
        scipys = _cpu_seconds(lambda: spearmanr(quality, features @ parameters[0]))
    assert ours < scipys / 2  # a fifth where it was measured


def test_a_sample_in_the_channel_space_reads_the_features_about_once() -> None:
    objective, parameters, features, _ = _objective("channel", 3000)
    assert features.dtype == np.float32
    with threadpool_limits(1):
        ours = _cpu_seconds(lambda: objective(parameters[0]))
        reading = _cpu_seconds(features.max)
    assert ours < 3 * reading  # 1.2 where it was measured


def test_a_batch_in_the_channel_space_is_sooner_done_than_its_samples() -> None:
    objective, parameters, _, _ = _objective("channel", 3000)
    with threadpool_limits(1):
        together = _cpu_seconds(lambda: objective.batch(parameters)) / len(parameters)
        alone = _cpu_seconds(lambda: objective(parameters[0]))
    assert together < alone / 1.3


@pytest.mark.usefixtures("one_thread")
def test_compiled_moments_take_less_than_those_of_torch() -> None:
    # as large as they are in use: torch's copies of smaller ones may find memory that was used before
    maps = [torch.rand(2, 64, 256, 341).contiguous(memory_format=torch.channels_last)]
    references, centred = fused_cpu.reference_of([maps[0][:1]]), moments.reference_of([maps[0][:1]])
    compiled = _cpu_seconds(lambda: fused_cpu.compared(references, maps))
    with torch.inference_mode():
        plain = _cpu_seconds(lambda: moments.compared(centred, maps))
    assert compiled < plain / 1.5  # a twelfth where it was measured, a quarter with huge pages


@pytest.mark.usefixtures("one_thread")
def test_extraction_costs_little_more_than_the_cnn_alone(tmp_path: Path) -> None:
    # 8 images, of which each must pass the CNN once; a reference that passed with every pair would make it 14
    table = made_up_pairs(tmp_path, Setting(size=(128, 112), references=1, distorted=7))
    backbone = build_backbone("vgg16", "random").to(memory_format=torch.channels_last)
    settings = settings_of(backbone.identity, BackboneOptions(backbone="vgg16", backbone_weights="random"))
    images = torch.rand(4, 3, 112, 128).contiguous(memory_format=torch.channels_last)
    fused_cpu.compared([images[:1]], [images])  # compiled before anything is measured
    shares = []
    for number in range(2):
        started = time.process_time()
        with torch.inference_mode():
            for _ in range(2):
                backbone(images)
        alone = time.process_time() - started
        started = time.process_time()
        lookup = Cache(tmp_path / f"cache{number}").lookup(table, settings, Progress())
        extract(lookup, backbone, torch.device("cpu"), progress=Progress())
        shares.append(alone / (time.process_time() - started))
    assert max(shares) > 0.6  # .9 where it was measured


AFTER_THE_SCRIPT = """
import re, resource, sys
from pathlib import Path
from iqatune.cli.main import script
try:
    script()
except SystemExit as end:
    assert end.code == 0
import torch
"""

HUGE_PAGES = """
maps = torch.ones(2**24)
print(re.search(r"AnonHugePages: +([0-9]+) kB", Path("/proc/self/smaps_rollup").read_text())[1])
"""

PAGE_FAULTS = """
def faults_of_batches():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults_of_batches()
print(faults_of_batches())
"""


def _printed(code: str, **environment: str) -> int:
    """The last number that a program prints which begins as the console script does."""
    command = [sys.executable, "-c", AFTER_THE_SCRIPT + code, "--version"]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def test_the_command_line_has_torch_use_huge_pages() -> None:
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not setting.exists() or "[madvise]" not in setting.read_text() or not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("the system does not leave huge pages to programs")
    # of the 65536 that the maps take
    assert _printed(HUGE_PAGES) - _printed(HUGE_PAGES, THP_MEM_ALLOC_ENABLE="0") > 2**14


def test_the_command_line_keeps_the_memory_of_maps_for_the_next_ones() -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("memory is kept through glibc")
    assert _printed(PAGE_FAULTS) < _printed(PAGE_FAULTS, MALLOC_MMAP_MAX_="65536") / 5  # its default: given back
