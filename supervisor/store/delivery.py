"""Puts the newest version in place when the rollout orders it, each time in a short thread.

Stages, validates, shows; or puts an earlier version back. It must not know where content comes
from, and decides nothing about pace, retries or reloads.
"""

from __future__ import annotations

import posix
import time

from ..core import events as ev
from ..core.content import KEY_BYTES, Changes, Version, diff, version_of
from ..core.outcomes import ApplyFailure
from ..core.record import Record
from ..core.versions import short
from ..runtime import log, threads
from . import source_threads
from .newest_version import NewestVersion, Unwritable
from .write_errors import ApplyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..core.actions import Recover
    from ..core.content import Entry
    from ..core.versions import Versions
    from .configroot import Generation, Root
    from .marks_file import MarksFile
    from .source_threads import DeclaredSource, Put

    # Validates a directory, or gives up for a newer version; raises ApplyError.
    Validator = Callable[[str, Callable[[], bool]], None]


_AFTERWARDS = 0.05  # seconds for the app to reload, before old generations are removed
_TICK = 0.02  # seconds: more than the clock of a file system goes on at once
_FEW = 100  # files whose digests are compared in no time
_SIGNALLED = 0.001  # seconds for the main thread to start or signal the app, undisturbed


class Destination(Record):
    """Where the files go, and the checks before the app sees them."""

    root: Root | None  # None: the app reads the files of the source itself
    directory: str  # where the app finds the files
    mapping: Mapping[str, str] = {}
    check: Validator | None = None
    marks: MarksFile | None = None  # good and failed versions of earlier runs


class Delivery:
    """Acts on orders of the rollout (the protocol `Sync` of the loop) and reports by events."""

    def __init__(
        self,
        sources: Sequence[DeclaredSource],
        destination: Destination,
        put: Put,
        versions: Callable[[], Versions],
    ) -> None:
        """`versions` returns the state of the versions: the good ones stay on disk."""
        self._sources = sources
        self._put = put
        self._versions = versions
        self._root = destination.root
        self._marks = destination.marks
        self._directory = destination.directory
        self._check = destination.check
        self._newest = NewestVersion(
            [source.subdir for source in sources],
            destination.mapping,
            self._digest_key,
            exact=self._root is None,
        )
        self._live: Generation | None = None
        self._fault = ""  # why a start can use no generation
        self._unchecked: Generation | None = None  # staged, and being validated
        self._checked: Generation | None = None  # staged and validated, not shown yet
        self._validated = ""  # without a root: the version that passed its validation
        self._previous = ""  # the digest in place before the last change
        self._apply_error = ""
        self._in_place: Mapping[str, str] = {}  # path to digest, of the last version applied
        self._prepared = False
        self._lent = source_threads.LentThreads()
        self._store = threads.Lock()  # of the root: a recovery may come while a validation hangs

    def start(self) -> None:
        """Start a thread for each source."""
        source_threads.start(self._sources, self.outlets())

    def outlets(self) -> source_threads.Outlets:
        """The way in for the reports of sources."""
        return source_threads.Outlets(self._newest, self._put, self._lend)

    def _lend(self) -> None:
        if self._only_noted():
            time.sleep(_SIGNALLED)
        elif self._check is None:
            # While it validates, a source goes on reading: a newer version ends the validation.
            self._lent.lend()

    def _only_noted(self) -> bool:
        """Whether to apply the newest version is no work: the app reads the few files in place."""
        newest = self._newest.version
        noted = self._root is None and self._check is None
        return noted and isinstance(newest, Version) and len(newest.files) <= _FEW

    def _digest_key(self) -> bytes:
        return posix.urandom(KEY_BYTES) if self._root is None else self._root.key()

    def check(self, version: str = "") -> None:
        """Write and validate the newest version; reports `ConfigChecked` or `ConfigFailed`.

        With a `version` only this one: a newer one makes it overtaken.
        """
        desired = self._wanted(version)
        if desired is not None and self._reporting(desired, self._prepare):
            self._put(ev.ConfigChecked(desired.digest))

    def _wanted(self, version: str) -> Version | Unwritable | None:
        newest = self._newest.version
        if newest is None or version in ("", newest.digest):
            return newest
        self._overtaken(version, "a newer version came before")
        return None

    def apply(self, version: str = "") -> None:
        """Put the newest version in place; reports `ConfigApplied` or `ConfigFailed`. `version` as
        above.
        """
        if self._applied(version):
            self._tidy_afterwards()

    def apply_at_once(self, version: str = "") -> bool:
        """The same without the start of a thread; returns whether that is possible. For the main
        thread: returns at once. The thread of the source that offered the version does the work.
        """
        if self._only_noted():
            self._applied(version)  # to wake another thread would take longer
            return True
        return self._lent.perform(lambda: self._apply_and_read_on(version))

    def _apply_and_read_on(self, version: str) -> None:
        if not self._applied(version):
            return
        time.sleep(_SIGNALLED)
        if self._root is not None:
            try:
                threads.start(self._tidy_afterwards, "tidy")
            except RuntimeError:
                pass  # at the limit of processes; the next change tidies up

    def _applied(self, version: str) -> bool:
        desired = self._wanted(version)
        return desired is not None and self._reporting(desired, self._show)

    def _tidy_afterwards(self) -> None:
        if self._root is not None:
            time.sleep(_AFTERWARDS)
            with self._store:
                self._tidy(self._root)
            self._read_spare()

    def _read_spare(self) -> None:
        if self._root is not None and self._root.spare.name:
            time.sleep(_TICK)
            with self._store:
                self._root.read_spare()

    def _reporting(self, desired: Version | Unwritable, do: Callable[[Version], None]) -> bool:
        """Do something with the newest version; returns its success, and reports a failure."""
        if isinstance(desired, Unwritable):
            self._fail(desired.digest, ApplyFailure.BAD_KEY, desired.error)
            return False
        try:
            do(desired)
        except ApplyError as error:
            if error.reason is ApplyFailure.HOOK and self._newest.version is not desired:
                self._overtaken(desired.digest, "a newer version ended the validation")
            else:
                self._fail(desired.digest, error.reason, str(error), error.words)
        except Exception as error:  # the outer edge of the thread: each order is reported
            why = f"cannot write the configuration: internal error: {error!r}"
            self._fail(desired.digest, ApplyFailure.WRITE, why)
        else:
            return True
        return False

    def _overtaken(self, digest: str, error: str) -> None:
        self._put(ev.ConfigFailed(digest, ApplyFailure.OVERTAKEN, error))

    def _fail(self, digest: str, reason: ApplyFailure, error: str, words: str = "") -> None:
        self._apply_error = error
        self._put(ev.ConfigFailed(digest, reason, error, words))

    def _show(self, desired: Version) -> None:
        wanted = desired.sums
        if self._root is None:
            self._prepare(desired)
            self._validated = ""
            changes = str(diff(self._in_place, wanted))
        else:
            changes = self._swap_in(self._root, desired)
        previous = self._previous
        self._previous = desired.digest
        if changes == str(Changes()) and previous not in ("", desired.digest):
            changes = "permissions changed"
        self._in_place = wanted
        if self._marks is not None:
            self._marks.chosen()
        self._newest.applied()
        self._put(
            ev.ConfigApplied(
                desired.digest,
                changes,
                desired.count,
                desired.size,
                previous=previous,
                changed_at=self._newest.changed_at,
                validated=self._check is not None,
            )
        )

    def _swap_in(self, root: Root, desired: Version) -> str:
        with self._store:
            self._find_live(root)
            fleet = self._versions().gated  # then it has decided on a version that failed before
            if not fleet and self._marks and (objection := self._marks.objection(desired.digest)):
                raise ApplyError(ApplyFailure.FAILED, objection)
            if self._live is not None and root.up_to_date(self._live, desired):
                return str(Changes())
        staged = self._stage(root, desired)
        with self._store:
            self._checked = None
            changes = root.show(staged)
            before = self._live
            self._live = staged
        if before is not None and before.digest == desired.digest:
            return "permissions changed"
        return str(changes)

    def _prepare(self, desired: Version) -> None:
        """Stage and validate a version, once; raises ApplyError."""
        if self._root is not None:
            self._stage(self._root, desired)
        elif self._validated != desired.digest:
            self._validate(self._directory, desired)
            self._validated = desired.digest

    def _stage(self, root: Root, desired: Version) -> Generation:
        """The generation of a version, written and validated."""
        with self._store:
            if self._checked is not None:
                if self._checked.digest == desired.digest:
                    return self._checked
                root.discard(self._checked)
                self._checked = None
            staged = self._unchecked = root.stage(desired)
        try:
            self._validate(root.directory(staged), desired)
        except BaseException:
            with self._store:
                self._unchecked = None
                root.discard(staged)
            raise
        if self._check and (fault := root.fault(staged)):
            log.warning(
                f"the validation has changed the files of configuration {short(staged.digest)},"
                " which it should only read: a restart without the source cannot use them"
                f" ({fault})",
                event="validation_wrote",
            )
        with self._store:
            self._unchecked, self._checked = None, staged
        return staged

    def _lacking(self) -> list[str]:
        why = self._newest.errors
        if self._unchecked is not None:
            why = f"the validation of {short(self._unchecked.digest)} has not ended"
        elif self._newest.version is not None:
            return []  # it is here, and its fleet holds it
        return [f"no configuration in time: {why}"]

    def _find_live(self, root: Root) -> None:
        """At the first use, before anything is staged: preparing removes staged generations."""
        if not self._prepared:
            root.prepare()
            live = root.live()
            self._live = live.generation
            self._fault = f" ({live.fault})" if live.fault else ""
            if live.damaged:
                root.warn_of_damage(live.fault)
            self._previous = self._live.digest if self._live else ""
            self._prepared = True
            if self._marks is not None and (begun := self._marks.begin(self._previous)):
                self._put(ev.Remembered(begun))

    def _tidy(self, root: Root) -> None:
        versions = self._versions()
        # Without marks no verdict is awaited: the live version counts as good.
        live = self._live.digest if self._live and self._marks is None else ""
        root.tidy((live, versions.good, *versions.marks.good))

    def mark(self) -> None:
        """Write the good and the failed versions down, for a later run."""
        with self._store:
            if self._marks is not None and self._prepared:
                self._marks.write()
                if self._root is not None:
                    self._tidy(self._root)  # a new good version may make an old one superfluous
        self._read_spare()

    def end(self) -> None:
        """Note an ordered end of the process; returns soon."""
        if self._marks is not None:
            self._marks.end()

    def _validate(self, directory: str, desired: Version) -> None:
        if self._check:
            self._check(directory, lambda: self._newest.version is not desired)

    def roll_back(self, digest: str) -> None:
        """Put an earlier version in place; reports `ConfigApplied` or `ConfigFailed`."""
        with self._store:
            try:
                changes, found = self._return_to(digest)
            except Exception as error:  # as in `apply`
                why = f"cannot put configuration {short(digest)} back: {error}"
                self._fail(digest, ApplyFailure.ROLLBACK, why)
                return
            self._returned(found, changes, rolled_back=True)

    def _return_to(self, digest: str) -> tuple[str, Generation]:
        if self._root is None:
            raise ApplyError(
                ApplyFailure.ROLLBACK, "its files are not ours to write; use --configroot"
            )
        from .earlier_versions import find

        good = {*self._versions().marks.good} - {digest, self._versions().live}
        found = find(self._root, digest, good)
        changes = str(self._root.show(found))
        if self._checked is not None and self._checked.name == found.name:
            self._checked = None  # live now: a newer version does not remove it
        self._tidy(self._root)
        return changes, found

    def recover(self, order: Recover) -> None:
        """Find the best version of an earlier run; reports `ConfigApplied` or `ConfigFailed`."""
        with self._store:
            why = [self._apply_error] if self._apply_error else self._lacking()
            found = None
            try:
                if self._root is not None:
                    self._find_live(self._root)
                    found = self._best(order)
                    none = "holds no intact configuration of an earlier run either"
                    why.append(f"{self._root.path} {none}{self._fault}")
            except Exception as failure:  # as in `apply`
                why.append(str(failure))
            if found is None:
                self._put(ev.ConfigFailed("", ApplyFailure.NO_GENERATION, "; ".join(why)))
                return
            self._returned(found)

    def _best(self, order: Recover) -> Generation | None:
        if self._marks is not None:
            without = self._unchecked.name if self._unchecked else ""
            return self._marks.best(self._live, without, order)
        return self._live

    def _returned(self, found: Generation, changes: str = "", *, rolled_back: bool = False) -> None:
        """Note and report that a version is live which is not the newest."""
        size = found.count, found.bytes
        how = not rolled_back, rolled_back
        applied = ev.ConfigApplied(found.digest, changes, *size, *how, self._previous)
        self._previous = found.digest
        self._live = found
        self._in_place = found.files
        self._put(applied)

    def newest(self, shared: str) -> Mapping[str, Entry] | None:
        """The files of the newest version, if it has this name among pods."""
        return self._newest.files(shared)

    def show_kept(self, files: Mapping[str, Entry], *, secret: bool) -> None:
        """Put the files that a fleet keeps in place, for a start; reports `ConfigApplied`. Raises
        ApplyError and BadPath. For a short thread.
        """
        if self._root is None:
            raise ApplyError(ApplyFailure.WRITE, "there is no --configroot")
        with self._store:
            self._find_live(self._root)
            kept = version_of(files, self._digest_key, secret=secret)
            staged = self._root.stage(kept)
            self._root.show(staged)
            self._returned(staged)
