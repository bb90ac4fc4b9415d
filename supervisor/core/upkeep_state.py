"""The upkeep of a service among several, as values: its policy, its life, its orders.

No rules stand here. Only a role of several services imports it.
"""

from __future__ import annotations

from . import events as ev
from .actions import Action
from .life_state import Life
from .record import Record, Words


class Script(Words):
    """A program that is run for a service while its own does not run."""

    FINISH = "finish"  # after each end, before the next start
    DOWN = "down"  # at the stop of a oneshot that completed


class ScriptPolicy(Record):
    limit: float | None = None  # seconds until KILL; None: without end
    last_code: int | None = None  # an exit code that forbids the next start


class Upkeep(Record):
    """The options about starts and stops which only a service among several has.

    The expected exit codes are `LifePolicy.ok_exit_codes`. Durations are seconds.
    """

    settle: float = 1.0  # a start has succeeded once the program lived for this long
    tries: int | None = 3  # further starts after the first failed one; None: without end
    # The pause doubles, and follows the end of a running program too. Without it, it grows by a
    # second with each failed start.
    exponential: bool = False
    window: float | None = None  # the time in which `tries` count; None: failures in a row
    dice: float = 0.5  # 0 to 1, drawn once for each service, for the jitter of pauses
    kill_group: bool = False  # KILL goes to the process group
    kill_again: float = 10.0  # between two KILL of a process that does not end
    ready_limit: float | None = None  # for the readiness check; None: without end
    reports: bool = False  # the service reports its readiness; no check is asked
    steady: bool = False  # a second between two starts, whatever ended the first
    empty: bool = False  # there is no program: a start completes at once
    run_limit: float | None = None  # of a oneshot, until KILL; None: without end
    finish: ScriptPolicy | None = None
    down: ScriptPolicy | None = None


class KeptLife(Life):
    """The life of a service among several."""

    settled: bool = False  # the program lived for the settle time
    answered: bool = False  # the readiness check passed, or there is none
    ready_by: float = 0.0  # a later end of the time for readiness, by the service's own report
    status: str = ""  # the last report of the service about itself
    ordered: bool = False  # the end was ordered
    gave_up: bool = False  # too many starts failed
    failed_at: tuple[float, ...] = ()  # failures within the window
    retry_at: float = 0.0  # the earliest time of the next start
    ended_at: float | None = None  # the last end of the program
    kill_by: float | None = None  # the latest time of KILL, by the stop budget
    end_by: float | None = None  # the latest end of the wait for leftovers
    script: Script | None = None  # the one that runs, in the phases of leftovers
    to_undo: bool = False  # it has completed, and its stop runs its `down`

    @property
    def finished(self) -> bool:
        """Whether the life ended by itself, after a start that succeeded."""
        return not self.ordered and not self.gave_up and self.settled


class StopService(ev.Event):
    """The service is to end, and not to start again."""

    kill_by: float | None = None  # the latest time of KILL
    end_by: float | None = None  # the latest end of the wait for leftovers
    shutdown: bool = False  # a pending start counts as failed, as supervisord has it
    service: str = ev.APP


class SignalService(ev.Event):
    """The program of the service, if it runs, is to get a signal."""

    signum: int
    service: str = ev.APP


class ScriptEnded(ev.Event):
    """A script of the service has ended, or could not be started."""

    script: Script
    code: int  # its exit code, or 128 + signal
    error: str = ""  # why it could not be started
    service: str = ev.APP


class RunScript(Action):
    """Run a script of the service, which has no process."""

    script: Script
    code: int  # of the last end of its program
    signum: int
    service: str = ev.APP


class KillScript(Action):
    """The time of the script is over."""

    service: str = ev.APP


class StatusReported(ev.Event):
    """The program of the service tells how it is."""

    pid: int
    text: str
    service: str = ev.APP


class StartExtended(ev.Event):
    """The program of the service needs more time to be ready."""

    pid: int
    seconds: float  # from now on
    service: str = ev.APP
