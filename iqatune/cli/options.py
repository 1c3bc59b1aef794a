"""The options that verbs share: every one also comes from `--config FILE.yaml` or an IQATUNE_* variable.

A group of options that one model holds is handed to its verb as that model; choices and defaults are the model's own.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin

import click
from click.core import ParameterSource
from pydantic.fields import FieldInfo

from iqatune.cli.completion import completion_of
from iqatune.datasets.numbers import number, whole_number
from iqatune.errors import InputError, did_you_mean
from iqatune.records.fusion import FuseOptions
from iqatune.records.options import MOST_SAMPLES, SAMPLES, BackboneOptions, DataOptions, Options, Run
from iqatune.runtime.files import expand_home
from iqatune.runtime.yaml_files import read_yaml

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]

ANSWER_IS_NO = 1
"""The exit code of a verb that did its work, and whose answer is no."""

DEVICES = "auto|cpu|cuda|cuda:N"


def option(name: str, *declarations: str, **settings: Any) -> Decorator[Any]:
    """`click.option` that also reads the variable IQATUNE_<NAME>, shows its default, and completes its values."""
    variable = "IQATUNE_" + name.removeprefix("--").split("/")[0].replace("-", "_").upper()
    return click.option(
        name,
        *declarations,
        envvar=variable,
        **{"show_default": True, "shell_complete": completion_of(name), **settings},
    )


def option_of(model: type[Options], name: str, **settings: Any) -> Decorator[Any]:
    """The option that sets a field of a model: with the field's choices and default, and required where it has none."""
    field = model.model_fields[name.removeprefix("--").replace("-", "_")]
    choices = _choices(field.annotation)
    found: dict[str, Any] = {} if choices is None else {"type": click.Choice(choices)}
    if field.is_required():
        found["required"] = True
    elif field.annotation is bool:
        found["is_flag"] = True
    elif get_origin(field.annotation) is tuple:
        found["multiple"] = True
    else:
        found["default"] = field.default
        if isinstance(field.default, int):
            found["type"] = Whole()
        elif isinstance(field.default, float):
            found["type"] = Decimal()
    return option(name, **{**found, **settings})


def handed_over(
    model: type[Options], keyword: str, *options: Decorator[Any], unless: Sequence[str] = ()
) -> Decorator[Any]:
    """Options of which those that the model has come as that model, under `keyword`; others come by themselves.

    Args:
        unless: None is handed over where none of these is given.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_model(*arguments: Any, **values: Any) -> Any:
            given = {name: values.pop(name) for name in model.names() if name in values}
            is_left_out = bool(unless) and all(given[name] in (None, ()) for name in unless)
            return command(*arguments, **{keyword: None if is_left_out else _made(model, given)}, **values)

        decorated: Command = together(*options)(with_model)
        return decorated

    return decorate


def together(*decorators: Decorator[Any]) -> Decorator[Any]:
    """Several options as one decorator, in the order in which help shows them."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def _made(model: type[Options], given: dict[str, Any]) -> Options:
    """The model of the options given: what cannot be None was not given, and has its default, if there is one."""
    fields = model.model_fields
    return model.parsed(
        {name: value for name, value in given.items() if value is not None or _may_be_none(fields[name])}
    )


def _may_be_none(field: FieldInfo) -> bool:
    return type(None) in get_args(field.annotation)


def _choices(annotation: Any) -> list[str] | None:
    """The words of a Literal, or of a Literal that may be None."""
    if get_origin(annotation) is UnionType or type(None) in get_args(annotation):
        found = [choices for part in get_args(annotation) if (choices := _choices(part)) is not None]
        return found[0] if found else None
    return list(get_args(annotation)) if get_origin(annotation) is Literal else None


class Whole(click.ParamType[int]):
    """A whole number that is what it looks like: Python itself reads 5_0 as 50, and digits of every script."""

    name = "integer"

    def __init__(self, minimum: int | None = None) -> None:
        self._minimum = minimum

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; click tells the user where there is none."""
        try:
            number = whole_number(str(value))
        except ValueError:
            self.fail(f"'{value}' is not a whole number", param, ctx)
        if self._minimum is not None and number < self._minimum:
            self.fail(f"{number} is too small; give {self._minimum} or more", param, ctx)
        return number


class OfEachSet(click.ParamType[str]):
    """What is said of one of several data sets, as NAME=VALUE; a variable holds several with a colon between them."""

    name = "text"

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """The values in a variable: a colon, or a semicolon, that NAME= follows parts two; others are of a path."""
        return re.split(r"[:;](?=[\w.-]+=)", rv)


class Decimal(click.ParamType[float]):
    """A number that is what it looks like, as `Whole` is."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; click tells the user where there is none."""
        try:
            return number(str(value))
        except ValueError:
            self.fail(f"'{value}' is not a number", param, ctx)


def short_side(_context: click.Context, _parameter: click.Parameter, value: str) -> int | None:
    """The callback of `--resize`."""
    if value == "none":
        return None
    with suppress(ValueError):
        if (side := whole_number(value)) > 0:
            return side
    raise InputError(f"--resize {value}: give the short side in pixels, as 256, or none")


def _from_config(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    known = dict(_by_long_name(context.command))
    others: dict[str, None] | None = None
    defaults: dict[str, Any] = {}
    content = read_yaml(path, f"--config {path}", "option names and values, as 'backbone: vgg19'")
    for key, value in _of_verb(context, path, content).items():
        name = str(key).replace("_", "-")
        if name not in known:
            others = others or _of_other_verbs(context)  # a file may serve several verbs; all are imported when needed
            if name in others:
                continue
            raise InputError(f"--config {path}: unknown key '{key}'; {did_you_mean(str(key), {**known, **others})}")
        if value is None and known[name].callback is None:
            continue  # nothing was given
        many = value if isinstance(value, list) and known[name].multiple else [value]
        if any(isinstance(item, list | dict) for item in many):
            raise InputError(f"--config {path}: '{key}' takes a value, and this is a list or a mapping; give one")
        texts = [_text(item) for item in many]
        defaults[str(known[name].name)] = texts if known[name].multiple else texts[0]
    context.default_map = {**(context.default_map or {}), **defaults}


def _of_verb(context: click.Context, path: Path, content: Mapping[Any, Any]) -> dict[Any, Any]:
    """What a file says to a verb: what stands in the file itself, and before it what stands under the verb's name."""
    verbs = _verbs(context)
    sections = {str(key): value for key, value in content.items() if key in verbs and isinstance(value, Mapping)}
    empty = next((key for key, value in content.items() if key in verbs and value is None), None)
    if empty is not None:
        raise InputError(f"--config {path}: the section '{empty}' is empty; give options, or leave it out")
    shared = {key: value for key, value in content.items() if key not in sections}
    return {**shared, **sections.get(str(context.info_name), {})}


def _verbs(context: click.Context) -> list[str]:
    root = context.find_root()
    return root.command.list_commands(root) if isinstance(root.command, click.Group) else []


def _of_other_verbs(context: click.Context) -> dict[str, None]:
    """The names of all options of all verbs."""
    root = context.find_root()
    group = root.command
    commands = [group.get_command(root, verb) for verb in _verbs(context)] if isinstance(group, click.Group) else []
    return {name: None for command in commands if command is not None for name, _ in _by_long_name(command)}


def _by_long_name(command: click.Command) -> Iterator[tuple[str, click.Option]]:
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name not in ("config", "debug"):
            for name in parameter.opts:
                yield name.removeprefix("--"), parameter


def _text(value: str | None) -> str:
    """A value as the command line would have it, ~ the user's own folder."""
    return "none" if value is None else expand_home(value)


def refuse_without(needed: str, names: Sequence[str]) -> None:
    """Refuse options of the command line that mean nothing without another one.

    Args:
        needed: what they need, in words.
        names: of the parameters.

    Raises:
        InputError: naming those that were given.
    """
    context = click.get_current_context()
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in names and context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise InputError(f"{', '.join(given)}: only possible with {needed}")


def refuse_beside(other: str, name: str) -> None:
    """Refuse an option of the command line that says what another one says.

    Args:
        other: the other one, as it is typed.
        name: of the parameter.

    Raises:
        InputError: when it was given.
    """
    if click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE:
        raise InputError(f"`{name}` and {other} both say what is held out; leave one out")


def command_line() -> str:
    """The command line as it was typed, quoted for a shell."""
    typed: str = click.get_current_context().find_root().obj
    return typed


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_from_config,
    envvar="IQATUNE_CONFIG",
    help="YAML file of options (same names), for one verb or several; the command line wins.",
)

debug_option = click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")

quiet_option = option("--quiet", is_flag=True, help="No progress on stderr.")

force_option = option(
    "--force", is_flag=True, help="Accept a record that was changed (its seal is broken), and say so."
)

track_option = option(
    "--track",
    multiple=True,
    metavar="tensorboard|mlflow|wandb",
    help="Report every sample to TensorBoard, MLflow or W&B; may be repeated (docs/running.md).",
)

dry_run_option = option(
    "--dry-run", is_flag=True, help="Say what would be done and how long it takes; compute and write nothing."
)

overwrite_option = option(
    "--force",
    is_flag=True,
    help="Overwrite a file that is there. And take a record that is not what was written (its seal is broken), and say "
    "so.",
)


def refuse_to_overwrite(file: Path, *, force: bool) -> None:
    """Keep a file that is there.

    Raises:
        InputError: without `force`, when it is there.
    """
    if file.exists() and not force:
        raise InputError(f"`output` {file}: exists; give another `output`, or overwrite it with `force`")


json_option = option("--json", "as_json", is_flag=True, help="One JSON object on stdout, nothing else.")


def _set_variable(_context: click.Context, parameter: click.Parameter, value: int | None) -> None:
    """The callback of an option of this process and of those that it starts: it sets its own variable."""
    if value is not None:
        os.environ[str(parameter.envvar)] = str(value)


max_pixels_option = option(
    "--max-pixels",
    type=Whole(1),
    expose_value=False,
    callback=_set_variable,
    help="Largest number of pixels that an image may have  [default: 2^27].",
)

_where_data_options = (
    option_of(
        DataOptions,
        "--data-root",
        multiple=True,
        type=OfEachSet(),
        metavar="DIR|NAME=DIR",
        help="Folder of the data set, as distributed; with several sets one NAME=DIR for each  [default: "
        "$IQATUNE_DATA/<dataset>].",
    ),
    option_of(
        DataOptions,
        "--pairs",
        metavar="FILE.csv",
        help="For --dataset csv: columns reference, distorted, score, or those of pyiqa's meta_info_*.csv.",
    ),
    option_of(
        DataOptions, "--better", help="For --dataset csv: whether a higher or a lower score means better quality."
    ),
    option_of(
        DataOptions,
        "--label",
        multiple=True,
        type=OfEachSet(),
        metavar="FILE|NAME=FILE",
        help="Use this label file of the data set, such as dmos.mat of live; see 'iqatune list datasets'.",
    ),
    option_of(
        DataOptions,
        "--exclude",
        metavar="DISTORTION",
        help="Leave a distortion out; may be repeated. With several sets NAME=DISTORTION.",
    ),
    option_of(
        DataOptions, "--allow-missing", help="Use the pairs whose images exist, and record how many are missing."
    ),
    option_of(
        DataOptions, "--raters", help="Average the rows that name the same pair, such as one row for each rater."
    ),
    option_of(
        DataOptions,
        "--features",
        metavar="FILE.csv",
        help="Figures of other metrics instead of images: columns reference, distorted, score and one for each metric.",
    ),
    option_of(
        DataOptions,
        "--feature-columns",
        metavar="A,B,...",
        help="Use only these columns of --features  [default: all numeric ones].",
    ),
    max_pixels_option,
)
_dataset_option = option_of(
    DataOptions,
    "--dataset",
    required=False,
    multiple=True,
    metavar="NAME",
    help="Data set; see 'iqatune list datasets'. Repeat it to tune on several together  [with --features: csv].",
)

data_options = handed_over(DataOptions, "data", _dataset_option, *_where_data_options)

WHERE_DATA = tuple(name for name in DataOptions.model_fields if name != "dataset")


def optional_data_options(text: str) -> Decorator[Any]:
    """The data set's options, all of which may be left out; then None is handed over.

    Args:
        text: what help says of `--dataset`.
    """
    dataset = option_of(DataOptions, "--dataset", required=False, multiple=True, metavar="NAME", help=text)
    return handed_over(DataOptions, "data", dataset, *_where_data_options, unless=("dataset", "features"))


BACKBONE = "NAME[@TAP,...]"
_BACKBONE = "CNN; see 'iqatune list backbones'. After @ the feature maps to use, such as timm:NAME@2,5,8,11"

weights_option = option_of(
    BackboneOptions,
    "--backbone-weights",
    metavar="pretrained|random|FILE",
    help="The CNN's parameters: downloaded, seeded random ones, or a state dict (.pth, .safetensors).",
)

unlabelled_option = option(
    "--unlabelled", metavar="DIR", help="Where the images without scores are now  [default: as in the search]."
)

moved_weights_option = option(
    "--backbone-weights",
    metavar="FILE|NAME=FILE,...",
    help="Where the CNN's parameters are now; for views of two CNNs NAME=FILE,NAME=FILE  [default: as in the search].",
)

_baseline_options = (
    option(
        "--baseline",
        "baselines",
        multiple=True,
        metavar="NAME|NAME=SCORES.csv",
        help="Another metric on the same pairs: measured (see 'iqatune list baselines'), or from a file with columns "
        "reference, distorted and NAME; may be repeated.",
    ),
    option(
        "--baseline-weights",
        multiple=True,
        type=OfEachSet(),
        metavar="NAME=FILE|FILE",
        help="Parameters of the CNN of lpips, lpips-vgg, lpips-squeeze or dists  [default: downloaded].",
    ),
    option(
        "--baseline-better",
        multiple=True,
        metavar="NAME=higher|lower",
        help="Which scores of NAME=SCORES.csv are better  [default: by the sign of their SRCC].",
    ),
)
baseline_options = together(*_baseline_options)

measured_baseline_options = together(
    option(
        "--baseline",
        "baselines",
        multiple=True,
        metavar="NAME",
        help="Another metric, measured on the same images (see 'iqatune list baselines'); may be repeated.",
    ),
    _baseline_options[1],
)

pooling_option = option_of(
    BackboneOptions,
    "--pooling",
    help="native: the CNN's own max pooling; l2: L2 pooling instead; auto: l2 for the VGGs, otherwise native.",
)

device_option = option_of(BackboneOptions, "--device", metavar=DEVICES, help="Where the CNN runs.")

_backbone_options = (
    option_of(BackboneOptions, "--backbone", metavar=BACKBONE, help=f"{_BACKBONE}."),
    weights_option,
    pooling_option,
    option_of(
        BackboneOptions,
        "--resize",
        type=str,
        default=str(BackboneOptions.model_fields["resize"].default),
        callback=short_side,
        metavar="256|none",
        help="Short side that larger images are reduced to.",
    ),
)

_views_options = (
    option_of(
        Run,
        "--view",
        metavar="VIEW",
        help="A second view of each image, used together with the backbone's own; given twice, these two: "
        "resize:SIDE, flip, backbone:NAME[=FILE] or stages:FIRST-LAST.",
    ),
    option_of(
        Run,
        "--unlabelled",
        metavar="DIR",
        help="For --searcher mutual: folder of images without scores; iqatune makes damaged versions of them.",
    ),
)

_machine_options = (
    option_of(
        BackboneOptions,
        "--device",
        metavar=DEVICES,
        help="Where the CNN runs; auto: all GPUs if there are any, otherwise the CPU; cuda: all GPUs.",
    ),
    option_of(BackboneOptions, "--precision", help="Precision of the CNN; moments are always float32."),
)

machine_options = together(*_machine_options)


def backbones_options(command: Command) -> Command:
    """Options of which the command gets the models of all backbones asked for, as `backbones`."""

    @wraps(command)
    def with_models(*arguments: Any, **values: Any) -> Any:
        given = {name: values.pop(name) for name in BackboneOptions.names() if name in values}
        names, weights = given.pop("backbone"), given.pop("backbone_weights")
        of_each = _weights_of(weights, names)
        models = tuple(
            _made(BackboneOptions, {**given, "backbone": name, "backbone_weights": of_each[name]})
            for name in dict.fromkeys(names)
        )
        return command(*arguments, backbones=models, **values)

    decorated: Command = together(
        option("--backbone", required=True, multiple=True, metavar=BACKBONE, help=f"{_BACKBONE}. May be repeated."),
        option(
            "--backbone-weights",
            multiple=True,
            type=OfEachSet(),
            metavar="pretrained|random|FILE",
            help="The CNN's parameters; with several CNNs NAME=FILE for one of them  [default: pretrained].",
        ),
        *_backbone_options[2:],
        *_machine_options,
    )(with_models)
    return decorated


def _weights_of(given: Sequence[str], backbones: Sequence[str]) -> dict[str, str | None]:
    """Where each backbone's parameters come from; None where nothing is said.

    Raises:
        InputError: when two things are said of one.
    """
    said: dict[str, str | None] = dict.fromkeys(backbones)
    everything = [text for text in given if text.partition("=")[0] not in said]
    if len(everything) > 1:
        raise InputError(f"`backbone_weights` {', '.join(everything)}: give one, or NAME=FILE for each backbone")
    for text in given:
        name, _, weights = text.partition("=")
        if text not in everything:
            if said[name] is not None:
                raise InputError(f"`backbone_weights` {text}: is given twice for {name}; give one")
            said[name] = weights
    return {name: weights or next(iter(everything), None) for name, weights in said.items()}


textures_option = option_of(
    Run,
    "--textures",
    metavar="DIR|scikit-image",
    help="Also give the texture tolerance, for the textures in a folder or those that come with scikit-image.",
)

_dataset_weight_option = option(
    "--dataset-weight",
    multiple=True,
    metavar="NAME=W",
    help="Weight of one of several data sets in the objective, above 0  [default: 1 each].",
)

run_options = handed_over(
    Run,
    "run",
    _dataset_option,
    *_where_data_options,
    _dataset_weight_option,
    option_of(Run, "--backbone", metavar=BACKBONE, show_default=False, help=f"{_BACKBONE}. Or give --features."),
    *_backbone_options[1:],
    *_views_options,
    option_of(
        Run,
        "--searcher",
        metavar="NAME|nevergrad:NAME|optuna:NAME",
        help="Search algorithm; fit is a good start; see 'iqatune list searchers'.",
    ),
    option_of(
        Run,
        "--samples",
        type=Whole(),
        default=None,
        show_default=f"{SAMPLES}; {MOST_SAMPLES} with --stop auto",
        help="Configurations to try; with --stop auto the maximum. fit and mutual choose their own number.",
    ),
    option_of(
        Run,
        "--stop",
        help="auto: stop when further samples can gain less than the best one's standard error over references.",
    ),
    option_of(
        Run,
        "--space",
        default=None,
        show_default="stage; with --features columns",
        metavar="stage|stage+K|channel, each with +c|columns",
        help="What the searcher's numbers stand for; with +c also the constant c1 = c2.",
    ),
    option_of(
        Run,
        "--prior",
        metavar="cube|simplex|dirichlet:A",
        help="How numbers become shares: used as they are (cube), uniform on the simplex, or from sparse (A < "
        "1) to even (A > 1).",
    ),
    option_of(
        Run,
        "--objective",
        help="Figure to maximise. reference-srcc: mean SRCC within references; worst-distortion: lowest SRCC "
        "among distortions. plcc fits a logistic curve for every sample: 25 to 120 ms each, compared with "
        ".1 to 1 for srcc.",
    ),
    option_of(
        Run,
        "--penalty",
        metavar="X",
        help="For fit: price of a unit of weight, for each unit of its stage's cost; stages that are not worth "
        "it get no weight.",
    ),
    option_of(
        Run,
        "--stage-costs",
        metavar="0,A,B,...",
        help="For --penalty: what each stage costs in addition to those before it, beginning with 0 for the "
        "image; 'iqatune frontier' measures it.",
    ),
    option_of(
        Run,
        "--last-stage",
        type=Whole(0),
        metavar="K",
        help="For fit: no weight after this stage; 0 is the image  [default: the backbone's last].",
    ),
    option_of(Run, "--seed", help="Random seed of the searcher and of the folds."),
    option_of(Run, "--folds", help="Folds by reference for the held-out SRCC; 0 for none."),
    option_of(Run, "--leave-one-set-out", help="Instead of --folds: hold out one of several data sets at a time."),
    option_of(
        Run,
        "--leave-one-distortion-out",
        help="Instead of --folds: hold out one distortion at a time. Shows whether weights carry over to other "
        "damage, not to other pictures.",
    ),
    option_of(
        Run,
        "--split-column",
        metavar="NAME",
        help="Instead of --folds: the split in a column of --pairs or --features: train, val, test, or a name "
        "for each fold.",
    ),
    option_of(Run, "--structure", help="What s compares: the covariance, or the product of standard deviations."),
    option_of(Run, "--c1", help="Constant of l, above 0; a larger one makes l more tolerant where maps are weak."),
    option_of(Run, "--c2", help="Constant of s, likewise."),
    option_of(Run, "--engine", help="Search in this process, or with Ray Tune."),
    option_of(
        Run,
        "--address",
        metavar="HOST:PORT|auto",
        help="For --engine ray: a running cluster  [default: start one].",
    ),
    textures_option,
    option_of(
        Run,
        "--texture-weight",
        metavar="W",
        help="Maximise the objective minus W times the texture tolerance: mean D of two crops of one texture "
        "over mean D of the pairs. Without --textures, those of scikit-image are used.",
    ),
    option_of(Run, "--concurrency", help="For --engine ray: samples evaluated at the same time."),
    option(
        "--strict",
        is_flag=True,
        help="Turn two warnings into errors: a searcher that cannot do what its name says, and scores whose "
        "direction is probably wrong.",
    ),
    *_machine_options,
)


def frontier_options(model: type[Options]) -> Decorator[Any]:
    """Which metric, and what costs: the options of a search that a frontier has, and its own."""
    shared = {
        "--space": {"metavar": "stage|stage+K|channel, each with +c", "help": "What the fit's numbers stand for."},
        "--prior": {"metavar": "cube|simplex|dirichlet:A", "help": "How records write its shares; it finds the same."},
        "--objective": {"help": "What inner folds choose by."},
        "--seed": {"help": "Of the couples that are looked at, and of the folds."},
        "--folds": {"help": "Folds by reference, 2 or more: points are compared by them."},
        "--structure": {"help": "What s compares: the covariance, or the product of standard deviations."},
        "--c1": {"help": "Constant of l, above 0."},
        "--c2": {"help": "Constant of s, likewise."},
    }
    return handed_over(
        model,
        "options",
        _dataset_option,
        *_where_data_options,
        _dataset_weight_option,
        *_backbone_options,
        option_of(
            model,
            "--by",
            help="Cost of a stage: the milliseconds that it adds on this machine, or its multiply-accumulate "
            "operations, which are the same everywhere.",
        ),
        *(option_of(model, name, **settings) for name, settings in shared.items()),
        *_machine_options,
    )


_fuse_run_options = (
    option_of(
        FuseOptions,
        "--searcher",
        metavar="NAME",
        help="Search algorithm for the weights; see 'iqatune list searchers'.",
    ),
    option_of(FuseOptions, "--samples", type=Whole(), help="Weights to try; fit chooses its own number."),
    option_of(
        FuseOptions,
        "--prior",
        metavar="cube|simplex|dirichlet:A",
        help="How a searcher's numbers become shares; as for search.",
    ),
    option_of(FuseOptions, "--objective", help="Figure to maximise; as for search."),
    option_of(FuseOptions, "--seed", help="Random seed of the searcher and of the folds."),
    option_of(FuseOptions, "--folds", help="Folds by reference for the held-out SRCC; 0 for none."),
    option_of(
        FuseOptions,
        "--leave-one-distortion-out",
        help="Instead of --folds: hold out one distortion at a time. Shows whether weights carry over to other damage.",
    ),
    option_of(
        FuseOptions,
        "--split-column",
        metavar="NAME",
        help="Instead of --folds: the split in a column of --pairs or --features.",
    ),
    option(
        "--strict",
        is_flag=True,
        help="Turn warnings into errors, such as that of scores whose direction is probably wrong.",
    ),
)

fuse_options = handed_over(
    FuseOptions,
    "options",
    option_of(
        FuseOptions,
        "--dataset",
        required=False,
        metavar="NAME",
        help="Data set for choosing the weights; see 'iqatune list datasets'  [with --features alone: csv].",
    ),
    *_where_data_options,
    option_of(
        FuseOptions,
        "--backbone-weights",
        type=OfEachSet(),
        metavar="NAME=FILE",
        help="Where a backbone's parameters are now; may be repeated  [default: where its search found them].",
    ),
    *_fuse_run_options,
    option_of(FuseOptions, "--device", metavar=DEVICES, help="Where the CNNs run."),
)

cache_option = option(
    "--cache-dir", type=click.Path(path_type=Path), help="Where statistics are kept  [default: the user's cache]."
)

name_option = option(
    "--name",
    metavar="NAME",
    help="Name of the last folder  [default: what differs from the defaults is in the path].",
)

runs_option = option("--output", type=click.Path(path_type=Path), default=Path("runs"), help="Folder of results.")
