"""Files of a foreign tree, read within bounds: a mistake is a verdict with the path, no exception.

The tree may lie below a root of its own (an unpacked image); links are followed inside of that root
then. It knows no names of files and no meaning of contents.
"""

from __future__ import annotations

import errno
import os
import stat

from ..core.errors import reason
from ..core.quoting import encodable
from ..core.record import Record
from .ini_file import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .verdicts import Verdicts

MOST_BYTES = 1 << 16  # of a file; of a script this much is looked at
MOST_NAMES = 4096  # of a directory
_MOST_LINKS = 40  # as many as the kernel follows, path_resolution(7)
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
)


class TreeError(ValueError):
    """There is no tree to read; the message names the directory."""


class Script(Record):
    """The beginning of a program's file."""

    data: bytes
    is_executable: bool


class TreeFiles:
    """Paths are those inside of the container."""

    def __init__(self, root: str, verdicts: Verdicts) -> None:
        self._root = os.path.abspath(root).rstrip("/")
        self._verdicts = verdicts
        try:
            is_directory = stat.S_ISDIR(os.stat(self._root or "/").st_mode)
        except (OSError, ValueError) as error:
            raise TreeError(f"{encodable(root)!r} cannot be read: {_reason(error)}") from None
        if not is_directory:
            raise TreeError(f"{encodable(root)!r} is not a directory; name the root of the image")

    def place(self, path: str) -> Place:
        return Place(encodable(self._root + path))

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a directory as bytes sort, without hidden ones; none where it is missing."""
        found = []
        try:
            with os.scandir(self._disk(path)) as entries:
                for entry in entries:
                    found.append(entry.name)
                    if len(found) > MOST_NAMES:
                        self.refuse(path, f"has more than {MOST_NAMES} entries; it is no tree")
                        return ()
        except FileNotFoundError:
            return ()
        except OSError as error:
            self.refuse(path, f"cannot be read: {_reason(error)}")
            return ()
        visible = [name for name in found if not name.startswith(".")]
        return tuple(sorted(visible, key=os.fsencode))

    def exists(self, path: str) -> bool:
        """Whether there is a file or directory; a link to nowhere is none."""
        return self._status(path) is not None

    def is_listed(self, path: str) -> bool:
        """The same, where a link to nowhere counts."""
        try:
            os.lstat(self._disk(os.path.dirname(path)) + "/" + os.path.basename(path))
        except (OSError, ValueError):
            return False
        return True

    def is_directory(self, path: str) -> bool:
        status = self._status(path)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def is_executable(self, path: str) -> bool:
        status = self._status(path)
        return status is not None and bool(status.st_mode & 0o111)

    def text(self, path: str) -> str | None:
        """The text of a small file, or None where it is missing or refused."""
        found = self._read(path)
        if found is None:
            return None
        data, _ = found
        if len(data) > MOST_BYTES:
            self.refuse(path, f"is longer than {MOST_BYTES} bytes")
            return None
        if b"\0" in data:
            self.refuse(path, "has a NUL byte; write plain text")
            return None
        return data.decode("utf-8", "surrogateescape")

    def script(self, path: str) -> Script | None:
        """The beginning of a program's file, or None where it is missing or refused."""
        found = self._read(path)
        if found is None:
            return None
        data, status = found
        return Script(data[:MOST_BYTES], bool(status.st_mode & 0o111))

    def refuse(self, path: str, message: str) -> None:
        self._verdicts.refuse(self.place(path), message)

    def warn(self, path: str, message: str) -> None:
        self._verdicts.warn(self.place(path), message)

    def ignore(self, path: str, message: str) -> None:
        self._verdicts.ignore(self.place(path), message)

    def _status(self, path: str) -> os.stat_result | None:
        try:
            return os.stat(self._disk(path))
        except (OSError, ValueError):
            return None

    def _read(self, path: str) -> tuple[bytes, os.stat_result] | None:
        """At most one byte more than is allowed, of a regular file."""
        try:
            disk = self._disk(path)
            status = os.stat(disk)  # a device may act on an open
            if not stat.S_ISREG(status.st_mode):
                self.refuse(path, f"is {_kind(status.st_mode)}, not a regular file")
                return None
            with open(disk, "rb", buffering=0, opener=_open) as file:
                return _bytes(file.fileno()), status
        except FileNotFoundError:
            if self.is_listed(path):
                self.refuse(path, "is a link to nowhere; remove it, or add the file it names")
            return None
        except OSError as error:
            self.refuse(path, f"cannot be read: {_reason(error)}")
            return None

    def _disk(self, path: str) -> str:
        """The path on this machine; with a root of its own no link leads out of it."""
        if not self._root:
            return path
        ahead = path.split("/")[::-1]
        done: list[str] = []
        links = 0
        while ahead:
            name = ahead.pop()
            if name in ("", "."):
                continue
            if name == "..":
                del done[-1:]
                continue
            here = "/".join((self._root, *done, name))
            try:
                target = os.readlink(here)
            except OSError:  # no link, or nothing at all: the caller sees which
                done.append(name)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            if target.startswith("/"):
                done.clear()
            ahead += target.split("/")[::-1]
        return "/".join((self._root, *done))


def _open(path: str, _flags: int) -> int:
    return os.open(path, _FLAGS)


def _bytes(descriptor: int) -> bytes:
    found = b""
    while len(found) <= MOST_BYTES:
        data = os.read(descriptor, MOST_BYTES + 1 - len(found))
        if not data:
            break
        found += data
    return found


def _kind(mode: int) -> str:
    return next((name for matches, name in _KINDS if matches(mode)), "a device")


def _reason(error: BaseException) -> str:
    return encodable(reason(error))
