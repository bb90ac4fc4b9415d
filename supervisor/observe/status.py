"""The state for people and scripts: digests, names, counts and times; never content.

The output of other programs may hold secrets: it is left out unless asked for.
"""

from __future__ import annotations

import time

from .. import __version__
from ..core import health
from ..core.outcomes import Outcome
from ..core.quoting import encodable_tree
from ..core.reloads import Stage
from ..core.rollout_state import Rollout, rollout_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.reloads import Reloads
    from ..core.service import Service
    from ..core.source_states import SourceState


def shown(service: Service, now: float, clock: float, *, words: bool = False) -> dict[str, object]:
    """The service at `now` (monotonic), `clock` in epoch seconds; `words`: with the output of other
    programs.
    """
    rollout = rollout_of(service)
    config = _config(rollout)
    reloads = _reloads(rollout)
    if rollout.hold is not None:
        from ..core import holds

        config["stale_reason"] = holds.words(service) or None
    if words:
        config["last_error_output"] = rollout.versions.words or None
        reloads["last_error_output"] = rollout.reloads.words or None
    started, started_age = when(service.life.started_at, now, clock)
    changed, changed_age = when(rollout.versions.applied_at, now, clock)
    reloaded, reloaded_age = when(rollout.reloads.finished_at, now, clock)
    found = {
        "version": __version__,
        "app": {**_app(service), "started_at": started, "started_seconds_ago": started_age},
        "config": {**config, "last_change_at": changed, "last_change_seconds_ago": changed_age},
        "reloads": {**reloads, "last_at": reloaded, "last_seconds_ago": reloaded_age},
        "versions": _known(rollout),
        "sources": [_source(source, now, clock) for source in service.sources],
    }
    if service.fleet is not None:
        from ..fleet import summary

        found["fleet"] = summary.shown(service.fleet, rollout)
    return {name: encodable_tree(value) for name, value in found.items()}


def _app(service: Service) -> dict[str, object]:
    life = service.life
    ready = health.ready(service)
    return {
        "phase": health.phase(service),
        "ready": ready.ok,
        "unready_reason": None if ready.ok else ready.reason,
        "pid": life.pid or None,
        "starts": life.starts,
        "exits": life.exits,
        "last_exit_code": life.exit_code if life.exits else None,
        "last_exit_signal": life.exit_signal or None,
        "last_start_error": life.error or None,
    }


def _config(rollout: Rollout) -> dict[str, object]:
    config = rollout.versions
    return {
        "desired": config.desired or None,
        "live": config.live or None,
        "running": rollout.runs_on or None,
        "good": config.good or None,
        "rejected": config.rejected or None,
        "rolled_back": config.rolled_back,
        "stale": rollout.stale,
        "stale_reason": None,  # of a version that waits for its time
        "from_earlier_run": config.cached,
        "files": config.files,
        "bytes": config.size,
        "last_change": config.changes or None,
        "last_error": config.error or None,
    }


def _reloads(rollout: Rollout) -> dict[str, object]:
    reloads = rollout.reloads
    outcome = reloads.outcome
    if outcome == Outcome.SUCCESS and reloads.reloaded == 0:
        outcome = "started"  # on its version, without a reload since
    return {
        "attempts": reloads.reloaded,
        "last_outcome": outcome or None,
        "last_error": reloads.error or None,
        "coalesced": rollout.versions.coalesced,
        "last_duration_seconds": _duration(reloads),
    }


def _duration(reloads: Reloads) -> float | None:
    """Of the last attempt, from its beginning to its verdict; None while an attempt is under way,
    and for an end without an attempt.
    """
    if reloads.began is None or reloads.stage is not Stage.IDLE:
        return None
    seconds = reloads.finished_at - reloads.began
    return round(seconds, 3) if seconds >= 0 else None


def _known(rollout: Rollout) -> list[dict[str, object]]:
    """The versions in use or remembered, the newest of the sources first, with their marks."""
    versions = rollout.versions
    marked = {
        "newest": (versions.desired,),
        "live": (versions.live,),
        "running": (rollout.runs_on,),
        "on trial": (_on_trial(rollout),),
        "good": (versions.good, *versions.marks.good),
        "rejected": (versions.rejected,),
        "failed": tuple(version for version, _ in versions.marks.failed),
    }
    return [
        {
            "version": version,
            "marks": [mark for mark, found in marked.items() if version in found],
            "failure": versions.marks.why(version) or None,
        }
        for version in dict.fromkeys(version for found in marked.values() for version in found)
        if version
    ]


def _on_trial(rollout: Rollout) -> str:
    """The version whose verdict is due: of the current attempt, or of an earlier supervisor."""
    reloads = rollout.reloads
    if reloads.stage is Stage.PROVING:
        return rollout.running
    if reloads.stage in (Stage.IDLE, Stage.CANCELLED):
        return rollout.versions.marks.trial
    return reloads.target


def _source(source: SourceState, now: float, clock: float) -> dict[str, object]:
    contact, contact_age = when(source.contact, now, clock)
    return {
        "name": source.name,
        "present": source.present,
        "trouble": source.trouble or None,
        "error": source.error or None,
        "last_contact_at": contact,
        "last_contact_seconds_ago": contact_age,
    }


def when(at: float, now: float, clock: float) -> tuple[str | None, float | None]:
    """The time of a monotonic moment in UTC, and its age in seconds; None for never."""
    if not at:
        return None, None
    age = round(now - at, 1)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock - age)), age
