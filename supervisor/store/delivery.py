"""Between the sources and the files: what the sources hold becomes a version, and a version gets in
place.

Source threads call in with whole contents; a content that makes a new version is offered to the
machine, which says when it is applied. It is applied in a short thread. Nothing here decides on
pace, retries or reloads.
"""

from __future__ import annotations

import os
import time
from functools import partial

from ..core import events as ev
from ..core.change_loop import Feedback
from ..core.content import (
    DIRECTORY,
    KEY_BYTES,
    BadPath,
    Changes,
    Entry,
    Snapshot,
    diff,
    digests,
    entries,
    merge,
    place,
    sha256,
    snapshot,
)
from ..core.record import Record
from ..runtime import log, threads
from ..runtime.os_errors import FilesError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..core.state import Config
    from ..sources.protocol import Content, Label, Source, Trouble
    from .configroot import Generation, Root
    from .marks_file import Memory

    Put = Callable[[ev.Event], None]
    # Validates a directory, or gives up once a newer version has come; raises FilesError.
    Validator = Callable[[str, Callable[[], bool]], None]


_AFTERWARDS = 0.05  # seconds for the app to reload, before old generations are removed


class Feed(Record):
    """One source to be opened in its own thread (opening may import much), and where
    its files go.
    """

    open: Callable[[], Source]
    subdir: str = ""


class Destination(Record):
    """Where files go, and what has to agree before they are shown."""

    root: Root | None  # None: they are used where they are
    directory: str  # where the app sees them
    mapping: Mapping[str, str] = {}
    check: Validator | None = None
    memory: Memory | None = None  # what is good and what failed is kept in the root across restarts


class _Refused(Record):
    """A content that cannot be written; it has a digest, so that it counts as a version."""

    digest: str
    error: str


class Sync:
    """Holds the newest content of every source; applies the newest version when told to."""

    def __init__(
        self,
        feeds: Sequence[Feed],
        destination: Destination,
        put: Put,
        config: Callable[[], Config],
    ) -> None:
        """`config` tells what is known about versions now: the good ones are kept on disk."""
        self._feeds, self._put, self._config = feeds, put, config
        self._memory = destination.memory
        self._root, self._mapping = destination.root, destination.mapping
        self._directory, self._check = destination.directory, destination.check
        self._parts: list[Mapping[str, Entry] | None] = [None] * len(feeds)
        self._keys: list[frozenset[str]] = [frozenset()] * len(feeds)
        self._changed_at: list[float | None] = [None] * len(feeds)
        self._errors = ["no answer yet"] * len(feeds)
        self._desired: Snapshot | _Refused | None = None
        self._live: Generation | None = None
        self._checked: Generation | None = None  # staged and validated, not shown yet
        self._validated = ""  # a version that is used where it is, and has passed its validation
        self._previous = ""  # the version that was in place before the last one
        self._apply_error = ""
        self._missed: set[str] = set()  # mapped keys that no source has
        self._in_place: Mapping[str, str] = {}  # path to digest, of the last version applied
        self._secret = [False] * len(feeds)  # which of them holds what digests must not tell
        self._key = b""
        self._feedback = Feedback()
        self._gathering = threads.Lock()  # sources are read in threads of their own
        self._prepared = False
        self._store = threads.Lock()  # of the root: a recovery may come while a validation hangs

    def start(self) -> None:
        """Start a thread for each source."""
        for index, feed in enumerate(self._feeds):
            threads.start(partial(self._follow, index, feed), f"source {index}")

    def _follow(self, index: int, feed: Feed) -> None:
        try:
            source = feed.open()
            source.run(_Sink(self, index, source, self._put))
        except (
            Exception
        ) as error:  # the outer edge of the thread: a broken source is said, not raised
            self.note_error(index, f"internal error: {error!r}")
            self._put(
                ev.SourceFailed(
                    index, "config", f"cannot read source {index}: {error!r}", fatal=True
                )
            )

    def note_error(self, index: int, error: str) -> None:
        self._errors[index] = error

    def take(self, index: int, content: Content) -> None:
        """A source's whole content; offered as a version if that differs from the last one."""
        with self._gathering:
            self._changed_at[index] = content.changed_at
            self._secret[index] = content.private
            self._keys[index] = frozenset(content.files)
            try:
                self._parts[index] = place(
                    {
                        **entries(content.files, content.private, content.permitted),
                        **dict.fromkeys(content.directories, DIRECTORY),
                    },
                    subdir=self._feeds[index].subdir,
                    mapping=self._mapping,
                )
                parts = [part for part in self._parts if part is not None]
                if len(parts) < len(self._parts):
                    return  # the first version needs them all
                self._warn_of_missed()
                desired: Snapshot | _Refused = snapshot(
                    merge(parts),
                    self._digest_key,
                    secret=any(self._secret),
                    exact=self._root is None,
                )
            except BadPath as error:
                message = f"cannot write {self._errors[index] or 'the configuration'}: {error}"
                desired = _Refused(f"refused-{sha256(str(error).encode()).hexdigest()}", message)
            if self._desired is None or self._desired.digest != desired.digest:
                self._watch_feedback(desired)
                self._desired = desired
                # Not by `random`, whose import takes as long as all the rest here.
                dice = int.from_bytes(os.urandom(4), "big") / 2**32
                self._put(ev.ConfigOffered(desired.digest, dice, secret=bool(self._key)))

    def _warn_of_missed(self) -> None:
        """Once for each key that --map names and no source has (any more)."""
        missed = set(self._mapping).difference(*self._keys)
        for key in sorted(missed - self._missed):
            log.warning(
                f"--map {key}={self._mapping[key]}: no source has the key {key!r}",
                event="map_without_key",
            )
        self._missed = missed

    def _watch_feedback(self, desired: Snapshot | _Refused) -> None:
        if isinstance(self._desired, Snapshot) and isinstance(desired, Snapshot):
            told = self._feedback.offered(time.monotonic(), diff(self._desired.sums, desired.sums))
            if told:
                log.warning(told, event="feedback_loop")

    def _digest_key(self) -> bytes:
        if not self._key:
            self._key = os.urandom(KEY_BYTES) if self._root is None else self._root.key()
        return self._key

    def check(self) -> None:
        """Write and validate the newest version; reports `ConfigChecked` or `ConfigFailed`."""
        desired = self._desired
        if desired is not None and self._reporting(desired, self._prepare):
            self._put(ev.ConfigChecked(desired.digest))

    def apply(self) -> None:
        """Put the newest version in place; reports `ConfigApplied` or `ConfigFailed`."""
        desired = self._desired
        if desired is not None and self._reporting(desired, self._show) and self._root is not None:
            time.sleep(_AFTERWARDS)
            with self._store:
                self._tidy(self._root)

    def _reporting(self, desired: Snapshot | _Refused, do: Callable[[Snapshot], None]) -> bool:
        """Do something with the newest version; whether it worked. A failure is reported."""
        if isinstance(desired, _Refused):
            self._fail(desired.digest, "bad_key", desired.error)
            return False
        try:
            do(desired)
        except FilesError as error:
            if error.reason == "hook" and self._desired is not desired:
                self._put(
                    ev.ConfigFailed(
                        desired.digest, "overtaken", "a newer version ended the validation"
                    )
                )
            else:
                self._fail(desired.digest, error.reason, str(error), error.words)
        except Exception as error:  # the outer edge of the thread: applying always reports
            self._fail(
                desired.digest,
                "write",
                f"cannot write the configuration: internal error: {error!r}",
            )
        else:
            return True
        return False

    def _fail(self, digest: str, reason: str, error: str, words: str = "") -> None:
        self._apply_error = error
        self._put(ev.ConfigFailed(digest, reason, error, words))

    def _show(self, desired: Snapshot) -> None:
        wanted = digests(desired)
        if self._root is None:
            self._prepare(desired)
            self._validated = ""
            changes = str(diff(self._in_place, wanted))
        else:
            changes = self._swap_in(self._root, desired)
        previous, self._previous = self._previous, desired.digest
        if changes == str(Changes()) and previous not in ("", desired.digest):
            changes = "permissions changed"
        self._in_place = wanted
        if self._memory is not None:
            self._memory.chosen()
        self._feedback.applied(time.monotonic())
        changed_at = max((at for at in self._changed_at if at is not None), default=None)
        self._put(
            ev.ConfigApplied(
                desired.digest,
                changes,
                desired.count,
                desired.size,
                previous=previous,
                changed_at=changed_at,
                validated=self._check is not None,
            )
        )

    def _swap_in(self, root: Root, desired: Snapshot) -> str:
        with self._store:
            self._find_live(root)
            if self._memory is not None and (objection := self._memory.objection(desired.digest)):
                raise FilesError("failed", objection)
            if self._live is not None and self._live.digest == desired.digest:
                return "nothing changed"
        self._prepare(desired)
        with self._store:
            staged, self._checked = self._checked, None
            assert staged is not None  # noqa: S101 - `_prepare` has just set it, and only this thread applies
            changes = str(root.show(staged))
            self._live = staged
        return changes

    def _prepare(self, desired: Snapshot) -> None:
        """Stage and validate a version, unless that was done before; raises FilesError."""
        root = self._root
        if root is None:
            if self._validated != desired.digest:
                self._validate(self._directory, desired)
                self._validated = desired.digest
            return
        with self._store:
            if self._checked is not None:
                if self._checked.digest == desired.digest:
                    return
                root.discard(self._checked)
                self._checked = None
            staged = root.stage(desired)
        try:
            self._validate(root.directory(staged), desired)
        except BaseException:
            with self._store:
                root.discard(staged)
            raise
        if self._check and not root.intact(staged):
            log.warning(
                f"the validation has changed the files of configuration {staged.digest[:8]}, which"
                " it should only read: a restart without the source cannot use them",
                event="validation_wrote",
            )
        self._checked = staged

    def _find_live(self, root: Root) -> None:
        """Once, before anything is staged: preparing clears away what is not live."""
        if not self._prepared:
            root.prepare()
            self._live = root.live()
            self._previous = self._live.digest if self._live else ""
            self._prepared = True
            if self._memory is not None and (begun := self._memory.begin(self._previous)):
                self._put(ev.Remembered(begun))

    def _tidy(self, root: Root) -> None:
        config = self._config()
        live = (
            self._live.digest if self._live and self._memory is None else ""
        )  # without rollback nothing is awaited
        root.tidy((live, config.good, *config.marks.good))

    def mark(self) -> None:
        """Write down what is good and what failed, for a later run."""
        with self._store:
            if self._memory is not None and self._prepared:
                self._memory.write()
                if self._root is not None:
                    self._tidy(
                        self._root
                    )  # a version that is good now may make an old one superfluous

    def end(self) -> None:
        """The process ends because it was told to; returns soon."""
        if self._memory is not None:
            self._memory.end()

    def _validate(self, directory: str, desired: Snapshot) -> None:
        if self._check:
            self._check(directory, lambda: self._desired is not desired)

    def roll_back(self, digest: str) -> None:
        """Put an earlier version in place again; reports `ConfigApplied` (rolled back) or
        `ConfigFailed`.
        """
        with self._store:
            try:
                changes, found = self._return_to(digest)
            except Exception as error:  # as in `apply`
                self._fail(
                    digest, "rollback", f"cannot put configuration {digest[:8]} back: {error}"
                )
                return
            previous, self._previous, self._live = self._previous, digest, found
            self._in_place = found.files
            self._put(
                ev.ConfigApplied(
                    digest, changes, found.count, found.bytes, rolled_back=True, previous=previous
                )
            )

    def _return_to(self, digest: str) -> tuple[str, Generation]:
        if self._root is None:
            raise FilesError("rollback", "its files are not ours to write; use --configroot")
        for generation in self._root.generations():
            if generation.digest == digest:
                changes = str(self._root.show(generation))
                self._tidy(self._root)
                return changes, generation
        raise FilesError("rollback", f"no generation in {self._root.path} has it any more")

    def recover(self) -> None:
        """Find the best version of an earlier run; reports `ConfigApplied` (cached) or
        `ConfigFailed`.
        """
        with self._store:
            error = self._apply_error or f"no configuration in time: {'; '.join(self._errors)}"
            found = None
            try:
                if self._root is not None:
                    self._find_live(self._root)
                    found = self._memory.best(self._live) if self._memory else self._live
                    error += (
                        f"; {self._root.path} holds no intact configuration of an earlier run"
                        " either"
                    )
                    error += f" ({self._root.why_not})" if self._root.why_not else ""
            except Exception as failure:  # as in `apply`
                error += f"; {failure}"
            if found is None:
                self._put(ev.ConfigFailed("", "no_generation", error))
                return
            previous, self._previous, self._live = self._previous, found.digest, found
            self._in_place = found.files
            self._put(
                ev.ConfigApplied(
                    found.digest, "", found.count, found.bytes, cached=True, previous=previous
                )
            )


class _Sink:
    """What one source says, as events (the protocol `sources.Sink`)."""

    def __init__(self, sync: Sync, index: int, source: Source, put: Put) -> None:
        self._sync, self._index, self._source, self._put = sync, index, source, put
        self._named: Label | None = None

    def _say(self, event: ev.Event) -> None:
        label = self._source.label
        if label is not self._named:
            self._named = label
            self._put(ev.SourceOpened(self._index, label.kind, label.namespace, label.name))
        self._put(event)

    def read(self, content: Content | None, missing: str = "does not exist") -> None:
        self._sync.note_error(
            self._index,
            f"{self._source.label} {missing}" if content is None else str(self._source.label),
        )
        if content is not None:
            self._sync.take(self._index, content)  # first: every word wakes the main thread
        self._say(ev.SourceRead(self._index, content is not None, missing))

    def connected(self, *, up: bool) -> None:
        self._say(ev.WatchConnected(self._index, up))

    def contact(self) -> None:
        self._say(ev.SourceContacted(self._index))

    def watched(self, kind: str) -> None:
        self._say(ev.WatchSaw(self._index, kind))

    def restarted(self, reason: str) -> None:
        self._say(ev.WatchRestarted(reason))

    def failed(self, trouble: Trouble, retry_in: float) -> None:
        self._sync.note_error(self._index, trouble.message)
        log.debug(f"{trouble.message}; next try in {retry_in:.1f}s")
        self._say(
            ev.SourceFailed(self._index, trouble.reason, trouble.message, retry_in, trouble.fatal)
        )
