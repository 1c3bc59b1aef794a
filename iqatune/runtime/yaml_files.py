"""Settings in YAML (or JSON, which is YAML): read as the words that they hold, within bounds."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from iqatune.errors import InputError

LARGEST = 16 * 2**20
"""Bytes; half a million options take less."""

DEEPEST = 50
"""Lists within lists; those of options hold mappings at most."""

NULL, MERGE = "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"

MOST = 1_000_000
"""Values, with aliases written out: a few of them, each of the one before, stand for more than there are atoms."""


def read_yaml(path: Path, name: str, wanted: str) -> Mapping[Any, Any]:
    """The mapping that a YAML file holds.

    Values are text as it stands in the file, None where there is none, or lists and mappings of such: what number a
    text is says whoever wants one. YAML itself would read 1:30 as 90, 010 as 8, 5_0 as 50 and no as false.

    Args:
        name: what an error calls the file.
        wanted: what the mapping should hold, with an example.

    Raises:
        InputError: when the file cannot be read, is too large, is not YAML, or holds something else than a mapping.
    """
    import yaml  # here, not above: only grids and settings need it

    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror})") from error
    if len(content) > LARGEST:
        raise InputError(f"{name}: is larger than {LARGEST // 2**20} MiB, too much for options; name another file")
    try:
        text = content.decode("utf-8-sig")
        loader = _loader()
        _check_bounds(yaml.parse(text, loader), name)
        found = yaml.load(text, loader)
    except (yaml.YAMLError, ValueError) as error:  # the second for bytes that are no text
        raise InputError(f"{name}: not YAML ({_why(error)})") from error
    if not isinstance(found, Mapping):
        raise InputError(f"{name}: must hold {wanted}")
    return found


def _why(error: Exception) -> str:
    """What YAML could not read, and where; its own words show the text as a name of Python's."""
    import yaml

    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    if isinstance(error, yaml.reader.ReaderError):
        return f"character {error.position + 1}: {error.reason}"
    return " ".join(str(error).split())


def _check_bounds(events: Iterable[Any], name: str) -> None:
    """Refuse what would fill the memory or the stack, before any of it is built."""
    import yaml

    sizes = [0]  # of the collections that are open
    anchors: list[str | None] = []
    sizes_of: dict[str, int] = {}
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            sizes.append(1)
            anchors.append(event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            size, anchor = sizes.pop(), anchors.pop()
            sizes[-1] += size
            if anchor is not None:
                sizes_of[anchor] = size
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in anchors:
                raise InputError(f"{name}: '*{event.anchor}' refers to itself; write it out")
            sizes[-1] += sizes_of.get(str(event.anchor), 1)
        elif isinstance(event, yaml.ScalarEvent):
            sizes[-1] += 1
        if len(sizes) > DEEPEST:
            raise InputError(f"{name}: is nested more than {DEEPEST} deep; options are lists of values")
        if sum(sizes) > MOST:
            raise InputError(f"{name}: contains more than {MOST} values (aliases written out); leave some out")


def _loader() -> type[Any]:
    """A loader of plain YAML that refuses a key given twice: which of its values counts would be a guess."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # the first one where libyaml is
        # yaml calls it, by place
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
            seen: set[Any] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
                    word = self.construct_object(key)
                    if word in seen:
                        raise yaml.constructor.ConstructorError(None, None, f"'{word}' is given twice", key.start_mark)
                    seen.add(word)
            mapping: dict[Any, Any] = super().construct_mapping(node, deep)
            return mapping

    Loader.yaml_implicit_resolvers = {
        letter: [(tag, pattern) for tag, pattern in resolvers if tag in (NULL, MERGE)]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.yaml_constructors = {
        tag: construct
        for tag, construct in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in ("null", "str", "seq", "map")
    }
    return Loader
