"""The files of a configuration: opened within bounds, their includes followed.

It owns the bounds and the search order; `ini_file` owns the grammar. Files are read once.
"""

from __future__ import annotations

import os
import stat

from ..core.errors import reason
from ..options.expansion import expand
from ..options.supervisord_files import search_paths
from .ini_file import Document, FileError, Place
from .verdicts import Verdicts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES = 1 << 20  # of a file
MOST_FILES = 1000
INCLUDE = "include"


def found(program: str) -> str:
    """The first file of the search order. Raises FileError."""
    paths = search_paths(program)
    for path in paths:
        if os.path.exists(path):
            return path
    raise FileError(f"there is no configuration at {', '.join(paths)}; name one with -c FILE")


def read(path: str, names: Mapping[str, object], verdicts: Verdicts) -> Document:
    """The file and its includes; `names` are available to `[include] files`. Raises FileError."""
    document = Document()
    here = os.path.dirname(os.path.abspath(path))
    document.add(_text(path), path)
    if INCLUDE not in document.sections():
        return document
    document.settle_here(here)
    place = document.place(INCLUDE, "files")
    patterns = document.text(INCLUDE, "files")
    if patterns is None:
        raise FileError(f"{place}: it is missing; name the files to include, or remove the section")
    try:
        words = expand(patterns, {**names, "here": here}).split()
    except ValueError as error:
        raise FileError(f"{place}: {error}") from None
    import glob

    count = 0
    for pattern in words:
        paths = sorted(glob.glob(os.path.join(here, pattern)))
        if not paths:
            verdicts.warn(place, f"no file matches {os.path.join(here, pattern)}")
        count += len(paths)
        if count > MOST_FILES:
            raise FileError(f"{place}: more than {MOST_FILES} files")
        for one in paths:
            _include(document, one, place, verdicts)
    if document.place(INCLUDE, "files") != place:
        verdicts.warn(document.place(INCLUDE, "files"), "ignored: an included file includes none")
    return document


def _include(document: Document, path: str, place: Place, verdicts: Verdicts) -> None:
    """Read an included file. A file that cannot be opened is skipped, as supervisord does."""
    try:
        text = _text(path)
    except UnreadableError as error:
        verdicts.warn(place, f"{error}; skipped")
        return
    document.add(text, path)
    document.included.append(path)
    document.settle_here(os.path.dirname(os.path.abspath(path)))


class UnreadableError(FileError):
    """The file cannot be opened."""


def _text(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnreadableError(f"cannot read {path}: it is not a regular file")
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnreadableError(f"cannot read {path}: {reason(error)}") from None
    if len(data) > MOST_BYTES:
        raise FileError(f"cannot read {path}: it has more than {MOST_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FileError(f"{path}:{line} is not text in UTF-8; save it in UTF-8") from None
