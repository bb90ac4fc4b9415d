"""Directories and small files by descriptor: opened component by component, without following links
unasked.

Other users may write to directories on the way, so the system never gets a whole path. It must not
know the content of the directories, and raises OSError only.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Trust = Callable[[os.stat_result], bool]

_MOST_LINKS = 40  # path_resolution(7)
_PIECE = 1 << 20
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe in a file's place must not block


class LinkError(OSError):
    """A link on the way to a directory, in `filename`, must not be followed; `uid` made it."""

    def __init__(self, path: str, uid: int) -> None:
        super().__init__(errno.ELOOP, "a link stands on the way", path)
        self.uid = uid


class Opened:
    """An open directory, for `with`; `path` is below the descriptor `parent` and no link."""

    made = False

    def __init__(self, path: str, parent: int) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)

    def __enter__(self) -> int:
        return self.descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


class Walk:
    """The way to a directory, for `with`; gives its descriptor. `made`: the directory is new."""

    def __init__(self, path: str, *, make: bool = False, trust: Trust | None = None) -> None:
        """`make` makes missing directories; links are followed if `trust` agrees, else refused."""
        self.made = False
        self._make = make
        self._trust = trust
        self._ahead = _reversed(path)
        self._real: list[str] = []  # the components so far, without links
        self._here = os.open("/", _STEP)
        links = 0
        try:
            while self._ahead:
                links += self._step(self._ahead.pop())
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            self.descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._here)
        finally:
            os.close(self._here)

    @property
    def real(self) -> str:
        """The path without links."""
        return "/" + "/".join(self._real)

    def __enter__(self) -> int:
        return self.descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def _step(self, name: str) -> int:
        # Goes a component further; returns the number of links on it.
        try:
            there = os.open(name, _STEP, dir_fd=self._here)
        except FileNotFoundError as error:
            error.filename = self._shown(name)
            if not self._make:
                raise
            try:
                os.mkdir(name, dir_fd=self._here)
                self.made = not self._ahead
            except FileExistsError:
                pass  # made meanwhile, for another service perhaps
            self._ahead.append(name)
            return 0
        except OSError as error:
            error.filename = self._shown(name)
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            return self._link(name, error)
        os.close(self._here)
        self._here = there
        self._real = self._real[:-1] if name == ".." else [*self._real, name]
        return 0

    def _link(self, name: str, error: OSError) -> int:
        status = os.stat(name, dir_fd=self._here, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            raise error
        if self._trust is None or not self._trust(status):
            raise LinkError(self._shown(name), status.st_uid)
        target = os.readlink(name, dir_fd=self._here)
        if target.startswith("/"):
            os.close(self._here)
            self._here = os.open("/", _STEP)
            self._real = []
        self._ahead += _reversed(target)
        return 1

    def _shown(self, name: str) -> str:
        return "/" + "/".join([*self._real, name])


class HeldDirectory:
    """A directory for the whole run: each use opens it, and notices another in its place.

    A descriptor stays open: no other directory can take its inode number.
    """

    def __init__(self, path: str, trust: Trust) -> None:
        """`trust` judges the links at the first use; later uses follow none."""
        self._path = path
        self._trust = trust
        self._known = -1
        self.replaced = False  # the last use found another directory

    def opened(self, *, make: bool = False) -> Opened | Walk:
        """Open it, for `with`; `make` makes it. Raises LinkError for a link in its place."""
        if self._in_place():
            self.replaced = False
            return Opened(".", self._known)  # for itself: a scan moves the offset of a descriptor
        return self._walk(make=make)

    def _in_place(self) -> bool:
        # Links on the way do no harm here: the path only tells whether it leads to the known
        # directory, which is opened by its descriptor.
        if self._known < 0:
            return False
        try:
            found = os.stat(self._path, follow_symlinks=False)
        except OSError:
            return False
        return os.path.samestat(found, os.fstat(self._known))

    def _walk(self, *, make: bool) -> Walk:
        walk = Walk(self._path, make=make, trust=self._trust if self._known < 0 else None)
        now = os.fstat(walk.descriptor)
        self.replaced = self._known >= 0 and not os.path.samestat(os.fstat(self._known), now)
        if self.replaced:
            os.close(self._known)
        if self.replaced or self._known < 0:
            self._known = os.dup(walk.descriptor)
            self._path = walk.real
        return walk


def open_file(directory: int, name: str) -> int:
    """A descriptor for reading; raises OSError for a link, and does not wait for a pipe."""
    return os.open(name, _FILE, dir_fd=directory)


def pieces_of(file: int) -> Iterator[bytes]:
    """The bytes of an open regular file; raises OSError for anything else."""
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    while piece := os.read(file, _PIECE):
        yield piece


def read_pieces(directory: int, name: str) -> Iterator[bytes]:
    """The bytes of a regular file; raises OSError for anything else."""
    file = open_file(directory, name)
    try:
        yield from pieces_of(file)
    except OSError as error:
        error.filename = name
        raise
    finally:
        os.close(file)


def read_file(directory: int, name: str, most: int) -> bytes:
    """The whole regular file; raises OSError, also for more than `most` bytes."""
    file = os.open(name, _FILE, dir_fd=directory)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            raise OSError(errno.EINVAL, "no regular file, or too large", name)
        found = []
        left = most + 1
        while left > 0 and (piece := os.read(file, min(left, _PIECE))):
            found.append(piece)
            left -= len(piece)
    finally:
        os.close(file)
    if not left:
        raise OSError(errno.EFBIG, "too large", name)
    return b"".join(found)


def _reversed(path: str) -> list[str]:
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]
