"""Sources that several services share: one thread reads an object, each service takes its keys.

A report goes to each service in turn; a service whose keys did not change hears of a contact only.
A failure of one service's sink costs this service alone. It knows no files on disk, and no life.
"""

from __future__ import annotations

from ..core.primitives import partial
from ..runtime import log, threads
from ..store import source_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from ..sources.interface import Content, Failure, Label, RestartReason, Source
    from ..store.source_threads import DeclaredSource, Outlets
    from .key_filter import KeyFilter

    Report = Callable[["Subscription"], None]


class Subscription:
    """A service's part in a source. Its reports come from one thread at a time."""

    def __init__(self, shared: SharedSource, index: int, outlets: Outlets, keys: KeyFilter) -> None:
        """`index`: of the source among those of the service."""
        self._shared = shared
        self._index = index
        self._outlets = outlets
        self._keys = keys
        self._last: Content | None = None  # as reported; None: it has to hear the next
        self.sink = source_threads.SourceSink(index, shared, outlets)
        self.released = False

    @property
    def leads(self) -> bool:
        """Whether the log tells the failures of the source by this service."""
        return self._shared.first() is self

    @property
    def over(self) -> bool:
        """Whether the source reports nothing more: its failure was fatal."""
        return self._shared.over

    def read(self, content: Content | None, missing: str, saw: str) -> None:
        if content is None:
            self._last = None
            self.sink.read(None, missing, saw)
            return
        chosen = self._keys.of(self._index, content)
        last = self._last
        if chosen is not content and last is not None and _same(chosen, last):
            if saw:
                self.sink.watched(saw)
            else:
                self.sink.contact()
            return
        self._last = chosen
        self.sink.read(chosen, saw=saw)

    def failed(self, failure: Failure, retry_in: float) -> None:
        self._last = None  # the next content ends the failure, whatever it is
        self.sink.failed(failure, retry_in)

    def broken(self, error: Exception) -> None:
        """An internal error, of the source or of the sink."""
        self._last = None
        source_threads.report_broken(self._index, self._outlets, error)

    def release(self) -> None:
        """The service needs the source no more. Returns at once."""
        self.released = True
        self._shared.leave()


def _same(one: Content, other: Content) -> bool:
    of_one = one.files, one.permitted, one.private, one.directories, one.paused
    of_other = other.files, other.permitted, other.private, other.directories, other.paused
    return of_one == of_other


class SharedSource:
    """A source, and a sink for it which hands each report on (the protocol `Sink`)."""

    def __init__(self, declared: DeclaredSource) -> None:
        self._open = declared.open
        self._source: Source | None = None
        self._subscriptions: list[Subscription] = []
        self._reporting = threads.Lock()
        self._read: Report | None = None  # the last reports, for services that come later
        self._failed: Report | None = None
        self._connected = False
        self.users = 0  # for the main thread alone
        self.over = False  # it reports nothing more

    @property
    def label(self) -> Label:
        if self._source is None:
            raise RuntimeError("the source is not open yet")
        return self._source.label

    def first(self) -> Subscription | None:
        return next((one for one in self._subscriptions if not one.released), None)

    def add(self, subscription: Subscription) -> None:
        """For the first services, before `start`."""
        self._subscriptions.append(subscription)

    def start(self) -> None:
        """Raises RuntimeError without threads."""
        threads.start(self._run, "source")

    def catch_up(self, subscription: Subscription) -> None:
        """Add a service to a source at work, with the last reports. For a thread of its own."""
        with self._reporting:
            if self._connected:
                subscription.sink.connected()
            for report in (self._read, self._failed):
                if report is not None:
                    _contained(subscription, report)
            self._subscriptions.append(subscription)

    def leave(self) -> None:
        """A service has left; without any, the thread ends at the next report."""
        self.users -= 1
        if self.users == 0:
            self.over = True

    def _run(self) -> None:
        try:
            self._source = self._open()
            self._source.run(self)
        except Exception as error:  # the outer edge of the thread: a broken source is reported
            self._tell(partial(_break, error))
        self.over = True

    def _tell(self, report: Report) -> None:
        if self.over:
            raise SystemExit  # of this thread alone, which closes its connections on the way
        with self._reporting:
            self._subscriptions = [one for one in self._subscriptions if not one.released]
            for one in self._subscriptions:
                _contained(one, report)

    # --- the reports ------------------------------------------------------------------------------

    def read(self, content: Content | None, missing: str = "does not exist", saw: str = "") -> None:
        self._read = lambda one: one.read(content, missing, "")
        self._failed = None
        self._tell(lambda one: one.read(content, missing, saw))

    def connected(self) -> None:
        self._connected = True
        self._tell(lambda one: one.sink.connected())

    def disconnected(self) -> None:
        self._connected = False
        if not self.over:  # else the end of this thread goes on
            self._tell(lambda one: one.sink.disconnected())

    def contact(self) -> None:
        self._tell(lambda one: one.sink.contact())

    def watched(self, kind: str) -> None:
        self._tell(lambda one: one.sink.watched(kind))

    def restarted(self, reason: RestartReason) -> None:
        self._tell(lambda one: one.sink.restarted(reason))

    def failed(self, failure: Failure, retry_in: float) -> None:
        self._failed = lambda one: one.failed(failure, retry_in)
        self._tell(self._failed)


def _break(error: Exception, subscription: Subscription) -> None:
    subscription.broken(error)


def _contained(subscription: Subscription, report: Report) -> None:
    try:
        report(subscription)
    except Exception as error:  # the outer edge of one service: the others hear the report
        subscription.broken(error)


class SharedSources:
    """The sources in use. For the main thread."""

    def __init__(self) -> None:
        self._shared: dict[Hashable, SharedSource] = {}
        self._new: list[SharedSource] = []

    def follow(
        self, declared: DeclaredSource, index: int, outlets: Outlets, keys: KeyFilter
    ) -> Subscription:
        """Have a source report to a service too, from `start` on."""
        shared = self._shared.get(declared.identity)
        if shared is None or shared.over:
            shared = self._shared[declared.identity] = SharedSource(declared)
            self._new.append(shared)
        subscription = Subscription(shared, index, outlets, keys)
        shared.users += 1
        if shared in self._new:
            shared.add(subscription)
        else:
            threads.start(partial(shared.catch_up, subscription), "source")
        return subscription

    def start(self) -> None:
        """Start the threads of new sources. A thread that cannot be had is reported as a failure of
        the source.
        """
        while self._new:
            shared = self._new.pop()
            try:
                shared.start()
            except RuntimeError as error:
                shared.over = True
                log.error(f"cannot start a thread: {error}", event="thread_failed")
