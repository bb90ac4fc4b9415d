"""The log lines about versions, reloads and sources: pure.

A part of the journal, imported only where a role has a configuration.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.life_state import Phase
from ..core.outcomes import ApplyFailure, Outcome
from ..core.rollout_state import rollout_of
from ..core.source_states import PAUSE
from ..core.versions import counted, short
from .journal import since

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.reloads import Reloads
    from ..core.service import Service
    from ..core.versions import Versions
    from .journal import Journal, Line


def lines(
    journal: Journal, event: ev.Event, before: Service, after: Service, now: float
) -> Iterator[Line]:
    """The lines of an event."""
    match event:
        case ev.ConfigApplied():
            yield from _applied(journal, event, before, after)
        case ev.ConfigFailed():
            yield from _failed(journal, event, before, after)
        case ev.SourceRead() | ev.SourceFailed():
            yield from _source(journal, event, before, after)
    if rollout_of(after).hold is not None:
        yield from _holds(journal, event, before, after)
    yield from _reloads(journal, before, after, now)


def _versions(service: Service) -> Versions:
    return rollout_of(service).versions


def _reloads_of(service: Service) -> Reloads:
    return rollout_of(service).reloads


def _applied(
    journal: Journal, event: ev.ConfigApplied, before: Service, after: Service
) -> Iterator[Line]:
    version = short(event.digest)
    changes = event.changes
    fields = {"version": version, "previous": short(event.previous), "changed": changes}
    if event.cached and _versions(after).cached:
        errors = "; ".join(s.error for s in after.sources if s.error)
        if not _versions(after).desired:
            errors = errors or "no answer from the source"
        what = "continuing with the last configuration written here"
        message = f"{errors}; {what}, {version}" if errors else f"{what}, {version}"
        yield journal.line("warning", "config_cached", message, **fields)
    elif event.rolled_back:
        message = f"configuration {version} is back in place: {changes}"
        yield journal.line("warning", "config_rolled_back", message, **fields)
    elif before.life.phase is Phase.WAITING and after.life.phase is Phase.ENDED:  # --once
        sources = ", ".join(source.name for source in after.sources)
        place = f"in {journal.configroot}" if journal.configroot else "in place"
        message = (
            f"configuration {version} from {sources} is {place} ({counted(event.files)}): {changes}"
        )
        yield journal.line("info", "config_applied", message, **fields, source=sources)
    elif before.life.phase is not Phase.WAITING:
        message = f"configuration {version} is in place: {changes}"
        yield journal.line("info", "config_applied", message, **fields)


def _failed(
    journal: Journal, event: ev.ConfigFailed, before: Service, after: Service
) -> Iterator[Line]:
    fields = {"version": short(event.digest), "reason": event.reason}
    live = _versions(before).live
    if event.reason == ApplyFailure.NO_GENERATION:
        if after.life.phase is Phase.ENDED:
            # The first part has its own line already.
            before_it = _versions(before).error
            error = after.life.error
            error = error.removeprefix(f"{before_it}; ") if before_it else error
            message = f"cannot start {journal.program}: {error}"
            yield journal.line("error", "config_failed", message, **fields)
        return
    # A new version is news, even with the same failure.
    if event.reason == ApplyFailure.OVERTAKEN:
        yield journal.line("debug", "config_failed", event.error, **fields)
        return
    was = _versions(before)
    again = was.error == event.error and (was.failures > 0 or event.reason == ApplyFailure.ROLLBACK)
    rest = f"; configuration {short(live)} stays" if live else ""
    if after.life.phase is Phase.WAITING and not live and _versions(after).rejected == event.digest:
        rest = "; waiting for a correction"
    fields["previous"] = short(live)
    message = f"{journal.quoted(event.error, event.words, after)}{rest}"
    yield journal.line("debug" if again else "error", "config_failed", message, **fields)


def _holds(journal: Journal, event: ev.Event, before: Service, after: Service) -> Iterator[Line]:
    """A line when a version begins to wait, or waits for another reason; and about each pause."""
    from ..core import holds

    new, old = rollout_of(after), rollout_of(before)
    if isinstance(event, ev.SourceRead):
        source = after.sources[event.source].name
        was, paused = (event.source in holds.pausing(one) for one in (old, new))
        if paused and not was:
            message = f"{source} has the annotation {PAUSE}: new versions wait"
            yield journal.line("info", "source_paused", message, source=source)
        elif was and not paused:
            message = f"{source} has the annotation {PAUSE} no more"
            yield journal.line("info", "source_resumed", message, source=source)
    why = holds.reason(new, after.life)
    if why and why != holds.reason(old, before.life):
        version = short(new.versions.desired)
        message = f"configuration {version} waits: {holds.words(after)}"
        fields = {"version": version, "previous": short(new.versions.live), "reason": why}
        yield journal.line("info", "config_held", message, **fields)


def _source(
    journal: Journal, event: ev.SourceRead | ev.SourceFailed, before: Service, after: Service
) -> Iterator[Line]:
    old = before.sources[event.source]
    new = after.sources[event.source]
    name = new.name
    kept = _versions(after).live
    missing = event.missing if isinstance(event, ev.SourceRead) else ""
    if new.trouble and new.trouble != old.trouble:
        level = "warning" if after.life.phase is not Phase.ENDED else "error"
        yield journal.line(level, "source_failed", new.error, source=name, reason=new.trouble)
    elif old.trouble and not new.trouble:
        yield journal.line("info", "source_recovered", f"{name} can be read again", source=name)
    if new.present is False and old.present is not False:
        rest = (
            f"configuration {short(kept)} stays in use" if kept else "waiting for it to be created"
        )
        yield journal.line("warning", "source_missing", f"{name} {missing}; {rest}", source=name)
    elif new.present and old.present is False:
        message = f"{name} exists again" if kept else f"{name} exists now"
        yield journal.line("info", "source_found", message, source=name)


def _reloads(journal: Journal, before: Service, after: Service, now: float) -> Iterator[Line]:
    done = _reloads_of(after)
    last = _reloads_of(before)
    back = _versions(after).returning
    if done.finished == last.finished:
        return
    fields: dict[str, object] = {
        "version": short(done.target),
        "method": journal.method,
        "pid": before.life.pid,
        "duration_ms": since(last.began or 0.0, now),
    }
    if done.failed > last.failed:
        again = done.failures > 1 and not back
        rest = f"; rolling back to configuration {short(back)}" if back else ""
        message = (
            f"{_complaint(journal, done)}: {journal.quoted(done.error, done.words, after)}{rest}"
        )
        fields["reason"] = done.outcome
        yield journal.line("debug" if again else "error", "reload_failed", message, **fields)
    elif done.outcome == Outcome.SUPERSEDED:
        message = f"a newer configuration ends the reload of {short(done.target)}"
        yield journal.line("debug", "reload_superseded", message, **fields)
    else:
        verb = "started" if _is_start(done) else "reloaded"
        rest = (
            "it runs on configuration"
            if after.life.ready
            else "it is not ready yet on configuration"
        )
        message = f"{verb} {journal.program}: {rest} {short(done.target)}"
        yield journal.line("info", "reloaded", message, **fields)


def _complaint(journal: Journal, done: Reloads) -> str:
    if done.outcome == Outcome.UNVERIFIED:
        return f"cannot tell whether {journal.program} works on configuration {short(done.target)}"
    if _is_start(done):
        return f"{journal.program} does not work on configuration {short(done.target)}"
    return f"cannot reload {journal.program}"


def _is_start(done: Reloads) -> bool:
    """Whether a verdict is about a start of the app, and not about a reload by restart."""
    return done.trial and done.began != done.paced
