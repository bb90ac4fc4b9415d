"""The events of a fleet: reports of the link to the Lease, of checks, and orders of people.

Pure. `core.turn` hands them to the rules of the fleet.
"""

from __future__ import annotations

from ..core.events import APP, Event
from ..core.record import Words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .lease import LeaseState


class LeaseTrouble(Words):
    """Why the Lease could not be read or written."""

    FORBIDDEN = "forbidden"
    UNAUTHORIZED = "unauthorized"
    UNREACHABLE = "unreachable"
    SERVER_ERROR = "server_error"
    BAD_DATA = "bad_data"
    SHORTAGE = "shortage"  # of threads: nothing follows the Lease


class FleetVerb(Words):
    """The orders of people."""

    STATUS = "status"  # read the Lease, for people to see, and change nothing
    APPROVE = "approve"
    CONDEMN = "condemn"
    RECALL = "recall"
    CLEAR = "clear"


class LeaseRead(Event):
    """The Lease as it is now; a missing Lease has no resource version."""

    state: LeaseState
    service: str = APP


class LeaseWritten(Event):
    """Our write stands, as this."""

    state: LeaseState
    service: str = APP


class LeaseConflict(Event):
    """Our write came too late: another state stands."""

    service: str = APP


class LeaseFailed(Event):
    """The Lease could not be read, or written; `unknown`: the write may stand all the same."""

    reason: str  # a LeaseTrouble
    error: str
    unknown: bool = False
    of_write: bool = False
    service: str = APP


class TrialChecked(Event):
    """--fleet-check has ended; not `asked`: that is no answer. `words` are the check's own."""

    number: int
    passed: bool
    error: str = ""
    asked: bool = True
    words: str = ""
    service: str = APP


class KeptFound(Event):
    """The content of --fleet-keep is in place: `ConfigApplied` came before."""

    version: str
    service: str = APP


class KeptFailed(Event):
    """--fleet-keep could not be read or written, or holds another version."""

    error: str
    service: str = APP


class FleetOrdered(Event):
    """A person orders something of the fleet; an empty `version` is the newest of this pod.

    The loop calls `reply` once, with an error or an empty text.
    """

    verb: str  # a FleetVerb
    version: str = ""
    reply: Callable[[str], None] | None = None
    by: float = 0.0  # when the rules answer it at the latest (monotonic); they set it
    service: str = APP
