"""The attempts to bring the app onto a version, by a reload or a start: the current attempt, and
the end of the last.

Pure. No other module writes a `Reloads`. It must not know of versions' contents, nor decide on the
consequences of an end.
"""

from __future__ import annotations

from .backoff import backoff
from .outcomes import NO_FAILURE, Outcome
from .record import Record, Words
from .versions import RETRY_FIRST, RETRY_MOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import events as ev


class Stage(Words):
    """Where the current attempt is."""

    IDLE = "idle"  # there is none
    RESTARTING = "restarting"  # a reload by restart: the app ends and starts; its trial follows
    RELOADING = "reloading"  # the reload method works, then the verification
    TRIAL = "trial"  # the app was started on the version: the verification works
    CANCELLED = "cancelled"  # its end is awaited, and no longer its result
    PROVING = "proving"  # the app's first version: good if the app lives until the deadline


ACTIVE = frozenset({Stage.RELOADING, Stage.TRIAL, Stage.CANCELLED})  # a thread works on it


class Reloads(Record):
    stage: Stage = Stage.IDLE
    deadline: float | None = None  # of the stage
    number: int = 0  # counts up; a report of an older attempt is stale
    target: str = ""  # the version of the current or last attempt
    trial: bool = False  # the app was started on it: only a verification was left
    began: float | None = None
    # The beginning of the last attempt to reach the app: --reload-interval counts from it.
    paced: float | None = None
    reloaded: int = 0  # attempts, without mere verifications of a start
    finished: int = 0  # ends of attempts, good or bad
    finished_at: float = 0.0  # the end of the last attempt, monotonic
    failed: int = 0  # failed attempts
    outcome: str = Outcome.NONE  # of the last attempt
    error: str = ""
    words: str = ""  # of the reporting program; they may hold secrets
    failures: int = 0  # in a row
    retry_at: float = 0.0

    @property
    def active(self) -> bool:
        return self.stage in ACTIVE

    @property
    def by_method(self) -> bool:
        """Whether the reload method itself may be at work."""
        return self.active and not self.trial


def begin_reload(reloads: Reloads, target: str, now: float, deadline: float | None) -> Reloads:
    """A reload begins; without a `deadline` by a restart of the app."""
    return reloads.replace(
        stage=Stage.RESTARTING if deadline is None else Stage.RELOADING,
        deadline=deadline,
        number=reloads.number + 1,
        target=target,
        trial=False,
        began=now,
        paced=now,
        reloaded=reloads.reloaded + 1,
    )


def begin_trial(reloads: Reloads, target: str, now: float, deadline: float) -> Reloads:
    """The verification of a start begins; a reload by restart goes on with it."""
    if reloads.stage is not Stage.RESTARTING:
        reloads = reloads.replace(number=reloads.number + 1, began=now)
    return reloads.replace(stage=Stage.TRIAL, deadline=deadline, target=target, trial=True)


def prove(reloads: Reloads, deadline: float) -> Reloads:
    """The app's life until the deadline proves its first version."""
    return reloads.replace(stage=Stage.PROVING, deadline=deadline)


def cancel(reloads: Reloads) -> Reloads:
    """The result of the current attempt is no longer needed."""
    return reloads.replace(stage=Stage.CANCELLED)


def rest(reloads: Reloads) -> Reloads:
    """There is no current attempt."""
    return reloads.replace(stage=Stage.IDLE, deadline=None)


def ordered(reloads: Reloads) -> Reloads:
    """A reload or a rollback was ordered: no pace is kept, and no first version proves itself."""
    return unproving(reloads).replace(paced=None, retry_at=0.0)


def ready_to_start(reloads: Reloads) -> Reloads:
    """The app is about to start on the live version: no reload of it is owed any more."""
    return unproving(reloads).replace(retry_at=0.0)


def unproving(reloads: Reloads) -> Reloads:
    """The app's life no longer proves its first version."""
    return rest(reloads) if reloads.stage is Stage.PROVING else reloads


def finish(reloads: Reloads, now: float) -> Reloads:
    """The current attempt has ended."""
    return rest(reloads).replace(finished=reloads.finished + 1, finished_at=now)


def finish_start(reloads: Reloads, target: str, began: float) -> Reloads:
    """A start on a version has failed before any verification; so has a reload by restart."""
    if reloads.stage is not Stage.RESTARTING:
        reloads = reloads.replace(number=reloads.number + 1, began=began)
    return rest(reloads).replace(finished=reloads.finished + 1, target=target, trial=True)


def finish_death(reloads: Reloads, target: str) -> Reloads:
    """The app has ended before it was seen to work on a version."""
    return rest(reloads).replace(finished=reloads.finished + 1, target=target)


def fail(reloads: Reloads, event: ev.ReloadFinished, now: float) -> Reloads:
    """The attempt has ended and failed; the next attempt has to wait."""
    return wait(reloads, now).replace(
        outcome=event.reason,
        error=event.error,
        words=event.words,
        finished_at=now,
        failed=reloads.failed + 1,
    )


def wait(reloads: Reloads, now: float) -> Reloads:
    """Something else than an attempt failed: the next attempt has to wait."""
    failures = reloads.failures + 1
    retry_at = now + backoff(failures, RETRY_FIRST, RETRY_MOST)
    return reloads.replace(failures=failures, retry_at=retry_at)


def retry_at_once(reloads: Reloads) -> Reloads:
    """The next attempt need not wait."""
    return reloads.replace(retry_at=0.0)


def forgive(reloads: Reloads) -> Reloads:
    """A version is in place: it owes nothing to the failures of another."""
    return reloads.replace(retry_at=0.0, failures=0)


def unpaced(reloads: Reloads) -> Reloads:
    """The last attempt did not reach the app: it does not count for the pace."""
    return reloads.replace(paced=None)


def succeed(reloads: Reloads) -> Reloads:
    """The app runs on its version, as it should."""
    return reloads.replace(outcome=Outcome.SUCCESS, error="", words="", failures=0, retry_at=0.0)


def supersede(reloads: Reloads) -> Reloads:
    """The attempt has ended, overtaken by a newer version."""
    return reloads.replace(outcome=Outcome.SUPERSEDED, error="", words="", retry_at=0.0)


def unsure(reloads: Reloads) -> bool:
    """Whether the last verification failed, or could not be asked, while the app runs on."""
    return reloads.outcome == Outcome.UNVERIFIED or (
        reloads.trial and reloads.outcome not in NO_FAILURE
    )
