"""A ConfigMap or Secret as a source, followed through the Kubernetes API.

Read the object and watch it from there, and when the watch ends, for whatever reason, read it
again: this repairs all losses of a watch (410, a restored etcd, events dropped by a proxy, a
deletion during an outage), and costs little. The server sends the object at the begin of the watch
(WatchList) where it can, else in a list before. Only a difference in content is reported, so none
of this shows. Must not know the use of the content, and lets no exception out: the sink gets every
failure as a `Failure`. Imported by the thread that runs it.

The API: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import contextlib
import time
import urllib.parse
from http import HTTPStatus

from ...runtime import log
from ..interface import Content, RestartReason
from .answer_parsing import AnswerParser
from .api_client import open_client
from .api_errors import BadDataError, EventError, failed_try
from .client_library import LibraryLog
from .credentials import files_of, namespace, stamp
from .object_decoding import changed_at, files
from .object_events import ObjectEvents, concerns
from .retry_pace import RetryPace, Timing, Tried, watch_seconds
from .watch_list import EVENTS, LULL, MEMORY, QUERY, Choice, Way
from .watch_stream import EventRate, lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..interface import Label, Sink
    from .api_client import ApiClient
    from .api_errors import FailedTry
    from .credentials import Access, Stamp
    from .object_events import News

MANY = 3  # failures in a row; after more, the source opens a new client
LOOK_EVERY = 1.0  # seconds between looks at the credential files, after a refusal
# Usual ends of a watch: the next list finds out whether there is a failure.
QUIET_ENDS = frozenset({RestartReason.READ_TIMEOUT, RestartReason.CONNECTION, RestartReason.GONE})


class KubernetesSource:
    """One ConfigMap or Secret. `run` is the body of a thread."""

    def __init__(
        self,
        label: Label,
        access: Access,
        timing: Timing | None = None,
        *,
        due: float | None = None,
    ) -> None:
        """`label`: of kind configmap or secret; an empty namespace is filled in at the first
        connect. `due`: the deadline of the first content (monotonic); the last try comes shortly
        before.
        """
        self.label = label
        self._access = access
        self._timing = timing or Timing()
        self._pace = RetryPace(self._timing, due)
        self._private = label.kind == "secret"
        self._parser = AnswerParser(private=self._private)
        self._client: ApiClient | None = None
        self._known = False  # the object was read: from now on no failure is fatal
        # The progress of this try: a request was answered, the object (or its absence) was read,
        # the watch was established.
        self._answered = self._listed = self._watching = False
        self._choice = Choice(MEMORY)
        self._way: Way | None = None  # of this try
        self._polling = False  # the right to watch is missing
        self._failing = False  # the last report was a failure
        self._content: Content | None = None  # of the last report

    def run(self, sink: Sink) -> None:
        """Read, watch, read again, until a failure is fatal. An Exception of the sink is a failed
        try; others pass.
        """
        library = LibraryLog()
        try:
            while True:
                before = stamp(files_of(self._access))
                failed, delay = self._try(sink, library)
                if delay is None:
                    return
                self._pause(delay, before if failed and failed.by_files else ())
        finally:
            self._drop_client()
            library.close()

    def _try(self, sink: Sink, library: LibraryLog) -> tuple[FailedTry | None, float | None]:
        """Read and watch. Returns the failure, and the pause before the next try in seconds; None
        is the end.
        """
        began = time.monotonic()
        failed = None
        self._answered = self._listed = self._watching = False
        self._way = None
        try:
            self._read_and_watch(sink, library)
        except Exception as exc:  # the outer edge: no failure may end this thread
            failed = failed_try(exc, self._client, self.label, listed=self._listed)
        ended = time.monotonic()
        delay = self._pace.after(
            Tried(began, ended, self._listed, failed, self._content is not None)
        )
        if self._listed:
            sink.restarted(failed.restart if failed else RestartReason.SERVER_TIMEOUT)
        if failed is not None:
            self._learn(failed, ended)
            if not self._report(sink, failed, delay):
                return failed, None
            # A new TLS connection helps neither an overloaded server (429) nor a missing role.
            stays = failed.crowded or (self._listed and failed.status == HTTPStatus.FORBIDDEN)
            if failed.status == HTTPStatus.UNAUTHORIZED or (self._pace.row > MANY and not stays):
                self._drop_client()
        return failed, delay

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
        while files and seconds > LOOK_EVERY:
            time.sleep(LOOK_EVERY)
            seconds -= LOOK_EVERY
            if before != stamp(files):
                self._drop_client()
                return
        time.sleep(seconds)

    def _report(self, sink: Sink, failed: FailedTry, delay: float) -> bool:
        """Report a failed try; whether there is another."""
        if failed.status or (self._answered and not self._listed):
            sink.contact()
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
        sink.failed(failure, 0.0 if failure.fatal else delay)
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

    def _read_and_watch(self, sink: Sink, library: LibraryLog) -> None:
        if not self.label.namespace:
            self.label = self.label.replace(namespace=namespace(self._access))
        if self._client is None:
            self._client = open_client(self._access, library)
        client = self._client
        now = time.monotonic()
        self._way = self._choice.way(client.url, now, self._pace.spare(now))
        if self._way is Way.WATCH_LIST:
            try:
                self._stream(sink, client)
            except Exception as exc:
                if self._listed or not self._lists_instead(exc, client):
                    raise
            else:
                return
        self._way = Way.LIST
        version, obj = self._list(client)
        events = ObjectEvents(self.label, obj)
        self._arrived(sink, obj)
        if self._polling and self._failing:
            self._report_content(sink, self._content)
        del obj  # the watch would keep these few MiB alive
        self._watch(sink, client, events, version)

    def _lists_instead(self, exc: Exception, client: ApiClient) -> bool:
        """Whether a list is the answer to this failure of a WatchList."""
        failed = failed_try(exc, client, self.label)
        hurry = self._pace.spare(time.monotonic()) < float("inf")
        return self._choice.no_stream(failed, hurry=hurry)

    def _established(self, client: ApiClient, way: Way) -> None:
        if self._choice.established(way, client.url, time.monotonic()):
            log.debug(
                f"{client.url} begins no watch with the object; listing it before each watch",
                event="source_lists",
                source=str(self.label),
            )

    def _stream(self, sink: Sink, client: ApiClient) -> None:
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
            news = self._initial(sink, stream, events)
            client.allow(began + seconds + self._timing.slack - time.monotonic())
            self._established(client, Way.WATCH_LIST)
            self._arrived(sink, news.obj, news.saw)
            del news  # the watch would keep these few MiB alive
            self._follow(sink, stream, events)

    def _initial(self, sink: Sink, stream: Iterator[bytearray], events: ObjectEvents) -> News:
        """Take the initial events, as fast as they come: they have an end, and the bounds of a
        list.
        """
        for count, line in enumerate(stream):
            news = events.take(self._event(line))
            if events.complete:
                return news
            if not news.foreign:
                self._take(sink, news)
            if count == EVENTS:
                raise BadDataError(f"the watch began with more than {EVENTS:,} events")
        raise BadDataError("the watch ended before its initial events did")

    def _list(self, client: ApiClient) -> tuple[str, Any]:
        """The version of the list, and its object or None."""
        response = self._get(client, self._pace.budget(time.monotonic()))
        body = bytearray()
        self._answered = True
        with contextlib.closing(response):
            while piece := response.read1(65536):
                body += piece
        answer = self._parser.listing(body)
        del body
        try:
            version = answer["metadata"]["resourceVersion"]
            items = answer["items"] or ()
            # A server may ignore the field selector.
            found = [item for item in items if concerns(item, self.label)]
        except (KeyError, TypeError, AttributeError) as exc:
            message = f"the answer is not a list; is {client.url} a Kubernetes API server?"
            raise BadDataError(message) from exc
        return str(version), found[0] if found else None

    def _watch(self, sink: Sink, client: ApiClient, events: ObjectEvents, version: str) -> None:
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
            self._follow(sink, lines(response), events)

    def _follow(self, sink: Sink, stream: Iterator[bytearray], events: ObjectEvents) -> None:
        """Take the events of an established watch to its end, at the pace of `EventRate`."""
        self._watching = True
        sink.connected()
        try:
            if self._polling:
                self._polling = False
                log.info(
                    f"{self.label} can be watched now",
                    event="source_watched",
                    source=str(self.label),
                )
            if self._failing:
                self._report_content(sink, self._content)  # the same again: the failure is over
            rate = EventRate()
            for line in stream:
                size = len(line)
                self._take(sink, events.take(self._event(line)))
                _slow_down(rate, size)
        finally:
            sink.disconnected()

    def _event(self, line: bytearray) -> Any:
        event = self._parser.event(line)
        line.clear()  # the work on the event would keep these few MiB alive
        return event

    def _get(self, client: ApiClient, read: float, **query: object) -> Any:
        where = urllib.parse.quote(self.label.namespace, safe="")
        return client.get(
            f"/api/v1/namespaces/{where}/{self.label.kind}s",
            (self._timing.connect, read),
            field_selector=f"metadata.name={self.label.name}",
            **query,
        )

    def _drop_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _arrived(self, sink: Sink, obj: Any, saw: str = "") -> None:
        """Report the state at the begin of a watch."""
        self._known = self._listed = True
        if self._present(sink, obj, saw):
            return
        if saw:
            sink.watched(saw)
        else:
            sink.contact()

    def _take(self, sink: Sink, news: News) -> None:
        if not (news.told and self._present(sink, news.obj, news.saw)):
            sink.watched(news.saw)
        if news.error is not None:
            raise EventError(news.error)

    def _present(self, sink: Sink, obj: Any, saw: str = "") -> bool:
        """Report an object whose content differs from the last, or its absence; whether it did."""
        if obj is None:
            self._report_content(sink, None, saw)
            return True
        found = files(obj, private=self._private)
        if self._content is not None and found == self._content.files:
            return False
        self._report_content(sink, Content(found, self._private, changed_at(obj["metadata"])), saw)
        return True

    def _report_content(self, sink: Sink, content: Content | None, saw: str = "") -> None:
        self._content = None  # the sink's work would keep the former content alive
        sink.read(content, saw=saw)
        self._content = content
        self._failing = False


def _slow_down(rate: EventRate, size: int) -> None:
    """Wait after an event of `size` bytes, if events come too fast."""
    wait = rate.pause(time.monotonic(), size)
    if wait:
        time.sleep(wait)
