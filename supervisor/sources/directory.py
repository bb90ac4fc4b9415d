"""A directory as a source: a mounted ConfigMap or Secret volume, or any directory that people edit.

inotify says when to look, file metadata whether anything changed, and a slow re-check finds what inotify
cannot tell: an editor that keeps its file open, a network volume, a mount on top. It must not know what
becomes of the content; whether it is new is for the sink to judge.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time

from .. import permissions, threads
from ..permissions import Permission
from . import Content, Label, Trouble
from .watch import DATA, EDITED, SWAPPED, Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import Sink

    # A directory: its path, the same without links, what is in front of its keys, itself and those above by inode,
    # and who gets into it.
    Place = tuple[str, str, str, frozenset[tuple[int, int]], Permission]

_MOST_FILES, _MOST_DIRECTORIES = 10_000, 2_000
_MOST_BYTES = 64 << 20
# A directory that changes while it is read is read again: for this long, but so often at least.
_PATIENCE, _PAUSE, _TRIES = 1.0, 0.01, 3
_RETRY = 5.0  # seconds until the next look when reading failed
# Editors and copying tools make one change in several steps: it is read when nothing happened for this long.
_QUIET, _QUIET_AT_MOST = 0.05, 1.0
# Clocks of file systems tick every 1 to 10 ms: what was changed this shortly before it was read can change
# again and keep its size and its mtime.
_TICK = 0.05
# Times the re-check where inotify tells of changes: it misses little, and every look wakes a process that rests.
_WATCHED = 5
_OPEN = Permission(0o777)
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class _Unreadable(Exception):  # noqa: N818 - what a directory is, not a fault of ours
    """`reason` is that of a Trouble, the argument its message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Changing(Exception):  # noqa: N818 - as above
    """The directory changed while it was looked at; the argument says what was seen."""


class DirectorySource:
    """Follows the directory at `path`; `recheck` is the seconds between two looks where inotify cannot be had.

    Where inotify's limits are used up, `connected(up=False)` says so for as long as it lasts and `failed` once,
    before the content, which is read all the same; changes are then found by the re-check alone.

    With a `head_start` the content is read before it is watched, and again so many seconds later: importing what
    talks to inotify takes as long as many an application to start.
    """

    def __init__(self, path: str, *, recheck: float = 60.0, head_start: float = 0.0) -> None:
        self.label = Label("directory", "", path)
        self._path = os.path.join(os.getcwd(), path)  # the process leaves its directory later
        self._recheck, self._head_start = recheck, head_start
        self._seen: tuple[object, ...] | None = ()  # marks of what was last told; None: it was missing
        self._told = 0  # a hash of what was last told, for when marks are no proof:
        self._unsettled = False  # it may have changed since without leaving a mark
        self._watching: bool | None = None
        self._lock = threads.Lock()  # of the two below: stop() may come while run() ends
        self._stopped = False
        self._wake: int | None = None

    def run(self, sink: Sink) -> None:
        """Read and watch until `stop`; raises nothing."""
        watch = Watch(waiting=self._head_start > 0)
        try:
            with self._lock:
                wake = self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            changed = False
            if watch.waiting:
                self._round(sink, watch, wake, changed)
                _pause(watch, wake, self._head_start)
                watch.begin()
            while not self._stopped:
                if watch.overflowed:
                    watch.overflowed = False
                    sink.restarted("gone")
                wait = self._round(sink, watch, wake, changed)
                changed = _pause(watch, wake, wait)
        except OSError as error:
            sink.failed(Trouble("config", f"cannot watch {self._path}: {_why(error)}", fatal=True), 0.0)
        finally:
            threads.start(watch.close, "closing")  # which takes the kernel 20 ms
            with self._lock:
                if self._wake is not None:
                    os.close(self._wake)
                self._wake = None

    def stop(self) -> None:
        """From any thread: make `run` return at once, or when it has read what it is reading."""
        with self._lock:
            self._stopped = True
            if self._wake is not None:
                os.eventfd_write(self._wake, 1)

    def _round(self, sink: Sink, watch: Watch, wake: int, changed: bool) -> float:
        # Returns the seconds until the next round, if nothing happens before.
        try:
            self._look(sink, watch, wake, changed)
        except _Unreadable as error:
            wait = min(_RETRY, self._recheck)
            self._seen = ()
            sink.failed(Trouble(error.reason, str(error)), wait)
            return wait
        sink.contact()
        return self._recheck if watch.failure else self._recheck * _WATCHED

    def _look(self, sink: Sink, watch: Watch, wake: int, changed: bool) -> None:
        until, tries = time.monotonic() + _PATIENCE, 0
        while True:
            tries += 1
            began = time.time()
            try:
                found = self._walk(sink, watch)
                if found.marks == self._seen and not self._unsettled:
                    return
                files = found.read()
                if self._walk(sink, watch).marks == found.marks:
                    break
                why = "it keeps changing"
            except _Changing as error:
                why = str(error)
            if tries >= _TRIES and time.monotonic() > until:
                raise _Unreadable("bad_data", f"cannot read {self._path}: {why}; wait for it, or repair it")
            if _nap(wake):
                return
        self._unsettled = found.newest > began - _TICK
        was, now, told = self._seen is not None, found.marks is not None, hash(frozenset(files.items()))
        if (self._seen, self._told) == (found.marks, told):
            return
        self._seen, self._told = found.marks, told
        if changed:
            sink.watched("modified" if was == now else "added" if now else "deleted")
        sink.read(found.content(files) if now else None)

    def _walk(self, sink: Sink, watch: Watch) -> _Tree:
        tree = _Tree(self._path, watch)
        try:
            with watch:
                tree.walk()
        except OSError as error:
            if error.errno in _GONE:
                raise _Changing(f"{error.filename} comes and goes") from None
            raise _unreadable(self._path, error) from error
        finally:
            self._tell(sink, watch)
        return tree

    def _tell(self, sink: Sink, watch: Watch) -> None:
        watching = not watch.failure
        if watch.waiting or watching == self._watching:
            return
        self._watching = watching
        sink.connected(up=watching)
        if not watching:
            message = (
                f"cannot watch {self._path}: {watch.failure}; changes are found every {self._recheck:g} s only;"
                " raise fs.inotify.max_user_watches or max_user_instances on the node"
            )
            sink.failed(Trouble("config", message), self._recheck)


class _Tree:
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
        """Look at everything; raises OSError, _Unreadable or _Changing."""
        real = self._watch.follow(self._top)
        try:
            status = os.stat(self._top)
        except (FileNotFoundError, NotADirectoryError):
            return
        if not stat.S_ISDIR(status.st_mode):
            raise _Unreadable("config", f"cannot read {self._top}: it is no directory; give the one that holds it")
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
                if error.errno in _GONE:
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
            raise _Changing(f"{DATA} in it points to {target}, which does not exist") from None
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
        raise _Unreadable("bad_data", f"cannot read {self._top}: it has more than {limit}; {advice}")

    def content(self, files: dict[str, bytes]) -> Content:
        """What the sink learns of these files."""
        secret = any(_in_memory(device) for device in self._volumes)
        return Content(files, secret, self.newest or None, self.permitted)

    def read(self) -> dict[str, bytes]:
        """Key to bytes of the files that `walk` found; raises _Unreadable or _Changing."""
        self._bytes = 0
        files = {}
        for key, (path, status) in self._files.items():
            try:
                data = files[key] = _contents(path, status)
            except OSError as error:
                if error.errno in _GONE:
                    raise _Changing(f"{path} comes and goes") from None
                raise _unreadable(path, error) from error
            self._count(size=len(data))
        return files


def _contents(path: str, status: os.stat_result) -> bytes:
    # O_NONBLOCK: a pipe may have taken the file's place since it was looked at.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not os.path.samestat(status, os.fstat(file)):
            raise _Changing(f"{path} keeps changing")
        pieces = []
        left = _MOST_BYTES + 1
        while left > 0 and (piece := os.read(file, min(left, max(status.st_size, 4096)))):
            pieces.append(piece)
            left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    finally:
        os.close(file)


def _pause(watch: Watch, wake: int, seconds: float) -> bool:
    """Wait until a change is complete, or stop() is called, or the seconds are over; whether there was a change."""
    poller = select.poll()
    poller.register(wake, select.POLLIN)
    if (events := watch.fileno()) is not None:
        poller.register(events, select.POLLIN)
    changed = False
    until = latest = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        ready = [descriptor for descriptor, _ in poller.poll(left * 1000)]
        if wake in ready:
            break
        what = watch.events() if ready else None
        if what == SWAPPED:
            return True
        if what == EDITED:
            now = time.monotonic()
            latest = latest if changed else now + _QUIET_AT_MOST
            changed = True
            until = min(latest, now + _QUIET)
    return changed


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


def _nap(wake: int) -> bool:
    # Whether stop() was called.
    return bool(select.select([wake], [], [], _PAUSE)[0])


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _unreadable(top: str, error: OSError) -> _Unreadable:
    path = error.filename if isinstance(error.filename, str) else top
    if error.errno in (errno.EACCES, errno.EPERM):
        advice = f"let uid {os.geteuid()} read it (in a pod: fsGroup, defaultMode)"
        return _Unreadable("forbidden", f"cannot read {path}: {_why(error)}; {advice}")
    return _Unreadable("unreachable", f"cannot read {path}: {_why(error)}; look at the volume that it is on")
