"""Kubernetes Events about the pod that we run in: best effort, rate limited, never in anybody's way.

Sent from a thread of its own over a connection of its own. What cannot be sent, for want of rights or of an API
server, is dropped; the first failure after a success is said in the log, the rest in debug. Must not know what is
worth an Event.

The API: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from queue import SimpleQueue

from .. import log
from ..record import Record
from .kube_access import LibraryLog, Link, open_link
from .kube_credentials import Access, AccessError
from .kube_faults import redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_WAITING = 20
_NOTE_BYTES, _WORD_BYTES = 1024, 128  # what the API server takes of a note, and of a reportingInstance
_NAME_LENGTH = 253  # of any object (RFC 1123)
_BURST, _EVERY = 10, 10.0  # so many at once, then one in so many seconds
_SECONDS = (5.0, 10.0)  # to connect, and for the answer


class Pod(Record):
    """The pod, by the downward API."""

    namespace: str
    name: str
    uid: str


def pod_of(environ: Mapping[str, str]) -> Pod | None:
    """The pod that POD_NAME, POD_NAMESPACE and POD_UID name; None if one is missing."""
    values = [environ.get(f"POD_{part}", "") for part in ("NAMESPACE", "NAME", "UID")]
    return Pod(*values) if all(values) else None


class Teller:
    """Sends Events. `tell` is for the main thread and returns at once; `run` is the body of a thread."""

    def __init__(self, pod: Pod, access: Access) -> None:
        self._pod, self._access = pod, access
        self._waiting: SimpleQueue[tuple[str, str, bool]] = SimpleQueue()
        self._link: Link | None = None
        self._said = False

    def tell(self, reason: str, note: str, *, warning: bool) -> None:
        """Queue an Event; dropped when too many wait."""
        if self._waiting.qsize() < _MOST_WAITING:
            self._waiting.put((reason, note, warning))

    def run(self) -> None:
        """Send what is told, for ever."""
        library = LibraryLog()
        allowance, since = float(_BURST), time.monotonic()
        while True:
            reason, note, warning = self._waiting.get()
            now = time.monotonic()
            allowance, since = min(_BURST, allowance + (now - since) / _EVERY), now
            if allowance < 1:
                log.debug(f"too many events, dropped {reason}")
                continue
            allowance -= 1
            try:
                self._send(library, event(self._pod, reason, note, warning=warning))
                self._said = False
            except Exception as error:  # noqa: BLE001 - best effort: nothing that happens here may matter
                self._drop(error)

    def _send(self, library: LibraryLog, body: Mapping[str, object]) -> None:
        if self._link is None:
            self._link = open_link(self._access, library)
        self._link.post(f"/apis/events.k8s.io/v1/namespaces/{self._pod.namespace}/events", body, _SECONDS).close()

    def _drop(self, error: Exception) -> None:
        say = log.debug if self._said else log.warning
        self._said = True
        say(f"cannot create events on the pod: {_why(error)}; going on without")
        if self._link is not None:
            self._link.close()
            self._link = None


def event(pod: Pod, reason: str, note: str, *, warning: bool) -> dict[str, object]:
    """The body of an Event about a pod that happened now; a note that is too long is cut."""
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": _name(pod), "namespace": pod.namespace},
        "eventTime": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": "config-supervisor",
        "reportingInstance": pod.name[:_WORD_BYTES],
        "action": reason,
        "reason": reason,
        "type": "Warning" if warning else "Normal",
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
    """A name that no other Event has; what is cut off must not leave a label that ends in a hyphen."""
    unique = f".{uuid.uuid4().hex[:16]}"
    return pod.name[: _NAME_LENGTH - len(unique)].rstrip("-.") + unique


def _why(error: Exception) -> str:
    status = getattr(error, "status", None)
    if isinstance(error, AccessError):
        why = str(error)
    elif status == 403:
        why = "forbidden; the service account needs create on events in the API group events.k8s.io (see README, RBAC)"
    elif status:
        why = f"{status} {getattr(error, 'reason', '') or ''}".strip()
    else:
        why = f"the API server did not answer: {error}"
    return redact(why)
