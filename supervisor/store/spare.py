"""The spare: the next generation half made, from the unchanged files of a superfluous one.

A change of one file among many writes that file alone: the others were moved here after the change
before. No file belongs to two generations, so an app that edits its files in place reaches one
version only. A moved file was read once more, and its inode has not changed since, or it is written
again. Each directory is new: a reader that holds one sees a single version, or none. On disk the
spare is a torn generation, which each start removes. It must not know which generations stay.
"""

from __future__ import annotations

import errno
import os
import stat

from ..core.content import sha256
from ..core.record import Record
from . import generations
from .file_tree import tree_of
from .generations import Begun
from .safe_open import Opened, read_pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..core.content import Version
    from .file_modes import Modes
    from .file_tree import Tree
    from .manifest import Generation

_UNREAD = (-1, -1)


class _Directory(Record):
    """The directory of a spare: its name and inode, the mode bits that it takes from new files, and
    the owner of these.

    No other user can enter it: only for this reason its paths are used below a descriptor.
    """

    name: str
    inode: tuple[int, int]
    masked: int
    owner: tuple[int, int]


class Spare:
    """At most one spare in a directory of generations."""

    def __init__(self, modes: Modes) -> None:
        self._modes = modes
        self.forget()

    def forget(self) -> None:
        """There is none."""
        self._directory: _Directory | None = None
        self._digest = ""  # of the version with all of its files
        self._sums: Mapping[str, str] = {}  # of the moved files
        self._marks: dict[str, int] = {}  # of the moved files that were read since
        self._top = 0  # the mark of its directory, and those of the directories in that
        self._folders: dict[str, int] = {}

    @property
    def name(self) -> str:
        """Its directory; empty without a spare."""
        return self._directory.name if self._directory else ""

    def keep_for(self, root: int, live: Generation) -> bool:
        """Remove a spare of another version than the live one; whether there is a spare."""
        if self.name and self._digest != live.digest:
            generations.remove_if_possible(root, self.name)
            self.forget()
        return bool(self.name)

    def make(
        self, root: int, name: str, superfluous: Sequence[Generation], live: Generation
    ) -> None:
        """Move the files that the newest superfluous generation shares with the live one into a new
        directory of that name. Raises nothing.
        """
        newest = max(superfluous, key=lambda one: one.serial, default=None)
        if newest is None or not (sums := _shared(newest, live)):
            return
        try:
            os.mkdir(name, 0o700, dir_fd=root)
            with Opened(name, root) as top:
                file, masked = generations.new_manifest(top)
                os.close(file)
                with Opened(newest.name, root) as old:
                    generations.unseal(old)
                    self._move(old, top, tree_of(sums))
                found = os.fstat(top)
        except OSError:
            generations.remove_if_possible(root, name)
            return
        self._digest = live.digest
        self._sums = sums
        self._directory = _Directory(name, (found.st_dev, found.st_ino), masked, _UNREAD)

    def _move(self, old: int, new: int, tree: Tree[str]) -> None:
        generations.open_up(old)
        for name, node in tree.items():
            try:
                if isinstance(node, dict):
                    with Opened(name, old) as below:
                        os.mkdir(name, 0o700, dir_fd=new)
                        with Opened(name, new) as made:
                            self._move(below, made, node)
                            self._modes.finish(made)
                else:
                    os.rename(name, name, src_dir_fd=old, dst_dir_fd=new)
            except OSError:
                pass  # another program was there: the file is written again

    def read(self, root: int) -> None:
        """Read the moved files, once the clock of the file system has gone on since `make`: from
        now on a change of a file shows in its inode. Raises OSError.
        """
        if self._directory is None or self._marks:
            return
        with _opened(root, self._directory.name, self._directory) as top:
            file = generations.open_manifest(top)
            try:
                os.fchmod(file, 0o600)  # its time of change is the present one
                made = os.fstat(file)
            finally:
                os.close(file)
            self._directory = self._directory.replace(owner=(made.st_uid, made.st_gid))
            for path, sum_ in self._sums.items():
                try:
                    before = os.stat(path, dir_fd=top, follow_symlinks=False)
                    if before.st_ctime_ns < made.st_ctime_ns and _sum(top, path) == sum_:
                        self._marks[path] = _mark(before)
                except OSError:
                    pass
            for path in _folders(self._sums):
                self._folders[path] = _mark(os.stat(path, dir_fd=top, follow_symlinks=False))
            self._top = _mark(os.fstat(top))

    def take(self, root: int, name: str, version: Version) -> Begun | None:
        """Rename the spare; returns the generation begun with it, without files of another content
        or mode. None without a spare that was read and left alone; or raises OSError.
        """
        directory = self._directory
        sums = self._sums
        marks = self._marks
        folders = self._folders
        top_mark = self._top
        self.forget()
        if directory is None:
            return None
        if _mark(os.stat(directory.name, dir_fd=root, follow_symlinks=False)) != top_mark:
            generations.remove_if_possible(root, directory.name)
            return None
        os.rename(directory.name, name, src_dir_fd=root, dst_dir_fd=root)
        with _opened(root, name, directory) as top:
            for path, mark in folders.items():
                if _mark(os.stat(path, dir_fd=top, follow_symlinks=False)) != mark:
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            kept = {
                path
                for path, mark in marks.items()
                if version.sums.get(path) == sums[path]
                and self._fits(top, path, mark, version, directory)
            }
            _drop(top, sums.keys() - kept, version)
        return Begun(name, directory.masked, kept)

    def _fits(
        self, top: int, path: str, mark: int, version: Version, directory: _Directory
    ) -> bool:
        try:
            found = os.stat(path, dir_fd=top, follow_symlinks=False)
        except OSError:
            return False
        return _mark(found) == mark and self._modes.hold(
            found, version.files[path], directory.owner
        )


def _shared(one: Generation, other: Generation) -> dict[str, str]:
    """The files with the same content in two generations, and their digests."""
    return {
        path: sum_
        for path, sum_ in one.files.items()
        if other.files.get(path) == sum_ and not path.endswith("/")
    }


def _opened(root: int, name: str, directory: _Directory) -> Opened:
    # Another program may have put a directory of its own in the place.
    opened = Opened(name, root)
    found = os.fstat(opened.descriptor)
    if (found.st_dev, found.st_ino) != directory.inode:
        os.close(opened.descriptor)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    return opened


def _folders(paths: Iterable[str]) -> set[str]:
    """The directories of these files."""
    found = {path.rpartition("/")[0] for path in paths}
    for path in tuple(found):
        while path := path.rpartition("/")[0]:
            found.add(path)
    return found - {""}


def _sum(top: int, path: str) -> str:
    sum_ = sha256()
    for piece in read_pieces(top, path):
        sum_.update(piece)
    return sum_.hexdigest()


def _mark(status: os.stat_result) -> int:
    # Every change of content, mode, owner or links sets the time of change, and no program can set
    # that back.
    return hash(
        (
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
            status.st_nlink == 1 and stat.S_ISREG(status.st_mode),
        )
    )


def _drop(top: int, paths: Iterable[str], version: Version) -> None:
    """Remove files, and the directories that are empty then."""
    for path in sorted(paths, reverse=True):
        try:
            os.unlink(path, dir_fd=top)
        except FileNotFoundError:
            pass
        parent = path.rpartition("/")[0]
        while parent and f"{parent}/" not in version.files:
            try:
                os.rmdir(parent, dir_fd=top)
            except OSError:
                break  # there are others in it
            parent = parent.rpartition("/")[0]
