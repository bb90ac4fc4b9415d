"""One generation of a configuration on disk: a directory with the files and a manifest of their digests.

Written, read back, checked, removed. The manifest is created first, empty, which marks the directory as ours,
and filled last, which seals it: whatever has no readable manifest is torn. Other programs may write to the
directories, so everything is opened relative to descriptors and no link is followed. It must not know which
generation is live, and raises OSError only: `files.py` makes sentences of it.
"""

from __future__ import annotations

import errno
import os
import stat

from .permissions import copied, group_matters, ungrouped
from .record import Record
from .snapshot import check_path, digests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .snapshot import Entry, Snapshot

    Tree = dict[str, "Tree | Entry"]

_MANIFEST = "..manifest.json"
_FORMAT = 1
_SHAPE = "..0000_00_00_00_00_00.000000000"
_DIGITS = str.maketrans("123456789", "000000000")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_DEEPEST = 100  # directories; ours are less deep, and what others nest deeper is not worth our stack
_PIECE = 1 << 20


class Modes(Record):
    """Permissions and owner of what is written. What is given is exact, whatever the process' own umask.

    Without `file` and `dir`: 0777 less `umask` for directories; a file has what its origin allowed less `umask`, or
    0666 less it. `owner` is a uid and a gid, -1 for the one that the system gives.
    """

    file: int | None = None
    dir: int | None = None
    owner: tuple[int, int] | None = None
    umask: int = 0o022

    def of(self, entry: Entry) -> int:
        """The mode of this file."""
        if self.file is not None:
            return self.file
        return copied(entry.permission, self.umask)

    def hand_over(self, file: int, entry: Entry) -> int:
        """Give an open file its owner and group; returns its mode, narrower where its group could not be kept."""
        mode = self.of(entry)
        uid, gid = self.owner or (-1, -1)
        kept = -1 if entry.permission is None or gid != -1 or not group_matters(mode) else entry.permission.gid
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


class Generation(Record):
    """One complete configuration. `files` maps each path to its hex sha256; a later one has a higher serial."""

    name: str
    serial: int
    digest: str
    files: Mapping[str, str]
    bytes: int

    @property
    def tops(self) -> set[str]:
        """The names that its files begin with."""
        return {path.partition("/")[0] for path in self.files}


class Opened:
    """An open directory, for `with`; below `parent`, a descriptor, it must not be a link."""

    def __init__(self, path: str, parent: int | None = None) -> None:
        flags = os.O_RDONLY | os.O_DIRECTORY | (os.O_NOFOLLOW if parent is not None else 0)
        self._descriptor = os.open(path, flags, dir_fd=parent)

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def is_name(name: str) -> bool:
    """Whether a generation may be called so: `..YYYY_MM_DD_HH_MM_SS.NNNNNNNNN`."""
    return name.translate(_DIGITS) == _SHAPE


def write(directory: int, name: str, serial: int, snapshot: Snapshot, modes: Modes) -> Generation:
    """Write a snapshot into the new, empty directory of that name; raises OSError with the file in `filename`.

    Files that did not change are written all the same: linked, an edit in place would reach every generation.
    """
    generation = Generation(name, serial, snapshot.digest, digests(snapshot), snapshot.size)
    with Opened(name, directory) as top:
        manifest = os.open(_MANIFEST, _NEW, 0o777, dir_fd=top)
        try:
            # What the process' umask, or a default ACL, takes away: only then is a chmod per file needed.
            masked = 0o777 & ~os.fstat(manifest).st_mode
            os.fchmod(manifest, 0o600)  # digests of short secrets can be guessed
            _write_tree(top, _tree(snapshot.files), modes, masked)
            _write_all(manifest, _manifest(generation, snapshot, modes).encode())
        except BaseException:
            os.close(manifest)
            raise
        os.close(manifest)  # may report a full disk: close(2)
    return generation


def _manifest(generation: Generation, snapshot: Snapshot, modes: Modes) -> str:
    # By hand: the json module takes as long to import as the app to start, and is left alone as long as nobody reads.
    files = ", ".join(
        f'{_quoted(path)}: {{"sha256": "{generation.files[path]}", "size": {len(entry.data)}, '
        f'"mode": "{modes.of(entry):04o}"}}'
        for path, entry in snapshot.files.items()
    )
    head = f'"format": {_FORMAT}, "serial": {generation.serial}, "digest": "{generation.digest}"'
    return f'{{{head}, "files": {{{files}}}}}'


def _quoted(text: str) -> str:
    if text.isascii() and text.isprintable() and not {'"', "\\"} & set(text):
        return f'"{text}"'
    import json  # noqa: PLC0415 - see `_manifest`

    return json.dumps(text)


def _tree(files: Mapping[str, Entry]) -> Tree:
    tree: Tree = {}
    for path, entry in files.items():
        *parents, name = path.split("/")
        node = tree
        for parent in parents:
            below = node.setdefault(parent, {})
            assert isinstance(below, dict)  # noqa: S101 - a snapshot has no file in the place of a directory
            node = below
        node[name] = entry
    return tree


def _write_tree(directory: int, tree: Tree, modes: Modes, masked: int) -> None:
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
    """What the manifest of the generation of that name says; None if there is none that can be read."""
    if not is_name(name):
        return None
    import json  # noqa: PLC0415 - see `_manifest`

    try:
        with Opened(name, directory) as top:
            said = json.loads(b"".join(_pieces(top, _MANIFEST)))
        return _parsed(name, said)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _parsed(name: str, said: Any) -> Generation | None:
    files: dict[str, str] = {}
    total = 0
    for path, about in said["files"].items():
        check_path(path)  # anybody may have written it
        files[path] = str(about["sha256"])
        total += int(about["size"])
    if said["format"] != _FORMAT:
        return None
    return Generation(name, int(said["serial"]), str(said["digest"]), files, total)


def is_ours(directory: int, name: str) -> bool:
    """Whether there is a generation of that name, whole or torn: a directory with a manifest, or still empty."""
    if not is_name(name):
        return False
    try:
        with Opened(name, directory) as top:
            entries = os.listdir(top)
    except OSError:
        return False
    return not entries or _MANIFEST in entries


class Known:
    """Reads generations, those whose manifest did not change only once: that would be most of a small change's work."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, ...], Generation]] = {}

    def read(self, directory: int, name: str) -> Generation | None:
        """What the manifest of the generation of that name says; None if there is none that can be read."""
        mark = _mark(directory, name)
        if name in self._known and self._known[name][0] == mark:
            return self._known[name][1]
        self._known.pop(name, None)
        generation = read(directory, name)
        if generation is not None and mark:
            self._known[name] = mark, generation
        return generation

    def add(self, directory: int, generation: Generation) -> None:
        """Take note of a generation that was just written."""
        self._known[generation.name] = _mark(directory, generation.name), generation

    def found(self, directory: int) -> dict[str, Generation | None]:
        """All generations in a directory by name; None stands for a torn one."""
        names = [name for name in os.listdir(directory) if is_name(name)]
        for gone in self._known.keys() - set(names):
            del self._known[gone]
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
    """The hex sha256 of every file that a generation really has, "" for what is no file; raises OSError."""
    from hashlib import sha256  # noqa: PLC0415 - see snapshot.py

    left = generation.bytes + _PIECE  # what others put there can be larger than our patience
    result: dict[str, str] = {}

    def walk(top: int, prefix: str, depth: int) -> None:
        nonlocal left
        with os.scandir(top) as scan:
            entries = [entry for entry in scan if prefix or entry.name != _MANIFEST]
        if (not entries and prefix) or depth > _DEEPEST:
            result[prefix] = ""
            return
        for entry in entries:
            path = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                with Opened(entry.name, top) as below:
                    walk(below, f"{path}/", depth + 1)
            elif not entry.is_file(follow_symlinks=False):
                result[path] = ""
            else:
                one = sha256()
                for piece in _pieces(top, entry.name):
                    one.update(piece)
                    left -= len(piece)
                    if left < 0:
                        raise OSError(errno.EFBIG, "more data than its manifest says", path)
                result[path] = one.hexdigest()

    with Opened(generation.name, directory) as top:
        walk(top, "", 0)
    return result


def _pieces(directory: int, name: str) -> Iterator[bytes]:
    file = os.open(name, _OLD, dir_fd=directory)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", name)
        while piece := os.read(file, _PIECE):
            yield piece
    finally:
        os.close(file)


def remove(directory: int, name: str) -> None:
    """Remove a generation; a crash meanwhile leaves a torn one. Raises OSError; one that is gone is no error."""
    try:
        with Opened(name, directory) as top:
            try:
                os.close(os.open(_MANIFEST, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, dir_fd=top))
            except FileNotFoundError:
                pass
            _clear(top, _MANIFEST, 0)
            try:
                os.unlink(_MANIFEST, dir_fd=top)
            except FileNotFoundError:
                pass
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
    with os.scandir(directory) as scan:
        entries = [entry for entry in scan if entry.name != spared]
    for entry in entries:
        if entry.is_dir(follow_symlinks=False) and depth < _DEEPEST:
            with Opened(entry.name, directory) as below:
                _clear(below, "", depth + 1)
            os.rmdir(entry.name, dir_fd=directory)
        else:
            os.unlink(entry.name, dir_fd=directory)
