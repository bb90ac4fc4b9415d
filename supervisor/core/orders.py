"""The orders of clients to reload or roll back, from the order to its answer.

Pure, and part of the rollout: a failure is noted when it happens, and `settle` answers each order
once the app runs on its version, or does not. The rollout opens an order; from then on only this
module writes it.
"""

from __future__ import annotations

from . import events as ev
from .actions import Answer
from .life_state import DOWN, TOLD, Phase, Then
from .record import Record, Words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .life_state import Life
    from .rollout_state import Rollout


class Result(Words):
    DONE = "done"  # the app runs on the version
    UNREADY = "unready"  # it took the version up, and is not ready
    FAILED = "failed"  # the version could not be put in place, or the reload failed in between
    NOT_TAKEN = "not_taken"  # a rollback put the version in place; the app does not run on it
    OVERTAKEN = "overtaken"  # a newer version replaced the version of a rollback
    ENDING = "ending"  # the app is about to end


class Settled(Record):
    """The answer to an order."""

    result: Result
    version: str = ""  # in place
    files: int = 0
    error: str = ""
    words: str = ""  # of the reporting program; they may hold secrets
    back: bool = False  # the last good version is put back
    barred: str = ""  # the newest version, if the fleet holds it


class OpenOrder(Record):
    event: ev.ReloadOrdered | ev.RollbackOrdered
    failed: bool = False
    error: str = ""
    words: str = ""
    back: bool = False  # the last good version is put back


def note_failure(rollout: Rollout, error: str, words: str, *, back: bool) -> Rollout:
    """A reload, or an apply, failed after these orders."""
    failure = {"failed": True, "error": error, "words": words, "back": back}
    return rollout.replace(orders=tuple(order.replace(**failure) for order in rollout.orders))


def settle(rollout: Rollout, life: Life) -> tuple[Rollout, tuple[Answer, ...]]:
    """Answer the orders that are decided."""
    answers = []
    still = []
    for order in rollout.orders:
        match order.event:
            case ev.RollbackOrdered(digest):
                settled = _rollback(digest, order, rollout, life)
            case _:
                settled = _reload(order, rollout, life)
        settled = settled or _ending(life)
        if settled is None:
            still.append(order)
        else:
            answers.append(Answer(order.event, settled))
    return (rollout.replace(orders=tuple(still)) if answers else rollout), tuple(answers)


def _reload(order: OpenOrder, rollout: Rollout, life: Life) -> Settled | None:
    versions = rollout.versions
    if order.failed:
        return _settled(Result.FAILED, order, rollout)
    if (
        versions.desired == versions.rejected != "" and not versions.barred
    ):  # since the order, which had forgiven it
        why = versions.marks.why(versions.desired) or versions.error
        return _settled(Result.FAILED, order.replace(error=why), rollout)
    newest = versions.barred or versions.desired in ("", versions.live)
    current = newest and rollout.runs_on == versions.live
    return _taken_up(order, rollout, life) if current and _at_rest(rollout, life) else None


def _rollback(digest: str, order: OpenOrder, rollout: Rollout, life: Life) -> Settled | None:
    versions = rollout.versions
    if versions.returning or versions.applying:
        return None
    if versions.live != digest:
        return _settled(Result.FAILED if order.failed else Result.OVERTAKEN, order, rollout)
    if not _at_rest(rollout, life):
        return None
    if rollout.runs_on == versions.live:
        return _taken_up(order, rollout, life)
    return _settled(Result.NOT_TAKEN, order, rollout) if order.failed else None


def _at_rest(rollout: Rollout, life: Life) -> bool:
    writing = rollout.versions.applying or rollout.versions.returning
    return life.up and not rollout.reloads.active and not writing


def _taken_up(order: OpenOrder, rollout: Rollout, life: Life) -> Settled:
    return _settled(Result.DONE if life.ready else Result.UNREADY, order, rollout)


def _settled(result: Result, order: OpenOrder, rollout: Rollout) -> Settled:
    versions = rollout.versions
    of = versions.live, versions.files
    barred = versions.desired if versions.barred else ""
    return Settled(result, *of, order.error, order.words, order.back, barred)


def _ending(life: Life) -> Settled | None:
    ending = life.then is Then.END and life.phase in TOLD | DOWN
    return Settled(Result.ENDING) if ending or life.phase is Phase.ENDED else None
