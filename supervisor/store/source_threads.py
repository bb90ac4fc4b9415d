"""A thread for each source; its reports become events.

It must not know the use of the contents: the newest version takes them.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.primitives import partial
from ..core.record import Record
from ..runtime import log, threads
from ..sources.interface import FailureReason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..sources.interface import Content, Failure, Label, Source
    from .newest_version import NewestVersion

    Put = Callable[[ev.Event], None]


class DeclaredSource(Record):
    """A source and the place of its files; its own thread opens it, since that may import much."""

    open: Callable[[], Source]
    subdir: str = ""


def start(sources: Sequence[DeclaredSource], newest: NewestVersion, put: Put) -> None:
    """Start a thread for each source."""
    for index, source in enumerate(sources):
        threads.start(partial(_follow, index, source, newest, put), f"source {index}")


def _follow(index: int, declared: DeclaredSource, newest: NewestVersion, put: Put) -> None:
    try:
        source = declared.open()
        source.run(_Sink(newest, index, source, put))
    except Exception as error:  # the outer edge of the thread: a broken source is reported
        newest.note_error(index, f"internal error: {error!r}")
        put(
            ev.SourceFailed(
                index, FailureReason.CONFIG, f"cannot read source {index}: {error!r}", fatal=True
            )
        )


class _Sink:
    """The reports of a source as events (the protocol `sources.Sink`)."""

    def __init__(self, newest: NewestVersion, index: int, source: Source, put: Put) -> None:
        self._newest = newest
        self._index = index
        self._source = source
        self._put = put
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
            self._say(ev.SourceRead(self._index, present=True, offer=offer, saw=saw))

        self._newest.note_error(self._index, str(self._source.label))
        self._newest.take(self._index, content, report)

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
