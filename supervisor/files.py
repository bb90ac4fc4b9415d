"""One configuration in one directory, put in place by one rename; what is there, read back.

The layout is that of a volume which the kubelet writes, so that every app that can live with a mounted
ConfigMap can live with ours. Links are relative, since the path may differ in the app's container:

    ..2026_01_31_23_59_59.123456789/   a generation: the files and a manifest (see generations.py)
    ..data -> ..2026_01_31_23_59_59.123456789
    nginx.conf -> ..data/nginx.conf

Nothing is synced to disk: after a crash of the machine the digests tell a torn generation from a whole one.
Other programs may write to the directory, so no link in it is followed. It must not know where content comes
from, nor what is done with it. For one thread at a time.
"""

from __future__ import annotations

import errno
import os
import stat
import time

from . import generations, refusals
from .generations import Generation, Modes, Opened
from .refusals import FilesError
from .snapshot import diff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .snapshot import Changes, Snapshot

__all__ = ["KEPT", "FilesError", "Generation", "Modes", "Root"]

KEPT = 3  # generations, the live one included: what readers still have open, and what to go back to

_DATA = "..data"
_DATA_NEXT = "..data_tmp"
_SCRATCH = ("..link.", "..kept.")  # names that are there during a swap only


class Root:
    """The directory that shows one generation and keeps some. All methods raise FilesError.

    `path` may be relative to where the process is now. `clock` gives nanoseconds since the epoch; it only
    makes names: the order of generations comes from their manifests.
    """

    def __init__(self, path: str, modes: Modes, *, clock: Callable[[], int] = time.time_ns) -> None:
        self.path = os.path.join(os.getcwd(), path)  # the process leaves its directory later
        self.why_not = ""  # why the last `live()` gave None
        self._modes, self._clock = modes, clock
        self._staged: set[str] = set()  # names that never were live
        self._known = generations.Known()
        self._serial = 0  # the highest so far; 0 as long as nobody looked
        self._before = ""  # the name of the generation that was live before the last `show`

    def prepare(self) -> None:
        """Make the directory if need be, clear away what a crash left, and show exactly what is live.

        Refuses a directory whose `..data` is not ours, so that a mounted volume is never written to.
        """
        with self._saying("prepare"):
            self._make()
            with Opened(self.path) as root:
                _check_data(root, self.path)
                for name in os.listdir(root):
                    if name == _DATA_NEXT or name.startswith(_SCRATCH):
                        os.unlink(name, dir_fd=root)
                name = _target(root, _DATA)
                found = self._known.found(root)
                live = found.pop(name, None)
                for other, generation in found.items():
                    # One that is newer than the live one was staged, maybe never validated, and nobody's to go
                    # back to. Where the live one is torn, after a power cut, all that are whole are kept.
                    newest = live.serial if live else 0
                    if generation is None or (generation.serial > newest and (live or not name)):
                        generations.remove_if_possible(root, other)
                if live or not name:
                    links = _Links(root, live.tops if live else (), self.path)
                    links.prepare()
                    links.replace()
                    links.drop(os.listdir(root))

    def stage(self, snapshot: Snapshot) -> Generation:
        """Write a new generation, which nobody sees until `swap`. On failure nothing of it remains."""
        with self._saying("write to"):
            self._make()
            with Opened(self.path) as root:
                self._serial = 1 + (self._serial or self._highest(root))
                name = self._new_directory(root)
                try:
                    generation = generations.write(root, name, self._serial, snapshot, self._modes)
                except BaseException:
                    generations.remove(root, name)
                    raise
                self._staged.add(name)
                self._known.add(root, generation)
                return generation

    def directory(self, generation: Generation) -> str:
        """The absolute path of a generation's files."""
        return f"{self.path}/{generation.name}"

    def swap(self, generation: Generation, spare: str = "") -> Changes:
        """`show`, then `tidy`."""
        changes = self.show(generation)
        self.tidy(spare)
        return changes

    def show(self, generation: Generation) -> Changes:
        """Make a generation live, a new one or one to go back to; returns what that changed in the files.

        On failure a generation that never was live is removed.
        """
        with self._saying("put a configuration into"), Opened(self.path) as root:
            before = _target(root, _DATA)
            old = self._known.read(root, before)
            if old is None:
                _check_data(root, self.path)
            if self._known.read(root, generation.name) is None:
                raise FilesError("write", f"cannot use {self.directory(generation)}: it is gone; write it again")
            links = _Links(root, generation.tops, self.path)
            try:
                # All that takes space comes before the rename of ..data, so that nothing can fail half-way.
                links.prepare()
                _point(root, generation.name)
                links.replace()
            except BaseException:
                _point_back(root, before)
                links.undo()
                if generation.name in self._staged:
                    generations.remove(root, generation.name)
                raise
            finally:
                self._staged.discard(generation.name)
            self._before = before
            try:
                # A link that leads nowhere is an error to an app that includes all there is (nginx: `conf.d/*`).
                links.drop(old.tops if old else os.listdir(root))
            except OSError:
                pass  # `tidy` tries again
            return diff(old.files if old else {}, generation.files)

    def tidy(self, spare: str = "") -> None:
        """Remove what the last `show` made superfluous, as far as possible: the next one tries again. Raises nothing.

        The live generation, the one before it and the newest of the others are kept, three in all, the one with the
        digest `spare`, and what is staged: it may be being validated.
        """
        try:
            with Opened(self.path) as root:
                found = self._known.found(root)
                live = found.get(_target(root, _DATA))
                if live:
                    _Links(root, live.tops, self.path).drop(os.listdir(root))
                    _prune(root, found, {live.name, self._before, *self._staged}, spare)
        except OSError:
            pass

    def discard(self, generation: Generation) -> None:
        """Remove a generation that is not live."""
        with self._saying("clear"), Opened(self.path) as root:
            if _target(root, _DATA) == generation.name:
                raise FilesError("write", f"cannot remove {self.directory(generation)}: it is live; swap it first")
            generations.remove(root, generation.name)
            self._staged.discard(generation.name)

    def live(self) -> Generation | None:
        """The generation that is in place, if every file has the digest of its manifest and none was added.

        Else None, with the reason in `why_not`. Raises nothing.
        """
        self.why_not = ""
        try:
            with Opened(self.path) as root:
                name = _target(root, _DATA)
                generation = self._known.read(root, name)
                if generation is None:
                    manifest = f"{self.path}/{name} has no manifest that can be read"
                    self.why_not = manifest if name else f"{self.path} holds no configuration yet"
                    return None
                changes = diff(generation.files, generations.sums(root, generation))
        except OSError as error:
            self.why_not = f"cannot read {self.path}: {refusals.reason(error)}"
            return None
        if changes:
            self.why_not = f"{self.path}/{name} differs from its manifest: {changes}"
        return None if changes else generation

    def generations(self) -> list[Generation]:
        """The generations that have a readable manifest, newest first. Their files are not looked at."""
        with self._saying("read"):
            try:
                with Opened(self.path) as root:
                    whole = [one for one in self._known.found(root).values() if one]
            except FileNotFoundError:
                return []
        return sorted(whole, key=lambda generation: -generation.serial)

    def _highest(self, root: int) -> int:
        return max((one.serial for one in self._known.found(root).values() if one), default=0)

    def _saying(self, verb: str) -> refusals.Saying:
        return refusals.Saying(verb, self.path, giving=self._modes.owner is not None)

    def _make(self) -> None:
        if os.path.isdir(self.path):
            return
        os.makedirs(self.path)
        with Opened(self.path) as root:
            self._modes.finish(root)

    def _new_directory(self, root: int) -> str:
        now = self._clock()
        while True:
            seconds, nanoseconds = divmod(now, 10**9)
            name = f"..{time.strftime('%Y_%m_%d_%H_%M_%S', time.gmtime(seconds))}.{nanoseconds:09d}"
            try:
                os.mkdir(name, 0o700, dir_fd=root)
            except FileExistsError:
                now += 1
            else:
                return name


class _Links:
    """The visible links of one generation's top-level names, and the way back while they are made."""

    def __init__(self, root: int, names: Iterable[str], path: str) -> None:
        self._root, self._names, self._path = root, set(names), path
        self._made: list[str] = []
        self._waiting: list[tuple[str, str, str]] = []  # link, the file that it shall replace, a copy of that

    def prepare(self) -> None:
        """Make the missing links; make those that shall replace a file under other names. Raises FilesError."""
        for name in sorted(self._names):
            target = self._look(name)
            if target is None:
                os.symlink(f"{_DATA}/{name}", name, dir_fd=self._root)
                self._made.append(name)
            elif target != f"{_DATA}/{name}":
                self._wait(name)

    def replace(self) -> None:
        """Put the prepared links over the files, each in one step."""
        for link, name, _ in self._waiting:
            os.rename(link, name, src_dir_fd=self._root, dst_dir_fd=self._root)
        self._forget()

    def undo(self) -> None:
        """Put everything back as it was before `prepare`."""
        for name in self._made:
            _unlink(self._root, name)
        for _, name, kept in self._waiting:
            if _exists(self._root, kept):
                os.rename(kept, name, src_dir_fd=self._root, dst_dir_fd=self._root)
        self._forget()

    def drop(self, names: Iterable[str]) -> None:
        """Remove links of ours that have one of these names, and no file any more."""
        for name in names:
            if name not in self._names and _target(self._root, name) == f"{_DATA}/{name}":
                os.unlink(name, dir_fd=self._root)

    def _look(self, name: str) -> str | None:
        # The link's target, "" for a file that may be replaced, None where nothing is.
        try:
            mode = os.lstat(name, dir_fd=self._root).st_mode
        except FileNotFoundError:
            return None
        if stat.S_ISREG(mode):
            return ""
        if not stat.S_ISLNK(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "no regular file"
            raise FilesError("bad_key", f"cannot write {self._path}/{name}: {kind} is in its place; remove it")
        target = os.readlink(name, dir_fd=self._root)
        if not target.startswith(f"{_DATA}/"):
            raise FilesError("bad_key", f"cannot write {self._path}/{name}: it is a link to {target!r}; remove it")
        return target

    def _wait(self, name: str) -> None:
        link, kept = (f"{prefix}{len(self._waiting)}" for prefix in _SCRATCH)
        os.symlink(f"{_DATA}/{name}", link, dir_fd=self._root)
        self._waiting.append((link, name, kept))
        try:
            os.link(name, kept, src_dir_fd=self._root, dst_dir_fd=self._root, follow_symlinks=False)
        except OSError:
            pass  # another's file (fs.protected_hardlinks, proc(5)), or no hard links here: then no way back

    def _forget(self) -> None:
        for link, _, kept in self._waiting:
            _unlink(self._root, link)
            _unlink(self._root, kept)
        self._waiting = []


def _check_data(root: int, path: str) -> None:
    try:
        target = os.readlink(_DATA, dir_fd=root)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise FilesError("write", f"cannot use {path}: {_DATA} in it is no link; remove it") from None
    # One that leads nowhere would be ours too, if it has such a name: somebody removed the generation.
    if generations.is_ours(root, target) or (generations.is_name(target) and not _exists(root, target)):
        return
    raise FilesError(
        "write",
        f"cannot use {path}: {_DATA} in it points to {target!r}, which this program did not write; give another"
        " directory if a volume is mounted there, else remove that link",
    )


def _exists(root: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=root)
    except FileNotFoundError:
        return False
    return True


def _unlink(root: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=root)
    except FileNotFoundError:
        pass


def _target(root: int, name: str) -> str:
    try:
        return os.readlink(name, dir_fd=root)
    except OSError:
        return ""


def _point(root: int, name: str) -> None:
    os.symlink(name, _DATA_NEXT, dir_fd=root)
    try:
        os.rename(_DATA_NEXT, _DATA, src_dir_fd=root, dst_dir_fd=root)
    except BaseException:
        os.unlink(_DATA_NEXT, dir_fd=root)
        raise


def _point_back(root: int, before: str) -> None:
    if _target(root, _DATA) == before:
        return
    if before:
        _point(root, before)
    else:
        os.unlink(_DATA, dir_fd=root)


def _prune(root: int, found: Mapping[str, Generation | None], spared: set[str], digest: str) -> None:
    spared = {name for name, one in found.items() if name in spared or (one and one.digest == digest)}
    others = {name: one.serial for name, one in found.items() if one and name not in spared}
    kept = spared.union(sorted(others, key=lambda name: -others[name])[: max(0, KEPT - len(spared))])
    for name in found.keys() - kept:
        generations.remove_if_possible(root, name)
