"""What is known about one application and its configuration, and what the user chose: values without rules.

Pure. A state is replaced, never changed, so that any thread may read the one that the loop holds.
"""

from __future__ import annotations

from enum import Enum

from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Phase(Enum):
    WAITING = "waiting"  # nothing started yet: for the set-up, or for the first configuration
    STARTING = "starting"  # the app was started and is not ready yet
    RUNNING = "running"
    RELOADING = "reloading"
    STOPPING = "stopping"  # told to stop; the app may take its time
    KILLING = "killing"  # it took too long
    LEFTOVERS = "leftovers"  # the app has ended, others of its making have not
    BACKOFF = "backoff"  # before it is started again
    DONE = "done"


class Policy(Record):
    """What the user chose. Durations are seconds; None means never."""

    rewrite: Mapping[int, int] = {}
    group: bool = False  # signals go to the app's process group
    is_init: bool = False  # we are PID 1: stopping ourselves is impossible, and of no use
    stop_signal: int = 15  # TERM
    stop_delay: float = 0.0
    stop_timeout: float | None = None
    leftovers: bool = True  # end what the app leaves behind
    leftovers_timeout: float = 10.0
    restart: str = "never"  # never, on-failure, always
    ok_exit_codes: frozenset[int] = frozenset()
    sidecar: bool = False  # the app runs in another container
    once: bool = False  # put the first configuration in place and end
    ready: bool = False  # a readiness check says when the app counts as started
    restart_to_reload: bool = False  # the reload method is a restart
    rollback: bool = False  # a version that fails is replaced by the last good one
    unhealthy_on_failure: bool = False  # liveness fails while the last reload is a failure
    configured: bool = False  # there is a configuration to wait for
    initial_sync_timeout: float = 60.0
    reload_interval: float = 10.0
    reload_quiet: float = 0.0
    reload_splay: float = 0.0
    reload_timeout: float = 30.0
    verify_window: float = 5.0


class Config(Record):
    """Versions are digests of content; empty means none."""

    desired: str = ""  # what the sources hold
    live: str = ""  # what is in place for the app to read
    running: str = ""  # what the app runs on; empty too when a failed reload leaves that open
    good: str = ""  # the last version that the app was seen to run well on: what to go back to
    returning: str = ""  # the version that is to be put back; empty when none is
    cached: bool = False  # `running` comes from an earlier run; the sources have not spoken yet
    rejected: str = ""  # a version that cannot be used; not tried again before the content changes
    rolled_back: bool = False  # what is in place was put back after a failure
    rollbacks: int = 0
    files: int = 0
    size: int = 0
    changes: str = ""  # of the last version put in place
    changed_at: float | None = None
    applying: bool = False
    hurry: bool = False  # somebody ordered a reload: no pace is kept, and the one under way does not count
    first_offer: float = 0.0  # of the versions that are not in place yet
    last_offer: float = 0.0
    dice: float = 0.0
    coalesced: int = 0  # versions that a newer one overtook before they were applied
    failures: int = 0  # in a row, of applying
    error: str = ""  # why the last one failed
    retry_at: float = 0.0


class Reloads(Record):
    attempt: int = 0  # counts up; a report of an older attempt is stale
    began: float | None = None
    target: str = ""
    cancelled: bool = False  # a newer version, or a stop, does not wait for its end
    trial: bool = False  # the app was started on the target: only the verification is left
    finished: int = 0  # ends of reloads, good or bad
    failed: int = 0  # those that failed
    outcome: str = ""  # of the last one: empty before the first, `success`, or the reason of its failure
    error: str = ""
    failures: int = 0  # in a row
    retry_at: float = 0.0


class SourceState(Record):
    name: str  # for people
    present: bool | None = None  # None until it was read once
    trouble: str = ""  # the reason why it cannot be read now
    error: str = ""


class State(Record):
    phase: Phase = Phase.WAITING
    deadline: float | None = None  # of the phase
    pid: int = 0  # of the app; 0 when there is none
    executing: bool = False  # it has a pid, and its program does not run yet
    foreground: bool = False
    suspended: bool = False
    started_at: float = 0.0
    starts: int = 0
    failures: int = 0  # restarts in a row
    held: tuple[int, ...] = ()  # signals that came before the app
    stop_passed: bool = False
    dismissed: int = -1  # the reload attempt in which INT or QUIT was passed on, which end most programs
    leftovers_killed: bool = False
    final: bool = False  # the app will not be started again
    replacing: bool = False  # the app is being stopped so that it starts again on another version
    exit_code: int = 0  # of the app's last end; ours, when done
    exit_signal: int = 0
    exits: int = 0
    error: str = ""  # why it could not start
    config: Config = Config()
    reloads: Reloads = Reloads()
    sources: tuple[SourceState, ...] = ()


def ended_unstarted(state: State) -> bool:
    """Whether the end is our own: there was no configuration to start the app on."""
    return state.phase is Phase.DONE and state.exit_code == 125 and not state.starts


def stale(state: State) -> bool:
    """Whether the app runs on something else than what the sources hold (or held, for all we know)."""
    config = state.config
    return config.cached or (config.desired not in ("", config.running))
