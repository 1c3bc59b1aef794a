"""Files of parameters: read where they hold tensors, and otherwise said what they are. Nothing in them is ever run.

A file is known by its first bytes and not by its suffix: people rename what they download.
"""

import io
import json
import pickle
import pickletools
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from iqatune.errors import InputError

READ = 1 << 24
"""Bytes of a file that are looked at to say what it is."""

SHOWN = 3
"""Names that are told of many."""

_SAVE_STATE = "save its state dict alone, as torch.save(model.state_dict(), FILE)"
_ANEW = "get the file again"

# what unpickling a file that torch did not write can end in, beside what safetensors and the disk say
_UNREADABLE = (
    OSError,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AssertionError,
    AttributeError,
    ImportError,
    RecursionError,
    struct.error,
    pickle.PickleError,
    SafetensorError,
    zipfile.BadZipFile,
    zlib.error,
)

_OF_TENSORS = re.compile(r"torch\.(_.*|storage\..*|\w+Storage|Size|device|nn\.parameter\..*)|collections\..*|.*\.set")
"""Names in the pickles of plain state dicts."""


def load_saved(path: Path, name: str) -> object:
    """What a .safetensors file holds, or a file that torch saved, of tensors alone, on the CPU.

    Args:
        name: what an error calls the file.

    Raises:
        InputError: when the file is neither; it says what the file is.
    """
    try:
        start = _start(path, READ)
        if _is_safetensors(start, path.stat().st_size):
            return load_file(path)
        other = _other_kind(path, start)
        if other is None:
            return _of_torch(path)
    except _UNREADABLE as error:
        other = _damage(path, error)
    raise InputError(f"{name}: not a readable file of tensors: {other[0]}; {other[1]}")


def first_line(error: Exception) -> str:
    """An error's first line, its kind where it has no words."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]


def some_names(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _of_torch(path: Path) -> object:
    # by its content: of a path torch would believe the suffix
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rare pickle protocols; what cannot be read is an error all the same
        return torch.load(file, map_location="cpu", weights_only=True)


def _start(path: Path, length: int) -> bytes:
    with path.open("rb") as file:
        return file.read(length)


def _is_safetensors(start: bytes, size: int) -> bool:
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= size - 8


_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf")


def _other_kind(path: Path, start: bytes) -> tuple[str, str] | None:
    """What a file is that is known to hold no tensors of torch's, and what to do; None for one that may."""
    text = start[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    kinds: tuple[tuple[bool, str, str], ...] = (
        (not start, "it is empty", _ANEW),
        (
            text.startswith(b"version https://git-lfs"),
            "it is a pointer of git LFS, which stands for the file",
            "fetch the file itself with git lfs pull",
        ),
        (
            text.lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head")),
            "it is a web page, such as a server's answer in the place of a download",
            _ANEW,
        ),
        (start.startswith(_COMPRESSED), "it is compressed", "unpack it"),
        (start.startswith(b"\x89HDF"), "it is an HDF5 file, such as Keras writes", "give parameters of torch"),
        (start.startswith(b"\x93NUMPY"), "it is one numpy array", "give a state dict"),
    )
    found = next(((what, advice) for holds, what, advice in kinds if holds), None)
    if found is not None:
        return found
    if text.startswith(b"{"):
        return _json_kind(start)
    return _archive_kind(path) if start.startswith(b"PK\x03\x04") else None


def _json_kind(start: bytes) -> tuple[str, str]:
    try:
        files = sorted(set(json.loads(start)["weight_map"].values()))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "it is JSON text", "give a state dict (.pt, .pth, .safetensors)"
    what = f"it is the index of parameters in {len(files)} files ({some_names([str(file) for file in files])})"
    return what, "put their tensors together into one file"


def _archive_kind(path: Path) -> tuple[str, str] | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return "it is the beginning of a file that torch saved, or another zip archive that is cut off", _ANEW
    inner = [name.partition("/")[2] for name in names]
    if "data.pkl" in inner:
        if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
            return "it is a TorchScript archive, which contains code", _SAVE_STATE
        return None
    if any(name.startswith(("models/", "data/weights/")) or name.endswith("exported_program.json") for name in inner):
        return "it is a program exported by torch (.pt2), which contains code", _SAVE_STATE
    arrays = [name.removesuffix(".npy") for name in names if name.endswith(".npy")]
    if arrays:
        return (
            f"it contains numpy arrays ({some_names(arrays)})",
            "save them as tensors, with torch.save or safetensors",
        )
    return f"it is a zip archive ({some_names(names)})", "unpack it"


def _damage(path: Path, error: Exception) -> tuple[str, str]:
    """Why a file that may hold tensors could not be read."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror, "correct its permissions, or name another file"
    try:
        classes = sorted(_pickled_classes(path))
    except _UNREADABLE:
        classes = []
    if classes:
        what = f"it contains pickled objects ({some_names(classes)}), and making those would run code"
        return what, _SAVE_STATE
    advice = "give a .pt or .pth file that torch saved, or a .safetensors file"
    return f"damaged, or of another kind ({first_line(error)})", advice


def _pickled_classes(path: Path) -> set[str]:
    """Classes and functions that unpickling a file would call, but for those that tensors are made of."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            name = next((name for name in archive.namelist() if name.endswith("/data.pkl")), "")
            with archive.open(name) as file:
                content = file.read(READ)
    else:
        content = _start(path, READ)
    return {name for name in _globals(content) if not _OF_TENSORS.fullmatch(name)}


def _globals(content: bytes) -> set[str]:
    """Names that the pickles in a file, one after the other, ask for; read as text, opcode by opcode."""
    file, found = io.BytesIO(content), set[str]()
    try:
        while content[file.tell() : file.tell() + 1] == b"\x80":
            for name in _globals_of_one(file):
                found.add(name)
    except ValueError:
        pass  # cut off, or the tensors themselves: what comes before them was read
    return found


def _globals_of_one(file: io.BytesIO) -> Iterator[str]:
    texts: list[str] = []
    memo: dict[int, str] = {}
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".", 1)
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(texts[-2:])
        elif "UNICODE" in opcode.name:
            texts.append(str(argument))
        elif opcode.name in ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"):
            memo[len(memo) if argument is None else int(argument)] = texts[-1] if texts else ""
        elif opcode.name in ("BINGET", "LONG_BINGET", "GET"):
            texts.append(memo.get(int(argument or 0), ""))
