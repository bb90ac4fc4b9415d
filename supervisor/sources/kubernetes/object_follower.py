"""One object, followed through the Kubernetes API.

Read the object and watch it from there, and when the watch ends, for whatever reason, read it
again: this repairs all losses of a watch (410, a restored etcd, events dropped by a proxy, a
deletion during an outage), and costs little. The server sends the object at the begin of the watch
(WatchList) where it can, else in a list before. Must not know the use of the object, and lets no
exception out: the reports have every failure as a `Failure`. Imported by the thread that runs it.

The API: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import contextlib
import time
from http import HTTPStatus

from ...runtime import log
from ..interface import RestartReason
from .api_client import open_client, whole
from .api_errors import BadDataError, EventError, failed_try
from .client_library import LibraryLog
from .credentials import files_of, namespace, stamp
from .object_events import ObjectEvents, concerns
from .object_paths import collection
from .retry_pace import Tried, watch_seconds
from .watch_list import EVENTS, LULL, MEMORY, QUERY, Choice, Way
from .watch_stream import EventRate, lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ...runtime.threads import Gate
    from .api_client import ApiClient
    from .api_errors import FailedTry
    from .credentials import Access, Stamp
    from .followed_object import Reports, States, Subject
    from .object_events import News
    from .retry_pace import RetryPace


MANY = 3  # failures in a row; after more, the follower opens a new client
LOOK_EVERY = 1.0  # seconds between looks at the credential files, after a refusal
# Usual ends of a watch: the next list finds out whether there is a failure.
QUIET_ENDS = frozenset({RestartReason.READ_TIMEOUT, RestartReason.CONNECTION, RestartReason.GONE})


class ObjectFollower:
    """Follows one object. `run` is the body of a thread."""

    def __init__(
        self, subject: Subject, access: Access, pace: RetryPace, left: Gate | None = None
    ) -> None:
        """`left`: the gate that `leave` opens; without it, the object is never left."""
        self.label = subject.label
        self._subject = subject
        self._access = access
        self._timing = pace.timing
        self._pace = pace
        self._left = left
        self._client: ApiClient | None = None
        self._known = False  # the object was read: from now on no failure is fatal
        # The progress of this try: a request was answered, the object (or its absence) was read,
        # the watch was established.
        self._answered = self._listed = self._watching = False
        self._choice = Choice(MEMORY)
        self._way: Way | None = None  # of this try
        self._polling = False  # the right to watch is missing
        self._failing = False  # the last report was a failure
        self._reports: Reports
        self._states: States

    def run(self, reports: Reports, states: States) -> None:
        """Read, watch, read again, until a failure is fatal, or until `leave`. An Exception of a
        report is a failed try; others pass.
        """
        self._reports = reports
        self._states = states
        library = LibraryLog()
        try:
            while not self._over():
                before = stamp(files_of(self._access))
                failed, delay = self._try(library)
                if delay is None:
                    return
                self._pause(delay, before if failed and failed.by_files else ())
        finally:
            self._drop_client()
            library.close()

    def leave(self) -> None:
        """End `run`, from another thread: at once, unless it is connecting."""
        if self._left is not None:
            self._left.open()
        client = self._client
        if client is not None:
            client.interrupt()

    def _over(self) -> bool:
        return self._left is not None and self._left.opened

    def _sleep(self, seconds: float) -> None:
        if self._left is None:
            time.sleep(seconds)
        else:
            self._left.wait(seconds)

    def _try(self, library: LibraryLog) -> tuple[FailedTry | None, float | None]:
        """Read and watch. Returns the failure, and the pause before the next try in seconds; None
        is the end.
        """
        began = time.monotonic()
        failed = None
        self._answered = self._listed = self._watching = False
        self._way = None
        try:
            self._read_and_watch(library)
        except Exception as exc:  # the outer edge: no failure may end this thread
            failed = self._failed_try(exc)
        if self._over():
            return failed, None
        ended = time.monotonic()
        delay = self._pace.after(Tried(began, ended, self._listed, failed, self._states.found))
        if self._listed:
            self._reports.restarted(failed.restart if failed else RestartReason.SERVER_TIMEOUT)
        if failed is not None:
            self._learn(failed, ended)
            if not self._report(failed, delay):
                return failed, None
            # A new TLS connection helps neither an overloaded server (429) nor a missing role.
            stays = failed.crowded or (self._listed and failed.status == HTTPStatus.FORBIDDEN)
            if failed.status == HTTPStatus.UNAUTHORIZED or (self._pace.row > MANY and not stays):
                self._drop_client()
        return failed, delay

    def _failed_try(self, exc: Exception) -> FailedTry:
        deed = self._subject.watching if self._listed else self._subject.reading
        return failed_try(exc, self._client, self.label, deed)

    def _learn(self, failed: FailedTry, now: float) -> None:
        """Use the failure of a try for the way of the next."""
        if self._way is Way.LIST and not self._watching:
            self._choice.no_list(failed, listed=self._listed)
        if failed.restart is RestartReason.CONNECTION and self._client is not None:
            if failed.unsent:
                MEMORY.forget(self._client.url)
            elif self._watching:
                MEMORY.broke(self._client.url, now)

    def _pause(self, seconds: float, before: Stamp) -> None:
        """Wait; a change of the credential files, whose stamp was `before`, ends the pause."""
        files = [path for path, *_ in before]
        while files and seconds > LOOK_EVERY and not self._over():
            self._sleep(LOOK_EVERY)
            seconds -= LOOK_EVERY
            if before != stamp(files):
                self._drop_client()
                return
        self._sleep(seconds)

    def _report(self, failed: FailedTry, delay: float) -> bool:
        """Report a failed try; whether there is another."""
        if failed.status or (self._answered and not self._listed):
            self._reports.contact()
        if self._pace.at_once or (self._watching and failed.restart in QUIET_ENDS):
            return True  # the next list comes soon, and finds out whether there is a failure
        if self._lists_next(failed):
            return True  # which works at a server that fails with WatchList alone
        if failed.status == HTTPStatus.FORBIDDEN and self._known:
            if self._pace.refusals == 1:
                return True  # a freshly started API server does not know its roles yet
            if self._listed:
                self._poll(failed)
                return True
        failure = failed.failure.replace(fatal=failed.failure.fatal and not self._known)
        self._failing = True
        self._reports.failed(failure, 0.0 if failure.fatal else delay)
        return not failure.fatal

    def _lists_next(self, failed: FailedTry) -> bool:
        """Whether WatchList alone failed so far, and a list comes soon."""
        first = self._way is Way.WATCH_LIST and not (self._listed or self._failing)
        return first and not (failed.unsent or failed.crowded or failed.retry_after)

    def _poll(self, failed: FailedTry) -> None:
        """Warn once about the missing right to watch; lists go on."""
        if not self._polling:
            self._polling = True
            first, last = self._timing.poll
            log.warning(
                f"{failed.failure.message}; listing it every {first:g} to {last:g} s instead",
                event="source_polled",
                source=str(self.label),
            )

    def _read_and_watch(self, library: LibraryLog) -> None:
        if not self.label.namespace:
            self.label = self.label.replace(namespace=namespace(self._access))
        if self._client is None:
            self._client = open_client(self._access, library)
        client = self._client
        if self._over():
            return  # `leave` may have come before there was a client to interrupt
        now = time.monotonic()
        self._way = self._choice.way(client.url, now, self._pace.spare(now))
        if self._way is Way.WATCH_LIST:
            try:
                self._stream(client)
            except Exception as exc:
                if self._listed or not self._lists_instead(exc):
                    raise
            else:
                return
        self._way = Way.LIST
        version, obj = self._list(client)
        events = ObjectEvents(self.label, obj)
        self._arrived(obj)
        if self._polling and self._failing:
            self._repeat()
        del obj  # the watch would keep these few MiB alive
        self._watch(client, events, version)

    def _lists_instead(self, exc: Exception) -> bool:
        """Whether a list is the answer to this failure of a WatchList."""
        failed = self._failed_try(exc)
        hurry = self._pace.spare(time.monotonic()) < float("inf")
        return self._choice.no_stream(failed, hurry=hurry)

    def _established(self, client: ApiClient, way: Way) -> None:
        if self._choice.established(way, client.url, time.monotonic()):
            log.debug(
                f"{client.url} begins no watch with the object; listing it before each watch",
                event="source_lists",
                source=str(self.label),
            )

    def _stream(self, client: ApiClient) -> None:
        """A watch that begins with the object."""
        began = time.monotonic()
        until = began + self._pace.budget(began)
        seconds = watch_seconds(self._timing)
        events = ObjectEvents(self.label, initial=True)

        def patience() -> float:
            return min(LULL, until - time.monotonic())

        def wait() -> None:
            if not events.complete:
                client.prolong(patience())

        response = self._get(client, patience(), timeout_seconds=seconds, **QUERY)
        self._answered = True
        with contextlib.closing(response):
            stream = lines(response, wait)
            news = self._initial(stream, events)
            client.allow(began + seconds + self._timing.slack - time.monotonic())
            self._established(client, Way.WATCH_LIST)
            self._arrived(news.obj, news.saw)
            del news  # the watch would keep these few MiB alive
            self._follow(stream, events)

    def _initial(self, stream: Iterator[bytearray], events: ObjectEvents) -> News:
        """Take the initial events, as fast as they come: they have an end, and the bounds of a
        list.
        """
        for count, line in enumerate(stream):
            news = events.take(self._event(line))
            if events.complete:
                return news
            if not news.foreign:
                self._take(news)
            if count == EVENTS:
                raise BadDataError(f"the watch began with more than {EVENTS:,} events")
        raise BadDataError("the watch ended before its initial events did")

    def _list(self, client: ApiClient) -> tuple[str, Any]:
        """The version of the list, and its object or None."""
        response = self._get(client, self._pace.budget(time.monotonic()))
        self._answered = True
        answer = self._subject.parser.listing(whole(response))
        try:
            version = answer["metadata"]["resourceVersion"]
            items = answer["items"] or ()
            # A server may ignore the field selector.
            found = [item for item in items if concerns(item, self.label)]
        except (KeyError, TypeError, AttributeError) as exc:
            message = f"the answer is not a list; is {client.url} a Kubernetes API server?"
            raise BadDataError(message) from exc
        return str(version), found[0] if found else None

    def _watch(self, client: ApiClient, events: ObjectEvents, version: str) -> None:
        seconds = watch_seconds(self._timing)
        response = self._get(
            client,
            self._timing.list,
            watch="true",
            resource_version=version,
            timeout_seconds=seconds,
            allow_watch_bookmarks="true",
        )
        client.allow(seconds + self._timing.slack)
        with contextlib.closing(response):
            self._established(client, Way.LIST)
            self._follow(lines(response), events)

    def _follow(self, stream: Iterator[bytearray], events: ObjectEvents) -> None:
        """Take the events of an established watch to its end, at the pace of `EventRate`."""
        self._watching = True
        self._reports.connected()
        try:
            if self._polling:
                self._polling = False
                log.info(
                    f"{self.label} can be watched now",
                    event="source_watched",
                    source=str(self.label),
                )
            if self._failing:
                self._repeat()  # the same again: the failure is over
            rate = EventRate()
            for line in stream:
                size = len(line)
                self._take(events.take(self._event(line)))
                if wait := rate.pause(time.monotonic(), size):
                    self._sleep(wait)
        finally:
            self._reports.disconnected()

    def _event(self, line: bytearray) -> Any:
        event = self._subject.parser.event(line)
        line.clear()  # the work on the event would keep these few MiB alive
        return event

    def _get(self, client: ApiClient, read: float, **query: object) -> Any:
        return client.get(
            collection(self.label),
            (self._timing.connect, read),
            field_selector=f"metadata.name={self.label.name}",
            **query,
        )

    def _drop_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _arrived(self, obj: Any, saw: str = "") -> None:
        """Report the state at the begin of a watch."""
        self._known = self._listed = True
        if self._present(obj, saw):
            return
        if saw:
            self._reports.watched(saw)
        else:
            self._reports.contact()

    def _take(self, news: News) -> None:
        if not (news.told and self._present(news.obj, news.saw)):
            self._reports.watched(news.saw)
        if news.error is not None:
            raise EventError(news.error)

    def _present(self, obj: Any, saw: str) -> bool:
        new = self._states.take(obj, saw)
        if new:
            self._failing = False
        return new

    def _repeat(self) -> None:
        self._states.repeat()
        self._failing = False
