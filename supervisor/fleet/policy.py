"""The options of a fleet as values, and a pod's place in it.

Pure. No rules stand here. Durations are seconds.
"""

from __future__ import annotations

from ..core.content import sha256
from ..core.record import Record, Words
from .state import Fleet

PLACES = 1 << 64
SANDBOX = 16  # digits of a mark: the same in all containers of a pod, by the kernel


class Role(Words):
    """Which pods may take a version first."""

    AUTO = "auto"
    CANARY = "canary"
    FOLLOWER = "follower"


class FleetPolicy(Record):
    name: str  # of the fleet, and of its Lease
    identity: str  # of the pod; another pod has the same by mistake only
    shape: str  # of the pod's sources, sub-directories and --map
    bake: float = 30.0  # how long a canary runs well before the verdict
    check: bool = False  # --fleet-check is asked while it bakes
    spread: float = 60.0  # the others follow within this time, each at its own place
    role: Role = Role.AUTO
    serial: bool = False  # one pod at a time
    keep: bool = False  # the content of the last good version is kept for pods that start
    manual: bool = False  # a person approves a version that has passed its trial
    ask: float = 20.0  # the pods look at the Lease within this time, each at its own place
    duration: float = 100.0  # after this time without a verdict a canary counts as lost
    windows: bool = False  # there are reload windows
    patience: float = 20.0  # a start waits this long for the Lease
    service: str = ""  # the name of one of several services
    claim: str = ""  # the mark of this process on its claims; an older mark on its disk goes first

    @property
    def pod(self) -> str:
        """The name of the pod for people."""
        return self.identity.partition("/")[0]


def fresh(policy: FleetPolicy) -> Fleet:
    """The record before the first event."""
    return Fleet(group=policy.name, pod=policy.identity, service=policy.service)


def place(identity: str, version: str) -> float:
    """The place of a pod among all for a version: 0 to 1, the same at each look."""
    digest = sha256(f"{identity} {version}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / PLACES
