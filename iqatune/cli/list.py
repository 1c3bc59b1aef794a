"""`iqatune list`."""

from typing import Literal

import click

from iqatune.cli.options import debug_option, json_option
from iqatune.cli.terminal import print_table

EPILOG = """\b
Examples:
  iqatune list datasets
  iqatune list backbones --json
"""

Kind = Literal["datasets", "backbones", "searchers"]


@click.command("list", epilog=EPILOG)
@click.argument("kind", type=click.Choice(["datasets", "backbones", "searchers"]))
@json_option
@debug_option
def command(kind: Kind, as_json: bool) -> None:
    """List the data sets, backbones or searchers that the other verbs know."""
    rows = {"datasets": _datasets, "backbones": _backbones, "searchers": _searchers}[kind]()
    if as_json:
        import json

        print(json.dumps({kind: rows}))
        return
    columns = list(rows[0])
    print_table(kind, columns, [[_cell(row[column]) for column in columns] for row in rows], left=len(columns))


def _cell(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(str(item) for item in value)
    return "any" if value is None else str(value)


def _datasets() -> list[dict[str, object]]:
    from iqatune.datasets.registry import available

    return [
        {
            "name": info.name,
            "pairs": info.pairs,
            "references": info.references,
            "labels": info.labels,
            "description": info.description,
            "source": info.source,
        }
        for info in available()
    ]


def _backbones() -> list[dict[str, object]]:
    from iqatune.backbones.zoo import available

    return [
        {"name": info.name, "channels": info.channels, "pooling": info.pooling, "description": info.description}
        for info in available()
    ]


def _searchers() -> list[dict[str, object]]:
    from iqatune.search.searchers.registry import available

    return [{"name": info.name, "drives": info.drives, "description": info.description} for info in available()]
