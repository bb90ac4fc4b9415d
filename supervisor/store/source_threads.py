"""A thread for each source; its reports become events.

It must not know the use of the contents: the newest version takes them. After a new version a
thread lends itself for the order that this may cause, and reads on afterwards.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.primitives import deque, partial
from ..core.record import Record
from ..runtime import log, threads
from ..sources.interface import FailureReason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from typing import Protocol

    from ..sources.interface import Content, Failure, Label, Source
    from .newest_version import NewestVersion

    Put = Callable[[ev.Event], None]

    class Labelled(Protocol):
        """A source as far as its reports show it."""

        @property
        def label(self) -> Label: ...


_PATIENCE = 0.02  # seconds; the main thread decides in well under a millisecond


class DeclaredSource(Record):
    """A source and the place of its files; its own thread opens it, since that may import much."""

    open: Callable[[], Source]
    subdir: str = ""
    identity: Hashable = ""  # two with the same would read the same


class LentThreads:
    """Threads of sources that wait for an order: it begins sooner there than in a new thread."""

    def __init__(self) -> None:
        self._waiting: deque[_Lent] = deque()

    def lend(self) -> None:
        """Wait a moment for an order, and perform it. For the thread of a source."""
        lent = _Lent()
        self._waiting.append(lent)
        if not lent.called.acquire(timeout=_PATIENCE):
            try:
                self._waiting.remove(lent)
            except ValueError:
                lent.called.acquire()  # `perform` has just taken it
            else:
                return
        lent.body()

    def perform(self, body: Callable[[], object]) -> bool:
        """Have a waiting thread call a function that raises nothing; whether one waits. Returns at
        once.
        """
        try:
            lent = self._waiting.popleft()
        except IndexError:
            return False
        lent.body = body
        lent.called.release()
        return True


class _Lent:
    """A waiting thread."""

    body: Callable[[], object]

    def __init__(self) -> None:
        self.called = threads.Lock()
        self.called.acquire()


class Outlets(Record):
    """Where the threads of sources go with what they read."""

    newest: NewestVersion
    put: Put
    lend: Callable[[], None]  # called after a new version


def start(sources: Sequence[DeclaredSource], outlets: Outlets) -> None:
    """Start a thread for each source."""
    for index, source in enumerate(sources):
        threads.start(partial(_follow, index, source, outlets), f"source {index}")


def _follow(index: int, declared: DeclaredSource, outlets: Outlets) -> None:
    try:
        source = declared.open()
        source.run(SourceSink(index, source, outlets))
    except Exception as error:  # the outer edge of the thread: a broken source is reported
        report_broken(index, outlets, error)


def report_broken(index: int, outlets: Outlets, error: Exception) -> None:
    """Report an internal error of a source, which ends it."""
    outlets.newest.note_error(index, f"internal error: {error!r}")
    message = f"cannot read source {index}: {error!r}"
    outlets.put(ev.SourceFailed(index, FailureReason.CONFIG, message, fatal=True))


class SourceSink:
    """The reports of a source as events (the protocol `sources.Sink`)."""

    def __init__(self, index: int, source: Labelled, outlets: Outlets) -> None:
        self._newest = outlets.newest
        self._index = index
        self._source = source
        self._put = outlets.put
        self._lend = outlets.lend
        self._named: Label | None = None

    def _say(self, event: ev.Event) -> None:
        label = self._source.label
        if label is not self._named:
            self._named = label
            self._put(ev.SourceOpened(self._index, label.kind, label.namespace, label.name))
        self._put(event)

    def read(self, content: Content | None, missing: str = "does not exist", saw: str = "") -> None:
        if content is None:
            self._newest.note_error(self._index, f"{self._source.label} {missing}")
            self._say(ev.SourceRead(self._index, present=False, missing=missing, saw=saw))
            return

        def report(offer: ev.ConfigOffered | None) -> None:
            paused = content.paused
            self._say(ev.SourceRead(self._index, present=True, offer=offer, saw=saw, paused=paused))

        self._newest.note_error(self._index, str(self._source.label))
        if self._newest.take(self._index, content, report):
            self._lend()

    def connected(self) -> None:
        self._say(ev.WatchConnected(self._index))

    def disconnected(self) -> None:
        self._say(ev.WatchDisconnected(self._index))

    def contact(self) -> None:
        self._say(ev.SourceContacted(self._index))

    def watched(self, kind: str) -> None:
        self._say(ev.WatchSaw(self._index, kind))

    def restarted(self, reason: str) -> None:
        self._say(ev.WatchRestarted(reason))

    def failed(self, failure: Failure, retry_in: float) -> None:
        self._newest.note_error(self._index, failure.message)
        log.debug(f"{failure.message}; next try in {retry_in:.1f}s", event="source_retry")
        self._say(ev.SourceFailed(self._index, failure.reason, failure.message, failure.fatal))
