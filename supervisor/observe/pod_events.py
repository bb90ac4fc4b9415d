"""The Kubernetes Events of a turn: pure, from an event and the states around it.

Few: `kubectl describe pod` shows the story of the configuration, not each turn. The sender is in
`sources`.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.life_state import ended_unstarted
from ..core.outcomes import ApplyFailure, Outcome
from ..core.record import Record
from ..core.rollout_state import Rollout, rollout_of
from ..core.versions import short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.service import Service


_REJECTED = (ApplyFailure.VALIDATE, ApplyFailure.BAD_KEY, ApplyFailure.TOO_LARGE)


class Notice(Record):
    # ConfigApplied, ConfigRejected, ReloadSucceeded, ReloadFailed, RolledBack, SourceMissing,
    # StartFailed; of a fleet: ConfigOnTrial, ConfigApproved, ConfigCondemned, ConfigHeld.
    reason: str
    note: str
    warning: bool = False


def notices(event: ev.Event, before: Service, after: Service) -> Iterator[Notice]:
    """The notices of a turn."""
    old = rollout_of(before)
    new = rollout_of(after)
    match event:
        case ev.ConfigApplied(digest) if event.rolled_back:
            yield Notice(
                "RolledBack",
                f"configuration {short(digest)} is back in place: {event.changes}",
                warning=True,
            )
        case ev.ConfigApplied(digest) if not event.cached and digest not in (
            old.versions.live,
            event.previous,
        ):
            what = f": {event.changes}" if event.changes else ""
            yield Notice("ConfigApplied", f"configuration {short(digest)} is in place{what}")
        case ev.ConfigFailed(digest) if event.reason in _REJECTED:
            if old.versions.rejected != digest:
                yield Notice("ConfigRejected", event.error, warning=True)
        case ev.SourceRead(source, present) if (
            not present and before.sources[source].present is not False
        ):
            yield Notice(
                "SourceMissing", f"{after.sources[source].name} does not exist", warning=True
            )
    if ended_unstarted(after.life) and not ended_unstarted(before.life):
        yield Notice("StartFailed", after.life.error, warning=True)
    yield from _verdicts(old, new)
    if after.fleet is not None:
        from .fleet_events import notices as of_fleet

        yield from (Notice(*one) for one in of_fleet(before, after))


def _verdicts(old: Rollout, new: Rollout) -> Iterator[Notice]:
    was = old.reloads
    now = new.reloads
    if now.failed > was.failed:
        # `failures` counts those of a version: a retry with the same failure is no news.
        if now.outcome != was.outcome or now.failures <= 1:
            yield Notice("ReloadFailed", now.error, warning=True)
    elif now.finished > was.finished and now.outcome != Outcome.SUPERSEDED:
        yield Notice("ReloadSucceeded", f"the app runs on configuration {short(new.running)}")
