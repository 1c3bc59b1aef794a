"""What is asked for: the options of a search, in the parts that other work takes as well."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from iqatune.errors import InputError, did_you_mean
from iqatune.records.base import Model, PathText
from iqatune.records.documents import what_is_wrong
from iqatune.records.prior import DEFAULT_PRIOR, canonical
from iqatune.records.vocabulary import (
    C1,
    C2,
    COLUMNS,
    Better,
    Engine,
    ObjectiveName,
    Pooling,
    Precision,
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
            if name not in cls.model_fields:
                raise InputError(f"`{name}`: no such option; {did_you_mean(name, cls.model_fields)}")
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            if first["type"] == "missing":
                raise InputError(f"`{name}`: needed; give one") from error
            raise InputError(f"`{name}` {first['input']}: {what_is_wrong(first)}") from error


def _names(value: Any) -> Any:
    """Names, one by one or with commas between them: each stripped, in lower case as columns are read."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        return given
    return tuple(dict.fromkeys(name.strip().lower() for names in given for name in names.split(",") if name.strip()))


class DataOptions(Options):
    """Which pairs: the data set's options as given."""

    dataset: str
    data_root: PathText | None = None
    pairs: PathText | None = None
    better: Better | None = None
    label: str | None = None
    exclude: tuple[str, ...] = ()
    allow_missing: bool = False
    raters: bool = False
    features: PathText | None = None
    feature_columns: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()

    @model_validator(mode="before")
    @classmethod
    def _goes_without_saying(cls, values: Any) -> Any:
        """A features file is a CSV of pairs."""
        if not isinstance(values, dict):
            return values
        # this validator hands the fields JSON's lists as Python's, of which no tuple could be made strictly
        given = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        if given.get("features") is not None and given.get("dataset") is None:
            given["dataset"] = "csv"
        return given


class BackboneOptions(Options):
    """Which features: the backbone's options as given."""

    backbone: str
    backbone_weights: PathText = "pretrained"
    pooling: Pooling = "auto"
    resize: Annotated[int, Field(ge=1)] | None = 256
    precision: Precision = "fp32"
    device: str = "auto"


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
    engine: Engine = "local"
    address: str | None = None
    concurrency: Annotated[int, _number(lambda value: value >= 1, "must be 1 or more")] = 1

    @model_validator(mode="before")
    @classmethod
    def _space_of_features(cls, values: Any) -> Any:
        """The space that was not named: `columns` of features, else the usual one."""
        if not isinstance(values, dict) or values.get("space") is not None:
            return values
        rest = {name: value for name, value in values.items() if name != "space"}
        return rest if rest.get("features") is None else {**rest, "space": COLUMNS}
