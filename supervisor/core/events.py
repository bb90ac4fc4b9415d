"""All events of a service and of its supervisor, as facts in the past tense.

Pure. Threads, handlers and the process table make these; `service.step` consumes them. The inbox
holds nothing else.
"""

from __future__ import annotations

from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .orders import Settled
    from .versions import Marks


# The name of the only service in most roles. Events without a name concern the supervisor.
APP = "app"


class Event(Record):
    """Base of all events."""


class Began(Event):
    """The supervisor is set up: the sources may be read, or the app started."""


class SignalReceived(Event):
    signum: int


class ChildrenChanged(Event):
    """SIGCHLD: the process table has something to tell."""


class Forked(Event):
    """The app has a process; its program does not run yet, for exec may take its time."""

    pid: int
    foreground: bool = False
    service: str = APP


class Started(Event):
    pid: int
    foreground: bool = False  # the app was given the terminal
    service: str = APP


class AppReady(Event):
    """The readiness check passed: the app counts as started."""

    pid: int
    service: str = APP


class AppUnready(Event):
    """The app was not ready in time; the readiness check goes on."""

    pid: int
    error: str
    asked: bool = True  # False: the check could not be asked
    words: str = ""  # of another program, which may hold secrets
    service: str = APP


class StartFailed(Event):
    code: int  # the exit code of a shell: 127, 126; 125 when the failure is ours
    error: str
    short: bool = False  # of processes, memory or descriptors: it may work the next time
    service: str = APP


class Exited(Event):
    """The app ended."""

    pid: int
    code: int  # its exit code, or 128 + signal
    signum: int = 0
    service: str = APP


class AppSuspended(Event):
    """The app was suspended: by a key, by a read in the background, or by STOP."""

    pid: int
    signum: int
    service: str = APP


class OrphanReaped(Event):
    pid: int


class NothingLeft(Event):
    """Nothing is left of the service's processes."""

    service: str = APP


class DeadlinePassed(Event):
    pass


class ConfigOffered(Event):
    """The sources hold a new version."""

    digest: str
    dice: float = 0.0  # 0 to 1, drawn once, for the splay
    # A Secret, or a file with limited readers, has been part of the content.
    secret: bool = False
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


class HookReport(Record):
    """Reports to the thread of a hook: first its pid (0, with the error, without a process), then
    its end.
    """

    pid: int
    code: int = 0
    error: str = ""  # why it could not be started


class HookOrdered(Event):
    """A thread wants a command run beside the app, its output in `output` (a file descriptor)."""

    argv: tuple[str, ...]
    output: int
    report: Callable[[HookReport], None]


class HookAbandoned(Event):
    """The time of a hook is over: its process group is to end."""

    pid: int


class HookExited(Event):
    pid: int
    code: int
    error: str = ""  # why it could not be started


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


class Probed(Event):
    """A thread asks whether the loop turns; the loop calls `reply`."""

    reply: Callable[[], None]


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
    service: str = APP


class SourceContacted(Event):
    """The server, or the directory, answered and had nothing new."""

    source: int
    count: int = 1  # times since the last turn


class SourceFailed(Event):
    source: int
    reason: str
    error: str
    fatal: bool = False
    service: str = APP


class WatchConnected(Event):
    """A watch was established: a contact too."""

    source: int


class WatchDisconnected(Event):
    source: int


class WatchSaw(Event):
    """A watch event brought no new content: a contact too."""

    source: int
    kind: str
    count: int = 1  # as above


class WatchRestarted(Event):
    reason: str
