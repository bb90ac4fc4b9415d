"""The files below a directory: first their metadata, then their bytes, within limits.

It decides which names are configuration, and who may read each file. It must not know the time of
a look, nor the use of the content.
"""

from __future__ import annotations

import errno
import posix as os
from _stat import S_IMODE, S_ISDIR, S_ISREG

from ...core import file_permissions as permissions
from ...core.content import DATA, shown
from ...core.errors import reason
from ...core.file_permissions import Permission
from ...core.paths import join
from ..interface import Content, FailureReason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .inotify import Watch

    # A directory: its path, its path without links, the prefix of its keys, the inodes of itself
    # and its ancestors, the permission to enter, and whether it is a generation: its names are
    # chosen.
    Place = tuple[str, str, str, frozenset[tuple[int, int]], Permission, bool]

_MOST_FILES = 10_000
_MOST_DIRECTORIES = 2_000
_MOST_NAMES = 20_000
_MOST_BYTES = 64 << 20
# Traces of file systems, editors, interpreters and servers; docs/configuration.md lists them.
_LEFT_BEHIND = frozenset(("lost+found", ".git", ".hg", ".svn", "__pycache__", ".DS_Store"))
_ENDS = ("~", ".swp", ".swx", ".swo", ".log", ".pid")
_BEGINS = (".#", ".nfs")
_OPEN = Permission(0o777)
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class UnreadableError(Exception):
    """`reason` and message become a Failure."""

    def __init__(self, reason: FailureReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ChangingError(Exception):
    """The directory changed during a look; the message has the change."""


class Ignored:
    """The names to leave out: traces of programs, and the patterns of the user.

    A pattern without a slash matches every name below, a pattern with a slash the whole path. `!`
    in front brings back a name that is left out by default.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._dropped = [_matcher(pattern) for pattern in patterns if not pattern.startswith("!")]
        self._kept = [_matcher(pattern[1:]) for pattern in patterns if pattern.startswith("!")]

    def __call__(self, key: str, *, chosen: bool = False) -> bool:
        """Whether to leave a path out; `chosen`: it is a key of an object, not a trace."""
        if any(kept(key) for kept in self._kept):
            return False
        return (not chosen and _left_behind(key.rpartition("/")[2])) or any(
            drops(key) for drops in self._dropped
        )


def _matcher(pattern: str) -> Callable[[str], object]:
    import fnmatch
    import re

    pattern = pattern.rstrip("/")
    match = re.compile(fnmatch.translate(pattern)).match
    if "/" in pattern:
        return match
    return lambda key: match(key.rpartition("/")[2])


def _left_behind(name: str) -> bool:
    return (
        name in _LEFT_BEHIND
        or name.endswith(_ENDS)
        or name.startswith(_BEGINS)
        or name[::-1][:1] == name[:1] == "#"
    )


class Tree:
    """The files below a directory: `walk` takes their metadata, `read` their bytes."""

    def __init__(self, top: str, watch: Watch, ignored: Ignored) -> None:
        self._top = top
        self._watch = watch
        self._ignored = ignored
        self._files: dict[str, tuple[str, os.stat_result]] = {}  # key: path and status
        self._prefixes: set[str] = set()  # of the keys of each directory
        self._links: list[tuple[str, str]] = []  # key and target of each ..data
        self._directories = 0
        self._names = 0
        self._bytes = 0
        self._largest = 0, ""  # bytes and key of a file
        self._volumes: set[int] = set()  # devices of the directories that have a ..data
        self.newest = 0.0  # epoch seconds of the last change; 0 if there is none
        self.misnamed: set[str] = set()  # paths that are not UTF-8
        # By key: the permission to read it, through all directories on its way.
        self.permitted: dict[str, Permission] = {}
        # Equal if nothing changed; None: the directory is missing.
        self.marks: tuple[object, ...] | None = None

    def walk(self) -> None:
        """Take all metadata; raises OSError, UnreadableError or ChangingError."""
        real = self._watch.follow(self._top)
        try:
            status = os.stat(self._top)
        except (FileNotFoundError, NotADirectoryError):
            return
        if not S_ISDIR(status.st_mode):
            raise UnreadableError(
                FailureReason.CONFIG,
                f"cannot read {self._top}: it is not a directory; give the directory of the file",
            )
        ahead: list[Place] = [
            (self._top, real, "", frozenset({(status.st_dev, status.st_ino)}), _OPEN, False)
        ]
        while ahead:
            ahead += self._list(ahead.pop())
        files = [
            (key, path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            for key, (path, status) in self._files.items()
        ]
        tokens = sorted(
            (key, permissions.token(permission, exact=True))
            for key, permission in self.permitted.items()
        )
        self.marks = (tokens, sorted(self._links), sorted(files), self._bare())

    def _bare(self) -> tuple[str, ...]:
        # The empty directories. A file in front of a generation hides its directory.
        filled = {""}
        for key in [*self._files, *(prefix[:-1] for prefix in self._prefixes)]:
            parent = key.rpartition("/")[0]
            while parent and f"{parent}/" not in filled:
                filled.add(f"{parent}/")
                parent = parent.rpartition("/")[0]
        bare = self._prefixes - filled
        return tuple(sorted(prefix for prefix in bare if prefix[:-1] not in self._files))

    def _list(self, place: Place) -> list[Place]:
        # Takes the files of one directory and returns the directories in it.
        path, real, prefix, above, way, chosen = place
        self._count(directories=1)
        self._prefixes.add(prefix)
        self._watch.content(path)
        below: list[Place] = []
        generation = _target(join(path, DATA))
        if generation:
            below.append(self._generation(place))
        with os.scandir(path) as scan:
            for entry in scan:
                self._count(names=1)
                here = join(path, entry.name)
                key = prefix + entry.name
                there = join(real, entry.name)
                if self._skips(entry, here, key, chosen):
                    continue
                if entry.is_symlink():
                    # Such a link comes and goes after the swap: the generation itself counts.
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
                if S_ISREG(status.st_mode):
                    self._add(key, here, status, way)
                elif S_ISDIR(status.st_mode) and identity not in above:
                    below.append(
                        (here, there, f"{key}/", above | {identity}, _on(way, status), chosen)
                    )
        return below

    def _skips(self, entry: os.DirEntry[str], path: str, key: str, chosen: bool) -> bool:
        if entry.name.startswith("..") or self._ignored(key, chosen=chosen):
            return True
        try:
            entry.name.encode()
        except UnicodeEncodeError:
            self.misnamed.add(path)
            return True
        return False

    def _generation(self, place: Place) -> Place:
        path, real, prefix, above, way, _ = place
        there = self._watch.follow(DATA, real)
        target = _target(join(path, DATA))
        try:
            status = os.stat(join(path, target))
        except FileNotFoundError:
            raise ChangingError(
                f"{DATA} in it points to {shown(target)}, which does not exist"
            ) from None
        self._links.append((prefix, target))
        self._volumes.add(status.st_dev)
        self.newest = max(self.newest, status.st_mtime)
        return (
            join(path, target),
            there,
            prefix,
            above | {(status.st_dev, status.st_ino)},
            way,
            True,
        )

    def _add(self, key: str, path: str, status: os.stat_result, way: Permission) -> None:
        if key in self._files:
            return  # this file hides that of the generation
        self._files[key] = path, status
        self._largest = max(self._largest, (status.st_size, key))
        self._count(size=status.st_size)
        self.newest = max(self.newest, status.st_mtime)
        self.permitted[key] = _on(way, status)

    def _count(self, *, directories: int = 0, names: int = 0, size: int = 0) -> None:
        self._directories += directories
        self._names += names
        self._bytes += size
        if self._bytes > _MOST_BYTES:
            limit = (
                f"{_MOST_BYTES >> 20} MiB ({shown(self._largest[1])} alone has"
                f" {self._largest[0] / 2**20:.1f} MiB)"
            )
        elif len(self._files) > _MOST_FILES:
            limit = f"{_MOST_FILES} files"
        elif self._directories > _MOST_DIRECTORIES:
            limit = f"{_MOST_DIRECTORIES} directories"
        elif self._names > _MOST_NAMES:
            limit = f"{_MOST_NAMES} names"
        else:
            return
        advice = "give a directory with configuration only, or leave the rest out with --ignore"
        raise UnreadableError(
            FailureReason.BAD_DATA, f"cannot read {self._top}: it has more than {limit}; {advice}"
        )

    @property
    def empty(self) -> bool:
        """Whether the directory exists without files."""
        return self.marks is not None and not self._files

    @property
    def emptied(self) -> bool:
        """Whether it is a volume without files: its optional object does not exist."""
        return self.empty and bool(self._links)

    @property
    def hollow(self) -> tuple[str, ...]:
        """The prefix of the keys of each volume without files."""
        return tuple(
            prefix
            for prefix, _ in self._links
            if not any(key.startswith(prefix) for key in self._files)
        )

    def differs(self, later: Tree) -> str:
        """The path of a file that differs in a later look, for a message."""
        for key in sorted(self._files.keys() | later._files.keys()):
            before = self._files.get(key)
            after = later._files.get(key)
            if before is None or after is None or before[1] != after[1]:
                return f"{self._top}/{shown(key)}"
        return "it"

    def content(self, files: dict[str, bytes]) -> Content:
        """The content for the sink."""
        secret = any(_in_memory(device) for device in self._volumes)
        return Content(files, secret, self.newest or None, self.permitted, self._bare())

    def read(self) -> dict[str, bytes]:
        """Key to bytes of the files found by `walk`; raises UnreadableError or ChangingError."""
        self._bytes = 0
        files = {}
        for key, (path, status) in self._files.items():
            try:
                data = files[key] = _contents(path, status, _MOST_BYTES - self._bytes)
            except OSError as error:
                if error.errno in GONE:
                    raise ChangingError(f"{shown(path)} comes and goes") from None
                raise unreadable(path, error) from error
            self._count(size=len(data))
        return files


def _contents(path: str, status: os.stat_result, most: int) -> bytes:
    # O_NONBLOCK: a pipe may have taken the file's place since the look.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        found = os.fstat(file)
        if (status.st_dev, status.st_ino) != (found.st_dev, found.st_ino):
            raise ChangingError(f"{shown(path)} keeps changing")
        pieces = []
        left = most + 1
        while left > 0 and (piece := os.read(file, min(left, max(status.st_size, 4096)))):
            pieces.append(piece)
            left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    finally:
        os.close(file)


def _on(way: Permission, status: os.stat_result) -> Permission:
    # The permission to read a file on that way.
    return permissions.behind(way, Permission(S_IMODE(status.st_mode), status.st_gid))


def _in_memory(device: int) -> bool:
    # So the kubelet mounts Secrets, and projected volumes, which may hold Secrets;
    # proc_pid_mountinfo(5).
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


def unreadable(top: str, error: OSError) -> UnreadableError:
    """The failure for an error while reading below `top`."""
    path = error.filename if isinstance(error.filename, str) else top
    if error.errno in (errno.EACCES, errno.EPERM):
        advice = (
            f"let uid {os.geteuid()} read it (in a pod: fsGroup, defaultMode), or leave it out with"
            " --ignore"
        )
        return UnreadableError(
            FailureReason.FORBIDDEN, f"cannot read {shown(path)}: {reason(error)}; {advice}"
        )
    return UnreadableError(
        FailureReason.UNREACHABLE,
        f"cannot read {shown(path)}: {reason(error)}; look at its volume",
    )
