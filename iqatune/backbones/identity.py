"""What tells one backbone from another, and a memo of it: with that known, cached statistics need no CNN and no torch.

Building a CNN takes seconds, most of them for importing torch and torchvision, and a search whose statistics are kept
wants nothing of it but its hash and its channels.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from iqatune.backbones.zoo import origin_of
from iqatune.progress import Progress
from iqatune.records.padding import Padding
from iqatune.records.vocabulary import PRETRAINED as PRETRAINED
from iqatune.records.vocabulary import RANDOM as RANDOM
from iqatune.runtime.files import sha256_of_file
from iqatune.runtime.kept import keep_memo, read_json
from iqatune.version import __version__, package_version

VERSION = 2
"""Raised whenever the same options would build another CNN: what was remembered before is then not found any more."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A backbone without the backbone.

    Attributes:
        name: as given.
        weights: where its parameters come from: "pretrained", "random" or a file's name.
        pooling: "native" or "l2".
        channels: of every stage, the image's 3 first.
        parameters_sha256: of the parameters that are used.
        found_in: where in a file of more the parameters were, in words; empty for a plain state dict.
        taps: whose maps the stages are: modules, or the numbers of timm's maps; empty where a plug-in says none.
        padding: what images of sides that it does not take are brought to; None for one that takes them as they are.
    """

    name: str
    weights: str
    pooling: str
    channels: tuple[int, ...]
    parameters_sha256: str
    found_in: str = ""
    taps: tuple[str, ...] = ()
    padding: Padding | None = None

    @property
    def found_line(self) -> str | None:
        """What a user is told of parameters that were found in a file of more; None where there is nothing to tell."""
        return f"`backbone_weights` {self.weights}: took {self.found_in}" if self.found_in else None


_MEMO = TypeAdapter(dict[str, Identity])
_OF = "backbones by what decides them"


def recall(name: str, weights: str, pooling: str, *, memo: Path, progress: Progress) -> Identity | None:
    """The identity of the backbone that these options built before; None where that is not known.

    Args:
        name, weights, pooling: as of `network.build_backbone`. Of a parameter file its name and content count, not its
            folder.
        memo: a JSON file that remembers between runs. Damaged, which is told, or missing, nothing is known.
    """
    key = _key(name, weights, pooling)
    return None if key is None else _read(memo, progress).get(key)


def remember(identity: Identity, name: str, weights: str, pooling: str, *, memo: Path, progress: Progress) -> None:
    """Keep the identity of the backbone that these options built.

    Raises:
        InputError: naming the memo when it cannot be written.
    """
    key = _key(name, weights, pooling)
    if key is None:
        return
    # another process may have written since: its entries are kept, and a lost one only costs building again
    known = _read(memo, Progress())
    if known.get(key) != identity:
        keep_memo(memo, _OF, _MEMO.dump_python({**known, key: identity}, mode="json"), progress)


def _key(name: str, weights: str, pooling: str) -> str | None:
    """Everything that decides which CNN is built; None where a file of it cannot be read."""
    source = weights
    try:
        origin = origin_of(name)
        if weights not in (PRETRAINED, RANDOM):
            path = Path(weights)
            source = f"{path.name} {sha256_of_file(path)}"
    except OSError:  # whoever builds the backbone says what is wrong with the file
        return None
    libraries = [package_version(package) for package in ("torch", "torchvision", "timm")]
    libraries += [origin] if origin else []
    content = json.dumps([VERSION, __version__, *libraries, name, source, pooling])
    return hashlib.sha256(content.encode()).hexdigest()


def _read(memo: Path, progress: Progress) -> dict[str, Identity]:
    return read_json(memo, _OF, _MEMO, progress) or {}
