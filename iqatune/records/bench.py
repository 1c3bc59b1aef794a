"""The record of a bench, `bench.json` (schema iqatune.bench/1)."""

from typing import Final, Literal

from pydantic import Field

from iqatune.records.base import Model
from iqatune.records.documents import Seal
from iqatune.records.environment import Environment

BENCH_SCHEMA: Final = "iqatune.bench/1"
BENCH_FILE = "bench.json"


class Spread(Model):
    """A figure measured several times."""

    median: float
    low: float
    high: float


class BackboneBench(Model):
    """One backbone: rates in image pairs a second, costs of one image."""

    name: str
    pairs_per_second: Spread = Field(description="extraction from image files to stored statistics")
    in_memory_pairs_per_second: Spread = Field(description="extraction from decoded images to moments")
    bmp_pairs_per_second: Spread | None = Field(default=None, description="extraction from BMP files, not packed")
    score_pairs_per_second: Spread | None = Field(
        default=None, description="the verb `score` on the same files, all versions of a reference together"
    )
    scoring_pairs_per_second: Spread = Field(description="the tuned metric on pairs in memory")
    bare_forward_pairs_per_second: Spread = Field(description="the same images through the CNN alone: the floor")
    peers: dict[str, Spread] = Field(description="other packages on the same pairs in memory, of the same parameters")
    peers_from_files: dict[str, Spread] = Field(
        default={}, description="the same, each pair's two files read before it is compared, as in a loop over pairs"
    )
    share_of_bare_forward: float = Field(
        description="median of the rounds' ratios, extraction from files to bare forward"
    )
    in_memory_share_of_bare_forward: float = Field(description="the same of extraction from decoded images")
    bmp_share_of_bare_forward: float | None = Field(default=None, description="the same of extraction from BMP files")
    score_share_of_extraction: float | None = Field(
        default=None, description="median of the rounds' ratios, `score` to extraction, both from the same files"
    )
    times_peers: dict[str, float] = Field(
        description="median of the rounds' ratios, extraction from files to each peer from files"
    )
    in_memory_times_peers: dict[str, float] = Field(
        description="the same of extraction from decoded images, as the peers have them"
    )
    milliseconds: Spread = Field(description="of the CNN for an image by itself")
    parameters: int
    macs: int = Field(description="multiply-accumulate operations for an image")
    peak_memory_mib: float = Field(description="that a batch adds to the process, or takes on the GPU")
    profile_milliseconds: dict[str, float] = Field(description="an image's way through extraction, median by step")


class ObjectiveBench(Model):
    """Samples a second of the objective."""

    space: str
    pairs: int
    features: int
    samples_per_second: dict[str, Spread]
    batch_speedup: float = Field(description="median of the rounds' ratios, batched to one by one")
    reads_of_the_features: float = Field(description="a sample's time over that of reading its features once")


class TogetherBench(Model):
    """Several backbones that images pass together, each image decoded once: seconds of the whole."""

    backbones: tuple[str, ...]
    pairs: int
    seconds: Spread = Field(description="from image files to stored statistics of every backbone")
    bare_seconds: Spread = Field(description="the same images through each CNN alone, one after another")
    decoding_seconds: Spread = Field(description="of each image, once")
    times_the_floor: float = Field(
        description="median of the rounds' ratios, the whole to the bare forward passes and one decoding"
    )


class Promise(Model):
    """A share that a bench of the usual images on a CPU in fp32 is held to."""

    what: str
    backbone: str | None
    figure: float
    at_least: float | None
    at_most: float | None
    kept: bool


class RayBench(Model):
    """The same search of `samples` random configurations by ray.tune.Tuner at its defaults, and by this package."""

    samples: int
    tuner_seconds: float
    iqatune_seconds: float


class Bench(Model):
    """One bench: everything in it was measured in one run."""

    schema_: Literal["iqatune.bench/1"] = Field(default=BENCH_SCHEMA, alias="schema")
    quick: bool = Field(description="small images and few rounds: shows that it runs, not how fast")
    image: tuple[int, int] = Field(description="width and height on disk")
    resized: tuple[int, int] = Field(description="width and height that the CNN sees")
    rounds: int
    precision: Literal["fp32", "bf16", "fp16"]
    backbones: tuple[BackboneBench, ...]
    objective: tuple[ObjectiveBench, ...]
    together: TogetherBench | None = None
    promises: tuple[Promise, ...] = ()
    ray: RayBench | None
    skipped: tuple[str, ...]
    environment: Environment
    seal: Seal = None
