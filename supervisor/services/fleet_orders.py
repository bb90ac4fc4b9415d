"""The fleets of several services, for the clients of `supervisorctl fleet` and `wait --fleet`.

Pure: which services a client means, and the answers, from the state alone. Imported by the first
such request.
"""

from __future__ import annotations

from ..control import fleet_commands
from ..control.commands import Answer
from ..core.life_state import Phase
from ..core.rollout_state import rollout_of
from ..fleet import summary
from ..fleet.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .conductor_state import Services

_REFUSED = 1
_USAGE = 2
_DOWN = "it is down"
_STOPPING = "all services are being stopped"


def chosen(services: Services, name: str) -> tuple[str, ...] | Answer:
    """The service with a name, else all of a fleet; an answer where there is none."""
    if name and name not in services.members:
        return Answer(_REFUSED, f"{name}: there is no such service")
    found = tuple(
        one
        for one, member in services.members.items()
        if member.service.fleet is not None and name in ("", one)
    )
    if found:
        return found
    why = f"{name}: it is in no fleet" if name else "no service is in a fleet"
    return Answer(_REFUSED, f"{why}; see the key fleet of a program")


def subject(services: Services, verb: str, name: str) -> str | Answer:
    """The service of an order."""
    found = chosen(services, name)
    if isinstance(found, Answer):
        return found.replace(text=f"cannot {verb}: {found.text}")
    if len(found) > 1:
        names = ", ".join(found)
        why = f"{names} are in fleets; name one with --service NAME"
        return Answer(_USAGE, f"cannot {verb}: {why}")
    [one] = found
    if is_down(services, one):
        remedy = "start it first, or give the order in another pod"
        return Answer(_REFUSED, f"{one}: cannot {verb}: {_DOWN}; {remedy}")
    return one


def is_down(services: Services, name: str) -> bool:
    """Whether the rules of its fleet take no order now."""
    member = services.members[name]
    return not member.begun or member.life.phase is Phase.ENDED


def shown(services: Services, errors: Mapping[str, str]) -> dict[str, object]:
    """The fleet of each of the services; `errors`: why the Lease could not be read, or ""."""
    found: dict[str, object] = {}
    for name, error in errors.items():
        member = services.members.get(name)
        if member is not None and member.service.fleet is not None:
            record = summary.shown(member.service.fleet, rollout_of(member.service))
            found[name] = {**record, "lease_error": error or None}
    return found


def unread(services: Services, name: str) -> str:
    """Why the Lease of a service is not read for its status; empty if it is."""
    return f"the Lease is not read: {_DOWN}" if is_down(services, name) else ""


def waited(services: Services, name: str) -> Answer | None:
    """The answer to `wait --fleet`; None while it is not decided."""
    found = chosen(services, name)
    if isinstance(found, Answer):
        return _never(found.text)
    if services.stopping is not None:
        return _never(_STOPPING)
    awaited = _awaited(services, found)
    if not awaited:
        return _never(f"{', '.join(found)}: {_DOWN}; start it first")
    for one in awaited:
        why = _failure(services, one)
        if why:
            return _never(f"{one}: {why}")
    if _open(services, awaited):
        return None
    return Answer(0, _reasons(services, awaited))


def late(services: Services, name: str) -> str:
    """The reasons why the time of `wait --fleet` was not enough."""
    found = chosen(services, name)
    if isinstance(found, Answer):
        return found.text
    return _reasons(services, _open(services, _awaited(services, found)))


def _awaited(services: Services, names: Sequence[str]) -> list[str]:
    """The services that take up a version at all: not those that are down for no failure."""
    members = services.members
    return [one for one in names if members[one].up or members[one].failed or not members[one].down]


def _failure(services: Services, name: str) -> str:
    """Why a service never comes to its goal by itself; empty while it may."""
    member = services.members[name]
    if member.failed:
        return "it is given up; see supervisorctl status"
    if member.service.fleet.state is State.CONDEMNED:
        return fleet_commands.followed(member.service).reason
    return ""


def _open(services: Services, names: Sequence[str]) -> list[str]:
    return [one for one in names if not fleet_commands.followed(services.members[one].service).ok]


def _reasons(services: Services, names: Sequence[str]) -> str:
    return "; ".join(
        f"{one}: {fleet_commands.followed(services.members[one].service).reason}" for one in names
    )


def _never(why: str) -> Answer:
    return Answer(_REFUSED, f"cannot wait for that: {why}")
