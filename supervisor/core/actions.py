"""Everything that the machine can order, and nothing of how it is done: `loop.py` performs these.

Pure.
"""

from __future__ import annotations

from . import events as ev
from .record import Record


class Action(Record):
    """Base of all orders."""


class Spawn(Action):
    pass


class Kill(Action):
    """Send the app a signal."""

    signum: int
    group: bool = False


class Suspend(Action):
    """Stop ourselves, as the app was stopped."""


class TakeForeground(Action):
    """Give the app the terminal again."""


class KillLeftovers(Action):
    signum: int
    everything: bool  # the container is ending: hooks end as well
    told: bool = False  # the app's process group has got the stop signal, and has its time


class Apply(Action):
    """Put the newest content of the sources in place."""


class Check(Action):
    """Write and validate the newest content, and leave what is in place as it is."""


class Mark(Action):
    """Write down which versions are good and which failed, for a later run."""


class RollBack(Action):
    """Put an earlier version in place again."""

    digest: str


class Recover(Action):
    """Find the last generation of an earlier run."""


class WaitReady(Action):
    """Find out when the app is ready."""

    pid: int


class Reload(Action):
    attempt: int
    trial: bool = False  # the app was just started on the version: verify only


class CancelReload(Action):
    """The result of a reload is no longer needed; it still reports its end."""

    attempt: int


class KillOther(Action):
    """Signal a process of another container."""

    signum: int
    pid: int


class Reply(Action):
    """Tell a reload whether its signal was sent: the signal first, in the same turn."""

    event: ev.SignalRequested
    sent: bool
