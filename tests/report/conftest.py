"""Records made by hand, as searches would have written them."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from iqatune.records.environment import Environment
from iqatune.records.options import Run
from iqatune.records.result import (
    Baselines,
    Best,
    Confidence,
    Correlation,
    Fold,
    HeldOut,
    Protocol,
    Result,
    Strategy,
    Timing,
    write_result,
)


def made_result(
    *,
    dataset: str = "live",
    backbone: str = "vgg19",
    searcher: str = "random",
    seed: int = 0,
    srcc: float = 0.9,
    held_out: float | None = 0.88,
    bounds: tuple[float, float] = (0.85, 0.95),
    samples: int = 4,
    status: str = "complete",
    optimism: float | None = 0.003,
    pairs_file: str | None = None,
    **protocol: Any,
) -> Result:
    """A record over three channels in two stages; without an optimism it is one of an older release."""
    agreement = {"srcc": srcc, "krcc": srcc - 0.2, "plcc": srcc - 0.01}
    uniform = Correlation(srcc=0.8, krcc=0.6, plcc=0.79)
    folds = None
    if held_out is not None:
        per_fold = tuple(
            Fold(
                references=(f"r{fold}",),
                pairs=5,
                tuned_srcc=srcc,
                srcc=held_out + shift,
                uniform_srcc=0.81,
                **({} if optimism is None else {"tuned_on_all_srcc": min(held_out + shift + optimism, 1.0)}),
            )
            for fold, shift in enumerate((-0.01, 0.0, 0.01))
        )
        folds = HeldOut(
            folds=3,
            srcc_mean=held_out,
            srcc_std=0.01,
            per_fold=per_fold,
            uniform_srcc_mean=0.81,
            optimism=srcc - held_out if optimism is None else optimism,
            **({} if optimism is None else {"gain_error": 0.0091, "verdict": "helped"}),
        )
    fields = {
        "pairs": 779,
        "references": 29,
        "label": "dmos_realigned.mat",
        "better": "lower",
        "excluded": (),
        "missing": 0,
        "simulated": dataset == "demo",
        "resize": 256,
        "interpolation": "pil-bilinear-antialias",
        "pooling": "native",
        "structure": "covariance",
        "precision": "fp32",
        "dataset_sha256": sha256(dataset.encode()).hexdigest(),
        "backbone_weights": "pretrained",
        "backbone_sha256": sha256(backbone.encode()).hexdigest(),
        "split_seed": seed,
        **protocol,
    }
    return Result(
        status=status,
        run=Run(
            dataset=dataset,
            backbone=backbone,
            searcher=searcher,
            seed=seed,
            samples=samples,
            folds=3,
            pairs=pairs_file,
            better="higher" if pairs_file else None,
        ),
        protocol=Protocol(**fields),
        channels=(1, 2),
        best=Best(
            **agreement,
            sample=0,
            parameters={"alpha_0": 0.5, "alpha_1": 0.5, "beta_0": 0.5, "beta_1": 0.5},
            alpha=(0.4, 0.1, 0.1),
            beta=(0.2, 0.1, 0.1),
        ),
        baselines=Baselines(uniform=uniform),
        held_out=folds,
        confidence=Confidence(srcc=bounds, krcc=bounds, plcc=bounds, level=0.95, method="bootstrap", resamples=2000),
        strategy=Strategy(random=samples, evaluations={"1": samples}),
        timing=Timing(extraction=0, pairs_extracted=0, search=0, total=0),
        environment=Environment(versions={}, git=None, platform="", device="cpu", threads=1),
    )


@pytest.fixture
def record() -> Callable[..., Result]:
    """`made_result`."""
    return made_result


@pytest.fixture
def write_run(tmp_path: Path, write_run_below: Callable[..., Path]) -> Callable[..., Path]:
    """`write_run_below` the test's folder."""
    return partial(write_run_below, tmp_path)


@pytest.fixture(scope="session")
def write_run_below() -> Callable[..., Path]:
    """Write a record, and trials of given SRCC, where a search would below a folder; returns the record's path."""

    def write(root: Path, folder: str = "runs", trials: Sequence[float] | None = None, **fields: Any) -> Path:
        result = made_result(**fields)
        run = result.run
        place = root / folder / run.dataset / run.backbone / f"{run.searcher}-stage-s{run.seed}"
        path = place / "result.json"
        write_result(path, result)
        values = [fields.get("srcc", 0.9)] if trials is None else trials
        parameters = result.best.parameters if result.best is not None else {}
        lines = [
            {
                "sample": sample,
                "trial_id": str(sample),
                "parameters": parameters,
                "srcc": value,
                "budget": 1.0,
                "chosen_by": "random",
                "seconds": 0.0,
            }
            for sample, value in enumerate(values)
        ]
        (place / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    return write
