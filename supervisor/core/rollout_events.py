"""The events of sources, versions and reloads, for roles with a configuration.

Pure. Everything reads them as members of `events`, which imports this module late, as this module
does those that only a fleet meets.
"""

from __future__ import annotations

from .events import APP, Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .gate_events import Looked, StartOnLast, VersionCleared, VersionCondemned
    from .orders import Settled
    from .versions import Marks

    __all__ = ["Looked", "StartOnLast", "VersionCleared", "VersionCondemned"]
else:

    def __getattr__(name: str) -> type[Event]:
        if name.startswith("__"):
            raise AttributeError(name)
        from . import gate_events

        return getattr(gate_events, name)


class ConfigOffered(Event):
    """The sources hold a new version."""

    digest: str
    dice: float = 0.0  # 0 to 1, drawn once, for the splay
    # A Secret, or a file with limited readers, has been part of the content.
    secret: bool = False
    shared: str = ""  # the name of the version among the pods of a fleet; empty: it has none
    service: str = APP


class Remembered(Event):
    """Configroot holds marks of earlier runs; comes before the first version is in place."""

    marks: Marks
    service: str = APP


class ConfigChecked(Event):
    """A version passed its validation and is ready to be put in place."""

    digest: str
    service: str = APP


class ConfigApplied(Event):
    """A version is in place for the app to read."""

    digest: str
    changes: str = ""  # for people
    files: int = 0
    size: int = 0  # bytes
    cached: bool = False  # not from the sources: the last generation of an earlier run
    rolled_back: bool = False  # not from the sources: the last good version, put back
    previous: str = ""  # the version in place before
    validated: bool = False
    changed_at: float | None = None  # when it was changed at its origin, epoch seconds
    service: str = APP


class ConfigFailed(Event):
    """A version could not be put in place; the live version is untouched."""

    digest: str
    reason: str  # write, hook, bad_key, too_large, validate, failed, no_generation, rollback
    error: str
    words: str = ""  # of another program, which may hold secrets
    service: str = APP


class SignalRequested(Event):
    """A reload asks for a signal to the app, or to `pid` of another container; `reply` gets whether
    it was sent.
    """

    attempt: int
    signum: int
    reply: Callable[[bool], None]
    pid: int = 0
    service: str = APP


class ReloadSignalled(Event):
    """The app caught the reload signal and was sent it; or it did not, and was not."""

    attempt: int
    sent: bool
    service: str = APP


class ReloadFinished(Event):
    attempt: int
    reason: str = ""  # empty for success, else a value of the metric's label
    error: str = ""
    # The time, monotonic, when the app had the version; None if it did not get it.
    delivered: float | None = None
    words: str = ""  # of another program, which may hold secrets
    service: str = APP


class ReloadOrdered(Event):
    """A client orders the newest version applied and reloaded now, even without a change.

    The loop calls `reply` with the answer, once.
    """

    reply: Callable[[Settled], None] | None = None
    service: str = APP


class RollbackOrdered(Event):
    """A client orders an earlier version back; the present version is rejected until the content
    changes. `reply` as above.
    """

    digest: str
    reply: Callable[[Settled], None] | None = None
    service: str = APP


class SourceOpened(Event):
    """A source knows its whole name (the namespace may come from a kubeconfig)."""

    source: int
    kind: str
    namespace: str
    name: str
    service: str = APP


class SourceRead(Event):
    """A source was read, wholly: the one event of a change, and a contact too."""

    source: int
    present: bool
    missing: str = "does not exist"  # of an absent source: the end of a sentence
    offer: ConfigOffered | None = None  # the version of the content, if it is new
    saw: str = ""  # the type of the watch event behind it; empty for a list or a look
    paused: bool = False  # the source asks to put no new version in place
    service: str = APP


class ClockRead(Event):
    """The clock on the wall was read, as ordered."""

    clock: float  # epoch seconds
    service: str = APP


class SourceFailed(Event):
    source: int
    reason: str
    error: str
    fatal: bool = False
    service: str = APP


class WatchConnected(Event):
    """A watch was established: a contact too."""

    source: int
    service: str = APP


class WatchDisconnected(Event):
    source: int
    service: str = APP


class WatchRestarted(Event):
    reason: str
    service: str = APP
