"""One line, spelled for whoever reads it."""

import doctest
import pickle

import pytest

from iqatune import errors
from iqatune.errors import InputError, as_flags, as_keywords


def test_the_examples_are_true() -> None:
    assert doctest.testmod(errors).failed == 0


@pytest.mark.parametrize(
    ("written", "typed", "called"),
    [
        ("`folds` 1: give 0", "--folds 1: give 0", "folds=1: give 0"),
        ("name another `cache_dir`", "name another --cache-dir", "name another cache_dir"),
        ("use `samples` 30 or more", "use --samples 30 or more", "use samples=30 or more"),
        ("`a_b` and `c` are of `engine` ray", "--a-b and --c are of --engine ray", "a_b and c are of engine=ray"),
        ("a file called `x y` or `X`", "a file called `x y` or `X`", "a file called `x y` or `X`"),
    ],
)
def test_options_are_spelled_for_the_reader(written: str, typed: str, called: str) -> None:
    assert as_flags(written) == typed
    assert as_keywords(written) == called


def test_an_error_is_one_line_and_survives_a_process() -> None:
    error = InputError("`folds` 1:\n  give 0")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.command_line, again.line) == ("folds=1: give 0", "--folds 1: give 0", "`folds` 1: give 0")
