"""The house's rule: imports point one way, downward, and light work loads nothing heavy."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "iqatune"

RULE = """
    errors < version, extras, progress, escape, images < registry, transforms < runtime < records < datasets, backbones
    < metric, evaluation < statistics < search, scoring < tuning, report, bench, doctor < api < testing < cli
"""
STEP = {room.strip(): number for number, step in enumerate(RULE.split("<")) for room in step.split(",") if room.strip()}
"""A room (a folder, or a module beside them) imports only what stands to its left; those of one step do not meet."""


def _imports(path: Path) -> set[str]:
    """What a module imports from the package, at its top or later, at run time or for types alone."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: a relative import"
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.startswith("iqatune.")}


def _modules() -> dict[str, Path]:
    modules = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def _room(module: str) -> str:
    return module.split(".")[1]


def test_every_room_has_its_place() -> None:
    rooms = {_room(name) for name in _modules() if "." in name}
    assert rooms - {"__main__"} <= STEP.keys()


@pytest.mark.parametrize("room", STEP)
def test_a_room_imports_only_what_stands_to_its_left(room: str) -> None:
    for name, path in _modules().items():
        for other in _imports(path) if name.startswith(f"iqatune.{room}") and _room(name) == room else ():
            if _room(other) != room:
                assert STEP[_room(other)] < STEP[room], f"{name} imports {other}"


def test_no_files_import_each_other_in_a_circle() -> None:
    modules = _modules()
    graph = {name: _imports(path) & modules.keys() for name, path in modules.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for other in graph[name]:
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_no_room_is_more_than_a_fifth_of_the_house() -> None:
    lines: Counter[str] = Counter()
    for name, path in _modules().items():
        lines[name.split(".")[1] if "." in name else ""] += len(path.read_text().splitlines())
    assert max(lines.values()) <= 0.2 * lines.total(), lines.most_common(3)


def _by_place(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    """How many arguments a function, or a dataclass that is made, takes by place; `self` does not count."""
    if not isinstance(node, ast.ClassDef):
        names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
        return len(names) - (names[:1] in (["self"], ["cls"]))
    if not any(ast.unparse(decorator).startswith("dataclass") for decorator in node.decorator_list):
        return 0
    if any("kw_only" in ast.unparse(decorator) for decorator in node.decorator_list):
        return 0
    fields = [
        field.target.id
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    ]
    return fields.index("_") if "_" in fields else len([name for name in fields if not name.startswith("_")])


def _is_kernel(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Triton's compiler takes a kernel's arguments by place and no other way."""
    return any("triton.jit" in ast.unparse(decorator) for decorator in node.decorator_list)


def test_nothing_takes_more_than_four_arguments_by_place() -> None:
    for name, path in _modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not _is_kernel(node):
                assert _by_place(node) <= 4, f"{name}: {node.name}"


@pytest.mark.parametrize(
    "module",
    ["iqatune", "iqatune.statistics.extract", "iqatune.metric.module", "iqatune.datasets", "iqatune.evaluation"],
)
def test_searching_libraries_stay_out_of_what_does_not_search(module: str) -> None:
    libraries = ("ray", "flaml", "ax", "nevergrad", "hpbandster", "bayes_opt", "ConfigSpace", "optuna")
    code = f"import sys, {module}; print([name for name in {libraries} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["iqatune.tuning.run", "iqatune.tuning.sweep", "iqatune.tuning.replay"])
def test_torch_stays_out_of_a_search(module: str) -> None:
    code = f"import sys, {module}; print([name for name in ('torch', 'torchvision', 'timm') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
