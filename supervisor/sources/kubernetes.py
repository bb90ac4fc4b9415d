"""The ConfigMap or Secret that one source follows through the Kubernetes API.

List the one object, watch from the list's resourceVersion, and when the watch ends, for whatever
reason, list again, for ever: a list repairs everything that a watch can lose (410, a restored etcd,
events that a proxy ate, a deletion during an outage), and costs one small read. Content decides what
is told, so that none of this shows. Must not know what is done with the content, and lets nothing
out: every failure goes to the sink as a `Trouble`. Imported by the thread that runs it.

The API: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import binascii
import contextlib
import datetime as dt
import json
import random
import threading
import time
import urllib.parse

from ..record import Record
from . import Content, Label
from .kube_access import Access, AccessError, LibraryLog, Link, namespace, open_link
from .kube_faults import BadDataError, EventError, Fault, fault_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from . import Sink

__all__ = ["Access", "AccessError", "KubernetesSource", "Label", "Timing", "namespace"]

LINE_LIMIT = 16 << 20  # bytes; an object of 1 MiB can fill 6 MiB of JSON when all is escaped
CLEAN_LIFE = 5.0  # seconds after which a watch that the server ends counts as a good one
LONG_LIFE = 10.0  # seconds of a watch after which earlier failures are forgotten
FLAP_CAP = 5.0  # longest pause, in seconds, while lists work and only watches break
MANY = 3  # failures in a row; after more, the client is made anew
CURABLE = frozenset({401, 410})  # by new credentials, by a new list
QUIET_ENDS = frozenset({"read_timeout", "connection", "gone"})  # a watch may end so; a list will do


class Timing(Record):
    """How long things may take, in seconds. The defaults are for production."""

    connect: float = 5
    list: float = 15  # a whole list
    watch: tuple[int, int] = (240, 360)  # a watch: random between these, so that a fleet spreads
    slack: float = 20  # a watch that is silent so much longer than that hangs
    base: float = 0.5  # the pause after a first failure; it doubles
    cap: float = 60
    spread: float = 1  # the longest pause after a watch that ended well
    relist: float = 5  # and after one that broke: a server that restarts breaks those of a whole fleet


class KubernetesSource:
    """One ConfigMap or Secret. `run` is the body of a thread; `stop` may be called from any other."""

    def __init__(self, label: Label, access: Access, timing: Timing | None = None) -> None:
        """label: kind configmap or secret; an empty namespace is filled in at the first connect."""
        self.label = label
        self._access = access
        self._timing = timing or Timing()
        self._private = label.kind == "secret"
        self._halt = threading.Event()
        self._lock = threading.Lock()  # guards _response between run and stop
        self._response: Any = None
        self._link: Link | None = None
        self._known = False  # an answer was read: from now on no trouble is final
        self._watching = False
        self._troubled = False  # the sink was told of a trouble, and of nothing good since
        self._content: Content | None = None  # what the sink was told last
        self._uid = ""

    def stop(self) -> None:
        """Wake `run` from a read or a pause at once.

        Only a connect, or a request that is not answered yet, is left to its timeout.
        """
        self._halt.set()
        with self._lock:
            if self._response is not None:
                # shutdown() wakes the reader in 1 ms; close() would wait for it. It raises when
                # the response has ended by itself.
                with contextlib.suppress(ValueError, RuntimeError, OSError):
                    self._response.shutdown()

    def run(self, sink: Sink) -> None:
        """Read, watch, read again, until `stop` or a trouble that is fatal; raises nothing."""
        log = LibraryLog()
        pace = Pace(self._timing)
        try:
            while not self._halt.is_set():
                delay = self._try(sink, log, pace)
                if delay is None or self._halt.wait(delay):
                    return
        finally:
            self._drop_link()
            log.close()

    def _try(self, sink: Sink, log: LibraryLog, pace: Pace) -> float | None:
        """One list and one watch. Returns the pause before the next, in seconds; None is the end."""
        began, fault, self._watching = time.monotonic(), None, False
        try:
            self._list_and_watch(sink, log)
        except Exception as exc:  # noqa: BLE001 - the outer edge: nothing may end this thread
            fault = fault_of(exc, self._link, self.label)
        if self._halt.is_set():
            return None
        delay = pace.after(fault, time.monotonic() - began, watched=self._watching)
        if self._watching:
            sink.restarted(fault.restart if fault else "server_timeout")
        if fault is not None:
            if not self._tell(sink, fault, delay, at_once=pace.at_once):
                return None
            # One that has too much to do (429) is not helped by a new TLS connection.
            if fault.status == 401 or (pace.failures > MANY and fault.status != 429):
                self._drop_link()
        return delay

    def _tell(self, sink: Sink, fault: Fault, delay: float, *, at_once: bool) -> bool:
        """Report a failed try; False if there shall be no further one."""
        if fault.status:
            sink.contact()
        if at_once or (self._watching and fault.restart in QUIET_ENDS):
            return True  # the next list, which comes soon, tells whether there is trouble
        trouble = fault.trouble.replace(fatal=fault.trouble.fatal and not self._known)
        self._troubled = True
        sink.failed(trouble, 0.0 if trouble.fatal else delay)
        return not trouble.fatal

    def _list_and_watch(self, sink: Sink, log: LibraryLog) -> None:
        if not self.label.namespace:
            self.label = self.label.replace(namespace=namespace(self._access))
        if self._link is None:
            self._link = open_link(self._access, log)
        link = self._link
        version, obj = self._list(sink, link)
        self._known = True
        if obj is None:
            self._absent(sink)
        else:
            self._present(sink, obj)
        del obj  # up to a few MiB that the watch would keep alive
        self._watch(sink, link, version)

    def _list(self, sink: Sink, link: Link) -> tuple[str, Any]:
        """The version of the list, and the object in it or None."""
        limit = time.monotonic() + self._timing.list
        response = self._get(link, self._timing.list)
        body = bytearray()
        try:
            sink.contact()
            while piece := response.read1(65536):
                body += piece
                _check(len(body), limit)
        finally:
            self._release(response)
        answer = _parsed(body)
        try:
            version, items = answer["metadata"]["resourceVersion"], answer["items"] or ()
            # A server that ignores the field selector must not give us another object.
            found = [item for item in items if item["metadata"]["name"] == self.label.name]
        except (KeyError, TypeError) as exc:
            message = f"the answer is no list; is {link.url} a Kubernetes API server?"
            raise BadDataError(message) from exc
        return str(version), found[0] if found else None

    def _watch(self, sink: Sink, link: Link, version: str) -> None:
        seconds = watch_seconds(self._timing)
        longest = seconds + self._timing.slack
        limit = time.monotonic() + longest
        self._watching = True
        response = self._get(
            link,
            longest,
            watch="true",
            resource_version=version,
            timeout_seconds=seconds,
            allow_watch_bookmarks="true",
        )
        try:
            sink.contact()
            sink.connected(up=True)
            if self._troubled:
                self._say(sink, self._content)  # nothing new: it tells that the trouble is over
            for line in _lines(response, limit):
                self._event(sink, _parsed(line))
                del line  # as obj above
        finally:
            sink.connected(up=False)
            self._release(response)

    def _get(self, link: Link, read: float, **query: object) -> Any:
        where = urllib.parse.quote(self.label.namespace, safe="")
        response = link.get(
            f"/api/v1/namespaces/{where}/{self.label.kind}s",
            (self._timing.connect, read),
            field_selector=f"metadata.name={self.label.name}",
            **query,
        )
        with self._lock:
            self._response = response
        if self._halt.is_set():
            self._release(response)
            raise InterruptedError  # `stop` came while there was nothing that it could wake
        return response

    def _release(self, response: Any) -> None:
        with self._lock:
            self._response = None
        response.close()

    def _drop_link(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _event(self, sink: Sink, event: Any) -> None:
        try:
            kind, obj = event["type"], event["object"]
            meta = obj.get("metadata") or {}
            known = kind in {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"}
        except (KeyError, TypeError, AttributeError):
            known = False
        if not known:
            raise BadDataError("the watch sent what is no watch event")
        ours = meta.get("name") == self.label.name
        if ours and kind in ("ADDED", "MODIFIED"):
            self._present(sink, obj)  # first: every word to the sink wakes the main thread
        elif ours and kind == "DELETED" and meta.get("uid", "") == self._uid:
            # Else it is the end of a former object of that name, and the new one is there.
            self._absent(sink)
        sink.watched(kind.lower())
        if kind == "ERROR":
            raise EventError(obj)

    def _absent(self, sink: Sink) -> None:
        self._uid = ""
        self._say(sink, None)

    def _present(self, sink: Sink, obj: Any) -> None:
        files = _files(obj, private=self._private)
        self._uid = obj["metadata"].get("uid", "")
        if self._content is None or files != self._content.files:
            self._say(sink, Content(files, self._private, _changed_at(obj["metadata"])))

    def _say(self, sink: Sink, content: Content | None) -> None:
        sink.read(content)
        self._content, self._troubled = content, False


def watch_seconds(timing: Timing) -> int:
    """How long a watch is asked for."""
    return random.randint(*timing.watch)  # noqa: S311 - spreads load


class Pace:
    """How long to wait between tries; `failures` counts those in a row."""

    def __init__(self, timing: Timing) -> None:
        self.failures = 0
        self.at_once = False  # the last fault is most likely cured by the very next try
        self._timing = timing
        self._last = 0

    def after(self, fault: Fault | None, lived: float, *, watched: bool) -> float:
        """Seconds to wait after a try that took `lived` seconds.

        A watch that the server ends at once is a failure, or it would be asked for without pause.
        """
        if fault is None and lived > CLEAN_LIFE:
            self.failures = 0
        else:
            self.failures = 1 if watched and lived > LONG_LIFE else self.failures + 1
        status = fault.status if fault else 0
        asked = fault.retry_after if fault else 0.0
        self.at_once = status in CURABLE and status != self._last
        self._last = status
        if self.at_once:
            return asked
        if not self.failures:
            return random.uniform(0, self._timing.spread)  # noqa: S311 - spreads load
        flapping = watched and not status
        if flapping and self.failures == 1 and lived > LONG_LIFE:
            return random.uniform(0, self._timing.relist)  # noqa: S311 - spreads load
        cap = min(self._timing.cap, FLAP_CAP) if flapping else self._timing.cap
        delay = min(cap, self._timing.base * 2.0 ** min(self.failures - 1, 16))
        delay *= random.uniform(0.1, 1)  # noqa: S311 - spreads load
        # Never before the server wants it, and never all at the second that it names: they would be refused again.
        return asked * random.uniform(1, 1.5) + delay  # noqa: S311 - as above


def _lines(response: Any, limit: float) -> Iterator[bytearray]:
    """The lines of a stream as they arrive, empty ones left out; ends with the stream.

    read1 gives what is there, with or without chunked encoding. Raises TimeoutError at `limit`
    (monotonic), which a server that sends a byte now and then would never reach otherwise.
    """
    held = bytearray()
    _bound(response, limit)
    while data := response.read1(65536):
        _check(len(held), limit)
        _bound(response, limit)
        *ends, rest = data.split(b"\n")
        for end in ends:
            held += end
            if held and not held.isspace():
                yield held
            held = bytearray()
        held += rest


def _bound(response: Any, limit: float) -> None:
    """Let the next read of a silent server end at `limit`, not a whole timeout after the last."""
    sock = getattr(response.connection, "sock", None)
    if sock is not None:
        sock.settimeout(max(0.1, limit - time.monotonic()))


def _check(size: int, limit: float) -> None:
    if size > LINE_LIMIT:
        raise BadDataError(f"the answer is longer than {LINE_LIMIT >> 20} MiB")
    if time.monotonic() > limit:
        raise TimeoutError


def _parsed(text: bytearray) -> Any:
    try:
        return json.loads(text)
    except ValueError as exc:
        raise BadDataError("the server's answer is not JSON") from exc


def _files(obj: Any, *, private: bool) -> dict[str, bytes]:
    """Key to bytes, of data and binaryData: base64 but for a ConfigMap's data, which is text."""
    files: dict[str, bytes] = {}
    for field in ("data", "binaryData"):
        coded = private or field == "binaryData"
        values = obj.get(field) or {}
        try:
            for key, value in values.items():
                text = f"the value of {key!r} in {field} is not "
                text += "base64" if coded else "text"
                files[key] = binascii.a2b_base64(value, strict_mode=True) if coded else value.encode()
        except (ValueError, TypeError, AttributeError) as exc:
            message = text if values and isinstance(values, dict) else f"{field} is no map"
            raise BadDataError(message) from exc
    return files


def _changed_at(meta: Any) -> float | None:
    """When the object was changed last, in epoch seconds: its newest managedFields entry."""
    try:
        times = [entry["time"] for entry in meta.get("managedFields") or () if entry.get("time")]
        newest = max(times, default=None) or meta["creationTimestamp"]
        return dt.datetime.fromisoformat(newest).timestamp()
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
