"""Kubernetes Events about our own pod: best effort, rate limited, never in the way of the app.

A thread sends them over its own connection. When too many wait, it sends the newest, and the newest
warning; it retries while the API server cannot be reached. The log has a warning for the first
failure after a success, and the others in debug. Must not know which facts are worth an Event.

The API: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from __future__ import annotations

import collections
import datetime as dt
import random
import threading
import time
import uuid
from http import HTTPStatus

from ...core.backoff import backoff
from ...core.record import Record
from ...runtime import log
from .api_client import ApiClient, open_client
from .api_errors import redact, shown, words
from .client_library import LibraryLog
from .credentials import Access, CredentialsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Body = dict[str, object]

_MOST_WAITING = 20
_NOTE_BYTES = 1024  # the API server's limit of a note
_WORD_BYTES = 128  # and of a reportingInstance
_NAME_LENGTH = 253  # of any object (RFC 1123)
_WARNING = "Warning"  # a type; the other is Normal
_BURST = 10  # Events at once
_EVERY = 10.0  # seconds to another Event
_SECONDS = (5.0, 10.0)  # to connect, and for the answer
# Seconds before a retry.
_AGAIN_FIRST = 5.0
_AGAIN_MOST = 60.0


class Pod(Record):
    """The pod, by the downward API."""

    namespace: str
    name: str
    uid: str


def pod_of(environ: Mapping[str, str]) -> Pod | None:
    """The pod of POD_NAME, POD_NAMESPACE and POD_UID; None if a variable is missing."""
    values = [environ.get(f"POD_{part}", "") for part in ("NAMESPACE", "NAME", "UID")]
    return Pod(*values) if all(values) else None


class Outbox:
    """The waiting Events, and the time of the next. Pure: times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        # When it is full, the oldest gives way.
        self._waiting: collections.deque[Body] = collections.deque(maxlen=_MOST_WAITING)
        self._allowance = float(_BURST)
        self._since = now
        self._again = now  # the time of the next retry
        self._failures = 0

    def put(self, body: Body) -> None:
        self._waiting.append(body)

    def take(self, now: float, *, hurry: bool = False) -> tuple[Body | None, float | None]:
        """The next Event to send; without one, the seconds to wait, or None for any time.

        When more wait than the rate allows, all but the newest are dropped: it shows the state
        best. The newest warning stays too: a failure, which a way back must not hide. `hurry`:
        without a limit.
        """
        self._allowance = min(_BURST, self._allowance + (now - self._since) / _EVERY)
        self._since = now
        if not self._waiting:
            return None, None
        if not hurry and self._again > now:
            return None, self._again - now
        if not hurry and self._allowance < 1:
            self._keep_newest()
            return None, (1 - self._allowance) * _EVERY
        self._allowance -= 1
        return self._waiting.popleft(), 0.0

    def sent(self) -> None:
        self._failures = 0

    def failed(self, body: Body, now: float) -> None:
        """Keep the Event for a retry, unless too many newer Events wait."""
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.appendleft(body)
        self._failures += 1
        pause = backoff(self._failures, _AGAIN_FIRST, _AGAIN_MOST)
        self._again = now + pause * random.uniform(0.5, 1)

    def _keep_newest(self) -> None:
        if not self._waiting:
            return
        *older, newest = self._waiting
        warnings = [one for one in older if one.get("type") == _WARNING]
        kept = [*warnings[-1:], newest]
        if dropped := len(self._waiting) - len(kept):
            log.debug(f"too many events, dropped {dropped}", event="events_dropped")
            self._waiting.clear()
            self._waiting += kept


class EventSender:
    """Sends Events. `send` and `finish` are for the main thread, `run` is the body of a thread."""

    def __init__(self, pod: Pod, access: Access) -> None:
        self._pod = pod
        self._access = access
        self._outbox = Outbox(time.monotonic())
        self._changed = threading.Condition()  # guards the outbox and _ending
        self._ending = False
        self._idle = threading.Event()
        self._client: ApiClient | None = None
        self._warned = False  # about a failure, without a success since
        self._worked = False  # the server took the last Event

    def send(self, reason: str, note: str, *, warning: bool) -> None:
        """Queue an Event with the present time; returns at once."""
        body = event(self._pod, reason, note, warning=warning)
        with self._changed:
            self._outbox.put(body)
            self._changed.notify()

    def finish(self, seconds: float) -> None:
        """Wait for a try to send each queued Event, at most `seconds`."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._idle.wait(seconds)

    def run(self) -> None:
        """Send the queued Events, until `finish`."""
        library = LibraryLog()
        while (body := self._next()) is not None:
            try:
                self._post(library, body)
            except Exception as error:  # best effort: a failure in here must not reach the app
                self._drop(body, error)
            else:
                self._warned = False
                self._worked = True
                with self._changed:
                    self._outbox.sent()
        self._idle.set()

    def _next(self) -> Body | None:
        """The next Event, once it may be sent; None at the end."""
        with self._changed:
            while True:
                body, wait = self._outbox.take(time.monotonic(), hurry=self._ending)
                if body is not None or self._ending:
                    return body
                self._changed.wait(wait)

    def _post(self, library: LibraryLog, body: Mapping[str, object]) -> None:
        if self._client is None:
            self._client = open_client(self._access, library)
        try:
            self._client.post(
                f"/apis/events.k8s.io/v1/namespaces/{self._pod.namespace}/events", body, _SECONDS
            ).close()
        except Exception as error:
            # In a conflict an earlier try came through, and its answer was lost.
            if getattr(error, "status", None) != HTTPStatus.CONFLICT:
                raise

    def _drop(self, body: Body, error: Exception) -> None:
        status = getattr(error, "status", None) or 0
        passing = not isinstance(error, CredentialsError) and (
            status in (0, HTTPStatus.TOO_MANY_REQUESTS)
            or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        )
        if status == HTTPStatus.FORBIDDEN and self._worked:
            passing = quiet = True  # a freshly started API server does not know its roles yet
        else:
            quiet = self._warned
        self._worked = False
        with self._changed:
            if passing and not self._ending:
                self._outbox.failed(body, time.monotonic())
        say = log.debug if quiet else log.warning
        self._warned = not quiet or self._warned
        rest = "trying again" if passing else "going on without"
        say(
            f"cannot create events on the pod: {_why(error, self._pod)}; {rest}",
            event="events_failed",
        )
        if self._client is not None:
            self._client.close()
            self._client = None


def event(pod: Pod, reason: str, note: str, *, warning: bool) -> Body:
    """The body of an Event about a pod with the present time; a long note is cut."""
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": _name(pod), "namespace": pod.namespace},
        "eventTime": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": "config-supervisor",
        "reportingInstance": pod.name[:_WORD_BYTES],
        "action": reason,
        "reason": reason,
        "type": _WARNING if warning else "Normal",
        "note": redact(note).encode()[:_NOTE_BYTES].decode(errors="ignore"),
        "regarding": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": pod.namespace,
            "name": pod.name,
            "uid": pod.uid,
        },
    }


def _name(pod: Pod) -> str:
    """A unique name; the cut must not leave a label with a hyphen at its end."""
    unique = f".{uuid.uuid4().hex[:16]}"
    return pod.name[: _NAME_LENGTH - len(unique)].rstrip("-.") + unique


def _why(error: Exception, pod: Pod) -> str:
    status = getattr(error, "status", None)
    if isinstance(error, CredentialsError):
        why = str(error)
    elif status:
        why = (
            f"forbidden: {words(error)}"
            if status == HTTPStatus.FORBIDDEN
            else f"{status} {words(error)}"
        )
        if status == HTTPStatus.FORBIDDEN and " cannot create " in why:
            why += (
                "; the service account needs create on events in the API group events.k8s.io"
                f" in the namespace {pod.namespace} of POD_NAMESPACE (see docs/rbac.md)"
            )
    else:
        why = f"the API server did not answer: {shown(str(error))}"
    return redact(why)
