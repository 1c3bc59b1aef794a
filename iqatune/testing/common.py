"""What the contract suites share."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_a_line(text: object) -> bool:
    """Whether it is text in one line, and not empty."""
    return isinstance(text, str) and bool(text.strip()) and len(text.splitlines()) == 1


@contextmanager
def generators_left_alone() -> Iterator[None]:
    """Fails when what is done in here draws from the global random generators, or seeds them."""
    with other_generators(1234567):  # a state that nobody comes to by a seed of their own
        before = _states()
        yield
        after = _states()
    changed = [name for name in before if not np.array_equal(_numbers(before[name]), _numbers(after[name]))]
    assert not changed, f"draws from the global random generator of {', '.join(changed)}, or seeds it"


@contextmanager
def other_generators(seed: int) -> Iterator[None]:
    """Global random generators of numpy, Python and torch in another state; they are put back at the end."""
    before = _states()
    np.random.seed(seed)
    random.seed(seed)
    if "torch" in before:
        sys.modules["torch"].manual_seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before["numpy"])
        random.setstate(before["Python"])
        if "torch" in before:
            sys.modules["torch"].set_rng_state(before["torch"])


def picture(height: int, width: int, *, seed: int = 0) -> NDArray[np.float64]:
    """A smooth picture with some grain, (height, width, 3) in 0..255: more like a photograph than noise is."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    image = np.zeros((height, width, 3))
    for _ in range(8):
        fy, fx = generator.uniform(0.005, 0.08, 2)
        phase, strength = generator.uniform(0, 2 * np.pi, 3), generator.uniform(8, 18, 3)
        image += strength * np.cos(2 * np.pi * (fy * rows + fx * columns)[..., None] + phase)
    grain = generator.normal(0, 3, image.shape)
    return np.clip(128 + image + grain, 0, 255)


def _states() -> dict[str, Any]:
    states: dict[str, Any] = {"numpy": np.random.get_state(), "Python": random.getstate()}
    torch = sys.modules.get("torch")
    return states if torch is None else {**states, "torch": torch.get_rng_state()}


def _numbers(state: Any) -> NDArray[Any]:
    """A generator's state as numbers: its words, and the place among them."""
    if not isinstance(state, tuple):
        return np.asarray(state)
    return np.append(state[1], state[2] if isinstance(state[2], int) else 0)
