"""Configroot: the directory of generations; a rename makes a generation live.

The layout is the kubelet's for a mounted ConfigMap, so every app for such a volume can read it.
Links are relative, since the path may differ in the app's container:

    ..2026_01_31_23_59_59.123456789/   a generation: the files and a manifest (see generations.py)
    ..data -> ..2026_01_31_23_59_59.123456789
    nginx.conf -> ..data/nginx.conf

Nothing is synced to disk: after a crash of the machine the digests tell torn generations from whole
ones. Other programs may write to the directory, so no link in it is followed. It must not know
where content comes from, nor who reads it. It serves a single thread at a time.
"""

from __future__ import annotations

import os
import time

from ..core.content import DATA, diff, shown
from ..core.outcomes import ApplyFailure
from ..core.record import Record
from ..core.versions import Marks
from ..runtime import log
from . import digest_key, generations, integrity, write_errors
from .file_modes import Modes
from .generations import Begun
from .links import Links, clear_scratch, exists, point, point_back, replace_file, target
from .manifest import MOST_SERIAL, Generation
from .retention import kept_names
from .root_directory import RootDirectory
from .safe_open import read_file
from .spare import Spare
from .write_errors import ApplyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..core.content import Changes, Version

__all__ = ["Generation", "Modes", "Root"]

# Versions, the live one included: for readers with open files, and to go back to.
_KEPT = 3
_LISTED = 5  # names in a message
_MARKS = "..marks"
_MOST_MARKS = 16384  # bytes; a few lines are usual


class Live(Record):
    """The generation in place; or None, and the sentence `fault` says why.

    `damaged`: its files or its manifest are not as they were written.
    """

    generation: Generation | None
    fault: str = ""
    damaged: bool = False


class Root:
    """The directory with a live generation and some earlier ones. All methods raise ApplyError.

    `keep` counts the versions on disk, the live one included. `path` may be relative to the
    present working directory. `clock` gives nanoseconds since the epoch, for names only: the order
    of generations comes from their manifests.
    """

    def __init__(
        self, path: str, modes: Modes, *, keep: int = _KEPT, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._directory = RootDirectory(path, modes, self._forget)
        self.path = self._directory.path
        self._modes = modes
        self._keep = keep
        self._clock = clock
        self._key = b""
        self._warned: set[str] = set()
        self.spare = Spare(modes)
        self._forget()

    def _forget(self) -> None:
        self._staged: set[str] = set()  # names, never live so far
        self.spare.forget()
        self._known = generations.Known()
        self._serial = 0  # the highest so far; 0 before the first look
        self._before = ""  # the generation that was live before the last `show`
        self._shown = ""  # the generation of the last `show`
        self._key_kept = False

    def key(self) -> bytes:
        """A random key for digests: the directory's, if it can hold a key. Raises nothing."""
        try:
            with self._directory.explaining("write to"), self._directory.opened(make=True) as root:
                self._directory.check_data(root)
                self._key = digest_key.read_or_write(root, self._key)
                self._key_kept = True
        except ApplyError as error:
            log.debug(f"{error}; until then digests change at each restart", event="no_digest_key")
            self._key = self._key or digest_key.new()
        return self._key

    def prepare(self) -> None:
        """Make the directory if it is missing, remove the leftovers of a crash, and show exactly
        the live files.

        Refuses a directory whose `..data` is not ours: a mounted volume is never written to.
        """
        with self._directory.explaining("prepare"), self._directory.opened(make=True) as root:
            self._directory.check_data(root)
            clear_scratch(root)
            name = target(root, DATA)
            found = self._known.found(root)
            live = found.pop(name, None)
            self._leave_later_formats(root, found, name)
            for other, generation in found.items():
                # A generation newer than the live one was staged only, maybe never validated: no
                # start goes back to it. If the live one is torn, after a power cut, every whole
                # generation stays.
                newest = live.serial if live else 0
                if generation is None or (generation.serial > newest and (live or not name)):
                    generations.remove_if_possible(root, other)
            if live:
                self._prune(root, live, self.marks().good)  # a run may end before it tidies
            if live or not name:
                links = Links(root, live.tops if live else (), self.path)
                links.prepare()
                links.replace()
                links.drop(os.listdir(root))

    def _leave_later_formats(
        self, root: int, found: dict[str, Generation | None], live: str
    ) -> None:
        # Spares the generations of a later release until a version of this release is live.
        torn = [name for name, generation in found.items() if generation is None]
        if self._known.read(root, live) is None:
            torn.append(live)
        later = {name: number for name in torn if (number := generations.later_format(root, name))}
        for name in later:
            found.pop(name, None)
        if later:
            log.warning(
                f"cannot read {len(later)} of the configurations in {self.path}: a later release"
                f" wrote them, in format {max(later.values())}; they stay until a configuration of"
                " this release is in place",
                event="later_format",
            )

    def stage(self, version: Version) -> Generation:
        """Write a new generation; no reader sees it before `show`. A failure leaves nothing."""
        with self._directory.explaining("write to"), self._directory.opened(make=True) as root:
            if self._key and not self._key_kept:
                digest_key.read_or_write(root, self._key)
                self._key_kept = True
            self._serial = self._serial or self._highest(root)
            # A manifest of another program may claim the highest number.
            self._serial = self._serial + 1 if self._serial + 1 < MOST_SERIAL else 1
            generation = self._written_by_spare(root, version) or self._written(root, version)
            self._staged.add(generation.name)
            self._known.add(root, generation)
            return generation

    def _written(self, root: int, version: Version) -> Generation:
        name = self._free_name(root)
        os.mkdir(name, 0o700, dir_fd=root)
        try:
            return generations.write(root, Begun(name), self._serial, version, self._modes)
        except BaseException:
            generations.remove(root, name)
            raise

    def _written_by_spare(self, root: int, version: Version) -> Generation | None:
        if not self.spare.name:
            return None
        name = self._free_name(root)
        try:
            begun = self.spare.take(root, name, version)
            if begun is None:
                return None
            return generations.write(root, begun, self._serial, version, self._modes)
        except OSError:  # another program was there, or the disk is full: all is written, or fails
            generations.remove_if_possible(root, name)
            return None

    def directory(self, generation: Generation) -> str:
        """The absolute path of a generation's files."""
        return f"{self.path}/{generation.name}"

    def show(self, generation: Generation) -> Changes:
        """Make a new or an earlier generation live; returns the changes of files.

        A failure leaves the live files as they were, and removes a generation that never was live.
        """
        with (
            self._directory.explaining("put a configuration into"),
            self._directory.opened() as root,
        ):
            before = target(root, DATA)
            old = self._known.read(root, before)
            if old is None:
                self._directory.check_data(root)
            if self._known.read(root, generation.name) is None:
                raise ApplyError(
                    ApplyFailure.WRITE,
                    f"cannot use {self.directory(generation)}: it is gone; write it again",
                )
            links = self._switch(root, before, generation)
            self._before = before
            self._shown = generation.name
            try:
                # A dangling link is an error to an app that includes `conf.d/*`, as nginx does.
                links.drop(old.tops if old else os.listdir(root))
            except OSError:
                pass  # `tidy` tries again
            return diff(old.files if old else {}, generation.files)

    def _switch(self, root: int, before: str, generation: Generation) -> Links:
        links = Links(root, generation.tops, self.path)
        try:
            # All that takes space comes before the rename of ..data: it cannot fail half-way.
            links.prepare()
            point(root, generation.name)
            links.replace()
        except BaseException:
            point_back(root, before)
            links.undo()
            if generation.name in self._staged:
                generations.remove(root, generation.name)
            raise
        finally:
            self._staged.discard(generation.name)
        return links

    def tidy(self, good: Sequence[str] = ()) -> None:
        """Remove superfluous generations as far as possible; the next call tries again. Raises
        nothing.

        The live generation stays, its predecessor, the staged ones (a validation may read them), a
        generation for each of the first digests in `good`, and the newest others up to `keep`. If
        `keep` is 1, the predecessor goes once the live version is good.
        """
        try:
            with self._directory.opened() as root:
                live = self._known.read(root, target(root, DATA))
                if live:
                    Links(root, live.tops, self.path).drop(os.listdir(root))
                    self._prune(root, live, good)
        except (OSError, ApplyError):
            pass

    def _prune(self, root: int, live: Generation, good: Sequence[str]) -> None:
        found = self._known.found(root)
        best = list(dict.fromkeys(filter(None, good)))[: self._keep]
        spared = {live.name, *self._staged}
        if self._keep > 1 or live.digest not in best:
            spared.add(self._before)
        superfluous = found.keys() - kept_names(found, spared, best, self._keep)
        if live.name == self._shown and not self.spare.keep_for(root, live):
            whole = [one for name in superfluous if (one := found[name])]
            self.spare.make(root, self._free_name(root), whole, live)
        for name in superfluous - {self.spare.name}:
            generations.remove_if_possible(root, name)

    def read_spare(self) -> None:
        """Let the next change write only changed files; some time after `tidy`. Raises nothing."""
        try:
            with self._directory.opened() as root:
                self.spare.read(root)
        except (OSError, ApplyError):
            pass

    def discard(self, generation: Generation) -> None:
        """Remove a generation that is not live."""
        with self._directory.explaining("clear"), self._directory.opened() as root:
            if target(root, DATA) == generation.name:
                raise ApplyError(
                    ApplyFailure.WRITE,
                    f"cannot remove {self.directory(generation)}: it is live; show another first",
                )
            generations.remove(root, generation.name)
            self._staged.discard(generation.name)

    def live(self) -> Live:
        """The generation in place, if every file of its manifest is as it was written. Files beside
        them are left alone. Raises nothing.
        """
        try:
            with self._directory.explaining("read"), self._directory.opened() as root:
                name = target(root, DATA)
                if not name:
                    return Live(None, f"{self.path} holds no configuration yet")
                generation = self._known.read(root, name)
                if generation is None:
                    return self._unreadable(root, name)
                fault = integrity.fault(root, generation)
                self._log_strangers(root, generation)
        except ApplyError as error:
            return Live(None, str(error))
        if fault:
            return Live(None, self._cannot_use(generation.name, fault), damaged=True)
        return Live(generation)

    def _unreadable(self, root: int, name: str) -> Live:
        if number := generations.later_format(root, name):
            why = f"a later release wrote it, in format {number}"
            return Live(None, self._cannot_use(name, why))  # `prepare` has warned
        why = "it has no manifest that can be read"
        return Live(None, self._cannot_use(name, why), damaged=True)

    def _cannot_use(self, name: str, why: str) -> str:
        return f"cannot use generation {self.path}/{shown(name)}: {why}"

    def _log_strangers(self, root: int, generation: Generation) -> None:
        if not log.wanted("debug"):
            return
        try:
            found = integrity.strangers(root, generation, _LISTED)
        except OSError:
            return
        if found:
            names = ", ".join(shown(name) for name in found)
            log.debug(
                f"{self.directory(generation)} also holds {names}: not part of the configuration,"
                " left alone",
                event="foreign_files",
            )

    def fault(self, generation: Generation) -> str:
        """Why a generation cannot be used, a sentence; empty if every file is as it was written.
        Raises nothing.
        """
        try:
            with self._directory.explaining("read"), self._directory.opened() as root:
                why = integrity.fault(root, generation)
        except ApplyError as error:
            return str(error)
        return self._cannot_use(generation.name, why) if why else ""

    def up_to_date(self, generation: Generation, version: Version) -> bool:
        """Whether a generation is this version, with the modes and the owner of the options now."""
        if generation.digest != version.digest:
            return False
        if generation.modes != self._modes.of_all(version.files):
            return False
        with self._directory.explaining("read"), self._directory.opened() as root:
            status = os.stat(generation.name, dir_fd=root, follow_symlinks=False)
        return self._modes.owned(status)

    def warn_of_damage(self, fault: str) -> None:
        """Warn that a generation is skipped, once for each fault."""
        if fault not in self._warned:
            self._warned.add(fault)
            log.warning(f"{fault}; let no other program write there", event="generation_damaged")

    def marks(self) -> Marks:
        """The marks of this run and of earlier ones; empty if unreadable. Raises nothing."""
        try:
            with self._directory.opened() as root:
                data = read_file(root, _MARKS, _MOST_MARKS)
        except (OSError, ApplyError):
            return Marks()
        from ..core import rollout_marks

        return rollout_marks.parse(data)

    def mark(self, marks: Marks) -> None:
        """Write the marks in a single step."""
        from ..core import rollout_marks

        with (
            write_errors.Explaining("write", f"{self.path}/{_MARKS}", giving=False),
            self._directory.opened() as root,
        ):
            replace_file(root, _MARKS, rollout_marks.render(marks))

    def generations(self) -> list[Generation]:
        """The generations with a readable manifest, newest first. Their files are not checked."""
        with self._directory.explaining("read"):
            try:
                with self._directory.opened() as root:
                    whole = [one for one in self._known.found(root).values() if one]
            except FileNotFoundError:
                return []
        return sorted(whole, key=lambda generation: -generation.serial)

    def _highest(self, root: int) -> int:
        return max((one.serial for one in self._known.found(root).values() if one), default=0)

    def _free_name(self, root: int) -> str:
        now = self._clock()
        while True:
            seconds, nanoseconds = divmod(now, 10**9)
            name = f"..{time.strftime('%Y_%m_%d_%H_%M_%S', time.gmtime(seconds))}.{nanoseconds:09d}"
            if not exists(root, name):
                return name
            now += 1
