"""What is worth a Kubernetes Event on the pod: pure, from an event and the states around it.

Few: an SRE who looks at `kubectl describe pod` shall see the story of the configuration, not each
turn.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.record import Record
from ..core.state import ended_unstarted
from .journal import short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.state import State


class Notice(Record):
    # ConfigApplied, ConfigRejected, ReloadSucceeded, ReloadFailed, RolledBack, SourceMissing,
    # StartFailed.
    reason: str
    note: str
    warning: bool = False


def notices(event: ev.Event, before: State, after: State) -> Iterator[Notice]:
    """The notices that a turn is worth."""
    match event:
        case ev.ConfigApplied(digest) if event.rolled_back:
            yield Notice(
                "RolledBack",
                f"configuration {short(digest)} is back in place: {event.changes}",
                warning=True,
            )
        case ev.ConfigApplied(digest) if not event.cached and digest not in (
            before.config.live,
            event.previous,
        ):
            what = f": {event.changes}" if event.changes else ""
            yield Notice("ConfigApplied", f"configuration {short(digest)} is in place{what}")
        case ev.ConfigFailed(digest) if event.reason in ("validate", "bad_key", "too_large"):
            if before.config.rejected != digest:
                yield Notice("ConfigRejected", event.error, warning=True)
        case ev.SourceRead(source, present) if (
            not present and before.sources[source].present is not False
        ):
            yield Notice(
                "SourceMissing", f"{after.sources[source].name} does not exist", warning=True
            )
    if ended_unstarted(after) and not ended_unstarted(before):
        yield Notice("StartFailed", after.error, warning=True)
    if after.reloads.failed > before.reloads.failed:
        # `failures` counts those of one version: the retries that fail in the same way are no news.
        if after.reloads.outcome != before.reloads.outcome or after.reloads.failures <= 1:
            yield Notice("ReloadFailed", after.reloads.error, warning=True)
    elif after.reloads.finished > before.reloads.finished and after.reloads.outcome != "superseded":
        yield Notice(
            "ReloadSucceeded", f"the app runs on configuration {short(after.config.running)}"
        )
