"""Contract suites for pytest: what a searcher, a data set, a backbone and a baseline have to do.

A suite is a class of tests. A plug-in's tests derive from it and name the plug-in:

    from iqatune.testing import SearcherContract

    class TestHillClimb(SearcherContract):
        name = "hillclimb"

See docs/extending.md. The extra `test` installs pytest.
"""

from iqatune.extras import install_command

try:
    import pytest
except ImportError as error:
    raise ImportError(f"iqatune.testing needs pytest; run {install_command('test')}") from error

# before they are imported: a failing assert in them then shows its values, as it does in the tests of a package
pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("searchers", "datasets", "backbones", "baselines", "common"))
)

from iqatune.testing.backbones import BackboneContract  # noqa: E402
from iqatune.testing.baselines import BaselineContract  # noqa: E402
from iqatune.testing.datasets import DatasetContract  # noqa: E402
from iqatune.testing.searchers import SearcherContract  # noqa: E402

__all__ = ["BackboneContract", "BaselineContract", "DatasetContract", "SearcherContract"]
