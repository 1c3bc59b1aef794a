"""What is checked of things that are not built in, and what is registered for one process."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from iqatune.backbones.identity import recall, remember
from iqatune.backbones.network import build_backbone
from iqatune.backbones.sources import Cnn
from iqatune.backbones.zoo import BACKBONES, IMAGENET_MEAN, IMAGENET_STD, BackboneInfo
from iqatune.datasets.adapter import Adapter, DatasetInfo
from iqatune.datasets.registry import DATASETS, load_pairs
from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.records.options import DataOptions
from iqatune.registry import Registry
from iqatune.scoring.baselines import BASELINES, Baseline, baseline_scores
from iqatune.scoring.baselines import find as find_baseline
from iqatune.search.loop import search
from iqatune.search.searchers.base import AwaitingResults, Problem, Proposal, Searcher, SearchExhausted
from iqatune.search.searchers.registry import SEARCHERS, find, make_searcher
from iqatune.statistics.cache import Cache

_NOTHING: Any = None
"""Where something should be."""

Register = Callable[[Registry[Any], str, Any], None]

PROBLEM = Problem(("a", "b", "c"), samples=4, seed=0, budgets=(1 / 3, 1.0))


@pytest.fixture
def register() -> Iterator[Register]:
    """Register something for one test."""
    added: list[tuple[Registry[Any], str]] = []

    def add(registry: Registry[Any], name: str, item: Any) -> None:
        registry.register(name, item)
        added.append((registry, name))

    yield add
    for registry, name in added:
        registry.unregister(name)


class Draws(Searcher):
    """Random search, of which the tests get one thing wrong at a time."""

    name = "draws"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._generator = np.random.default_rng(problem.seed)
        self._next = 0

    def propose(self) -> Proposal:
        if self._next >= self.problem.samples:
            raise SearchExhausted("all samples are proposed")
        self._next += 1
        parameters = self._generator.uniform(0, 1, len(self.problem.names))
        return Proposal(f"{self._next}", self._next - 1, parameters, "random", budget=len(self.problem.budgets) - 1)

    def observe(self, proposal: Proposal, srcc: float) -> None:
        pass


def _changed(**changes: Any) -> type[Draws]:
    """Draws whose second proposal differs."""

    class Changed(Draws):
        def propose(self) -> Proposal:
            proposal = super().propose()
            return replace(proposal, **changes) if self._next == 2 else proposal

    return Changed


def _doing(**methods: Any) -> type[Draws]:
    return type("Doing", (Draws,), methods)


def _raise(error: Exception) -> Callable[..., Any]:
    def raising(*_: object) -> None:
        raise error

    return raising


def _height(parameters: Floats, budget: int) -> float:
    return float(parameters.sum())


@pytest.mark.parametrize(
    ("searcher", "says"),
    [
        (_changed(parameters=[0.1, 0.2, 0.3]), "not a Proposal with an array of parameters"),
        (_changed(parameters=np.zeros(2)), r"float64 numbers \(2,\), not float64 \(3,\)"),
        (_changed(parameters=np.zeros(3, np.float32)), "float32 numbers"),
        (_changed(parameters=np.array([0.1, math.nan, 0.3])), r"not in \[0, 1\]"),
        (_changed(trial_id=2), "its trial_id is no text"),
        (_changed(sample=np.int64(1)), "or its sample or budget no int"),
        (_changed(budget=True), "or its sample or budget no int"),
        (_changed(trial_id="1"), "proposes the evaluation '1' twice"),
        (_changed(sample=2), "numbers its sample 2 where 1 is next"),
        (_changed(sample=0), "gives its sample 0 other parameters than before"),
        (_changed(budget=2), "proposes the budget 2 of 2"),
        (_changed(chosen_by="luck"), "chosen by 'luck', not one of random, initial, model, local"),
        (_doing(propose=lambda self: None), "proposes a NoneType"),
        (_doing(propose=_raise(AwaitingResults("of what?"))), "awaits results where none is out"),
        (_doing(propose=_raise(MemoryError("full"))), "MemoryError: full"),
        (_doing(observe=lambda self, proposal, srcc: self.details.update(srcc=srcc)), "details are not text by text"),
        (_doing(__init__=lambda self, problem: None), "__init__ does not call that of Searcher"),
    ],
)
def test_a_searcher_that_breaks_its_contract_is_told_in_a_line(
    register: Register, searcher: type[Searcher], says: str
) -> None:
    register(SEARCHERS, "draws", searcher)
    with pytest.raises(InputError, match=rf"^searcher=draws: it breaks the contract .*{says}.*; correct it$"):
        search(make_searcher("draws", PROBLEM), _height)


def test_more_samples_than_asked_for_are_refused(register: Register) -> None:
    def more(self: Any) -> Proposal:
        self.problem = replace(self.problem, samples=99)
        return Draws.propose(self)

    register(SEARCHERS, "draws", _doing(propose=more))
    with pytest.raises(InputError, match="more than the 4 samples asked for"):
        search(make_searcher("draws", PROBLEM), _height)


@pytest.mark.parametrize(
    ("methods", "says"),
    [
        ({"propose": _raise(AwaitingResults("of what?"))}, "needs no results, and awaits some"),
        ({"propose": lambda self: replace(Draws.propose(self), budget=0)}, "proposes the budget 0, not the last one"),
    ],
)
def test_a_searcher_that_is_asked_ahead_is_held_to_it(register: Register, methods: dict[str, Any], says: str) -> None:
    register(SEARCHERS, "draws", _doing(needs_no_results=True, **methods))
    with pytest.raises(InputError, match=says):
        make_searcher("draws", PROBLEM).propose()


@pytest.mark.parametrize(
    ("method", "value", "says"),
    [
        ("degenerate", 3, "its degenerate gives a int, not a line of text"),
        ("caution", ["slow"], "its caution gives a list, not a line of text"),
        ("expected_seconds", -1.0, "it expects to take -1.0 seconds"),
        ("expected_seconds", math.nan, "it expects to take nan seconds"),
    ],
)
def test_what_a_searcher_says_beforehand_is_checked(register: Register, method: str, value: Any, says: str) -> None:
    register(SEARCHERS, "draws", _doing(**{method: classmethod(lambda cls, problem: value)}))
    with pytest.raises(InputError, match=says):
        getattr(find("draws"), method)(PROBLEM)


def test_what_a_searcher_says_is_passed_on_in_one_line(register: Register) -> None:
    said = {"degenerate": classmethod(lambda cls, problem: "few\nsamples"), "drives": "a library"}
    register(SEARCHERS, "draws", _doing(**said))
    searcher = find("draws")
    assert searcher.degenerate(PROBLEM) == "few samples"
    assert (searcher.caution(PROBLEM), searcher.expected_seconds(PROBLEM)) == (None, None)
    assert (searcher.name, searcher.drives, searcher.wants_budgets) == ("draws", "a library", False)


def test_an_array_that_a_searcher_goes_on_working_in_does_not_change_what_is_recorded(register: Register) -> None:
    class InPlace(Draws):
        def __init__(self, problem: Problem) -> None:
            super().__init__(problem)
            self._place = np.zeros(len(problem.names))

        def propose(self) -> Proposal:
            proposal = super().propose()
            self._place[:] = proposal.parameters
            return replace(proposal, parameters=self._place)

    register(SEARCHERS, "draws", InPlace)
    trials = search(make_searcher("draws", PROBLEM), _height)
    expected = search(Draws(PROBLEM), _height)
    assert [trial.parameters.tolist() for trial in trials] == [trial.parameters.tolist() for trial in expected]
    assert [trial.srcc for trial in trials] == [trial.srcc for trial in expected]


def test_a_searcher_is_told_of_its_own_proposals(register: Register) -> None:
    made: list[Proposal] = []
    told: list[Proposal] = []

    class Keeping(Draws):
        def propose(self) -> Proposal:
            made.append(super().propose())
            return made[-1]

        def observe(self, proposal: Proposal, srcc: float) -> None:
            told.append(proposal)

    register(SEARCHERS, "draws", Keeping)
    search(make_searcher("draws", PROBLEM), _height)
    assert [id(proposal) for proposal in told] == [id(proposal) for proposal in made]


def test_details_of_a_searcher_are_kept_as_they_are_at_the_end(register: Register) -> None:
    def observe(self: Any, proposal: Proposal, srcc: float) -> None:
        self.details = {"last": proposal.trial_id}
        self.repeatable = False

    register(SEARCHERS, "draws", _doing(observe=observe))
    searcher = make_searcher("draws", PROBLEM)
    search(searcher, _height)
    assert searcher.details == {"last": "4"}
    assert not searcher.repeatable


def test_a_search_that_stops_early_says_so(register: Register) -> None:
    def propose(self: Any) -> Proposal:
        if self._next == 2:
            raise SearchExhausted("enough")
        return Draws.propose(self)

    register(SEARCHERS, "draws", _doing(propose=propose))
    searcher = make_searcher("draws", PROBLEM)
    assert len(search(searcher, _height)) == 2
    assert searcher.details == {"stopped_early": "the searcher had no configuration left after 2 samples"}


def _table(*, dataset: str = "made", better: Any = "higher", **changes: Any) -> PairTable:
    """Four pairs of two references; `changes` are of the second pair."""
    folder = Path.cwd()
    pairs = [
        Pair(
            folder / f"{r}.png",
            folder / f"{r}-{level}.png",
            str(r),
            "noise",
            level=level,
            score=-float(level),
            quality=-float(level),
        )
        for r in range(2)
        for level in (1, 2)
    ]
    pairs[1] = replace(pairs[1], **changes)
    return PairTable(dataset, tuple(pairs), "labels", "", better=better)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (lambda: _table(dataset="another"), "its table is of 'another'"),
        (lambda: _table(better="lowest"), "better is 'lowest', not one of higher, lower"),
        (lambda: _table(better="lower"), "is not its score, oriented by better = lower"),
        (lambda: replace(_table(), label=_NOTHING), "its label and label_sha256 are not text"),
        (lambda: replace(_table(), pairs=_table().pairs[:2]), "2 pairs, and a rank correlation needs at least 3"),
        (lambda: replace(_table(), pairs=(_NOTHING,) * 3), "its table contains a NoneType, not a Pair"),
        (lambda: _table(distorted=Path("0-2.png")), "0-2.png is no absolute path"),
        (lambda: _table(distorted="/0-2.png"), "/0-2.png is no absolute path"),
        (lambda: _table(score=math.inf, quality=math.inf), "is inf, not a finite number"),
        (lambda: _table(quality=None), "TypeError"),
        (lambda: _table(reference=Path.cwd() / "2.png"), "two references are called '0'"),
        (lambda: _table(reference_id="2"), r"0.png is called '0' and '2'"),
        (
            lambda: replace(_table(), pairs=tuple(replace(pair, score=1.0, quality=1.0) for pair in _table().pairs)),
            "every score is 1, and scores that do not differ cannot be predicted",
        ),
    ],
)
def test_a_table_that_cannot_be_tuned_on_is_told_in_a_line(
    register: Register, table: Callable[[], Any], says: str
) -> None:
    register(
        DATASETS,
        "made",
        Adapter(
            DatasetInfo(name="made", description="", pairs=None, references=None, source="", labels=()),
            lambda options: table(),
        ),
    )
    with pytest.raises(InputError, match=rf"^dataset=made: it breaks the contract of a dataset .*{says}"):
        load_pairs(DataOptions(dataset="made"))


class _Maps(nn.Module):
    def forward(self, images: Tensor) -> list[Tensor]:
        return [images, images[:, :1]]


class _NoMaps(nn.Module):
    def forward(self, images: Tensor) -> list[Tensor]:
        return []


_SOUND = Cnn(_Maps(), (3, 1), IMAGENET_MEAN, IMAGENET_STD)


def build_sound(info: BackboneInfo, weights: str, seed: int) -> Any:
    return _SOUND


def build_colourless(info: BackboneInfo, weights: str, seed: int) -> Any:
    return replace(_SOUND, mean=_NOTHING)


def build_black(info: BackboneInfo, weights: str, seed: int) -> Any:
    return replace(_SOUND, std=(0.5, 0.5, 0.0))


def build_without_maps(info: BackboneInfo, weights: str, seed: int) -> Any:
    return replace(_SOUND, network=_NoMaps(), channels=())


def build_bare(info: BackboneInfo, weights: str, seed: int) -> Any:
    return _Maps()


def _backbone(builder: Callable[..., Any], **changes: Any) -> BackboneInfo:
    return BackboneInfo(
        name="made", description="", builder=f"{builder.__module__}:{builder.__name__}", model="", **changes
    )


@pytest.mark.parametrize(
    ("info", "says"),
    [
        (_backbone(build_sound, channels=(3, 2)), r"maps of \(3, 1\) channels, not of \(3, 2\)"),
        (_backbone(build_colourless), "mean None and std"),
        (_backbone(build_black), r"std \(0.5, 0.5, 0.0\) are not three numbers each, those of std above 0"),
        (_backbone(build_without_maps), r"gives maps of \(\) channels, not of \(\)"),
        (_backbone(build_bare), "gives a _Maps, not an iqatune.backbones.sources.Cnn"),
    ],
)
def test_a_cnn_that_is_none_is_told_in_a_line(register: Register, info: BackboneInfo, says: str) -> None:
    register(BACKBONES, "made", info)
    with pytest.raises(InputError, match=rf"^backbone=made: it breaks the contract of a backbone .*({says})"):
        build_backbone("made", "random")


def test_a_sound_cnn_is_built(register: Register) -> None:
    register(BACKBONES, "made", _backbone(build_sound, channels=(3, 1)))
    assert build_backbone("made", "random").channels == (3, 3, 1)


def _baseline(**changes: Any) -> Baseline:
    described = {"description": "a difference", "package": "iqatune", "module": "iqatune", "build": lambda: _difference}
    return Baseline(**{"name": "made", **described, **changes})


def _difference(reference: Tensor, distorted: Tensor) -> float:
    return float((reference - distorted).abs().mean())


@pytest.fixture
def images(tmp_path: Path) -> PairTable:
    """Three pairs of flat images."""
    for grey in range(4):
        Image.fromarray(np.full((8, 9, 3), 40 * grey, np.uint8)).save(tmp_path / f"{grey}.png")
    pairs = [
        Pair(
            tmp_path / "0.png",
            tmp_path / f"{level}.png",
            "0",
            "brighter",
            level=level,
            score=-float(level),
            quality=-float(level),
        )
        for level in range(1, 4)
    ]
    return PairTable("made", tuple(pairs), "labels", "", better="higher")


def _scores(table: PairTable, folder: Path) -> Floats:
    where = Cache(folder)
    return baseline_scores("made", table, resize=None, device="cpu", cache=where, progress=Progress()).scores


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"build": _raise(OSError("no weights"))}, "OSError: no weights"),
        ({"build": lambda: _raise(KeyError("luma"))}, "KeyError: 'luma'"),
        ({"build": lambda: lambda reference, distorted: math.nan}, "its number for two images is nan"),
        ({"build": lambda: lambda reference, distorted: torch.ones(2)}, "ValueError|RuntimeError"),
    ],
)
def test_a_baseline_that_breaks_its_contract_is_told_in_a_line(
    register: Register, images: PairTable, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    register(BASELINES, "made", _baseline(**changes))
    with pytest.raises(InputError, match=rf"^baseline=made: it breaks the contract of a baseline .*({says})"):
        _scores(images, tmp_path / "cache")


@pytest.mark.parametrize("module", ["not_there", "not.there", "iqatune.not_there"])
def test_a_baseline_whose_module_is_absent_says_what_to_install(register: Register, module: str) -> None:
    register(BASELINES, "made", _baseline(module=module, package="a-package"))
    with pytest.raises(InputError, match=f"^baseline=made: needs {module}; install a-package$"):
        find_baseline("made")


@pytest.mark.parametrize(
    ("registry", "item", "says"),
    [
        (SEARCHERS, Draws(PROBLEM), "not a class derived from"),
        (SEARCHERS, Searcher, "it lacks observe, propose"),
        (SEARCHERS, type("Unnamed", (Draws,), {"name": "draws"}), "it calls itself 'draws'"),
        (SEARCHERS, type("Speechless", (Draws,), {"name": "made", "description": None}), "its description is no text"),
        (DATASETS, "csv", "a str, not an iqatune.datasets.adapter.Adapter"),
        (DATASETS, Adapter(_NOTHING, _NOTHING), "its info is a NoneType"),
        (
            DATASETS,
            Adapter(
                DatasetInfo(name="x", description="", pairs=None, references=None, source="", labels=()), load_pairs
            ),
            "it calls itself 'x'",
        ),
        (
            DATASETS,
            Adapter(
                DatasetInfo(name="made", description="", pairs=1, references=1, source=_NOTHING, labels=()), load_pairs
            ),
            "its source are not text",
        ),
        (
            DATASETS,
            Adapter(
                DatasetInfo(name="made", description="", pairs=1, references=1, source="", labels=_NOTHING), load_pairs
            ),
            "its labels are a NoneType",
        ),
        (
            DATASETS,
            Adapter(
                DatasetInfo(name="made", description="", pairs=None, references=None, source="", labels=()), _NOTHING
            ),
            "its load cannot be called",
        ),
        (BACKBONES, Draws, "not an iqatune.backbones.zoo.BackboneInfo"),
        (BACKBONES, replace(_backbone(build_sound), name="x"), "it calls itself 'x'"),
        (BACKBONES, replace(_backbone(build_sound), builder="module"), "its builder 'module' is not 'module:function'"),
        (BACKBONES, replace(_backbone(build_sound), builder=_NOTHING), "its builder 'None' is not"),
        (BACKBONES, replace(_backbone(build_sound), description=_NOTHING), "its description is a NoneType"),
        (BASELINES, _difference, "a function, not an iqatune.scoring.baselines.Baseline"),
        (BASELINES, _baseline(name="x"), "it calls itself 'x'"),
        (BASELINES, _baseline(module=""), "its description, its package and its module are not text"),
        (BASELINES, _baseline(minimum_size=0), "its minimum_size is 0, not a number of pixels"),
        (BASELINES, _baseline(build=None), "its build cannot be called"),
    ],
)
def test_what_is_none_of_a_kind_is_not_registered(registry: Registry[Any], item: Any, says: str) -> None:
    with pytest.raises(InputError, match=f"{registry.kind}=made: not a {registry.kind} .*{says}"):
        registry.register("made", item)
    assert "made" not in registry.names()


def test_a_name_is_registered_once(register: Register) -> None:
    register(SEARCHERS, "draws", Draws)
    for name in ("draws", "random"):
        with pytest.raises(InputError, match=f"searcher={name}: there is one of this name already"):
            SEARCHERS.register(name, Draws)


def test_what_is_registered_is_found_until_it_is_taken_away() -> None:
    SEARCHERS.register("draws", Draws)
    assert SEARCHERS.find("draws") is Draws
    assert SEARCHERS.plugin("draws") is None
    assert "draws" in SEARCHERS.names()
    SEARCHERS.unregister("draws")
    with pytest.raises(InputError, match="searcher=draws: unknown searcher"):
        SEARCHERS.find("draws")
    assert SEARCHERS.origin("draws") == ""


def test_scores_of_other_code_are_not_taken_for_those_of_a_registered_baseline(
    images: PairTable, tmp_path: Path
) -> None:
    found = []
    for factor in (1.0, 2.0):
        build = _scaled(factor)
        BASELINES.register("made", _baseline(build=build))
        found.append(_scores(images, tmp_path / "cache"))
        np.testing.assert_array_equal(_scores(images, tmp_path / "cache"), found[-1])
        BASELINES.unregister("made")
    np.testing.assert_allclose(found[1], 2 * found[0])


def _scaled(factor: float) -> Callable[[], Any]:
    return lambda: lambda reference, distorted: factor * _difference(reference, distorted)


def test_a_registered_backbone_is_not_taken_for_the_one_before(tmp_path: Path) -> None:
    memo = tmp_path / "backbones.json"
    for builder in (build_sound, build_colourless):
        BACKBONES.register("made", _backbone(builder))
        assert recall("made", "random", "native", memo=memo, progress=Progress()) is None
        if builder is build_sound:
            remember(
                build_backbone("made", "random").identity, "made", "random", "native", memo=memo, progress=Progress()
            )
            assert recall("made", "random", "native", memo=memo, progress=Progress()) is not None
        BACKBONES.unregister("made")
