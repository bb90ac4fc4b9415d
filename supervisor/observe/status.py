"""The state as people and scripts read it: digests, names, counts and times; never content.

Other programs' words may hold secrets: they are left out unless they are asked for.
"""

from __future__ import annotations

import time

from .. import __version__
from ..core import health
from ..core.outcomes import Outcome
from ..core.quoting import encodable_tree
from ..core.rollout_state import Rollout, rollout_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.service import Service


def shown(service: Service, now: float, clock: float, *, words: bool = False) -> dict[str, object]:
    """The service at `now` (monotonic), which is `clock` in epoch seconds; `words`: with those of
    other programs.
    """
    rollout = rollout_of(service)
    config, reloads = _config(rollout), _reloads(rollout)
    when = {
        "app": service.life.started_at,
        "config": rollout.versions.applied_at,
        "reloads": rollout.reloads.finished_at,
    }
    age = {name: round(now - at, 1) if at else None for name, at in when.items()}
    app = {
        **_app(service),
        "started_at": _stamp(age["app"], clock),
        "started_seconds_ago": age["app"],
    }
    config |= {
        "last_change_at": _stamp(age["config"], clock),
        "last_change_seconds_ago": age["config"],
    }
    reloads |= {"last_at": _stamp(age["reloads"], clock), "last_seconds_ago": age["reloads"]}
    if words:
        config["last_error_output"] = rollout.versions.words or None
        reloads["last_error_output"] = rollout.reloads.words or None
    sources = [
        {
            "name": source.name,
            "present": source.present,
            "trouble": source.trouble or None,
            "error": source.error or None,
        }
        for source in service.sources
    ]
    found = {
        "version": __version__,
        "app": app,
        "config": config,
        "reloads": reloads,
        "sources": sources,
    }
    return {name: encodable_tree(value) for name, value in found.items()}


def _app(service: Service) -> dict[str, object]:
    life = service.life
    return {
        "phase": health.phase(service),
        "ready": health.ready(service).ok,
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
        outcome = "started"  # on its version, and no reload was needed since
    return {
        "attempts": reloads.reloaded,
        "last_outcome": outcome or None,
        "last_error": reloads.error or None,
        "coalesced": rollout.versions.coalesced,
    }


def _stamp(age: float | None, clock: float) -> str | None:
    """The time of an age, in UTC."""
    if age is None:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock - age))
