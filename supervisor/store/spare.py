"""The spare: the next generation half made, from the unchanged files of a superfluous one.

A change of one file among many writes that file alone: the others were moved here after the change
before. No file belongs to two generations, so an app that edits its files in place reaches one
version only. A moved file had no holder when it was read once more, and its inode has not changed
since, or it is written again. Each directory is new: a reader that holds one sees a single version,
or none. On disk the spare is a torn generation, which each start removes. It must not know which
generations stay.
"""

from __future__ import annotations

import errno
import os
import stat

from ..core.content import sha256
from ..core.record import Record
from . import file_holders, generations
from .file_tree import tree_of
from .generations import Begun
from .safe_open import Opened, open_file, pieces_of

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


class _Fresh(Record):
    """A file that has just changed: its time of change, and the extended attributes of new files
    there.
    """

    changed: int
    attributes: dict[str, bytes] | None


class Spare:
    """At most one spare in a directory of generations."""

    def __init__(self, modes: Modes) -> None:
        self._modes = modes
        self._counted: dict[int, bool] = {}  # by device, whether its holders of files are known
        self.forget()

    def forget(self) -> None:
        """There is none."""
        self._directory: _Directory | None = None
        self._digest = ""  # of the version with all of its files
        self._sums: Mapping[str, str] = {}  # of the moved files
        self._folders: dict[str, int] = {}  # the marks of its directories; "" is the topmost
        self._marks: dict[str, int] | None = None  # of the unchanged files, once they were read

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
        if newest is None or not (sums := _shared(newest, live)) or not self._counts(root):
            return
        try:
            os.mkdir(name, 0o700, dir_fd=root)
            with Opened(name, root) as top:
                file, masked = generations.new_manifest(top)
                os.close(file)
                with Opened(newest.name, root) as old:
                    generations.unseal(old)
                    self._move(old, top, tree_of(sums), "")
                found = os.fstat(top)
        except OSError:
            generations.remove_if_possible(root, name)
            self.forget()
            return
        self._digest = live.digest
        self._sums = sums
        self._folders[""] = _mark(found)
        self._directory = _Directory(name, (found.st_dev, found.st_ino), masked, _UNREAD)

    def _counts(self, root: int) -> bool:
        device = os.fstat(root).st_dev
        if device not in self._counted:
            self._counted = {device: file_holders.are_counted(root)}
        return self._counted[device]

    def _move(self, old: int, new: int, tree: Tree[str], parent: str) -> None:
        generations.open_up(old)
        for name, node in tree.items():
            try:
                if isinstance(node, dict):
                    with Opened(name, old) as below:
                        os.mkdir(name, 0o700, dir_fd=new)
                        with Opened(name, new) as made:
                            self._move(below, made, node, f"{parent}{name}/")
                            self._modes.finish(made)
                            self._folders[f"{parent}{name}"] = _mark(os.fstat(made))
                else:
                    os.rename(name, name, src_dir_fd=old, dst_dir_fd=new)
            except OSError:
                pass  # another program was there: the file is written again

    def read(self, root: int) -> None:
        """Read the moved files, once the clock of the file system has gone on since `make`: from
        now on a change of a file shows in its inode. Removes a spare that another program changed.
        Raises OSError.
        """
        if self._directory is None or self._marks is not None:
            return
        with _opened(root, self._directory.name, self._directory) as top:
            file = generations.open_manifest(top)
            try:
                os.fchmod(file, 0o600)  # its time of change is the present one
                made = os.fstat(file)
                fresh = _Fresh(made.st_ctime_ns, file_holders.attributes(file))
            finally:
                os.close(file)
            if self._left_alone(top, fresh):
                self._directory = self._directory.replace(owner=(made.st_uid, made.st_gid))
                self._marks = {
                    path: mark
                    for path, sum_ in self._sums.items()
                    if (mark := _read(top, path, sum_, fresh))
                }
                return
        generations.remove_if_possible(root, self.name)
        self.forget()

    def _left_alone(self, top: int, fresh: _Fresh) -> bool:
        # The marks do not show a name put there within the tick of `make`; the names do.
        names: dict[str, set[str]] = {path: set() for path in self._folders}
        names[""].add(generations.MANIFEST)
        for path in (*self._sums, *(path for path in self._folders if path)):
            parent, _, name = path.rpartition("/")
            names.get(parent, set()).add(name)
        for path, mark in self._folders.items():
            with Opened(path or ".", top) as directory:
                if not names[path].issuperset(generations.names_in(directory)):
                    return False
                found = os.fstat(directory)
            if _mark(found) != mark or found.st_ctime_ns >= fresh.changed:
                return False
        return True

    def take(self, root: int, name: str, version: Version) -> Begun | None:
        """Rename the spare; returns the generation begun with it, without files of another content
        or mode. None without a spare that was read and left alone; or raises OSError.
        """
        directory = self._directory
        sums = self._sums
        marks = self._marks
        folders = self._folders
        self.forget()
        if directory is None:
            return None
        found = os.stat(directory.name, dir_fd=root, follow_symlinks=False)
        if marks is None or _mark(found) != folders.pop(""):
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


def _read(top: int, path: str, sum_: str, fresh: _Fresh) -> int:
    """The mark of a file with this content, of no other name and of no other holder; else 0."""
    sum_now = sha256()
    try:
        file = open_file(top, path)
        try:
            # In this order: a holder may write unseen, so the content counts only without one, and
            # the inode shows a change after that. Only a mapping in tmpfs shows nothing: its maker
            # has to open the file after this, in a directory that is closed to other users.
            if file_holders.has_others(file) or file_holders.attributes(file) != fresh.attributes:
                return 0
            for piece in pieces_of(file):
                sum_now.update(piece)
            found = os.fstat(file)
        finally:
            os.close(file)
    except OSError:
        return 0
    same = sum_now.hexdigest() == sum_ and found.st_nlink == 1
    return _mark(found) if same and found.st_ctime_ns < fresh.changed else 0


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
