"""Between the sources and the files: what the sources hold becomes a version, and a version gets in place.

Source threads call in with whole contents; a content that makes a new version is offered to the machine, which
says when it is applied. It is applied in a short thread. Nothing here decides on pace, retries or reloads.
"""

from __future__ import annotations

import hashlib
import random
import threading
from functools import partial

from . import events as ev
from . import log, threads
from .files import FilesError, Generation
from .record import Record
from .snapshot import BadPath, Entry, Snapshot, diff, digests, merge, place, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .files import Root
    from .sources import Content, Label, Source, Trouble

    Put = Callable[[ev.Event], None]


class Feed(Record):
    """One source to be opened in its own thread (opening may import much), and where its files go."""

    open: Callable[[], Source]
    subdir: str = ""


class _Refused(Record):
    """A content that cannot be written; it has a digest, so that it counts as a version."""

    digest: str
    error: str


class Sync:
    """Holds the newest content of every source; applies the newest version when told to."""

    def __init__(self, feeds: Sequence[Feed], root: Root | None, mapping: Mapping[str, str], put: Put) -> None:
        self._feeds, self._root, self._mapping, self._put = feeds, root, mapping, put
        self._parts: list[Mapping[str, Entry] | None] = [None] * len(feeds)
        self._changed_at: list[float | None] = [None] * len(feeds)
        self._errors = ["no answer yet"] * len(feeds)
        self._desired: Snapshot | _Refused | None = None
        self._live: Generation | None = None
        self._in_place: Mapping[str, str] = {}  # path to digest, of the last version applied
        self._gathering = threading.Lock()  # sources are read in threads of their own
        self._applying = threading.Lock()  # a recovery may come while a slow disk still applies

    def start(self) -> None:
        """Start a thread for each source."""
        for index, feed in enumerate(self._feeds):
            threads.start(partial(self._follow, index, feed), f"source {index}")

    def _follow(self, index: int, feed: Feed) -> None:
        try:
            source = feed.open()
            source.run(_Sink(self, index, source, self._put))
        except Exception as error:  # noqa: BLE001 - the outer edge of the thread: a broken source is said, not raised
            self.note_error(index, f"internal error: {error!r}")
            self._put(ev.SourceFailed(index, "config", f"cannot read source {index}: {error!r}", fatal=True))

    def note_error(self, index: int, error: str) -> None:
        self._errors[index] = error

    def take(self, index: int, content: Content) -> None:
        """A source's whole content; offered as a version if that differs from the last one."""
        with self._gathering:
            self._changed_at[index] = content.changed_at
            try:
                self._parts[index] = place(
                    content.files,
                    subdir=self._feeds[index].subdir,
                    mapping=self._mapping,
                    private=content.private,
                )
                parts = [part for part in self._parts if part is not None]
                if len(parts) < len(self._parts):
                    return  # the first version needs them all
                desired: Snapshot | _Refused = snapshot(merge(parts))
            except BadPath as error:
                message = f"cannot write {self._errors[index] or 'the configuration'}: {error}"
                desired = _Refused("refused-" + hashlib.sha256(str(error).encode()).hexdigest(), message)
            if self._desired is None or self._desired.digest != desired.digest:
                self._desired = desired
                self._put(ev.ConfigOffered(desired.digest, random.random()))  # noqa: S311 - spreads reloads

    def apply(self) -> None:
        """Put the newest version in place; reports `ConfigApplied` or `ConfigFailed`."""
        with self._applying:
            desired = self._desired
            if desired is None:
                return
            if isinstance(desired, _Refused):
                self._put(ev.ConfigFailed(desired.digest, "bad_key", desired.error))
                return
            try:
                self._put(self._write(desired))
            except FilesError as error:
                self._put(ev.ConfigFailed(desired.digest, error.reason, str(error)))
            except Exception as error:  # noqa: BLE001 - the outer edge of the thread: applying always reports
                message = f"cannot write the configuration: internal error: {error!r}"
                self._put(ev.ConfigFailed(desired.digest, "write", message))

    def _write(self, desired: Snapshot) -> ev.ConfigApplied:
        wanted = digests(desired)
        if self._root is None:
            changes = str(diff(self._in_place, wanted))
        else:
            if self._live is None:
                self._root.prepare()
                self._live = self._root.live()
            if self._live is not None and self._live.digest == desired.digest:
                changes = "nothing changed"
            else:
                staged = self._root.stage(desired)
                changes = str(self._root.swap(staged))
                self._live = staged
        self._in_place = wanted
        changed_at = max((at for at in self._changed_at if at is not None), default=None)
        return ev.ConfigApplied(desired.digest, changes, len(wanted), desired.size, changed_at=changed_at)

    def recover(self) -> None:
        """Look for an intact generation of an earlier run; reports `ConfigApplied` (cached) or `ConfigFailed`."""
        with self._applying:
            error = "; ".join(self._errors)
            try:
                found = None
                if self._root is not None:
                    self._root.prepare()
                    found = self._root.live()
                    error += f"; {self._root.path} holds no intact configuration of an earlier run either"
            except Exception as failure:  # noqa: BLE001 - as in `apply`
                error += f"; {failure}"
            if found is None:
                message = f"no configuration within the initial sync timeout: {error}"
                self._put(ev.ConfigFailed("", "no_generation", message))
                return
            self._live = found
            self._put(ev.ConfigApplied(found.digest, "", len(found.files), found.bytes, cached=True))


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

    def read(self, content: Content | None) -> None:
        self._say(ev.SourceRead(self._index, present=content is not None))
        self._sync.note_error(
            self._index,
            f"{self._source.label} does not exist" if content is None else str(self._source.label),
        )
        if content is not None:
            self._sync.take(self._index, content)

    def connected(self, *, up: bool) -> None:
        self._say(ev.WatchConnected(self._index, up))

    def contact(self) -> None:
        self._say(ev.SourceContacted(self._index))

    def watched(self, kind: str) -> None:
        self._say(ev.WatchSaw(kind))

    def restarted(self, reason: str) -> None:
        self._say(ev.WatchRestarted(reason))

    def failed(self, trouble: Trouble, retry_in: float) -> None:
        self._sync.note_error(self._index, trouble.message)
        log.debug(f"{trouble.message}; next try in {retry_in:.1f}s")
        self._say(ev.SourceFailed(self._index, trouble.reason, trouble.message, retry_in, trouble.fatal))
