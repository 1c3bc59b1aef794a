"""The words of `--view`, and what they say: how one of two branches of a metric sees an image."""

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from iqatune.errors import did_you_mean
from iqatune.runtime.files import expand_home

MOST: Final = 2
"""Views of a run: its two branches."""

PLAIN: Final = "plain"
"""What records call the branch beside the only view that is named: the run's backbone as it is."""

BETWEEN: Final = "~"
"""Between a backbone's name and what its images go through before it, as in squeezenet~flip."""

FLIP: Final = "flip"

SMALLEST: Final = 16
"""Pixels of a short side that images are still brought down to."""

FORMS: Final = ("resize:SIDE", FLIP, "backbone:NAME", "stages:FIRST-LAST")

_RESIZE = re.compile(r"resize:(\d{1,5})", re.ASCII)
_STAGES = re.compile(r"stages:(\d{1,3})(?:-(\d{1,3}))?", re.ASCII)
_FRONT = re.compile(rf"(.+){BETWEEN}({FLIP}|resize:[1-9]\d{{0,4}})", re.ASCII | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class View:
    """One way to see an image; what is None is as in the run.

    Attributes:
        front: what images go through before the CNN sees them: "flip" or "resize:SIDE".
        backbone: another backbone than the run's.
        weights: a file of its parameters.
        stages: the first and the last of the stages that are taken, 0 being the image.
    """

    front: str | None = None
    backbone: str | None = None
    weights: str | None = None
    stages: tuple[int, int] | None = None

    @classmethod
    def of(cls, view: str) -> "View":
        """What a view says.

        Raises:
            ValueError: when it is no view; the message says which there are.
        """
        kind, colon, rest = view.partition(":")
        if view == FLIP:
            return cls(front=FLIP)
        if (resize := _RESIZE.fullmatch(view)) is not None:
            if int(resize[1]) < SMALLEST:
                raise ValueError(f"the short side must be {SMALLEST} pixels or more, as in resize:192")
            return cls(front=f"resize:{int(resize[1])}")
        if (stages := _STAGES.fullmatch(view)) is not None:
            first, last = int(stages[1]), int(stages[2] or stages[1])
            if last < first:
                raise ValueError(f"stages go from the image into the depth; give stages:{last}-{first}")
            return cls(stages=(first, last))
        if kind == "backbone" and rest:
            name, equals, file = rest.partition("=")
            if name and (file or not equals):
                return cls(backbone=name, weights=expand_home(file) if file else None)
        known = did_you_mean(f"{kind}:" if colon else kind, FORMS)
        raise ValueError(f"no view; {known} (as resize:192, flip, backbone:alexnet, backbone:NAME=FILE, stages:0-3)")

    def __str__(self) -> str:
        """The one spelling of it."""
        if self.front is not None:
            return self.front
        if self.stages is not None:
            return f"stages:{self.stages[0]}-{self.stages[1]}"
        return f"backbone:{self.backbone}" + ("" if self.weights is None else f"={self.weights}")


def canonical(view: str) -> str:
    """The one spelling of a view, as stages:2-2 for stages:2.

    Raises:
        ValueError: as of `View.of`.
    """
    return str(View.of(view))


def without_file(view: str) -> str:
    """A view without the place of its parameters, which the protocol knows by their hash."""
    found = View.of(view)
    return view if found.backbone is None else f"backbone:{found.backbone}"


def without_folder(view: str) -> str:
    """A view with the place of its parameters by the file's name alone."""
    found = View.of(view)
    return view if found.weights is None else f"backbone:{found.backbone}={PurePath(found.weights).name}"


def fronted(backbone: str, front: str) -> str:
    """The name of a backbone whose images go through something before it.

    >>> fronted("squeezenet", "flip")
    'squeezenet~flip'
    """
    return f"{backbone}{BETWEEN}{front}"


def unfronted(name: str) -> tuple[str, str]:
    """A backbone's name without what its images go through, and that; empty where it is nothing.

    >>> unfronted("vgg16@features.3~resize:192")
    ('vgg16@features.3', 'resize:192')
    """
    found = _FRONT.fullmatch(name)
    return (name, "") if found is None else (found[1], found[2])
