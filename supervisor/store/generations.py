"""One generation of a configuration on disk: a directory with the files and a manifest of their
digests.

Written, read back, checked, removed. The manifest is created first, empty, which marks the
directory as ours, and filled last, which seals it: whatever has no readable manifest is torn. Other
programs may write to the directories, so everything is opened relative to descriptors, no link is
followed, and what cannot be read for any reason is no generation of ours. It must not know which
generation is live, and raises OSError only: `files.py` makes sentences of it.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat

from ..core.content import digests, sha256
from ..core.permissions import copied, group_matters, ungrouped
from ..core.record import Record
from . import manifest
from .manifest import Generation
from .safe_open import Opened, contents, pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeVar

    from ..core.content import Entry, Snapshot

    Leaf = TypeVar("Leaf")
    Tree = dict[str, "Tree[Leaf] | Leaf"]

__all__ = ["Generation", "Known", "Modes"]

_MANIFEST = "..manifest.json"
_SHAPE = "..0000_00_00_00_00_00.000000000"
_DIGITS = str.maketrans("123456789", "000000000")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_DEEPEST = (
    100  # directories; ours are less deep, and what others nest deeper is not worth our stack
)
_BATCH = 1000  # names that are looked at together, when others may have made any number of them
_PIECE = 1 << 20
_NO_FILE = (errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.EISDIR, errno.ENXIO)


class Modes(Record):
    """Permissions and owner of what is written. What is given is exact, whatever the process' own
    umask.

    Without `file` and `dir`: 0777 less `umask` for directories; a file has what its origin allowed
    less `umask`, or 0666 less it. `owner` is a uid and a gid, -1 for the one that the system gives.
    """

    file: int | None = None
    dir: int | None = None
    owner: tuple[int, int] | None = None
    umask: int = 0o022

    def of(self, entry: Entry) -> int:
        """The mode of this file or directory."""
        if entry.directory:
            return 0o777 & ~self.umask if self.dir is None else self.dir
        if self.file is not None:
            return self.file
        return copied(entry.permission, self.umask)

    def hand_over(self, file: int, entry: Entry) -> int:
        """Give an open file its owner and group; returns its mode, narrower where its group could
        not be kept.
        """
        mode = self.of(entry)
        uid, gid = self.owner or (-1, -1)
        kept = (
            -1
            if entry.permission is None or gid != -1 or not group_matters(mode)
            else entry.permission.gid
        )
        if (uid, gid) != (-1, -1):
            os.fchown(file, uid, gid)
        if kept not in (-1, os.fstat(file).st_gid):
            try:
                os.fchown(file, -1, kept)
            except OSError:  # chown(2): only root, or a member of that group
                return mode if self.file is not None else ungrouped(mode)
        return mode

    def finish(self, directory: int) -> None:
        """Give an open directory its mode and owner, once it has its files."""
        mode = self.dir
        if mode is None:
            # The set-group bit that an fsGroup volume hands down is kept, as mkdir(2) keeps it.
            mode = 0o777 & ~self.umask | os.fstat(directory).st_mode & stat.S_ISGID
        if self.owner:
            os.fchown(directory, *self.owner)
        os.fchmod(directory, mode)


def is_name(name: str) -> bool:
    """Whether a generation may be called so: `..YYYY_MM_DD_HH_MM_SS.NNNNNNNNN`."""
    return name.translate(_DIGITS) == _SHAPE


def write(directory: int, name: str, serial: int, snapshot: Snapshot, modes: Modes) -> Generation:
    """Write a snapshot into the new, empty directory of that name; raises OSError with the file in
    `filename`.

    Files that did not change are written all the same: linked, an edit in place would reach every
    generation.
    """
    generation = Generation(name, serial, snapshot.digest, digests(snapshot), snapshot.size)
    listed = ((path, len(entry.data), modes.of(entry)) for path, entry in snapshot.files.items())
    try:
        text = manifest.written(generation, listed)
    except ValueError as error:
        raise OSError(errno.E2BIG, f"too large to be read back: {error}") from None
    with Opened(name, directory) as top:
        file = os.open(_MANIFEST, _NEW, 0o777, dir_fd=top)
        try:
            # What the process' umask, or a default ACL, takes away: only then is a chmod per file
            # needed.
            masked = 0o777 & ~os.fstat(file).st_mode
            os.fchmod(file, 0o600)  # digests of short secrets can be guessed
            _write_tree(top, _tree(snapshot.files), modes, masked)
            _write_all(file, text)
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # may report a full disk: close(2)
    return generation


def _tree(files: Mapping[str, Leaf]) -> Tree[Leaf]:
    tree: Tree[Leaf] = {}
    for path, leaf in files.items():
        *parents, name = path.split("/")
        node = tree
        for parent in parents:
            below = node.setdefault(parent, {})
            if not isinstance(below, dict):
                raise NotADirectoryError(
                    errno.ENOTDIR, "a file is listed in the place of a directory", path
                )
            node = below
        if name:  # else it is a directory itself
            node[name] = leaf
    return tree


def _write_tree(directory: int, tree: Tree[Entry], modes: Modes, masked: int) -> None:
    for name, node in tree.items():
        if isinstance(node, dict):
            os.mkdir(name, 0o700, dir_fd=directory)
            with Opened(name, directory) as below:
                _write_tree(below, node, modes, masked)
            continue
        mode = modes.of(node)
        file = os.open(name, _NEW, mode & 0o777, dir_fd=directory)
        try:
            try:
                _write_all(file, node.data)
                final = modes.hand_over(file, node)
                if final != mode or mode & (masked | 0o7000):
                    os.fchmod(file, final)  # after fchown, which takes set-id bits away
            finally:
                os.close(file)
        except OSError as error:
            error.filename = name
            raise
    modes.finish(directory)


def _write_all(file: int, data: bytes) -> None:
    done = os.write(file, data)
    while done < len(data):
        done += os.write(file, memoryview(data)[done:])


def read(directory: int, name: str) -> Generation | None:
    """What the manifest of the generation of that name says; None if there is none that is ours,
    for any reason.
    """
    if not is_name(name):
        return None
    try:
        with Opened(name, directory) as top:
            return manifest.parsed(name, contents(top, _MANIFEST, manifest.MOST_BYTES))
    except (OSError, ValueError):
        return None


def later_format(directory: int, name: str) -> int:
    """The format of a generation that a later release of this program wrote; 0 if it did not."""
    try:
        with Opened(name, directory) as top:
            return manifest.later_format(contents(top, _MANIFEST, manifest.MOST_BYTES)[:100])
    except OSError:
        return 0


def is_ours(directory: int, name: str) -> bool:
    """Whether there is a generation of that name, whole or torn: a directory with a manifest, or
    still empty.
    """
    if not is_name(name):
        return False
    try:
        with Opened(name, directory) as top:
            return _exists(top, _MANIFEST) or next(_names(top), None) is None
    except OSError:
        return False


def _exists(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _names(directory: int) -> Iterator[str]:
    with os.scandir(directory) as scan:
        for entry in scan:
            yield entry.name


class Known:
    """Reads generations, those whose manifest did not change only once: that would be most of a
    small change's work.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, ...], Generation | None]] = {}

    def read(self, directory: int, name: str) -> Generation | None:
        """What the manifest of the generation of that name says; None if there is none that can be
        read.
        """
        mark = _mark(directory, name) if is_name(name) else ()
        if not mark:
            self._known.pop(name, None)
            return None
        if name not in self._known or self._known[name][0] != mark:
            self._known[name] = mark, read(directory, name)
        return self._known[name][1]

    def add(self, directory: int, generation: Generation) -> None:
        """Take note of a generation that was just written."""
        self._known[generation.name] = _mark(directory, generation.name), generation

    def found(self, directory: int) -> dict[str, Generation | None]:
        """All generations in a directory by name; None stands for a torn one."""
        names = [name for name in _names(directory) if is_name(name)]
        for gone in self._known.keys() - set(names):
            self._known.pop(gone, None)
        read_ = {name: self.read(directory, name) for name in names}
        return {name: one for name, one in read_.items() if one or is_ours(directory, name)}


def _mark(directory: int, name: str) -> tuple[int, ...]:
    # Equal as long as nobody wrote to the manifest; empty when there is none.
    try:
        status = os.stat(f"{name}/{_MANIFEST}", dir_fd=directory, follow_symlinks=False)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def sums(directory: int, generation: Generation) -> dict[str, str]:
    """The hex sha256 of those of its files that are there, "" for what is no file;
    raises OSError.
    """
    left = generation.bytes + _PIECE  # what others put there can be larger than our patience
    result: dict[str, str] = {}

    def take(top: int, name: str, path: str) -> None:
        nonlocal left
        one = sha256()
        for piece in pieces(top, name):
            one.update(piece)
            left -= len(piece)
            if left < 0:
                raise OSError(errno.EFBIG, "more data than its manifest says", path)
        result[path] = one.hexdigest()

    def walk(top: int, tree: Tree[str], prefix: str) -> None:
        for name, node in tree.items():
            path = prefix + name
            try:
                if isinstance(node, dict):
                    with Opened(name, top) as below:
                        walk(below, node, f"{path}/")
                    if (kept := f"{path}/") in generation.files:
                        result[kept] = generation.files[kept]  # it is there, whatever is in it
                else:
                    take(top, name, path)
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno not in _NO_FILE:
                    raise
                if not isinstance(node, dict):
                    result[path] = ""

    with Opened(generation.name, directory) as top:
        walk(top, _tree(generation.files), "")
    return result


def strangers(directory: int, generation: Generation, most: int) -> list[str]:
    """Some of the names in the directories of a generation that are not in its manifest; raises
    OSError.
    """
    found: list[str] = []

    def walk(top: int, tree: Tree[str], prefix: str) -> None:
        for name in itertools.islice(_names(top), _BATCH):
            if name not in tree and (prefix or name != _MANIFEST) and len(found) < most:
                found.append(prefix + name)
        for name, node in tree.items():
            if isinstance(node, dict):
                with Opened(name, top) as below:
                    walk(below, node, f"{prefix}{name}/")

    with Opened(generation.name, directory) as top:
        walk(top, _tree(generation.files), "")
    return found


def remove(directory: int, name: str) -> None:
    """Remove a generation; a crash meanwhile leaves a torn one. Raises OSError; one that is gone is
    no error.
    """
    try:
        with Opened(name, directory) as top:
            try:
                os.close(
                    os.open(
                        _MANIFEST,
                        os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK,
                        dir_fd=top,
                    )
                )
            except OSError:
                pass  # gone, or no file of ours; what cannot be removed says so below
            _clear(top, _MANIFEST, 0)
            _clear(top, "", 0)
        os.rmdir(name, dir_fd=directory)
    except FileNotFoundError:
        pass


def remove_if_possible(directory: int, name: str) -> None:
    """The same; one that stays takes some room and does no harm."""
    try:
        remove(directory, name)
    except OSError:
        pass


def _clear(directory: int, spared: str, depth: int) -> None:
    if os.fstat(directory).st_mode & 0o300 != 0o300:
        os.fchmod(directory, 0o700)  # a --dir-mode without w binds us too, unless we are root
    while entries := _some(directory, spared):
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and depth < _DEEPEST:
                with Opened(entry.name, directory) as below:
                    _clear(below, "", depth + 1)
                os.rmdir(entry.name, dir_fd=directory)
            else:
                os.unlink(entry.name, dir_fd=directory)


def _some(directory: int, spared: str) -> list[os.DirEntry[str]]:
    with os.scandir(directory) as scan:
        return list(itertools.islice((entry for entry in scan if entry.name != spared), _BATCH))
