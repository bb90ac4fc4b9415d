"""The verdicts of the probes about several services: one verdict for all, with names and reasons.

Pure. Ready means that each service which is to run is ready, and that each job is done. Live means
that this process goes on: a service that fails never makes it dead, `essential` ends the container
by itself. It must not know how a verdict is served.
"""

from __future__ import annotations

from ..core import health
from ..core.health import Verdict
from ..core.life_state import Phase
from ..core.upkeep import TOO_QUICK, UNREADY_END
from . import dependencies, exit_code
from .supervisord_states import State, how_it_ended, how_it_failed, state_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .conductor_state import Member, Services

_MOST_NAMED = 20  # services in a reason
_UP = (Phase.RUNNING, Phase.ELSEWHERE)


def live(services: Services) -> Verdict:
    """Whether to keep the container."""
    for name, member in services.members.items():
        if member.service.rollout is None or member.down:
            continue
        found = health.live(member.service, services.roster.places[name].policy)
        if not found.ok:
            return Verdict(ok=False, reason=f"{name}: {found.reason}")
    if services.code is not None:
        return Verdict(ok=False, reason="done")
    return Verdict(ok=True, reason="running" if services.stopping is None else "stopping")


def ready(services: Services, now: float) -> Verdict:
    """Whether all services that are to run are ready, at `now` (monotonic)."""
    if services.stopping is not None:
        again = " and starting again" if services.stopping.restart else ""
        return Verdict(ok=False, reason=f"stopping{again}")
    if not services.begun:
        return Verdict(ok=False, reason="starting")
    reasons: list[str] = []
    unnamed = 0
    for name in services.members:
        why = lacking(services, name, now)
        if why and len(reasons) < _MOST_NAMED:
            reasons.append(f"{name}: {why}")
        else:
            unnamed += bool(why)
    if unnamed:
        reasons.append(f"{unnamed} more")
    count = len(services.members)
    fine = f"{count} service{'s' if count != 1 else ''}"
    return Verdict(ok=not reasons, reason="; ".join(reasons or (fine, *_held(services))))


def _held(services: Services) -> list[str]:
    """The services whose newest version waits for its time."""
    found = ((name, health.held(member.service)) for name, member in services.members.items())
    return [f"{name}: {why}" for name, why in found if why][:_MOST_NAMED]


def lacking(services: Services, name: str, now: float) -> str:
    """Why a service makes the container unready; "" where it does not."""
    member = services.members[name]
    life = member.life
    place = services.roster.places[name]
    state = state_of(member)
    if state is State.FATAL:
        return f"FATAL: {_failure(member)}"
    if member.down and not member.up:
        if exit_code.succeeded(name, services.roster, services.members):
            return ""
        if not life.ordered and member.begun:
            return f"exited: {how_it_ended(*_end(member))}"
        return "stopped" if place.service.autostart else ""
    if state is State.BACKOFF or life.phase is Phase.BACKOFF:
        return _pause(services, name, now)
    if life.phase in _UP and member.begun:
        return "running" if place.service.oneshot else ""
    return _rising(services, name, now)


def _failure(member: Member) -> str:
    """Why a service failed for good."""
    life = member.life
    if member.refused or (life.error and life.error not in (TOO_QUICK, UNREADY_END)):
        return member.refused or life.error
    starts = f"{life.starts} start{'s' if life.starts != 1 else ''}"
    return f"{how_it_failed(life)}, after {starts}"


def _end(member: Member) -> tuple[int, int]:
    return member.life.exit_code, member.life.exit_signal


def _pause(services: Services, name: str, now: float) -> str:
    member = services.members[name]
    life = member.life
    why = life.error or how_it_ended(*_end(member))
    need = dependencies.waiting_for(name, services.roster, services.members)
    if need:
        return f"waiting for {need}: {why}"
    return f"starting again in {max(0.0, (life.deadline or now) - now):.0f}s: {why}"


def _rising(services: Services, name: str, now: float) -> str:
    """The state of a service on its way up, or down."""
    member = services.members[name]
    life = member.life
    if not member.begun:
        need = dependencies.waiting_for(name, services.roster, services.members)
        return f"waiting for {need}" if need else "starting"
    if life.phase in (Phase.STARTING, Phase.UNREADY) and not life.answered:
        check = services.roster.places[name].service.readiness.check
        told = f" ({_shown(check)})" if check else ""
        return f"not ready for {max(0.0, now - life.started_at):.0f}s{told}"
    if life.phase in (Phase.EXECUTING, Phase.STARTING, Phase.UNREADY):
        return "starting"
    if life.phase is Phase.WAITING:
        return health.ready(member.service).reason
    return health.phase(member.service)


def _shown(check: str) -> str:
    """A readiness check without the password that a URL may hold."""
    scheme, slashes, rest = check.partition("://")
    if not slashes or " " in scheme:
        return check.split(" ", 1)[0]
    place, slash, path = rest.partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path.partition('?')[0]}"
