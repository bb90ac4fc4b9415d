"""The names in a directory of generations beside these: `..data` and the links through it, switched
in a single step, and small files of ours, replaced in a single step.

Other users may write to the directory: no link in it is followed, and temporary names cannot be
guessed. An obstacle is a state of the disk, never a fault of the content.
"""

from __future__ import annotations

import errno
import os
import stat

from ..core.content import DATA, shown
from ..core.outcomes import ApplyFailure
from .write_errors import ApplyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Names during a swap only; random digits follow each.
_NEXT = "..data_tmp"
_LINK = "..link."
_KEPT = "..kept."


class Links:
    """The visible links of a generation's top-level names, and the way back while they are made."""

    def __init__(self, root: int, names: Iterable[str], path: str) -> None:
        self._root = root
        self._names = set(names)
        self._path = path
        self._made: list[str] = []
        # Link, the replaced file, a copy of the file.
        self._waiting: list[tuple[str, str, str]] = []

    def prepare(self) -> None:
        """Make the missing links; make the links in place of files under temporary names. Raises
        ApplyError.
        """
        for name in sorted(self._names):
            led = self._look(name)
            if led is None:
                os.symlink(f"{DATA}/{name}", name, dir_fd=self._root)
                self._made.append(name)
            elif led != f"{DATA}/{name}":
                self._wait(name)

    def replace(self) -> None:
        """Put the prepared links over the files, each in a single step."""
        for link, name, _ in self._waiting:
            os.rename(link, name, src_dir_fd=self._root, dst_dir_fd=self._root)
        self._forget()

    def undo(self) -> None:
        """Restore the state before `prepare`."""
        for name in self._made:
            _unlink(self._root, name)
        for _, name, kept in self._waiting:
            if exists(self._root, kept):
                os.rename(kept, name, src_dir_fd=self._root, dst_dir_fd=self._root)
        self._forget()

    def drop(self, names: Iterable[str]) -> None:
        """Remove our links of these names, except those with a file in the generation."""
        for name in names:
            if name not in self._names and target(self._root, name) == f"{DATA}/{name}":
                os.unlink(name, dir_fd=self._root)

    def _look(self, name: str) -> str | None:
        # The target of a link, "" for a replaceable file, None for a free name.
        try:
            led = os.readlink(name, dir_fd=self._root)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            mode = os.lstat(name, dir_fd=self._root).st_mode
            if stat.S_ISREG(mode):
                return ""
            kind = "a directory" if stat.S_ISDIR(mode) else "a special file"
            raise ApplyError(
                ApplyFailure.WRITE,
                f"cannot write {self._path}/{shown(name)}: {kind} is in its place; remove it",
            ) from None
        if not led.startswith(f"{DATA}/"):
            raise ApplyError(
                ApplyFailure.WRITE,
                f"cannot write {self._path}/{shown(name)}: it is a link to {led!r}; remove it",
            )
        return led

    def _wait(self, name: str) -> None:
        link, kept = (scratch(prefix) for prefix in (_LINK, _KEPT))
        os.symlink(f"{DATA}/{name}", link, dir_fd=self._root)
        self._waiting.append((link, name, kept))
        try:
            os.link(name, kept, src_dir_fd=self._root, dst_dir_fd=self._root, follow_symlinks=False)
        except OSError:
            # Another user's file (fs.protected_hardlinks, proc(5)), or no hard links here: there is
            # no way back.
            pass

    def _forget(self) -> None:
        for link, _, kept in self._waiting:
            _unlink(self._root, link)
            _unlink(self._root, kept)
        self._waiting = []


def target(root: int, name: str) -> str:
    """The target of a link; empty for anything else."""
    try:
        return os.readlink(name, dir_fd=root)
    except OSError:
        return ""


def exists(root: int, name: str) -> bool:
    """Whether the name exists."""
    try:
        os.lstat(name, dir_fd=root)
    except FileNotFoundError:
        return False
    return True


def scratch(prefix: str = f"{_NEXT}.") -> str:
    """A temporary name, hard to guess; `clear_scratch` removes it after a crash."""
    return f"{prefix}{os.urandom(8).hex()}"


def clear_scratch(root: int) -> None:
    """Remove the leftovers of a crash in a swap; other things with such a name stay."""
    with os.scandir(root) as scan:
        left = [entry.name for entry in scan if entry.name.startswith((_NEXT, _LINK, _KEPT))]
    for name in left:
        try:
            os.unlink(name, dir_fd=root)
        except OSError:
            pass  # a directory, or a protected name: it does no harm


def point(root: int, name: str) -> None:
    """Let `..data` lead to `name`, in a single step."""
    following = scratch()
    os.symlink(name, following, dir_fd=root)
    try:
        os.rename(following, DATA, src_dir_fd=root, dst_dir_fd=root)
    except BaseException:
        os.unlink(following, dir_fd=root)
        raise


def replace_file(root: int, name: str, data: bytes) -> None:
    """Put a small file in place in a single step; only its owner may read it. Raises OSError."""
    following = scratch()
    file = os.open(
        following, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=root
    )
    try:
        try:
            if os.write(file, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
        finally:
            os.close(file)
        try:
            os.rename(following, name, src_dir_fd=root, dst_dir_fd=root)
        except IsADirectoryError:  # another program planted it: it moves aside
            os.rename(name, scratch("..aside."), src_dir_fd=root, dst_dir_fd=root)
            os.rename(following, name, src_dir_fd=root, dst_dir_fd=root)
    except BaseException:
        _unlink(root, following)
        raise


def point_back(root: int, before: str) -> None:
    """Let `..data` lead to `before`, or be gone."""
    if target(root, DATA) == before:
        return
    if before:
        point(root, before)
    else:
        os.unlink(DATA, dir_fd=root)


def _unlink(root: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=root)
    except FileNotFoundError:
        pass
