"""A ConfigMap or Secret as a source, followed through the Kubernetes API.

List the object, watch from the list's resourceVersion, and when the watch ends, for whatever
reason, list again: a list repairs all losses of a watch (410, a restored etcd, events dropped by a
proxy, a deletion during an outage), and costs a small read. Only a difference in content is
reported, so none of this shows. Must not know the use of the content, and lets no exception out:
the sink gets every failure as a `Failure`. Imported by the thread that runs it.

The API: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import contextlib
import time
import urllib.parse
from http import HTTPStatus

from ...runtime import log
from ..interface import Content, RestartReason
from .api_client import open_client
from .api_errors import BadDataError, EventError, failed_try
from .client_library import LibraryLog
from .credentials import files_of, namespace, stamp
from .object_decoding import changed_at, files, parsed
from .retry_pace import RetryPace, Timing, Tried, watch_seconds
from .watch_stream import EventRate, lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..interface import Label, Sink
    from .api_client import ApiClient
    from .api_errors import FailedTry
    from .credentials import Access, Stamp

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
        self._client: ApiClient | None = None
        self._known = False  # a list was read: from now on no failure is fatal
        # The progress of this try: the list was answered, it was read, the watch was established.
        self._answered = self._listed = self._watching = False
        self._polling = False  # the right to watch is missing
        self._failing = False  # the last report was a failure
        self._content: Content | None = None  # of the last report
        self._uid = ""

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
        """A list and a watch. Returns the failure, and the pause before the next try in seconds;
        None is the end.
        """
        began = time.monotonic()
        failed = None
        self._answered = self._listed = self._watching = False
        try:
            self._list_and_watch(sink, library)
        except Exception as exc:  # the outer edge: no failure may end this thread
            failed = failed_try(exc, self._client, self.label, listed=self._listed)
        delay = self._pace.after(
            Tried(began, time.monotonic(), self._listed, failed, self._content is not None)
        )
        if self._listed:
            sink.restarted(failed.restart if failed else RestartReason.SERVER_TIMEOUT)
        if failed is not None:
            if not self._report(sink, failed, delay):
                return failed, None
            # A new TLS connection helps neither an overloaded server (429) nor a missing role.
            stays = failed.crowded or (self._listed and failed.status == HTTPStatus.FORBIDDEN)
            if failed.status == HTTPStatus.UNAUTHORIZED or (self._pace.row > MANY and not stays):
                self._drop_client()
        return failed, delay

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

    def _list_and_watch(self, sink: Sink, library: LibraryLog) -> None:
        if not self.label.namespace:
            self.label = self.label.replace(namespace=namespace(self._access))
        if self._client is None:
            self._client = open_client(self._access, library)
        client = self._client
        version, obj = self._list(client)
        self._known = self._listed = True
        reported = self._absent(sink) if obj is None else self._present(sink, obj)
        if self._polling and self._failing:
            self._report_content(sink, self._content)
        elif not reported:
            sink.contact()
        del obj  # the watch would keep these few MiB alive
        self._watch(sink, client, version)

    def _list(self, client: ApiClient) -> tuple[str, Any]:
        """The version of the list, and its object or None."""
        response = self._get(client, self._pace.budget(time.monotonic()))
        body = bytearray()
        self._answered = True
        with contextlib.closing(response):
            while piece := response.read1(65536):
                body += piece
        answer = parsed(body)
        try:
            version = answer["metadata"]["resourceVersion"]
            items = answer["items"] or ()
            # A server may ignore the field selector.
            found = [item for item in items if self._ours(item)]
        except (KeyError, TypeError, AttributeError) as exc:
            message = f"the answer is not a list; is {client.url} a Kubernetes API server?"
            raise BadDataError(message) from exc
        return str(version), found[0] if found else None

    def _watch(self, sink: Sink, client: ApiClient, version: str) -> None:
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
                self._follow(sink, response)
            finally:
                sink.disconnected()

    def _follow(self, sink: Sink, response: Any) -> None:
        """Take the events of a watch to its end, at the pace of `EventRate`."""
        rate = EventRate()
        for line in lines(response):
            self._event(sink, parsed(line))
            wait = rate.pause(time.monotonic(), len(line))
            del line  # the next read would keep these few MiB alive
            if wait:
                time.sleep(wait)

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

    def _ours(self, obj: Any) -> bool:
        """Whether an object is the source's: a server may ignore the path or the field selector."""
        meta = obj.get("metadata") or {}
        kind = str(obj.get("kind", self.label.kind))
        where = meta.get("namespace", self.label.namespace), meta.get("name")
        return where == (self.label.namespace, self.label.name) and kind.lower() == self.label.kind

    def _event(self, sink: Sink, event: Any) -> None:
        try:
            kind = event["type"]
            obj = event["object"]
            ours = self._ours(obj)
            meta = obj.get("metadata") or {}
            known = kind in {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"}
        except (KeyError, TypeError, AttributeError):
            known = False
        if not known:
            raise BadDataError("the watch sent something else than a watch event")
        saw = kind.lower()
        reported = False
        if ours and kind in ("ADDED", "MODIFIED"):
            reported = self._present(sink, obj, saw)
        elif ours and kind == "DELETED" and meta.get("uid", "") == self._uid:
            # Any other uid is of a former object with this name, which a new object has replaced.
            reported = self._absent(sink, saw)
        if not reported:
            sink.watched(saw)
        if kind == "ERROR":
            raise EventError(obj)

    def _absent(self, sink: Sink, saw: str = "") -> bool:
        self._uid = ""
        self._report_content(sink, None, saw)
        return True

    def _present(self, sink: Sink, obj: Any, saw: str = "") -> bool:
        """Report an object whose content differs from the last; whether it does."""
        found = files(obj, private=self._private)
        self._uid = obj["metadata"].get("uid", "")
        if self._content is not None and found == self._content.files:
            return False
        self._report_content(sink, Content(found, self._private, changed_at(obj["metadata"])), saw)
        return True

    def _report_content(self, sink: Sink, content: Content | None, saw: str = "") -> None:
        sink.read(content, saw=saw)
        self._content = content
        self._failing = False
