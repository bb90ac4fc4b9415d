"""The link to the Lease of a fleet: reads, follows and writes it, and reports in events.

Each request is bounded in time, and threads live as long as their work: at rest there is neither.
A write replaces the version that its state names, or fails: compare-and-swap. Must not know the
meaning of the Lease, nor when to read or to write it.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from http import HTTPStatus

from ...core.events import APP
from ...core.primitives import partial
from ...fleet import events as ev
from ...fleet.lease import LeaseState
from ...runtime import threads
from ..interface import Failure, FailureReason
from .answer_parsing import parsed
from .api_client import whole
from .api_errors import Deed, failed_try, words
from .credentials import namespace
from .errands import SECONDS, Errand, Errands
from .followed_object import Subject
from .lease_object import LeaseParser, SeenLeases, changed, created
from .object_follower import ObjectFollower
from .object_paths import collection, single
from .retry_pace import RetryPace, Timing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...core.events import Event
    from ..interface import Label, RestartReason
    from .api_client import ApiClient
    from .api_errors import FailedTry
    from .credentials import Access

RIGHTS = "get, list, watch, update on it and create on leases"
READING = Deed("read", RIGHTS, names_missing=True)
WATCHING = Deed("watch", RIGHTS, names_missing=True)
WRITING = Deed("write", RIGHTS, names_missing=True)
_ABSENT = re.compile(r"leases\S* \".*\" not found")
_TROUBLES = {
    FailureReason.FORBIDDEN: ev.LeaseTrouble.FORBIDDEN,
    FailureReason.UNAUTHORIZED: ev.LeaseTrouble.UNAUTHORIZED,
    FailureReason.UNREACHABLE: ev.LeaseTrouble.UNREACHABLE,
    FailureReason.SERVER_ERROR: ev.LeaseTrouble.SERVER_ERROR,
    FailureReason.BAD_DATA: ev.LeaseTrouble.BAD_DATA,
    FailureReason.CONFIG: ev.LeaseTrouble.UNAUTHORIZED,  # no usable access
}


class LeaseLink:
    """One Lease. Its methods are for the main thread, and return at once."""

    def __init__(
        self,
        label: Label,
        access: Access,
        put: Callable[[Event], None],
        *,
        service: str = APP,
        timing: Timing | None = None,
    ) -> None:
        """`label`: of kind lease; an empty namespace is the pod's. `put` takes the reports, in any
        thread, and raises nothing; they name `service`.
        """
        self._label = label
        self._access = access
        self._put = put
        self._service = service
        self._timing = timing or Timing()
        self._seen = SeenLeases()
        self._errands = Errands(access, str(label))
        self._following: _Following | None = None
        self.last: LeaseState | None = None  # the last state that was read or written

    def read(self) -> None:
        """Read the Lease once: reports LeaseRead or LeaseFailed."""
        self._errands.add(Errand(self._read, self._failed_read))

    def follow(self) -> None:
        """Watch the Lease until `leave`: reports LeaseRead with each state, the first at once, and
        LeaseFailed with each failed try. A state may repeat once a failure is over. After a
        shortage nothing follows: to be called again.
        """
        if self._following is not None and not self._following.ended:
            return
        following = _Following(self._seen, self._told, self._report)
        try:
            following.start(self._label, self._access, self._timing)
        except RuntimeError as error:  # the limit of processes
            message = f"cannot watch {self._label}: {error}; raise the limit of processes"
            trouble = ev.LeaseTrouble.SHORTAGE
            self._put(ev.LeaseFailed(trouble, message, service=self._service))
        else:
            self._following = following

    def leave(self) -> None:
        """End the watch; nothing more comes from it."""
        if self._following is not None:
            self._following.leave()
            self._following = None

    def write(self, state: LeaseState) -> None:
        """Replace the version of the Lease that the state names, or create a Lease; reports
        LeaseWritten, LeaseConflict or LeaseFailed. Annotations of others are kept.
        """
        self._errands.add(Errand(partial(self._write, state), self._failed_write))

    def finish(self, by: float) -> None:
        """Wait for the requests on their way, until then (monotonic) at most."""
        self._errands.finish(by)

    def _named(self) -> Label:
        """The label with its namespace; raises CredentialsError."""
        if not self._label.namespace:
            self._label = self._label.replace(namespace=namespace(self._access))
        return self._label

    def _read(self, client: ApiClient) -> None:
        obj = self._get(client)
        state = LeaseState() if obj is None else self._seen.add(obj)
        self._told(state)

    def _get(self, client: ApiClient) -> Any:
        """The Lease; None for a missing one."""
        label = self._named()
        try:
            return parsed(whole(client.get(single(label), SECONDS)))
        except Exception as error:
            if _absent(error):
                return None
            raise

    def _write(self, state: LeaseState, client: ApiClient) -> None:
        try:
            answer = self._sent(state, client)
        except Exception as error:
            status = getattr(error, "status", None)
            if status != HTTPStatus.CONFLICT and not _absent(error):
                raise
            answer = None
        if answer is None:
            self._put(ev.LeaseConflict(self._service))
            return
        written = self._seen.add(parsed(whole(answer)))
        self._seen.written(written, time.monotonic())
        self.last = written
        self._put(ev.LeaseWritten(written, self._service))

    def _sent(self, state: LeaseState, client: ApiClient) -> Any:
        """The answer to the write; None if another version than that of the state stands."""
        label = self._named()
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        version = state.resource_version
        if not version:
            return client.post(collection(label), created(label, state, now), SECONDS)
        obj = self._seen.find(version)
        if obj is None:
            found = self._get(client)
            if found is None or self._seen.add(found).resource_version != version:
                return None
            obj = found
        return client.put(single(label), changed(obj, state, now), SECONDS)

    def _failed_read(self, error: Exception, client: ApiClient | None) -> None:
        self._report(failed_try(error, client, self._label, READING).failure)

    def _failed_write(self, error: Exception, client: ApiClient | None) -> None:
        failed = failed_try(error, client, self._label, WRITING)
        self._report(failed.failure, unknown=_may_stand(failed), of_write=True)

    def _told(self, state: LeaseState) -> None:
        self.last = state
        self._put(ev.LeaseRead(state, self._service))

    def _report(self, failure: Failure, *, unknown: bool = False, of_write: bool = False) -> None:
        trouble = _TROUBLES[failure.reason]
        self._put(ev.LeaseFailed(trouble, failure.message, unknown, of_write, self._service))


class _Following:
    """The watch of a Lease, with its states and its reports."""

    def __init__(
        self,
        seen: SeenLeases,
        told: Callable[[LeaseState], None],
        failed: Callable[[Failure], None],
    ) -> None:
        self.ended = False
        self._seen = seen
        self._told = told
        self._failed = failed
        self._left = threads.Gate()
        self._last: LeaseState | None = None
        self._follower: ObjectFollower

    def start(self, label: Label, access: Access, timing: Timing) -> None:
        """Start the thread. Raises RuntimeError at the limit of processes."""
        subject = Subject(label, LeaseParser(), READING, WATCHING)
        self._follower = ObjectFollower(subject, access, RetryPace(timing), self._left)
        threads.start(self._run, str(label))

    def leave(self) -> None:
        self._follower.leave()

    def _run(self) -> None:
        self._follower.run(self, self)
        self.ended = True

    @property
    def found(self) -> bool:
        return self._last is not None and bool(self._last.resource_version)

    def take(self, obj: Any, saw: str) -> bool:
        del saw
        state = LeaseState() if obj is None else self._seen.add(obj)
        if state == self._last or self._seen.late(state, time.monotonic()):
            return False
        self._last = state
        self.repeat()
        return True

    def repeat(self) -> None:
        if self._last is not None and not self._left.opened:
            self._told(self._last)

    def failed(self, failure: Failure, retry_in: float) -> None:
        del retry_in
        if not self._left.opened:
            self._failed(failure)

    def connected(self) -> None:
        """The state itself is the report."""

    def disconnected(self) -> None:
        """A failure is reported if the next try fails."""

    def contact(self) -> None:
        """No age of the Lease counts."""

    def watched(self, kind: str) -> None:
        """An event without a new state."""

    def restarted(self, reason: RestartReason) -> None:
        """The usual end of a watch."""


def _absent(error: Exception) -> bool:
    """Whether the server says that the Lease does not exist."""
    found = getattr(error, "status", None) == HTTPStatus.NOT_FOUND
    return found and _ABSENT.match(words(error)) is not None


def _may_stand(failed: FailedTry) -> bool:
    """Whether the server may have carried out a write that failed so."""
    return not failed.unsent and not 0 < failed.status < HTTPStatus.INTERNAL_SERVER_ERROR
