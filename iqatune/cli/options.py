"""The options that verbs share: every one also comes from `--config FILE.yaml` or an IQATUNE_* variable."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from iqatune.errors import InputError
from iqatune.files import read_yaml
from iqatune.suggestions import did_you_mean

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]


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
    known = {parameter.name: parameter for parameter in context.command.params if parameter.name != "config"}
    defaults: dict[str, Any] = {}
    for key, value in read_yaml(path, f"--config {path}", "option names and values, as 'backbone: vgg19'").items():
        name = str(key).replace("-", "_")
        if name not in known:
            names = [str(other).replace("_", "-") for other in known]
            raise InputError(f"--config {path}: unknown key '{key}'; {did_you_mean(str(key), names)}")
        # YAML reads 256, true and 0 as numbers and booleans, the command line as text: click converts text
        many = known[name].multiple if isinstance(known[name], click.Option) else False
        defaults[name] = [str(item) for item in value] if many and isinstance(value, list) else _text(value)
    context.default_map = {**(context.default_map or {}), **defaults}


def _text(value: Any) -> Any:
    if value is None:
        return "none"
    return value if isinstance(value, bool) else str(value)


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

backbone_options = _together(
    option("--backbone", required=True, help="CNN; see 'iqatune list backbones'."),
    option(
        "--backbone-weights",
        default="pretrained",
        metavar="pretrained|random|FILE",
        help="The CNN's parameters: downloaded, seeded random ones, or a state dict (.pth, .safetensors).",
    ),
    pooling_option,
    option("--resize", default="256", callback=short_side, metavar="256|none", help="Short side of larger images."),
)

machine_options = _together(
    option(
        "--device",
        default="auto",
        metavar="auto|cpu|cuda|cuda:N",
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

    from iqatune.files import check_writable

    folder = given or user_cache_path("iqatune")
    check_writable(folder, "--cache-dir")
    return folder
