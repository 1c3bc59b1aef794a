"""The house's rule: imports point one way, downward, and light work loads nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "iqatune"

# what each room may import besides itself and the package's own small modules (errors, files, images, ...)
GROUND = {"runtime", "records"}
BELOW = {
    "runtime": set(),
    "records": {"runtime"},
    "datasets": GROUND,
    "backbones": GROUND,
    "evaluation": GROUND,
    "statistics": {*GROUND, "datasets", "backbones", "metric"},
    "metric": {*GROUND, "backbones", "statistics"},
    "search": {*GROUND, "evaluation", "metric", "statistics"},
    "results": {*GROUND, "datasets", "backbones", "evaluation", "statistics", "metric", "search"},
    "cli": {*GROUND, "datasets", "backbones", "evaluation", "statistics", "metric", "search", "results"},
}


def _imports(path: Path, deferred: bool = True) -> set[str]:
    """What a module imports from the package; without `deferred` only what it imports as it is loaded."""
    names: set[str] = set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if deferred else tree.body:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.startswith("iqatune.")}


def _modules() -> dict[str, Path]:
    modules = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


@pytest.mark.parametrize("room", BELOW)
def test_a_room_imports_only_rooms_below_it(room: str) -> None:
    for path in (PACKAGE / room).rglob("*.py"):
        for name in _imports(path):
            other = name.split(".")[1]
            if other in BELOW and other != room:
                assert other in BELOW[room], f"{path.relative_to(PACKAGE)} imports {name}"


def test_no_modules_load_each_other_in_a_circle() -> None:
    modules = _modules()
    graph = {name: _imports(path, deferred=False) & set(modules) for name, path in modules.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            # a module inside a package names its package when it imports a sibling
            for other in graph[name] - {name}:
                if not name.startswith(f"{other}."):
                    visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize(
    "module",
    ["iqatune", "iqatune.statistics.extract", "iqatune.metric.module", "iqatune.datasets", "iqatune.evaluation"],
)
def test_searching_libraries_stay_out_of_what_does_not_search(module: str) -> None:
    libraries = ("ray", "flaml", "ax", "nevergrad", "hpbandster", "bayes_opt", "ConfigSpace", "optuna")
    code = f"import sys, {module}; print([name for name in {libraries} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["iqatune.results.run", "iqatune.results.sweep", "iqatune.results.replay"])
def test_torch_stays_out_of_a_search(module: str) -> None:
    code = f"import sys, {module}; print([name for name in ('torch', 'torchvision', 'timm') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
