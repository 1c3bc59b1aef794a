"""`iqatune list`."""

from typing import Literal, get_args

import click

from iqatune.cli.options import debug_option, json_option
from iqatune.cli.table import print_table
from iqatune.errors import InputError, as_flags
from iqatune.registry import Plugin

EPILOG = """\b
Examples:
  iqatune list datasets
  iqatune list backbones --json
  iqatune list searchers nevergrad
"""

Kind = Literal["datasets", "backbones", "searchers", "spaces", "baselines"]

Row = dict[str, object]


@click.command("list", epilog=EPILOG)
@click.argument("kind", type=click.Choice(get_args(Kind)))
@click.argument("family", required=False)
@json_option
@debug_option
def command(kind: Kind, family: str | None, *, as_json: bool) -> None:
    """List the names that the other verbs know: data sets, backbones, searchers, spaces or baselines.

    Names that an installed package adds are marked with its name and version. FAMILY, such as nevergrad or optuna,
    lists all searchers of that library.
    """
    if family is not None and kind != "searchers":
        raise InputError(f"{family}: only searchers come in families; leave it out")
    rows = (
        _members(family)
        if family is not None
        else {
            "datasets": _datasets,
            "backbones": _backbones,
            "searchers": _searchers,
            "spaces": _spaces,
            "baselines": _baselines,
        }[kind]()
    )
    if as_json:
        import json

        print(json.dumps({kind: rows}))
        return
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_cell(row, column) for column in columns] for row in rows]
    heads = [column.replace("_", " ") for column in columns]
    print_table(kind, heads, cells, left=len(columns), first=("description", "pairs", "channels", "drives"))


def _cell(row: Row, column: str) -> str:
    value = row.get(column, "")
    if isinstance(value, list | tuple):
        return (" | " if column == "layouts" else " ").join(str(item) for item in value)
    return "any" if value is None else str(value)


def _added(row: Row, plugin: Plugin | None) -> Row:
    """A row, with the package that adds what it is of."""
    return row if plugin is None else {**row, "added_by": str(plugin)}


def _datasets() -> list[Row]:
    from iqatune.datasets.registry import available

    return [
        _added(
            {
                "name": listed.info.name,
                "pairs": listed.info.pairs,
                "references": listed.info.references,
                "labels": listed.info.labels,
                "layouts": listed.info.layouts,
                "description": as_flags(listed.info.description),
                "source": listed.info.source,
            },
            listed.plugin,
        )
        for listed in available()
    ]


def _backbones() -> list[Row]:
    from iqatune.backbones.zoo import available

    return [
        _added(
            {
                "name": listed.info.name,
                "channels": listed.info.channels,
                "pooling": listed.info.pooling,
                "taps": listed.info.taps,
                "description": as_flags(listed.info.description),
            },
            listed.plugin,
        )
        for listed in available()
    ]


def _searchers() -> list[Row]:
    from iqatune.search.searchers.registry import available, families

    return [
        _added({"name": info.name, "drives": info.drives, "description": as_flags(info.description)}, info.plugin)
        for info in (*available(), *families())
    ]


def _members(family: str) -> list[Row]:
    from iqatune.search.searchers.registry import members

    return [{"name": name} for name in members(family)]


def _spaces() -> list[Row]:
    from iqatune.metric.spaces import SPACES

    return [{"name": name, "description": description} for name, description in SPACES.items()]


def _baselines() -> list[Row]:
    from iqatune.scoring.baselines import UNIFORM, available

    uniform: Row = {"name": UNIFORM, "description": "the metric itself with uniform, untuned weights"}
    return [
        uniform,
        *(
            _added({"name": listed.name, "description": as_flags(listed.description)}, listed.plugin)
            for listed in available()
        ),
    ]
