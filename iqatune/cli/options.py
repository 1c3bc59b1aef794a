"""The options that verbs share: every one also comes from `--config FILE.yaml` or an IQATUNE_* variable."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from iqatune.errors import InputError, did_you_mean
from iqatune.runtime.files import at_home, read_yaml

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]


ANSWER_IS_NO = 1
"""The exit code of a verb that did its work, and whose answer is no."""


def option(name: str, *declarations: str, **settings: Any) -> Callable[[Command], Command]:
    """`click.option` that also reads the variable IQATUNE_<NAME>, and shows its default."""
    variable = "IQATUNE_" + name.removeprefix("--").split("/")[0].replace("-", "_").upper()
    return click.option(name, *declarations, envvar=variable, **{"show_default": True, **settings})


def _together(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def short_side(_context: click.Context, _parameter: click.Parameter, value: str) -> int | None:
    """The callback of `--resize`."""
    if value == "none":
        return None
    if value.isdecimal() and int(value) > 0:
        return int(value)
    raise InputError(f"--resize {value}: give the short side in pixels, as 256, or none")


def _from_config(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    known = {
        name.removeprefix("--"): parameter
        for parameter in context.command.params
        if isinstance(parameter, click.Option) and parameter.name not in ("config", "debug")
        for name in parameter.opts
    }
    defaults: dict[str, Any] = {}
    for key, value in read_yaml(path, f"--config {path}", "option names and values, as 'backbone: vgg19'").items():
        name = str(key).replace("_", "-")
        if name not in known:
            raise InputError(f"--config {path}: unknown key '{key}'; {did_you_mean(str(key), list(known))}")
        if value is None and known[name].callback is None:
            continue  # nothing was given
        many = value if isinstance(value, list) else [value]
        defaults[str(known[name].name)] = [_text(item) for item in many] if known[name].multiple else _text(value)
    context.default_map = {**(context.default_map or {}), **defaults}


def _text(value: Any) -> Any:
    """A value as the command line would have it: text, but for flags, and ~ the user's own folder."""
    if isinstance(value, bool):
        return value
    return "none" if value is None else at_home(str(value))


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
        raise InputError(f"{', '.join(given)}: of no use without {needed}")


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_from_config,
    envvar="IQATUNE_CONFIG",
    help="YAML file of options (same names); the command line wins.",
)

debug_option = click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")

quiet_option = option("--quiet", is_flag=True, help="No progress on stderr.")

json_option = option("--json", "as_json", is_flag=True, help="One JSON object on stdout, nothing else.")

DEVICES = "auto|cpu|cuda|cuda:N"

DATA_OPTIONS = ("data_root", "pairs", "better", "label", "exclude", "allow_missing")

where_data_options = _together(
    option("--data-root", help="Its folder, as distributed  [default: $IQATUNE_DATA/<dataset>]."),
    option("--pairs", metavar="FILE.csv", help="For --dataset csv: columns reference, distorted, score."),
    option("--better", type=click.Choice(["higher", "lower"]), help="For --dataset csv: which score is better."),
    option("--label", help="Another label file of the data set (live: dmos.mat)."),
    option("--exclude", multiple=True, metavar="DISTORTION", help="Leave a distortion out; may be repeated."),
    option("--allow-missing", is_flag=True, help="Work on the images that are there, and record how many are not."),
)

data_options = _together(
    option("--dataset", required=True, help="Data set; see 'iqatune list datasets'."), where_data_options
)

optional_data_options = _together(
    option("--dataset", help="Score all records on this data set; see 'iqatune list datasets'."), where_data_options
)

pooling_option = option(
    "--pooling", type=click.Choice(["auto", "native", "l2"]), default="auto", help="Max pooling, or L2 in its place."
)

weights_option = option(
    "--backbone-weights",
    default="pretrained",
    metavar="pretrained|random|FILE",
    help="The CNN's parameters: downloaded, seeded random ones, or a state dict (.pth, .safetensors).",
)

moved_weights_option = option(
    "--backbone-weights", metavar="FILE", help="Where the CNN's parameters are now  [default: as in the search]."
)

device_option = option("--device", default="auto", metavar=DEVICES, help="Where the CNN runs.")

backbone_options = _together(
    option("--backbone", required=True, help="CNN; see 'iqatune list backbones'."),
    weights_option,
    pooling_option,
    option("--resize", default="256", callback=short_side, metavar="256|none", help="Short side of larger images."),
)

machine_options = _together(
    option(
        "--device",
        default="auto",
        metavar=DEVICES,
        help="Where the CNN runs; auto takes every GPU there is, as cuda does.",
    ),
    option(
        "--precision",
        type=click.Choice(["fp32", "bf16", "fp16"]),
        default="fp32",
        help="Of the CNN's arithmetic; moments are float32 in any case.",
    ),
)

cache_option = option(
    "--cache-dir", type=click.Path(path_type=Path), help="Where statistics are kept  [default: the user's cache]."
)


def cache_folder(given: Path | None) -> Path:
    """The cache's folder: as given, or the platform's own place for caches.

    Raises:
        InputError: when it cannot be written.
    """
    from platformdirs import user_cache_path

    from iqatune.runtime.files import check_writable

    folder = given or user_cache_path("iqatune")
    check_writable(folder, "--cache-dir")
    return folder
