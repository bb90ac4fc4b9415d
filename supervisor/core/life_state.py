"""The life of the app's process as values: phases, record, policy, and its reports and requests.

No rules stand here. A life knows no versions.
"""

from __future__ import annotations

from . import signal_numbers
from .errors import CANNOT_RUN
from .events import APP
from .record import Record, Words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .upkeep_state import Upkeep


class Phase(Words):
    WAITING = "waiting"  # nothing has been started yet
    EXECUTING = "executing"  # a start is ordered; the app's program does not run yet
    ABORTING = "aborting"  # to end, or killed, before its program ran
    STARTING = "starting"  # the program runs and is not ready yet
    UNREADY = "unready"  # it was not ready in time, and may be later
    RUNNING = "running"
    ELSEWHERE = "elsewhere"  # the app runs in another container: there is no process of ours
    DELAYED = "delayed"  # a stop is wanted; the stop signal waits for the end of --stop-delay
    STOPPING = "stopping"  # the stop signal is sent; the app may take its time
    KILLING = "killing"  # it took too long
    LEFTOVERS = "leftovers"  # the app has ended; processes of its making are left
    LEFTOVERS_KILLED = "leftovers_killed"
    BACKOFF = "backoff"  # the pause before a restart
    HELD = "held"  # the app is down until the service asks for a start
    ENDED = "ended"


WISHES = frozenset({signal_numbers.INT, signal_numbers.QUIT})  # a person sends these to end it
ALIVE = frozenset({Phase.STARTING, Phase.UNREADY, Phase.RUNNING})  # a signal reaches the app
TOLD = frozenset({Phase.DELAYED, Phase.STOPPING, Phase.KILLING})  # the app is to end
DOWN = frozenset({Phase.LEFTOVERS, Phase.LEFTOVERS_KILLED, Phase.BACKOFF, Phase.HELD})


class Then(Words):
    """How the life goes on once the app has ended."""

    OPEN = "open"  # the app's end decides, with the restart policy
    END = "end"
    RESTART = "restart"
    REPLACE = "replace"  # the service starts the app again when it is ready to


class LifePolicy(Record):
    """The options about the app's process. Durations are seconds; None means never."""

    rewrite: Mapping[int, int] = {}
    group: bool = False  # signals go to the app's process group
    is_init: bool = False  # we are PID 1: stopping ourselves is impossible, and of no use
    stop_signal: int = signal_numbers.TERM
    stop_delay: float = 0.0
    stop_timeout: float | None = None
    leftovers: bool = True  # end the processes left behind
    leftovers_timeout: float = 10.0
    restart: str = "never"  # never, on-failure, always
    ok_exit_codes: frozenset[int] = frozenset()
    sidecar: bool = False  # the app runs in another container
    ready: bool = False  # a readiness check decides when the app counts as started
    ready_timeout: float = 30.0  # for the readiness, and for the end of a replaced app
    early_signals: bool = True  # signals before the app's program runs are kept for it
    upkeep: Upkeep | None = None  # the rules for a service among several; None for a single app


class Life(Record):
    phase: Phase = Phase.WAITING
    deadline: float | None = None  # of the phase
    then: Then = Then.OPEN
    pid: int = 0  # of the app; 0 when it has no process
    foreground: bool = False  # the app holds the terminal
    suspended: bool = False
    started_at: float = 0.0
    starts: int = 0
    failures: int = 0  # restarts in a row
    held: tuple[int, ...] = ()  # signals from before the app's program ran
    dismissed: int = 0  # the last forwarded INT or QUIT, which end most programs
    dismissed_at: float = 0.0
    exit_code: int = 0  # of the app's last end; of the life, after its end
    exit_signal: int = 0
    exits: int = 0
    error: str = ""  # why the app could not start

    @property
    def ready(self) -> bool:
        """Whether the app counts as started."""
        return self.phase in (Phase.RUNNING, Phase.ELSEWHERE)

    @property
    def up(self) -> bool:
        """Whether the app can take up a version."""
        return self.ready or self.phase is Phase.UNREADY


def ended_unstarted(life: Life) -> bool:
    """Whether the life ended because there was no configuration to start the app on."""
    return life.phase is Phase.ENDED and life.exit_code == CANNOT_RUN and not life.starts


# --- requests of the service to the life ----------------------------------------------------------


class Request(Record):
    """Base of all requests."""


class Start(Request):
    """Start the app."""


class Replace(Request):
    """Stop the app, and hold it until a start is requested."""


class StartAgain(Request):
    """The app has ended: hold it until a start is requested, whatever the restart policy says."""


class GiveUp(Request):
    """Nothing can be prepared for a held app: the restart policy decides."""


class End(Request):
    """End the life without an app."""

    code: int
    error: str = ""


# --- reports of the life to the service -----------------------------------------------------------


class Report(Record):
    """Base of all reports."""


class Starting(Report):
    """A start is ordered."""


class Ready(Report):
    """The app is ready; without a readiness check, as soon as its program runs."""


class Unready(Report):
    """The app was not ready in time."""

    error: str
    asked: bool = True  # False: the check could not be asked
    words: str = ""  # of another program, which may hold secrets


class Ending(Report):
    """The app has ended, and the life is about to go on."""

    code: int  # as the app gave it
    signum: int
    wished: bool  # INT or QUIT ended it, as a person wished
    finished: bool  # with success, and no restart is due for it: a job, perhaps


class Ended(Report):
    """The life is over."""

    code: int
    service: str = APP
