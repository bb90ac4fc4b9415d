"""All orders of the rules, which `runtime/loop.py` performs; nothing here tells how.

Pure.
"""

from __future__ import annotations

from . import events as ev
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .orders import Settled


class Action(Record):
    """Base of all orders."""


class Spawn(Action):
    service: str = ev.APP


class Kill(Action):
    """Send the app a signal."""

    signum: int
    group: bool = False
    service: str = ev.APP


class Suspend(Action):
    """Stop ourselves, as the app was stopped."""


class TakeForeground(Action):
    """Give the app the terminal again."""

    service: str = ev.APP


class KillLeftovers(Action):
    signum: int
    everything: bool  # the container is ending: hooks end as well
    told: bool = False  # the app's process group has got the stop signal, and has its time
    service: str = ev.APP


class Apply(Action):
    """Put the newest content of the sources in place, if it is this version; "": any version."""

    service: str = ev.APP
    version: str = ""


class Check(Action):
    """Write and validate the newest content, and leave the live version in place; as above."""

    service: str = ev.APP
    version: str = ""


class Mark(Action):
    """Write down which versions are good and which failed, for a later run."""

    service: str = ev.APP


class RollBack(Action):
    """Put an earlier version in place again."""

    digest: str
    service: str = ev.APP


class ReadClock(Action):
    """Report the time of the wall by `ClockRead`, in the same turn."""

    service: str = ev.APP


class Recover(Action):
    """Find the last generation of an earlier run, but none of the condemned versions.

    `proven`: only one that is marked as good, or among `good`; `unfailed`: a good one first, and
    none that is marked as failed.
    """

    service: str = ev.APP
    condemned: tuple[str, ...] = ()
    proven: bool = False
    unfailed: bool = False
    good: tuple[str, ...] = ()


class WaitReady(Action):
    """Find out when the app is ready."""

    pid: int
    service: str = ev.APP


class SignalReload(Action):
    """Send the app its reload signal, if it has a handler by now; `ReloadSignalled` reports."""

    attempt: int
    signum: int
    checked: bool = True  # False: send it whatever the app does with it
    service: str = ev.APP


class Reload(Action):
    """Have a thread reload the app, and verify it."""

    attempt: int
    # The app has the version: it was started on it, or has its reload signal. Verify only.
    told: bool = False
    service: str = ev.APP


class CancelReload(Action):
    """The result of a reload is no longer needed; it still reports its end."""

    attempt: int
    service: str = ev.APP


class KillOther(Action):
    """Signal a process of another container."""

    signum: int
    pid: int


class Answer(Action):
    """Answer the order of a client."""

    event: ev.ReloadOrdered | ev.RollbackOrdered
    settled: Settled


class Reply(Action):
    """Tell a reload whether its signal was sent: the signal first, in the same turn."""

    event: ev.SignalRequested
    sent: bool
