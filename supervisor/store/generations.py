"""A generation on disk: a directory with the files and a manifest of their digests.

Written, read back, removed. The manifest is created first, empty: it marks the directory as ours.
It is filled last: it seals the generation, and a directory without a readable manifest is torn.
Other programs may write to the directories, so everything is opened relative to descriptors, no
link is followed, and an unreadable directory is no generation of ours. It must not know which
generation is live, and raises OSError only.
"""

from __future__ import annotations

import errno
import itertools
import os

from ..core.record import Record
from . import manifest
from .file_tree import tree_of
from .manifest import Generation
from .safe_open import Opened, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ..core.content import Entry, Version
    from .file_modes import Modes
    from .file_tree import Tree

MANIFEST = "..manifest.json"
_SHAPE = "..0000_00_00_00_00_00.000000000"
_DIGITS = str.maketrans("123456789", "000000000")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_DEEPEST = 100  # directories; ours are less deep, and foreign ones may be deeper than the stack
_BATCH = 1000  # names in a single look: other programs may have made any number


def is_name(name: str) -> bool:
    """Whether the name has the shape of a generation: `..YYYY_MM_DD_HH_MM_SS.NNNNNNNNN`."""
    return name.translate(_DIGITS) == _SHAPE


class Begun(Record):
    """A generation to write: its new directory is empty, or has an empty manifest and the files
    `kept`. `masked`: the mode bits that the directory takes from new files.
    """

    name: str
    masked: int | None = None
    kept: Collection[str] = ()


def write(directory: int, begun: Begun, serial: int, version: Version, modes: Modes) -> Generation:
    """Write a version into its directory; raises OSError with the file in `filename`.

    No file is shared with another generation: with hard links an edit in place would reach both.
    """
    generation = Generation(
        begun.name, serial, version.digest, version.sums, version.size, modes.of_all(version.files)
    )
    sizes = ((path, len(entry.data)) for path, entry in version.files.items())
    try:
        text = manifest.written(generation, sizes)
    except ValueError as error:
        raise OSError(errno.E2BIG, f"too large to be read back: {error}") from None
    kept = begun.kept
    files = version.files
    with Opened(begun.name, directory) as top:
        if begun.masked is None:
            file, masked = new_manifest(top)
        else:
            file, masked = open_manifest(top), begun.masked
            files = {path: entry for path, entry in files.items() if path not in kept}
        try:
            _write_tree(top, tree_of(files), modes, masked)
            _write_all(file, text)
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # may report a full disk: close(2)
    return generation


def new_manifest(top: int) -> tuple[int, int]:
    """An empty manifest, open for writing; and the mode bits that the directory takes from new
    files.
    """
    file = os.open(MANIFEST, _NEW, 0o777, dir_fd=top)
    try:
        # The bits which the umask of the process, or a default ACL, takes away: each file with such
        # a bit needs a chmod.
        masked = 0o777 & ~os.fstat(file).st_mode
        os.fchmod(file, 0o600)  # digests of short secrets reveal them
    except BaseException:
        os.close(file)
        raise
    return file, masked


def open_manifest(top: int) -> int:
    """The manifest, emptied and open for writing; raises OSError, also for a link in its place."""
    return os.open(MANIFEST, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=top)


def unseal(top: int) -> None:
    """Empty the manifest, so that the generation is torn."""
    os.close(open_manifest(top))


def open_up(directory: int) -> None:
    """Let us remove names; a --dir-mode without w binds us too, except as root."""
    if os.fstat(directory).st_mode & 0o300 != 0o300:
        os.fchmod(directory, 0o700)


def _write_tree(directory: int, tree: Tree[Entry], modes: Modes, masked: int) -> None:
    for name, node in tree.items():
        if isinstance(node, dict):
            _make_directory(directory, name)
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


def _make_directory(directory: int, name: str) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=directory)
    except FileExistsError:  # of kept files
        with Opened(name, directory) as kept:
            open_up(kept)


def _write_all(file: int, data: bytes) -> None:
    done = os.write(file, data)
    while done < len(data):
        done += os.write(file, memoryview(data)[done:])


def read(directory: int, name: str) -> Generation | None:
    """The generation of that name by its manifest; None without a manifest of ours."""
    if not is_name(name):
        return None
    try:
        with Opened(name, directory) as top:
            return manifest.parsed(name, read_file(top, MANIFEST, manifest.MOST_BYTES))
    except (OSError, ValueError):
        return None


def later_format(directory: int, name: str) -> int:
    """The format of a generation of a later release of this program; else 0."""
    try:
        with Opened(name, directory) as top:
            return manifest.later_format(read_file(top, MANIFEST, manifest.MOST_BYTES)[:100])
    except OSError:
        return 0


def is_ours(directory: int, name: str) -> bool:
    """Whether a generation of that name exists, whole or torn: a directory with a manifest, or an
    empty one.
    """
    if not is_name(name):
        return False
    try:
        with Opened(name, directory) as top:
            return _exists(top, MANIFEST) or next(names_in(top), None) is None
    except OSError:
        return False


def _exists(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def names_in(directory: int) -> Iterator[str]:
    with os.scandir(directory) as scan:
        for entry in scan:
            yield entry.name


class Known:
    """Reads a manifest again only after a change: reading is most of the work of a small change."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, ...], Generation | None]] = {}

    def read(self, directory: int, name: str) -> Generation | None:
        """The generation of that name by its manifest; None if it is unreadable."""
        mark = _mark(directory, name) if is_name(name) else ()
        if not mark:
            self._known.pop(name, None)
            return None
        if name not in self._known or self._known[name][0] != mark:
            self._known[name] = mark, read(directory, name)
        return self._known[name][1]

    def add(self, directory: int, generation: Generation) -> None:
        """Note a generation just written."""
        self._known[generation.name] = _mark(directory, generation.name), generation

    def found(self, directory: int) -> dict[str, Generation | None]:
        """All generations in a directory by name; None stands for a torn generation."""
        names = [name for name in names_in(directory) if is_name(name)]
        for gone in self._known.keys() - set(names):
            self._known.pop(gone, None)
        read_ = {name: self.read(directory, name) for name in names}
        return {name: one for name, one in read_.items() if one or is_ours(directory, name)}


def _mark(directory: int, name: str) -> tuple[int, ...]:
    # Equal while the manifest is unchanged; empty without a manifest.
    try:
        status = os.stat(f"{name}/{MANIFEST}", dir_fd=directory, follow_symlinks=False)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def remove(directory: int, name: str) -> None:
    """Remove a generation, if it is still there; a crash meanwhile leaves a torn one. Raises
    OSError.
    """
    try:
        with Opened(name, directory) as top:
            try:
                unseal(top)
            except OSError:
                pass  # gone, or no file of ours; a failing removal raises below
            _clear(top, MANIFEST, 0)
            _clear(top, "", 0)
        os.rmdir(name, dir_fd=directory)
    except FileNotFoundError:
        pass


def remove_if_possible(directory: int, name: str) -> None:
    """The same without errors; a remaining generation takes room and does no harm."""
    try:
        remove(directory, name)
    except OSError:
        pass


def _clear(directory: int, spared: str, depth: int) -> None:
    open_up(directory)
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
