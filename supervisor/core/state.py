"""What is known about one application and its configuration, and what the user chose: values
without rules.

Pure. A state is replaced, never changed, so that any thread may read the one that the loop holds.
"""

from __future__ import annotations

from enum import Enum

from . import signal_numbers
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Phase(Enum):
    WAITING = "waiting"  # nothing started yet: for the set-up, or for the first configuration
    STARTING = "starting"  # the app was started and is not ready yet
    UNREADY = (
        "unready"  # it was not ready in time; it may be later, and takes newer versions meanwhile
    )
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
    stop_signal: int = signal_numbers.TERM
    stop_delay: float = 0.0
    stop_timeout: float | None = None
    leftovers: bool = True  # end what the app leaves behind
    leftovers_timeout: float = 10.0
    restart: str = "never"  # never, on-failure, always
    ok_exit_codes: frozenset[int] = frozenset()
    sidecar: bool = False  # the app runs in another container
    once: bool = False  # put the first configuration in place and end
    ready: bool = False  # a readiness check says when the app counts as started
    validate: bool = False  # a version is validated before it is put in place
    verify: bool = False  # a verification says whether the app works on a version
    reload_signal: int = 0  # the signal that is the reload; 0 for another method
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


REMEMBERED = 3  # good versions, and failed ones, that are remembered


class Marks(Record):
    """What is known about versions, newest first: `marks.py` keeps it across restarts.

    `trial` is the version that was live without being good when a supervisor ended.
    """

    good: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()  # a version, and the reason for people
    trial: str = ""
    deaths: int = 0  # ends of a supervisor within that trial
    orderly: str = ""  # the version that was on trial when a supervisor was told to stop

    @property
    def rejected(self) -> frozenset[str]:
        """The versions that failed."""
        return frozenset(version for version, _ in self.failed)

    def why(self, version: str) -> str:
        """The reason why a version failed; empty if it did not."""
        return next((why or "no reason was kept" for one, why in self.failed if one == version), "")

    def failing(self, version: str, why: str) -> Marks:
        """The marks once a version has failed."""
        good = tuple(one for one in self.good if one != version)
        others = tuple(one for one in self.failed if one[0] != version)
        return self.replace(good=good, failed=((version, why), *others)[:REMEMBERED])

    def forgiving(self, version: str) -> Marks:
        """The marks once a person wants a version that failed to be tried again."""
        return self.replace(failed=tuple(one for one in self.failed if one[0] != version))

    def proving(self, version: str) -> Marks:
        """The marks once a version has been seen to work."""
        good = (version, *(one for one in self.good if one != version))[:REMEMBERED]
        marks = self.forgiving(version).replace(good=good)
        return marks.replace(trial="", deaths=0) if marks.trial == version else marks


class Config(Record):
    """Versions are digests of content; empty means none."""

    desired: str = ""  # what the sources hold
    live: str = ""  # what is in place for the app to read
    running: str = ""  # what the app runs on; empty too when a failed reload leaves that open
    good: str = ""  # the last version that the app was seen to run well on: the one to go back to
    marks: Marks = Marks()  # good and failed versions, those of earlier runs included
    returning: str = ""  # the version that is to be put back; empty when none is
    cached: bool = False  # `running` comes from an earlier run; the sources have not spoken yet
    rejected: str = ""  # a version that cannot be used; not tried again before the content changes
    rolled_back: bool = False  # what is in place was put back after a failure
    rollbacks: int = 0
    files: int = 0
    size: int = 0
    changes: str = ""  # of the last version put in place
    applied_at: float = 0.0  # when that was, monotonic
    changed_at: float | None = None
    applying: bool = False
    checking: bool = False  # the newest version is being validated during a reload of an older one
    checked: str = ""  # a version that passed its validation and is not in place yet
    hurry: bool = (
        False  # somebody ordered a reload: no pace is kept, and the one under way does not count
    )
    first_offer: float = 0.0  # of the versions that are not in place yet
    last_offer: float = 0.0
    dice: float = 0.0
    coalesced: int = 0  # versions that a newer one overtook before they were applied
    failures: int = 0  # in a row, of applying
    error: str = ""  # why the last one failed
    words: str = ""  # of a program that said so; they may hold secrets
    # A Secret has been part of the content, by itself or as a file that some may not read.
    secret: bool = False
    retry_at: float = 0.0


class Reloads(Record):
    attempt: int = 0  # counts up; a report of an older attempt is stale
    began: float | None = None  # the last one
    paced: float | None = (
        None  # the beginning of the last one that reached the app: --reload-interval counts from it
    )
    target: str = ""
    cancelled: bool = False  # a newer version, or a stop, does not wait for its end
    trial: bool = False  # the app was started on the target: only the verification is left
    proven_at: float | None = None  # the app's first version is good when the app lives until then
    reloaded: int = 0  # attempts but those that only verify a start
    finished: int = 0  # ends of reloads, good or bad
    finished_at: float = 0.0  # when the last one ended, monotonic
    failed: int = 0  # those that failed
    outcome: str = (
        ""  # of the last one: empty before the first, `success`, or the reason of its failure
    )
    error: str = ""
    words: str = ""  # of a program that said so; they may hold secrets
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
    ready: bool = False  # the app has been ready since its start
    dismissed: int = 0  # INT or QUIT, which end most programs: the last one that was passed on
    dismissed_at: float = 0.0
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
    """Whether the app runs on something else than what the sources hold (or held, for
    all we know).
    """
    config = state.config
    return config.cached or (config.desired not in ("", config.running))
