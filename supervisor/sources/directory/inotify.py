"""inotify on a path: on the directory, on everything below, and on the way to it.

It notices a possible change and its urgency; it reads no file. inotify(7) watches inodes, not
paths, so the watch follows the way link by link: it notices a switched link, a replaced directory
and the creation of a missing one.
"""

from __future__ import annotations

import errno
import posix as os
from _stat import S_ISREG

from ...core.content import DATA
from ...core.errors import reason
from ...core.paths import join, parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# The urgency of a batch of events: none; a look in the next silence; a look at once, for everything
# is in place.
NOTHING, EDITED, SWAPPED = range(3)

_MOST_LINKS = 40  # path_resolution(7)


class Watch:
    """A set of watches, made by every `with` block: a watch that a block does not ask for ends."""

    def __init__(
        self, *, waiting: bool = False, ignored: Callable[[str], bool] = lambda _: False
    ) -> None:
        """`ignored` knows the names whose changes do not count."""
        self.waiting = waiting  # for `begin`
        self.failure = ""  # the reason for an incomplete set: a limit of the system
        self.overflowed = False  # events were lost; set until the owner resets it
        self._ignored = ignored
        self._inotify: Any = None
        # By watch: its directory and the names that count (None: all).
        self._places: dict[int, tuple[str, set[str] | None]] = {}
        self._fresh: dict[int, tuple[str, set[str] | None]] = {}
        self._unfinished: set[tuple[int, str]] = set()  # new files, still open

    def __enter__(self) -> None:
        self.failure = ""
        self._fresh = {}
        if self._inotify is None and not self.waiting:
            self._open()

    def begin(self) -> None:
        """Let the next `with` block make watches."""
        self.waiting = False

    def __exit__(self, *_: object) -> None:
        # Also after a failed look, for a missing watch shows nowhere.
        for watch in self._places.keys() - self._fresh.keys():
            try:
                self._inotify.rm_watch(watch)
            except OSError:
                pass  # the watch ended with its directory
        self._places = self._fresh
        self._unfinished = {file for file in self._unfinished if file[0] in self._places}

    def close(self) -> None:
        """Give the descriptor back."""
        if self._inotify is not None:
            from . import late_release

            late_release.discard(self._inotify.fileno())
            self._inotify.close()

    def fileno(self) -> int | None:
        """The descriptor to poll; None without inotify."""
        return None if self._inotify is None else self._inotify.fileno()

    def content(self, path: str) -> None:
        """Watch the entries of a directory; to be called before they are listed."""
        if self._inotify is not None:
            self._add(path, self._in_content, None)

    def follow(self, path: str, base: str = "/") -> str:
        """Watch the way to a path: its links, its last component, and the first missing one.

        It begins at `base`, on whose own way there are watches already and no links. Returns its
        end without links: a base for paths below.
        """
        here = base
        links = 0
        ahead = [] if self._inotify is None else _reversed(path)
        while ahead:
            name = ahead.pop()
            if name == "..":
                here = parent(here)
                continue
            there = join(here, name)
            try:
                target = os.readlink(there)
            except OSError as error:
                missing = error.errno != errno.EINVAL
                # A directory on the way reports its own move and removal. Its parent, which may be
                # /tmp, would wake the source for all other entries too.
                self._add(here, self._itself if ahead and not missing else self._in_parent, name)
                here = there
                if missing:
                    break
                continue
            self._add(here, self._in_parent, name)
            links += 1
            if links > _MOST_LINKS:
                break
            if target.startswith("/"):
                here = "/"
            ahead += _reversed(target)
        return here

    def events(self) -> int:
        """Take all pending events; the highest urgency among them."""
        return max(map(self._meaning, self._inotify.read(timeout=0)), default=NOTHING)

    def _open(self) -> None:
        import inotify_simple

        # The library would look for libc with ldconfig, a compiler and a linker, and PID 1 would
        # take these children for orphans; without a name it takes the loaded libc.
        inotify_simple.find_library = lambda _name: None
        flags = self._flags = inotify_simple.flags
        self._itself = flags.DELETE_SELF | flags.MOVE_SELF | flags.ONLYDIR | flags.MASK_ADD
        self._in_parent = (
            self._itself
            | flags.CREATE
            | flags.DELETE
            | flags.MOVED_FROM
            | flags.MOVED_TO
            | flags.ATTRIB
        )
        self._in_content = self._in_parent | flags.CLOSE_WRITE | flags.EXCL_UNLINK
        try:
            self._inotify = inotify_simple.INotify(nonblocking=True)
        except OSError as error:
            self._limited(error)
            return
        from . import late_release

        late_release.add(self._inotify.fileno())

    def _add(self, path: str, mask: int, name: str | None) -> None:
        try:
            watch = self._inotify.add_watch(path, mask)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.ENOMEM):
                self._limited(error)
            return  # else it is gone or not to be read, as the reader will find too
        _, names = self._fresh.get(watch, (path, set()))
        if names is not None and name is not None:
            names.add(name)
        else:
            names = None
        self._fresh[watch] = path, names

    def _limited(self, error: OSError) -> None:
        limit = "watches" if error.errno == errno.ENOSPC else "instances"
        self.failure = f"the system's limit of inotify {limit} is used up ({reason(error)})"

    def _meaning(self, event: Any) -> int:
        flags = self._flags
        if event.mask & flags.Q_OVERFLOW:
            self.overflowed = True
            return EDITED
        if event.wd not in self._places:
            return NOTHING
        path, names = self._places[event.wd]
        if event.mask & (flags.DELETE_SELF | flags.MOVE_SELF | flags.UNMOUNT | flags.IGNORED):
            return EDITED
        if names is not None:
            return EDITED if event.name in names else NOTHING
        if event.name == DATA:
            return SWAPPED if event.mask & flags.MOVED_TO else EDITED
        if event.name.startswith("..") or (event.name and self._ignored(event.name)):
            return NOTHING
        file = event.wd, event.name
        created = event.mask & flags.CREATE and not event.mask & flags.ISDIR
        if created and _is_being_written(join(path, event.name)):
            self._unfinished.add(file)
            return NOTHING
        if event.mask & flags.ATTRIB and file in self._unfinished:
            return NOTHING  # a file gets its mode before its content
        self._unfinished.discard(file)
        return EDITED


def _is_being_written(path: str) -> bool:
    # A close follows a new file; a new link, hard or symbolic, is complete.
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return S_ISREG(status.st_mode) and status.st_nlink == 1


def _reversed(path: str) -> list[str]:
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]
