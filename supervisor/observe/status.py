"""The state as people and scripts read it: digests, names, counts and times; never content.

Other programs' words may hold secrets: they are left out unless they are asked for.
"""

from __future__ import annotations

import time

from .. import __version__
from ..core import health
from ..core.quoting import encodable_tree
from ..core.state import stale

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.state import Config, Reloads, State


def shown(state: State, now: float, clock: float, *, words: bool = False) -> dict[str, object]:
    """The state at `now` (monotonic), which is `clock` in epoch seconds; `words`: with those of
    other programs.
    """
    config, reloads = _config(state), _reloads(state)
    when = {
        "app": state.started_at,
        "config": state.config.applied_at,
        "reloads": state.reloads.finished_at,
    }
    age = {name: round(now - at, 1) if at else None for name, at in when.items()}
    app = {
        **_app(state),
        "started_at": _stamp(age["app"], clock),
        "started_seconds_ago": age["app"],
    }
    config |= {
        "last_change_at": _stamp(age["config"], clock),
        "last_change_seconds_ago": age["config"],
    }
    reloads |= {"last_at": _stamp(age["reloads"], clock), "last_seconds_ago": age["reloads"]}
    if words:
        config["last_error_output"] = state.config.words or None
        reloads["last_error_output"] = state.reloads.words or None
    sources = [
        {
            "name": source.name,
            "present": source.present,
            "trouble": source.trouble or None,
            "error": source.error or None,
        }
        for source in state.sources
    ]
    found = {
        "version": __version__,
        "app": app,
        "config": config,
        "reloads": reloads,
        "sources": sources,
    }
    return {name: encodable_tree(value) for name, value in found.items()}


def _app(state: State) -> dict[str, object]:
    return {
        "phase": state.phase.value,
        "ready": health.ready(state).ok,
        "pid": state.pid or None,
        "starts": state.starts,
        "exits": state.exits,
        "last_exit_code": state.exit_code if state.exits else None,
        "last_exit_signal": state.exit_signal or None,
        "last_start_error": state.error or None,
    }


def _config(state: State) -> dict[str, object]:
    config: Config = state.config
    return {
        "desired": config.desired or None,
        "live": config.live or None,
        "running": config.running or None,
        "good": config.good or None,
        "rejected": config.rejected or None,
        "rolled_back": config.rolled_back,
        "stale": stale(state),
        "from_earlier_run": config.cached,
        "files": config.files,
        "bytes": config.size,
        "last_change": config.changes or None,
        "last_error": config.error or None,
    }


def _reloads(state: State) -> dict[str, object]:
    reloads: Reloads = state.reloads
    outcome = reloads.outcome
    if outcome == "success" and reloads.reloaded == 0:
        outcome = "started"  # on its version, and no reload was needed since
    return {
        "attempts": reloads.reloaded,
        "last_outcome": outcome or None,
        "last_error": reloads.error or None,
        "coalesced": state.config.coalesced,
    }


def _stamp(age: float | None, clock: float) -> str | None:
    """The time of an age, in UTC."""
    if age is None:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock - age))
