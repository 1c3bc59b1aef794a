"""Fit the constants of the demo's simulated observers to the scores of KADID-10k; no image is read.

Prints, for every distortion of the demo, the amount at the middle of the scale (`half`), the slope of the curve, the
masking, and the standard deviation of what masking leaves of the references' deviations. Run from the root of the
project, with the set's own label file:

    python scripts/demo_observers.py --labels ~/data/kadid10k/dmos.csv
"""

import argparse
from pathlib import Path

import numpy as np
import pandas
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import norm

from iqatune.datasets import demo, kadid10k

Floats = NDArray[np.float64]

AMOUNTS: dict[str, tuple[str, tuple[float, ...]]] = {
    # the set gives variances for values in [0, 1]
    "gaussian-noise": ("white-noise", tuple(255 * variance**0.5 for variance in (0.001, 0.002, 0.003, 0.005, 0.01))),
    "gaussian-blur": ("gaussian-blur", (0.1, 0.5, 1, 2, 5)),
    "jpeg": ("jpeg", (43, 36, 24, 7, 4)),
    "quantization": ("quantization", (20, 16, 13, 10, 7)),
    # there the image is scaled by this and back
    "pixelation": ("pixelate", tuple(1 / (0.95 - strength**0.6) for strength in (0.01, 0.05, 0.1, 0.2, 0.5))),
    "jitter": ("jitter", (0.05, 0.1, 0.2, 0.5, 1)),
    # levels 1 to 3 raise contrast, 4 and 5 lower it
    "contrast": ("contrast", (np.nan, np.nan, np.nan, 0.6, 0.4)),
}
"""Of every distortion of the demo: its name in KADID-10k, and the amounts of the set's five levels.

Those of the set's own generator, in the demo's units; NaN where a level is another kind of damage."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, required=True, help="dmos.csv of KADID-10k")
    scores = scores_of(parser.parse_args().labels)
    curves = {name: curve(AMOUNTS[name][1], scores[kind]) for name, (kind, _) in AMOUNTS.items()}
    shifts = {name: deviations(AMOUNTS[name][1], scores[AMOUNTS[name][0]], *curves[name]) for name in AMOUNTS}
    # what lowers or raises contrast is no error that a busy reference could hide
    masking, left = masked({name: values for name, values in shifts.items() if name != "contrast"})
    for name, (half, slope) in curves.items():
        print(
            f"{name:15} half {half:7.3f}  slope {slope:6.2f}  masking {masking.get(name, 0.0):5.2f}"
            f"  left {left.get(name, shifts[name].std()):.2f}"
        )


def scores_of(labels: Path) -> dict[str, Floats]:
    """Mean scores (81, 5), references by levels, of every distortion."""
    rows = pandas.read_csv(labels)
    # I01_01_01.png: the reference, the distortion and the level, each from 1
    numbers = rows["dist_img"].str.extract(r"I(\d\d)_(\d\d)_(\d\d)").to_numpy().astype(int)
    scores = np.full(numbers.max(axis=0), np.nan)
    scores[tuple(numbers.T - 1)] = rows["dmos"]
    return {kind: scores[:, place] for place, kind in enumerate(kadid10k.DISTORTIONS)}


def expected(z: Floats) -> Floats:
    """The mean score that the demo's observers would give, who rate in whole steps from 1 to 5."""
    quality = 1 + 4 / (1 + np.exp(-z))
    spread = np.hypot(demo.OBSERVER_BIAS, demo.OBSERVER_NOISE)
    above = norm.sf((np.array([1.5, 2.5, 3.5, 4.5]) - quality[..., None]) / spread)
    return np.asarray(1 + above.sum(axis=-1), dtype=np.float64)


def curve(amounts: tuple[float, ...], scores: Floats) -> tuple[float, float]:
    """half and slope, by least squares on the mean scores of the levels."""
    known = np.isfinite(amounts)
    logarithms, mean = np.log(np.array(amounts)[known]), scores[:, known].mean(axis=0)
    sign = 1 if logarithms[-1] > logarithms[0] else -1

    def misses(parameters: Floats) -> Floats:
        missed: Floats = expected(sign * np.exp(parameters[1]) * (parameters[0] - logarithms)) - mean
        return missed

    middle, steepness = least_squares(misses, [float(np.median(logarithms)), 0.0]).x
    return float(np.exp(middle)), float(sign * np.exp(steepness))


def deviations(amounts: tuple[float, ...], scores: Floats, half: float, slope: float) -> Floats:
    """How far the z of each reference is from the curve, (81,), by least squares; 0 in the mean."""
    known = np.isfinite(amounts)
    z = slope * np.log(half / np.array(amounts)[known])
    found = [least_squares(lambda by, row=row: expected(z + by[0]) - row, [0.0]).x[0] for row in scores[:, known]]
    centred: Floats = np.array(found) - np.mean(found)
    return centred


def masked(shifts: dict[str, Floats]) -> tuple[dict[str, float], dict[str, float]]:
    """Loadings on the first principal component of the standardised deviations, and what it leaves of them."""
    values = np.stack(list(shifts.values()))
    standardised = values / values.std(axis=1, keepdims=True)
    factor = np.linalg.eigh(np.cov(standardised))[1][:, -1] @ standardised
    factor *= np.sign(factor @ shifts["gaussian-noise"]) / factor.std()
    loadings = values @ factor / values.shape[1]
    left = (values - np.outer(loadings, factor)).std(axis=1)
    return dict(zip(shifts, loadings.tolist(), strict=True)), dict(zip(shifts, left.tolist(), strict=True))


if __name__ == "__main__":
    main()
