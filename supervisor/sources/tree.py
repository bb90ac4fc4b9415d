"""What is below a directory: first its metadata, then its bytes, within limits.

It decides which names are configuration, and who may read each file. It must not know when to look, nor what becomes
of the content.
"""

from __future__ import annotations

import errno
import os
import stat

from .. import permissions
from ..permissions import Permission
from . import Content
from .watch import DATA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .watch import Watch

    # A directory: its path, the same without links, what is in front of its keys, itself and those above by inode,
    # and who gets into it.
    Place = tuple[str, str, str, frozenset[tuple[int, int]], Permission]

_MOST_FILES, _MOST_DIRECTORIES = 10_000, 2_000
_MOST_BYTES = 64 << 20
_OPEN = Permission(0o777)
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class UnreadableError(Exception):
    """`reason` is that of a Trouble, the argument its message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ChangingError(Exception):
    """The directory changed while it was looked at; the argument says what was seen."""


class Tree:
    """What is below a directory: first its metadata, then its bytes."""

    def __init__(self, top: str, watch: Watch) -> None:
        self._top, self._watch = top, watch
        self._files: dict[str, tuple[str, os.stat_result]] = {}  # key: path and status
        self._links: list[tuple[str, str]] = []  # key and target of each ..data
        self._directories, self._bytes = 0, 0
        self._volumes: set[int] = set()  # devices of the directories that have a ..data
        self.newest = 0.0  # epoch seconds of the last change; 0 if there is none
        self.permitted: dict[str, Permission] = {}  # by key: who may read it, on the way through its directories
        self.marks: tuple[object, ...] | None = None  # equal if nothing changed; None: there is no directory

    def walk(self) -> None:
        """Look at everything; raises OSError, UnreadableError or ChangingError."""
        real = self._watch.follow(self._top)
        try:
            status = os.stat(self._top)
        except (FileNotFoundError, NotADirectoryError):
            return
        if not stat.S_ISDIR(status.st_mode):
            raise UnreadableError("config", f"cannot read {self._top}: it is no directory; give the one that holds it")
        ahead: list[Place] = [(self._top, real, "", frozenset({(status.st_dev, status.st_ino)}), _OPEN)]
        while ahead:
            ahead += self._list(ahead.pop())
        files = [
            (key, path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            for key, (path, status) in self._files.items()
        ]
        tokens = sorted((key, permissions.token(permission)) for key, permission in self.permitted.items())
        self.marks = (tokens, sorted(self._links), sorted(files))

    def _list(self, place: Place) -> list[Place]:
        # Takes the files of one directory and returns the directories in it.
        path, real, prefix, above, way = place
        self._count(directories=1)
        self._watch.content(path)
        below: list[Place] = []
        generation = _target(os.path.join(path, DATA))
        if generation:
            below.append(self._generation(place))
        with os.scandir(path) as scan:
            entries = [entry for entry in scan if not entry.name.startswith("..")]
        for entry in entries:
            here, key, there = os.path.join(path, entry.name), prefix + entry.name, os.path.join(real, entry.name)
            if entry.is_symlink():
                # Such a link follows after the swap, and goes after it: the generation itself is the truth.
                if generation and _target(here) == f"{DATA}/{entry.name}":
                    continue
                there = self._watch.follow(entry.name, real)
            try:
                status = os.stat(here)
            except OSError as error:
                if error.errno in GONE:
                    continue
                raise
            identity = status.st_dev, status.st_ino
            if stat.S_ISREG(status.st_mode):
                self._add(key, here, status, way)
            elif stat.S_ISDIR(status.st_mode) and identity not in above:
                below.append((here, there, f"{key}/", above | {identity}, _on(way, status)))
        return below

    def _generation(self, place: Place) -> Place:
        path, real, prefix, above, way = place
        there = self._watch.follow(DATA, real)
        target = _target(os.path.join(path, DATA))
        try:
            status = os.stat(os.path.join(path, target))
        except FileNotFoundError:
            raise ChangingError(f"{DATA} in it points to {target}, which does not exist") from None
        self._links.append((prefix, target))
        self._volumes.add(status.st_dev)
        self.newest = max(self.newest, status.st_mtime)
        return os.path.join(path, target), there, prefix, above | {(status.st_dev, status.st_ino)}, way

    def _add(self, key: str, path: str, status: os.stat_result, way: Permission) -> None:
        if key in self._files:
            return  # a file that hides the one in the generation
        self._files[key] = path, status
        self._count(size=status.st_size)
        self.newest = max(self.newest, status.st_mtime)
        self.permitted[key] = _on(way, status)

    def _count(self, *, directories: int = 0, size: int = 0) -> None:
        self._directories += directories
        self._bytes += size
        if self._bytes > _MOST_BYTES:
            limit = f"{_MOST_BYTES >> 20} MiB"
        elif len(self._files) > _MOST_FILES:
            limit = f"{_MOST_FILES} files"
        elif self._directories > _MOST_DIRECTORIES:
            limit = f"{_MOST_DIRECTORIES} directories"
        else:
            return
        advice = "give a directory that holds configuration only"
        raise UnreadableError("bad_data", f"cannot read {self._top}: it has more than {limit}; {advice}")

    def content(self, files: dict[str, bytes]) -> Content:
        """What the sink learns of these files."""
        secret = any(_in_memory(device) for device in self._volumes)
        return Content(files, secret, self.newest or None, self.permitted)

    def read(self) -> dict[str, bytes]:
        """Key to bytes of the files that `walk` found; raises UnreadableError or ChangingError."""
        self._bytes = 0
        files = {}
        for key, (path, status) in self._files.items():
            try:
                data = files[key] = _contents(path, status)
            except OSError as error:
                if error.errno in GONE:
                    raise ChangingError(f"{path} comes and goes") from None
                raise unreadable(path, error) from error
            self._count(size=len(data))
        return files


def _contents(path: str, status: os.stat_result) -> bytes:
    # O_NONBLOCK: a pipe may have taken the file's place since it was looked at.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not os.path.samestat(status, os.fstat(file)):
            raise ChangingError(f"{path} keeps changing")
        pieces = []
        left = _MOST_BYTES + 1
        while left > 0 and (piece := os.read(file, min(left, max(status.st_size, 4096)))):
            pieces.append(piece)
            left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    finally:
        os.close(file)


def _on(way: Permission, status: os.stat_result) -> Permission:
    # Who gets at what is there by that way.
    return permissions.behind(way, Permission(stat.S_IMODE(status.st_mode), status.st_gid))


def _in_memory(device: int) -> bool:
    # The kubelet mounts Secrets, and projected volumes, which may have Secrets in them, so; proc_pid_mountinfo(5).
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            return any(line.split(" ", 3)[2] == number and " - tmpfs " in line for line in mounts)
    except (OSError, IndexError):
        return False


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def why(error: OSError) -> str:
    """What the system said, as part of a sentence."""
    return (error.strerror or str(error)).lower()


def unreadable(top: str, error: OSError) -> UnreadableError:
    """What to tell of an error while reading below `top`."""
    path = error.filename if isinstance(error.filename, str) else top
    if error.errno in (errno.EACCES, errno.EPERM):
        advice = f"let uid {os.geteuid()} read it (in a pod: fsGroup, defaultMode)"
        return UnreadableError("forbidden", f"cannot read {path}: {why(error)}; {advice}")
    return UnreadableError("unreachable", f"cannot read {path}: {why(error)}; look at the volume that it is on")
