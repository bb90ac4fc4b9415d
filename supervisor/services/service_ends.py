"""The end of the container by policy, in a sentence: which service, its code, its starts, and why.

Pure. For the termination log and for Events; the log lines of an end are in `service_journal`.
"""

from __future__ import annotations

from ..core.upkeep import TOO_QUICK, UNREADY_END
from . import exit_code
from .supervisord_states import how_it_failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from .conductor_state import Services

_MOST_NAMED = 10  # services


def sentence(services: Services, short_of_memory: Collection[str] = ()) -> str:
    """Why all services stopped; "" after an order, and where every service ended as it should.

    `short_of_memory`: services whose last end was for lack of memory.
    """
    stopping = services.stopping
    if stopping is None or stopping.code is None or stopping.restart:
        return ""
    if stopping.cause:
        name = root(services, stopping.cause)
        why = _how(services, name, short_of_memory)
        behind = "" if name == stopping.cause else f"it needs {name}, "
        return f"{stopping.cause} is down for good: {behind}{why}; exit code {stopping.code}"
    failed = [
        name
        for name, member in services.members.items()
        if member.spent and not exit_code.succeeded(name, services.roster, services.members)
    ]
    if not failed:
        return ""
    told = [fate(services, name, short_of_memory) for name in failed[:_MOST_NAMED]]
    rest = [f"{len(failed) - _MOST_NAMED} more"] if len(failed) > _MOST_NAMED else []
    return f"no service is left to run: {'; '.join(told + rest)}; exit code {stopping.code}"


def subject(services: Services) -> str:
    """The service whose lines tell most; "" for none."""
    stopping = services.stopping
    if stopping is None:
        return ""
    if stopping.cause:
        return root(services, stopping.cause)
    return next(
        (
            name
            for name, member in services.members.items()
            if member.spent and not exit_code.succeeded(name, services.roster, services.members)
        ),
        "",
    )


def root(services: Services, name: str) -> str:
    """The service behind a refusal: the first dependency that failed by itself; else `name`."""
    member = services.members.get(name)
    while member is not None and member.refused:
        needs = {need for need, _ in services.roster.places[name].needs}
        spent = [need for need, one in services.members.items() if need in needs and one.spent]
        if not spent:
            break
        name = spent[0]
        member = services.members[name]
    return name


def fate(services: Services, name: str, short_of_memory: Collection[str] = ()) -> str:
    """The last end of a service, with the number of its starts."""
    return f"{name}: {_how(services, name, short_of_memory)}"


def _how(services: Services, name: str, short_of_memory: Collection[str]) -> str:
    member = services.members.get(name)
    if member is None:
        return "removed"
    life = member.life
    if member.refused:
        return member.refused
    starts = f"{life.starts} start{'s' if life.starts != 1 else ''}"
    how = how_it_failed(life)
    if life.error and life.error not in (TOO_QUICK, UNREADY_END):
        how = life.error
    if name in short_of_memory:
        how = f"out of memory, {how}"
    return f"{how}, after {starts}"
