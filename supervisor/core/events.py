"""All events of a service and of its supervisor, as facts in the past tense.

Pure. Threads, handlers and the process table make these; `service.step` consumes them. The inbox
holds nothing else. A bare init meets none of the events in `rollout_events`, which are made when
the first of them is asked for.
"""

from __future__ import annotations

from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .rollout_events import (
        ClockRead,
        ConfigApplied,
        ConfigChecked,
        ConfigFailed,
        ConfigOffered,
        Looked,
        ReloadFinished,
        ReloadOrdered,
        ReloadSignalled,
        Remembered,
        RollbackOrdered,
        SignalRequested,
        SourceFailed,
        SourceOpened,
        SourceRead,
        StartOnLast,
        VersionCleared,
        VersionCondemned,
        WatchConnected,
        WatchDisconnected,
        WatchRestarted,
    )

else:

    def __getattr__(name: str) -> type[Event]:
        if name.startswith("__"):  # asked for by the import system
            raise AttributeError(name)
        from . import rollout_events

        # The next look finds it here.
        return globals().setdefault(name, getattr(rollout_events, name))


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
    status: int = 0  # as wait(2) has it


class NothingLeft(Event):
    """Nothing is left of the service's processes."""

    service: str = APP


class DeadlinePassed(Event):
    pass


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
    service: str = APP  # whose user, environment and directory the command gets


class HookAbandoned(Event):
    """The time of a hook is over: its process group is to end."""

    pid: int


class HookExited(Event):
    pid: int
    code: int
    error: str = ""  # why it could not be started


class Probed(Event):
    """A thread asks whether the loop turns; the loop calls `reply`."""

    reply: Callable[[], None]


class SourceContacted(Event):
    """The server, or the directory, answered and had nothing new."""

    source: int
    count: int = 1  # times since the last turn
    service: str = APP


class WatchSaw(Event):
    """A watch event brought no new content: a contact too."""

    source: int
    kind: str
    count: int = 1  # as above
    service: str = APP
