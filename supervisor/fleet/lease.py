"""The Lease of a fleet as values: as the link reads and writes it, and its meaning for the rules.

Pure. The layout is public, for people with kubectl: docs/fleet.md.
"""

from __future__ import annotations

from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class LeaseState(Record):
    """A Lease as it crosses the wire; an empty `resource_version` stands for a missing Lease."""

    annotations: Mapping[str, str] = {}
    holder: str = ""
    duration: float = 0.0  # seconds
    resource_version: str = ""


class Condemned(Record):
    """A version that must not be applied, why, and the pod that found out."""

    version: str
    reason: str
    pod: str = ""


class Ledger(Record):
    """The meaning of the Lease. Versions have their shared names; empty means none."""

    resource_version: str = ""
    shape: str = ""  # a digest of sources, sub-directories and --map
    trial: str = ""
    tries: int = 0  # canaries of the trial so far
    holder: str = ""
    duration: float = 0.0  # seconds of silence after which the holder counts as lost
    passed: str = ""  # passed its trial, and waits for the approval of a person
    hurry: str = ""  # approved by a person: applied without spread
    recalled: str = ""  # pods that run on it go back
    good: tuple[str, ...] = ()  # newest first
    bad: tuple[Condemned, ...] = ()  # newest first
