"""The orders of the fleet's rules, which `wiring/fleet.py` performs.

Pure.
"""

from __future__ import annotations

from ..core.actions import Action
from ..core.events import APP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .events import FleetOrdered
    from .lease import Ledger


class ReadLease(Action):
    """Read the Lease once."""

    service: str = APP


class FollowLease(Action):
    """Watch the Lease until `LeaveLease`, and read it first."""

    service: str = APP


class LeaveLease(Action):
    """End the watch."""

    service: str = APP


class WriteLease(Action):
    """Write the Lease if it still has the resource version of the ledger, or create it."""

    ledger: Ledger
    service: str = APP


class CheckTrial(Action):
    """Run --fleet-check once."""

    number: int
    service: str = APP


class Keep(Action):
    """Write the content of a version to --fleet-keep, if it is still the newest."""

    version: str  # its shared name
    service: str = APP


class FetchKept(Action):
    """Put the content of --fleet-keep in place, if it is one of these versions, and report."""

    versions: tuple[str, ...]  # their shared names
    service: str = APP


class AnswerFleet(Action):
    """Answer the order of a person; an empty error is success."""

    event: FleetOrdered
    error: str = ""
