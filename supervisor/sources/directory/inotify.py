"""inotify on everything that decides what a path holds: the directory, what is below, and the way
to it.

It only tells that something may have changed, and how urgent it is to look; it reads no file. The
way to a path is followed link by link, so that a link that is switched, a directory that is
replaced and one that does not exist yet are all noticed: inotify(7) itself watches inodes, not
paths.
"""

from __future__ import annotations

import errno
import os
import stat

from ...core.errors import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

DATA = "..data"  # the link that the kubelet, and we, switch from one generation to the next

# What a batch of events calls for: nothing; a look when it is quiet again; a look at once, as all
# is in place.
NOTHING, EDITED, SWAPPED = range(3)

_MOST_LINKS = 40  # path_resolution(7)


class Watch:
    """A set of watches, made anew in every `with` block: what is not asked for again there is
    dropped.
    """

    def __init__(
        self, *, waiting: bool = False, ignored: Callable[[str], bool] = lambda _: False
    ) -> None:
        """`ignored` tells the names whose changes are no news."""
        self.waiting = waiting  # until `begin` nothing is watched
        self.failure = ""  # why the set is incomplete: a limit of the system
        self.overflowed = False  # events were lost; set until the owner resets it
        self._ignored = ignored
        self._inotify: Any = None
        self._places: dict[
            int, tuple[str, set[str] | None]
        ] = {}  # a directory, the names that matter (None: all)
        self._fresh: dict[int, tuple[str, set[str] | None]] = {}
        self._unfinished: set[tuple[int, str]] = set()  # new files that were not closed yet

    def __enter__(self) -> None:
        self.failure = ""
        self._fresh = {}
        if self._inotify is None and not self.waiting:
            self._open()

    def begin(self) -> None:
        """Have the next `with` block watch for real."""
        self.waiting = False

    def __exit__(self, *_: object) -> None:
        # Also after a failed look: a watch too few is found by no one.
        for watch in self._places.keys() - self._fresh.keys():
            try:
                self._inotify.rm_watch(watch)
            except OSError:
                pass  # its directory is gone, and the watch with it
        self._places = self._fresh
        self._unfinished = {one for one in self._unfinished if one[0] in self._places}

    def close(self) -> None:
        """Give the descriptor back."""
        if self._inotify is not None:
            self._inotify.close()

    def fileno(self) -> int | None:
        """What to poll; None when there is nothing."""
        return None if self._inotify is None else self._inotify.fileno()

    def content(self, path: str) -> None:
        """Watch what is in a directory. To be called before it is listed, so that nothing falls
        between.
        """
        if self._inotify is not None:
            self._add(path, self._in_content, None)

    def follow(self, path: str, base: str = "/") -> str:
        """Watch the way to a path: its links, its last component, and the first that is missing.

        It begins at `base`, whose own way is watched already and has no links. Returns where it
        ends, without links: a base for what is below.
        """
        here, links = base, 0
        ahead = [] if self._inotify is None else _reversed(path)
        while ahead:
            name = ahead.pop()
            if name == "..":
                here = os.path.dirname(here)
                continue
            there = os.path.join(here, name)
            try:
                target = os.readlink(there)
            except OSError as error:
                missing = error.errno != errno.EINVAL
                # A directory on the way tells itself when it is moved or removed; what else its
                # parent holds, perhaps the temporary files of everybody, is not worth waking up
                # for.
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
        """Take all pending events: the most urgent of NOTHING, EDITED and SWAPPED."""
        return max(map(self._meaning, self._inotify.read(timeout=0)), default=NOTHING)

    def _open(self) -> None:
        import inotify_simple

        # It would look for libc by running ldconfig, a compiler and a linker, as children of PID 1
        # that are taken for orphans; without a name it takes the libc that is loaded.
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

    def _add(self, path: str, mask: int, name: str | None) -> None:
        try:
            watch = self._inotify.add_watch(path, mask)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.ENOMEM):
                self._limited(error)
            return  # else it is gone or may not be read, which who looks there learns as well
        _, names = self._fresh.get(watch, (path, set()))
        if names is not None and name is not None:
            names.add(name)
        else:
            names = None
        self._fresh[watch] = path, names

    def _limited(self, error: OSError) -> None:
        what = "watches" if error.errno == errno.ENOSPC else "instances"
        self.failure = f"the system's limit of inotify {what} is used up ({reason(error)})"

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
        if created and _is_being_written(os.path.join(path, event.name)):
            self._unfinished.add(file)
            return NOTHING
        if event.mask & flags.ATTRIB and file in self._unfinished:
            return NOTHING  # its mode is given before its content
        self._unfinished.discard(file)
        return EDITED


def _is_being_written(path: str) -> bool:
    # A new file tells when it is closed; a new link, hard or symbolic, is complete and tells no
    # more.
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def _reversed(path: str) -> list[str]:
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]
