"""The ConfigMap or Secret that one source follows through the Kubernetes API.

List the one object, watch from the list's resourceVersion, and when the watch ends, for whatever
reason, list again: a list repairs everything that a watch can lose (410, a restored etcd, events
that a proxy ate, a deletion during an outage), and costs one small read. Content decides what is
told, so that none of this shows. Must not know what is done with the content, and lets nothing out:
every failure goes to the sink as a `Failure`. Imported by the thread that runs it.

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
from .retry_pace import Pace, Timing, Tried, watch_seconds
from .watch_stream import EventRate, lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..interface import Label, Sink
    from .api_client import ApiClient
    from .api_errors import FailedTry
    from .credentials import Access, Stamp

MANY = 3  # failures in a row; after more, the client is made again
LOOK_EVERY = 1.0  # seconds between looks at the credential files, after a refusal
# A watch may end so; the next list tells whether there is a failure.
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
        """label: kind configmap or secret; an empty namespace is filled in at the first connect.

        due: when the first content must be there (monotonic): a try comes shortly before that.
        """
        self.label = label
        self._access = access
        self._timing = timing or Timing()
        self._pace = Pace(self._timing, due)
        self._private = label.kind == "secret"
        self._client: ApiClient | None = None
        self._known = False  # an answer was read: from now on no failure is final
        # How far this try came: the list was answered, it was read, the watch was established.
        self._answered = self._listed = self._watching = False
        self._polling = False  # there is no right to watch
        self._failing = False  # the sink was told of a failure, and of nothing good since
        self._content: Content | None = None  # what the sink was told last
        self._uid = ""

    def run(self, sink: Sink) -> None:
        """Read, watch, read again, until a failure that is fatal; raises only what the sink
        raises beside an Exception.
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
        """One list and one watch. The pause before the next, in seconds; None is the end."""
        began, failed = time.monotonic(), None
        self._answered = self._listed = self._watching = False
        try:
            self._list_and_watch(sink, library)
        except Exception as exc:  # the outer edge: nothing may end this thread
            failed = failed_try(exc, self._client, self.label, listed=self._listed)
        delay = self._pace.after(
            Tried(began, time.monotonic(), self._listed, failed, self._content is not None)
        )
        if self._listed:
            sink.restarted(failed.restart if failed else RestartReason.SERVER_TIMEOUT)
        if failed is not None:
            if not self._tell(sink, failed, delay):
                return failed, None
            # A server that has too much to do (429) is not helped by a new TLS connection, nor is a
            # role by one.
            stays = failed.crowded or (self._listed and failed.status == HTTPStatus.FORBIDDEN)
            if failed.status == HTTPStatus.UNAUTHORIZED or (self._pace.row > MANY and not stays):
                self._drop_client()
        return failed, delay

    def _pause(self, seconds: float, before: Stamp) -> None:
        """Wait; credential files that are not as `before` end the pause."""
        files = [path for path, *_ in before]
        while files and seconds > LOOK_EVERY:
            time.sleep(LOOK_EVERY)
            seconds -= LOOK_EVERY
            if before != stamp(files):
                self._drop_client()
                return
        time.sleep(seconds)

    def _tell(self, sink: Sink, failed: FailedTry, delay: float) -> bool:
        """Report a failed try; False if there shall be no further one."""
        if failed.status or (self._answered and not self._listed):
            sink.contact()
        if self._pace.at_once or (self._watching and failed.restart in QUIET_ENDS):
            return True  # the next list, which comes soon, tells whether there is failure
        if failed.status == HTTPStatus.FORBIDDEN and self._known:
            if self._pace.refusals == 1:
                return True  # an API server that just started does not know its roles yet
            if self._listed:
                self._poll(failed)
                return True
        failure = failed.failure.replace(fatal=failed.failure.fatal and not self._known)
        self._failing = True
        sink.failed(failure, 0.0 if failure.fatal else delay)
        return not failure.fatal

    def _poll(self, failed: FailedTry) -> None:
        """Say once that there is no right to watch: lists go on."""
        if not self._polling:
            self._polling = True
            first, last = self._timing.poll
            log.warning(
                f"{failed.failure.message}; it is listed every {first:g} to {last:g} s instead",
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
        told = self._absent(sink) if obj is None else self._present(sink, obj)
        if self._polling and self._failing:
            self._say(sink, self._content)
        elif not told:
            sink.contact()
        del obj  # up to a few MiB that the watch would keep alive
        self._watch(sink, client, version)

    def _list(self, client: ApiClient) -> tuple[str, Any]:
        """The version of the list, and the object in it or None."""
        response = self._get(client, self._pace.budget(time.monotonic()))
        body = bytearray()
        self._answered = True
        with contextlib.closing(response):
            while piece := response.read1(65536):
                body += piece
        answer = parsed(body)
        try:
            version, items = answer["metadata"]["resourceVersion"], answer["items"] or ()
            # A server that ignores the field selector must not give us another object.
            found = [item for item in items if self._ours(item)]
        except (KeyError, TypeError, AttributeError) as exc:
            message = f"the answer is no list; is {client.url} a Kubernetes API server?"
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
                    self._say(sink, self._content)  # nothing new: it tells that the failure is over
                self._follow(sink, response)
            finally:
                sink.disconnected()

    def _follow(self, sink: Sink, response: Any) -> None:
        """Take the events of a watch to its end, no faster than the rest of the program bears."""
        rate = EventRate()
        for line in lines(response):
            self._event(sink, parsed(line))
            wait = rate.pause(time.monotonic(), len(line))
            del line  # up to a few MiB that the next read would keep alive
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
        """Whether an object is the one that is followed: a server may ignore the path, or the field
        selector.
        """
        meta, kind = obj.get("metadata") or {}, str(obj.get("kind", self.label.kind))
        where = meta.get("namespace", self.label.namespace), meta.get("name")
        return where == (self.label.namespace, self.label.name) and kind.lower() == self.label.kind

    def _event(self, sink: Sink, event: Any) -> None:
        try:
            kind, obj = event["type"], event["object"]
            ours, meta = self._ours(obj), obj.get("metadata") or {}
            known = kind in {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"}
        except (KeyError, TypeError, AttributeError):
            known = False
        if not known:
            raise BadDataError("the watch sent what is no watch event")
        saw, told = kind.lower(), False
        if ours and kind in ("ADDED", "MODIFIED"):
            told = self._present(sink, obj, saw)
        elif ours and kind == "DELETED" and meta.get("uid", "") == self._uid:
            # Else it is the end of a former object of that name, and the new one is there.
            told = self._absent(sink, saw)
        if not told:
            sink.watched(saw)
        if kind == "ERROR":
            raise EventError(obj)

    def _absent(self, sink: Sink, saw: str = "") -> bool:
        self._uid = ""
        self._say(sink, None, saw)
        return True

    def _present(self, sink: Sink, obj: Any, saw: str = "") -> bool:
        """Whether the object was told: its content differs from the last."""
        found = files(obj, private=self._private)
        self._uid = obj["metadata"].get("uid", "")
        if self._content is not None and found == self._content.files:
            return False
        self._say(sink, Content(found, self._private, changed_at(obj["metadata"])), saw)
        return True

    def _say(self, sink: Sink, content: Content | None, saw: str = "") -> None:
        sink.read(content, saw=saw)
        self._content, self._failing = content, False
