"""A pod's part in its fleet as values: the record `Fleet`, as people see it and the rules keep it.

No rules stand here. Versions are digests where the rollout is meant, and shared names where the
Lease is.
"""

from __future__ import annotations

from ..core.record import Record, Words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .events import FleetOrdered
    from .lease import Ledger


class State(Words):
    """The place of a pod on the way to the newest version, for metrics and people."""

    SETTLED = "settled"  # there is no way to go
    ASKING = "asking"  # it has not heard of the version yet, or its trial has no holder
    CANARY = "canary"  # it tries the version for all
    WAITING = "waiting"  # another pod does
    PASSED = "passed"  # the trial went well; a person has to approve
    DUE = "due"  # the version is good: this pod takes it at its own place, and verifies it
    CONDEMNED = "condemned"  # the version is bad
    HELD = "held"  # the fleet cannot decide; `reason` has a `Hold`


CONDEMNED = "condemned"  # the first word about a version that failed elsewhere


class Hold(Words):
    """Why a pod holds a version without a verdict."""

    FORBIDDEN = "forbidden"
    UNAUTHORIZED = "unauthorized"
    UNREACHABLE = "unreachable"
    SERVER_ERROR = "server_error"
    BAD_DATA = "bad_data"
    SHORTAGE = "shortage"  # of threads in this pod
    FOREIGN = "foreign"  # the Lease is not ours
    SHAPE = "shape"  # pods of other sources use the Lease
    UNNAMED = "unnamed"  # the version has no name that other pods know
    PAUSED = "paused"  # a source asks for it, in this pod as in all
    TWIN = "twin"  # a pod of the same identity tries it
    NO_CANARY = "no_canary"  # no pod may, or can, try it
    UNSURE = "unsure"  # as many pods as may try it could not tell
    UNCHECKED = "unchecked"  # the check of the trial could not be asked in this pod
    WINDOW = "window"  # no reload window is open


BY_INTENT = frozenset({Hold.PAUSED, Hold.WINDOW})  # people have chosen the time: no trouble


class Own(Words):
    """Reasons of bad verdicts beside the outcomes of reloads."""

    DIED = "died"  # the canary's container did not outlive the trial
    LOST = "lost"  # no canary has told a verdict
    CHECK = "check"  # --fleet-check failed
    CHILD_EXITED = "child_exited"
    ROLLBACK = "rollback"  # a person put another version in place: no verdict on the Lease
    FAILED = "failed"


class Verdict(Words):
    GOOD = "good"
    BAD = "bad"
    RESIGNED = "resigned"  # none; another pod may try


class Debt(Record):
    """A word that this pod owes to the Lease until it stands there."""

    verdict: Verdict
    version: str  # its shared name
    reason: str = ""
    met: bool = True  # the app has met the version


class Trouble(Record):
    """Why the Lease cannot be read, or written."""

    reason: str
    error: str


class Trial(Record):
    """The trial of the newest version by this pod."""

    began: float
    proven: float | None = None  # the pod's own verification passed
    unsure: float | None = None  # since then nothing can tell whether the version works
    check: int = 0  # the number of the last check
    checking: bool = False
    next_check: float = 0.0
    failures: int = 0  # of the check, in a row
    checked: bool = False  # it passed at least once


class Start(Words):
    """How far the first decision of this process is."""

    NEW = "new"
    READING = "reading"  # the Lease
    LAST = "last"  # the last good version of this pod is looked for
    KEPT = "kept"  # --fleet-keep is
    CLEARED = "cleared"  # the newest version may be applied
    BARRED = "barred"  # the newest version is bad, and there is no other
    DONE = "done"


class Fleet(Record):
    # For people.
    group: str = ""  # the name of the fleet
    pod: str = ""  # the identity of this pod
    service: str = ""  # one of several
    state: State = State.SETTLED
    reason: str = ""  # of a condemned or held version
    error: str = ""  # its words
    since: float = 0.0  # of the state, monotonic
    verdicts: tuple[Debt, ...] = ()  # the last ones of this pod, the newest last
    judged: int = 0  # how many there were
    trial_seconds: float = 0.0  # of the last trial of this pod
    # The newest version, by its digest and by its shared name.
    version: str = ""
    name: str = ""
    names: tuple[tuple[str, str], ...] = ()  # both of the last versions, the newest last
    # The Lease.
    ledger: Ledger | None = None  # None: not read, or unusable
    shown: Ledger | None = None  # the last one that was read, for people
    heard: float = 0.0  # when it was read
    unusable: str = ""  # why it is not ours
    following: bool = False
    reading: bool = False
    writing: Ledger | None = None  # ordered, and not reported yet
    write_by: float = 0.0  # a write without a report by then is forgotten
    doubtful: Ledger | None = None  # the last write, while it is unknown whether it stands
    paying: tuple[Debt, ...] = ()  # by the last write
    obeying: tuple[FleetOrdered, ...] = ()  # by the last write
    stale: float | None = None  # since then another state of the Lease stands than the known one
    unread: Trouble | None = None
    unwritten: Trouble | None = None
    failures: int = 0  # of requests since the last write that stood
    failed: float = 0.0  # when the last write failed
    retry: float = 0.0  # no request before
    owed: tuple[Debt, ...] = ()
    orders: tuple[FleetOrdered, ...] = ()  # of people, not answered yet
    claims: tuple[str, ...] = ()  # shared names: trials that this process has asked for
    # The way to the newest version.
    ask: float = 0.0  # the pod's own time to look
    rival: tuple[str, str, int] = ("", "", 0)  # trial, holder and tries on the Lease
    rival_since: float | None = None  # None: it has ended; the same one later is another trial
    lonely: float | None = None  # since then no pod tries it
    good_since: float | None = None  # when this pod saw the good verdict
    shut: bool = False  # by a pause or by closed windows
    at_once: bool = False  # it had the version by then: nothing is left to wait for
    cleared: str = ""  # the last version that the rollout may apply
    told: str = ""  # the last condemned version of which the rollout knows
    blamed: str = ""  # the version failed in this pod
    condemned: bool = False  # the Lease says so
    resigned: float | None = None  # when this pod gave the trial away
    unchecked: str = ""  # why the check of its trial could not be asked
    trial: Trial | None = None
    # The pod.
    start: Start = Start.NEW
    start_by: float = 0.0
    found: str | None = None  # the claim in its name at the first look of this process
    twin: bool = False  # another pod has the same identity
    buried: bool = False  # the death of an earlier process in a trial is published
    look: float | None = None  # when a pod at rest reads the Lease once
    keeps: str = ""  # the version to be kept by this pod, once it is the last good one
    rested: str = ""  # the version on which it came to rest
    wake: float | None = None  # when there will be something to do

    def name_of(self, digest: str) -> str:
        """The shared name of a version of this pod; empty if unknown."""
        return next((name for one, name in self.names if one == digest), "")

    def digest_of(self, name: str) -> str:
        """The version of this pod with a shared name; empty if unknown."""
        return next((digest for digest, one in reversed(self.names) if one == name), "")
