"""Several services for scripts and people: the record of /status, for all and for each.

It adds to the record of a single app, in `observe.status`, the words of supervisord and the place
of a service among others. Never content, and no output of programs. It must not know HTTP or HTML.
"""

from __future__ import annotations

from .. import __version__
from ..core import health
from ..core.life_state import Phase
from ..core.quoting import encodable_tree
from ..core.upkeep import TOO_QUICK, UNREADY_END
from ..observe import status
from ..process import procfs
from . import dependencies, exit_code, service_health, supervisord_states
from .supervisord_states import State, state_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .conductor_state import Services

# Fields about a configuration, of a service that has one.
_CONFIGURATION = ("config", "reloads", "versions", "sources")
_DOWN = {State.FATAL: "fatal", State.EXITED: "exited", State.STOPPED: "stopped"}


def shown(services: Services, now: float, clock: float) -> dict[str, object]:
    """All services at `now` (monotonic), `clock` in epoch seconds."""
    ready = service_health.ready(services, now)
    name, code = supervisord_states.supervisor_state(services)
    found: dict[str, dict[str, object]] = {}
    for one, record in records(services, now, clock).items():
        configured = services.members[one].service.rollout is not None
        found[one] = {
            key: value
            for key, value in record.items()
            if key != "version" and (configured or key not in _CONFIGURATION)
        }
    return {
        "version": __version__,
        "state": name,
        "state_code": code,
        "ready": ready.ok,
        "unready_reason": None if ready.ok else encodable_tree(ready.reason),
        "services": found,
    }


def records(services: Services, now: float, clock: float) -> dict[str, dict[str, object]]:
    """The record of each service, complete for the page."""
    found = {}
    for name, member in services.members.items():
        record = status.shown(member.service, now, clock)
        app = record["app"]
        own = encodable_tree(_own(services, name, now, clock))
        if isinstance(app, dict) and isinstance(own, dict):
            record["app"] = {**app, **own}
        found[str(encodable_tree(name))] = record
    return found


def _own(services: Services, name: str, now: float, clock: float) -> dict[str, object]:
    member = services.members[name]
    place = services.roster.places[name]
    life = member.life
    lacking = service_health.lacking(services, name, now)
    state = state_of(member)
    since, since_ago = status.when(_since(services, name), now, clock)
    due = life.phase is Phase.BACKOFF and member.begun and life.deadline is not None
    next_start, next_ago = status.when(life.deadline or 0.0 if due else 0.0, now, clock)
    required = bool(lacking) or not member.down or place.service.autostart
    return {
        "group": place.service.group,
        "phase": phase(services, name),
        "state": state,
        "state_code": supervisord_states.CODES[state],
        "description": supervisord_states.description(services, name, now, clock),
        "ready": not lacking and (not member.down or member.begun),
        "required": required,
        "unready_reason": lacking or None,
        "status_text": life.status or None,
        "waiting_for": _waiting_for(services, name) or None,
        "essential": place.service.essential,
        "oneshot": place.service.oneshot,
        "since": since,
        "since_seconds_ago": since_ago,
        "next_start_at": next_start,
        "next_start_seconds": None if next_ago is None else -next_ago,
        "last_start_error": _start_error(services, name) or None,
        "memory_bytes": _memory(life.pid),
    }


def phase(services: Services, name: str) -> str:
    """The phase of a service for people, in one word."""
    member = services.members[name]
    if not member.begun and member.up:
        return "waiting" if _waiting_for(services, name) else "starting"
    if not member.down:
        return health.phase(member.service)
    if exit_code.succeeded(name, services.roster, services.members):
        return "completed"
    return _DOWN.get(state_of(member), "stopped")


def _waiting_for(services: Services, name: str) -> str:
    """The dependency for which a start waits; "" for none."""
    if not services.members[name].up:
        return ""
    return dependencies.waiting_for(name, services.roster, services.members)


def _since(services: Services, name: str) -> float:
    """When a service came into this state, as far as the state tells: its last start or end."""
    life = services.members[name].life
    if life.pid and life.starts:
        return life.started_at
    return life.ended_at or 0.0


def _start_error(services: Services, name: str) -> str:
    """Why the program of a service could not be run; an early end is no such error."""
    life = services.members[name].life
    return "" if life.pid or life.error in (TOO_QUICK, UNREADY_END) else life.error


def _memory(pid: int) -> int | None:
    """Resident bytes of the process of a service; its children are in the metrics."""
    if not pid:
        return None
    try:
        return procfs.resident_bytes(pid)
    except OSError:
        return None
