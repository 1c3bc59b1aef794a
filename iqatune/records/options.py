"""What is asked for: the options of a search, in the parts that other work takes as well."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from iqatune.errors import InputError, did_you_mean
from iqatune.records.base import Model, PathText
from iqatune.records.documents import what_is_wrong
from iqatune.records.prior import DEFAULT_PRIOR, canonical
from iqatune.records.view import MOST, PLAIN, View, fronted
from iqatune.records.view import canonical as canonical_view
from iqatune.records.vocabulary import (
    C1,
    C2,
    COLUMNS,
    PRETRAINED,
    RANDOM,
    TEXTURES,
    Better,
    Engine,
    ObjectiveName,
    Pooling,
    Precision,
    Split,
    Stop,
    Structure,
)

Number = TypeVar("Number", int, float)

SAMPLES = 50
MOST_SAMPLES = 1000
"""How many samples a search tries, and how many at most where a rule stops it, if nothing is said."""


def _number(fits: Callable[[Number], bool], otherwise: str) -> AfterValidator:
    """A bound of an option, and what is said beyond it."""

    def checked(value: Number) -> Number:
        if not fits(value):
            raise ValueError(otherwise)
        return value

    return AfterValidator(checked)


class Options(Model):
    """Options that a wider set may hold among others."""

    @classmethod
    def of(cls, options: "Options | Mapping[str, Any]") -> Self:
        """These options, taken from a wider set of them."""
        values = options if isinstance(options, Mapping) else dict(options)
        return cls(**{name: values[name] for name in cls.model_fields})

    @classmethod
    def parsed(cls, values: Mapping[str, Any]) -> Self:
        """These options from what a user gave.

        Raises:
            InputError: in one line, for an option that there is none of, one that is missing, or a value of another
                kind than it takes.
        """
        for name in values:
            if name not in cls.names():
                raise InputError(f"`{name}`: no such option; {did_you_mean(name, cls.names())}")
        try:
            return cls(**cls.collected(values))
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            if first["type"] == "missing":
                raise InputError(f"`{name}`: needed; give one") from error
            raise InputError(f"`{name}` {first['input']}: {what_is_wrong(first)}") from error

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """What a user may give."""
        return tuple(cls.model_fields)

    @classmethod
    def collected(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that given values come to.

        Raises:
            InputError: for values that do not go together.
        """
        return dict(values)


def _names(value: Any) -> Any:
    """Names, one by one or with commas between them: each stripped, in lower case as columns are read."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        return given
    return tuple(dict.fromkeys(name.strip().lower() for names in given for name in names.split(",") if name.strip()))


def _with_tuples(value: Any) -> Any:
    """The same with a tuple for every list in it."""
    if isinstance(value, list | tuple):
        return tuple(map(_with_tuples, value))
    return {name: _with_tuples(each) for name, each in value.items()} if isinstance(value, dict) else value


class OneSet(Options):
    """The pairs of one data set: its options as given."""

    dataset: str
    data_root: PathText | None = None
    pairs: PathText | None = None
    better: Better | None = None
    label: str | None = None
    exclude: tuple[str, ...] = ()
    allow_missing: bool = False
    raters: bool = False


class WeightedSet(OneSet):
    """One of several data sets that are tuned on together."""

    weight: Annotated[float, _number(lambda value: 0 < value < math.inf, "give a weight above 0")] = 1.0


class DataOptions(OneSet):
    """Which pairs: of one data set, or of several, whose options are then each set's own."""

    # after all that there is of one set: a record of one set is written as it always was, and then these
    features: PathText | None = None
    feature_columns: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()
    datasets: tuple[WeightedSet, ...] = Field(
        default=(), description="where there are several data sets, the options of each; `dataset` is then their names"
    )
    split_column: str | None = Field(
        default=None, description="column of the pairs or features file that says which pairs are held out together"
    )

    @model_validator(mode="before")
    @classmethod
    def _goes_without_saying(cls, values: Any) -> Any:
        """A features file is a CSV of pairs."""
        if not isinstance(values, dict):
            return values
        # this validator hands the fields JSON's lists as Python's, of which no tuple could be made strictly
        given: dict[str, Any] = _with_tuples(values)
        if given.get("features") is not None and given.get("dataset") is None:
            given["dataset"] = PAIRS_SET
        return given

    @model_validator(mode="after")
    def _named_by_all(self) -> Self:
        if self.datasets and self.dataset != JOINED.join(each.dataset for each in self.datasets):
            raise ValueError("dataset must be the names of all datasets")
        return self

    def moved(self, data_root: Sequence[str] = (), pairs: Sequence[str] = ()) -> Self:
        """The same with the files where they are now, each given as for a search.

        Raises:
            InputError: for a data set that is none of these.
        """
        given = {name: list(value) for name, value in (("data_root", data_root), ("pairs", pairs)) if value}
        return type(self)(**by_set({**dict(self), **given})) if given else self

    @property
    def sets(self) -> "tuple[DataOptions, ...]":
        """The options of every data set, each by itself."""
        if not self.datasets:
            return (self,)
        own = [{name: getattr(each, name) for name in OneSet.model_fields} for each in self.datasets]
        return tuple(DataOptions(**options) for options in own)

    @property
    def weights(self) -> dict[str, float]:
        """The share of every data set in the objective, by its name; together 1. Empty for one set."""
        total = math.fsum(each.weight for each in self.datasets)
        return {each.dataset: each.weight / total for each in self.datasets}

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return (*cls.model_fields, "dataset_weight")

    @classmethod
    def collected(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        return by_set(values)


JOINED = "+"
"""Between the names of several data sets, where they are one word."""

OF_EACH = ("data_root", "label", "exclude", "dataset_weight", "pairs", "better")
"""What is said of one of several data sets, as NAME=VALUE; the last two are of the only set that has them."""

PAIRS_SET = "csv"
"""The data set that is a file of the user's own, which `pairs` and `better` are of."""


def by_set(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options in which `dataset` may be several names, and what is said of each NAME=VALUE or a mapping, as fields.

    Raises:
        InputError: for a name that is given twice, or is none of them, and for a value without a name.
    """
    found = {name: value for name, value in values.items() if name != "dataset_weight"}
    given = values.get("dataset")
    every = list(given) if isinstance(given, list | tuple) else [] if given is None else [given]
    if not every and any(values.get(name) is not None for name in ("features", "pairs")):
        every = [PAIRS_SET]  # it goes without saying
    names = [name for name in every if isinstance(name, str)]
    if not names or len(names) < len(every):
        # nothing, or no names: the model says what is wrong
        return found if every else {name: value for name, value in found.items() if name != "dataset"}
    if len(names) > 1 and values.get("features") is not None:
        raise InputError(f"`features` {values['features']}: contains pairs and scores of its own; leave out `dataset`")
    doubled = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if doubled is not None:
        raise InputError(f"`dataset` {doubled}: given twice; each data set can be tuned on once")
    if found.get("datasets"):
        return _moved(found, values)
    said = {option: _said(option, values.get(option), names) for option in OF_EACH}
    if len(names) == 1:
        if said["dataset_weight"]:
            raise InputError("`dataset_weight`: only possible with several data sets; name more, or leave it out")
        found["dataset"] = names[0]
        for option in OF_EACH:
            if option in found:
                found[option] = _of_one(option, said[option].get(names[0], []))
        return found
    shared = {name: found[name] for name in ("allow_missing", "raters") if name in found}
    weights = said["dataset_weight"]
    found["datasets"] = tuple(
        {
            "dataset": name,
            **shared,
            **{option: _of_one(option, said[option][name]) for option in OF_EACH[:3] if name in said[option]},
            **({"weight": _weight(_of_one("dataset_weight", weights[name]))} if name in weights else {}),
            **{option: _of_one(option, said[option].get(name, [])) for option in OF_EACH[4:]},
        }
        for name in names
    )
    return {**{name: value for name, value in found.items() if name not in OF_EACH}, "dataset": JOINED.join(names)}


def _moved(found: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Options of several sets that are fields already, with others in the place of some."""
    sets = [dict(each) for each in found["datasets"]]
    names = [each["dataset"] for each in sets]
    for option, field in (("data_root", "data_root"), ("pairs", "pairs"), ("dataset_weight", "weight")):
        said = _said(option, values.get(option), names)
        for each in sets:
            if each["dataset"] in said:
                each[field] = _of_one(option, said[each["dataset"]])
    return {**found, "datasets": tuple(sets), "data_root": None, "pairs": None}


def _said(option: str, value: Any, names: Sequence[str]) -> dict[str, list[Any]]:
    """What is said of every data set by one option."""
    if isinstance(value, Mapping):
        parts = list(value.items())
    else:
        several = value if isinstance(value, list | tuple) else [] if value is None else [value]
        parts = [_name_and_value(option, each, names) for each in several]
    found: dict[str, list[Any]] = {}
    for name, each in parts:
        if name not in names:
            raise InputError(f"`{option}` {name}={each}: no `dataset` is {name}; {did_you_mean(str(name), names)}")
        found.setdefault(name, []).append(each)
    return found


def _name_and_value(option: str, value: Any, names: Sequence[str]) -> tuple[str, Any]:
    name, equals, rest = str(value).partition("=")
    if equals and name in names:
        return name, rest
    if len(names) == 1:
        return names[0], value
    if option in ("pairs", "better"):
        return PAIRS_SET, value
    if option == "dataset_weight" and equals:
        return name, rest
    raise InputError(f"`{option}` {value}: of which data set? With several of them write {names[0]}={value}")


def _of_one(option: str, values: Sequence[Any]) -> Any:
    if option == "exclude":
        return tuple(part for value in values for part in (value if isinstance(value, list | tuple) else [value]))
    if len(values) > 1:
        raise InputError(f"`{option}` {values[-1]}: given twice for one data set; keep one")
    return values[0] if values else None


def _weight(value: Any) -> float:
    try:
        weight = float(value)
    except (TypeError, ValueError):
        raise InputError(f"`dataset_weight` {value}: not a number; give a weight above 0") from None
    if not 0 < weight < math.inf:
        raise InputError(f"`dataset_weight` {value}: give a weight above 0")
    return weight


def _views(value: Any) -> Any:
    """One view is a list of one."""
    return (value,) if isinstance(value, str) else value


def _two(views: tuple[str, ...]) -> tuple[str, ...]:
    """A metric has two branches, which are not the same."""
    if len(views) > MOST:
        raise ValueError(f"a metric has {MOST} views; leave {views[-1]} out")
    if len(set(views)) < len(views):
        raise ValueError(f"given twice; name another view, or {views[0]} alone for it beside the backbone as it is")
    return views


class BackboneOptions(Options):
    """Which features: the backbone's options as given."""

    backbone: str
    backbone_weights: PathText = "pretrained"
    pooling: Pooling = "auto"
    resize: Annotated[int, Field(ge=1)] | None = 256
    precision: Precision = "fp32"
    device: str = "auto"
    view: Annotated[
        tuple[Annotated[str, AfterValidator(canonical_view)], ...], BeforeValidator(_views), AfterValidator(_two)
    ] = Field(default=(), description="two ways to see each image; of a single one the other is the backbone as it is")

    @property
    def branches(self) -> "tuple[Branch, ...]":
        """What the views come to, two of them; none where there are no views."""
        if not self.view:
            return ()
        named = self.view if len(self.view) > 1 else (PLAIN, *self.view)
        return tuple(self._branch(view) for view in named)

    def with_weights(self, given: str) -> Self:
        """The same with the parameters where they are now.

        Args:
            given: a file of the backbone's, or NAME=FILE of each of several backbones with a comma between them.
        """
        views = [View.of(view) for view in self.view]
        named = dict(part.partition("=")[::2] for part in given.split(","))
        if not named.keys() <= {self.backbone, *(view.backbone for view in views)} or not all(named.values()):
            return self.model_copy(update={"backbone_weights": given})
        moved = [str(replace(view, weights=named.get(view.backbone or "", view.weights))) for view in views]
        weights = named.get(self.backbone, self.backbone_weights)
        return self.model_copy(update={"backbone_weights": weights, "view": tuple(moved)})

    def _branch(self, name: str) -> "Branch":
        plain = self.model_copy(update={"view": ()})
        if name == PLAIN:
            return Branch(name, plain)
        view = View.of(name)
        if view.front is not None:
            return Branch(name, plain.model_copy(update={"backbone": fronted(plain.backbone, view.front)}))
        if view.backbone is None:
            return Branch(name, plain, view.stages)
        # a file is of the run's own backbone
        others = plain.backbone_weights if plain.backbone_weights in (PRETRAINED, RANDOM) else PRETRAINED
        weights = {"backbone": view.backbone, "backbone_weights": view.weights or others}
        return Branch(name, plain.model_copy(update=weights))


@dataclass(frozen=True)
class Branch:
    """One of two ways to see an image.

    Attributes:
        view: as given; "plain" for the one beside the only view.
        backbone: what sees it.
        stages: the first and the last that are taken; None for all.
    """

    view: str
    backbone: BackboneOptions
    stages: tuple[int, int] | None = None


def _numbers(value: Any) -> Any:
    """Numbers, one by one or with commas between them."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        return given
    return tuple(
        number
        for each in given
        for number in ((part.strip() for part in each.split(",")) if isinstance(each, str) else (each,))
    )


def _costs(values: tuple[float, ...]) -> tuple[float, ...]:
    if not all(0 <= value < math.inf for value in values):
        raise ValueError("give a number of 0 or more for each stage, the image's first")
    return values


class Run(DataOptions, BackboneOptions):
    """One search: every option as given. Where `features` are in the place of a backbone, its name is empty.

    Example:
        >>> Run(dataset="demo", backbone="squeezenet", searcher="random").samples
        50
    """

    # without the example, which is for Python
    model_config = ConfigDict(json_schema_extra={"description": "One search: every option as given."})

    backbone: str = ""
    searcher: str
    stop: Stop | None = None
    samples: Annotated[int, _number(lambda value: value >= 1, "a search needs at least one sample")] = Field(
        # a JSON Schema knows no default that follows from another key
        default_factory=lambda given: SAMPLES if given.get("stop") is None else MOST_SAMPLES,
        json_schema_extra={"default": SAMPLES},
        description="configurations to try; at most, where `stop` may end the search before",
    )
    space: str = "stage"
    prior: Annotated[str, AfterValidator(canonical)] = Field(
        default=DEFAULT_PRIOR, description="a record without one is of cube, which was the only one"
    )
    objective: ObjectiveName = "srcc"
    seed: Annotated[int, _number(lambda value: value >= 0, "must be 0 or more")] = 0
    folds: Annotated[int, _number(lambda value: value == 0 or value > 1, "give 0 for none, or 2 and more")] = 5
    structure: Structure = "covariance"
    c1: Annotated[float, _number(lambda value: value > 0, "give a number above 0, as 1e-6")] = C1
    c2: Annotated[float, _number(lambda value: value > 0, "give a number above 0, as 1e-6")] = C2
    penalty: Annotated[float, _number(lambda value: 0 <= value < math.inf, "give 0 or more")] = Field(
        default=0.0, description="of a fit: what a unit of weight costs, for each unit of its stage's cost"
    )
    stage_costs: Annotated[tuple[float, ...], AfterValidator(_costs), BeforeValidator(_numbers)] = Field(
        default=(), description="what computing each stage costs beyond those before it, as `penalty` counts it"
    )
    last_stage: Annotated[int, _number(lambda value: value >= 0, "give a stage's number, 0 for the image")] | None = (
        Field(default=None, description="of a fit: stages after this one have no weight")
    )
    leave_one_set_out: bool = False
    leave_one_distortion_out: bool = False
    engine: Engine = "local"
    address: str | None = None
    concurrency: Annotated[int, _number(lambda value: value >= 1, "must be 1 or more")] = 1
    textures: PathText | None = Field(
        default=None, description=f"folder of textures, or {TEXTURES}; {TEXTURES} with a `texture_weight` alone"
    )
    texture_weight: Annotated[float, _number(lambda value: 0 <= value < math.inf, "give 0 or more, as 0.3")] = Field(
        default=0.0, description="W: the objective less W times the texture tolerance is maximised"
    )

    @model_validator(mode="before")
    @classmethod
    def _usual_textures(cls, values: Any) -> Any:
        """The textures that were not named, where there is a weight for them."""
        if not isinstance(values, dict) or values.get("textures") is not None:
            return values
        weight = values.get("texture_weight")
        return {**values, "textures": TEXTURES} if isinstance(weight, int | float) and weight > 0 else values

    @model_validator(mode="before")
    @classmethod
    def _space_of_features(cls, values: Any) -> Any:
        """The space that was not named: `columns` of features, else the usual one."""
        if not isinstance(values, dict) or values.get("space") is not None:
            return values
        rest = {name: value for name, value in values.items() if name != "space"}
        return rest if rest.get("features") is None else {**rest, "space": COLUMNS}

    unlabelled: PathText | None = Field(
        default=None, description="a folder of images without scores, for a searcher that makes use of them"
    )

    @property
    def split(self) -> Split:
        """What the folds hold out together."""
        if self.leave_one_set_out:
            return "sets"
        if self.leave_one_distortion_out:
            return "distortions"
        return "column" if self.split_column is not None else "references"
