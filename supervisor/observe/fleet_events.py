"""The Kubernetes Events of a fleet: pure. Only the pod that tries or judges a version reports it.

Imported where a role has --fleet only.
"""

from __future__ import annotations

from ..core.rollout_state import rollout_of
from ..core.versions import short
from ..fleet import summary
from ..fleet.state import BY_INTENT, State, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.service import Service

    Told = tuple[str, str, bool]  # the reason of the Event, its note, whether it is a warning


def notices(before: Service, after: Service) -> Iterator[Told]:
    """The Events of a turn, from the states around it."""
    old = before.fleet
    new = after.fleet
    if new is None or old is None or new is old:
        return
    for one in summary.given(old, new):
        version = f"configuration {short(one.version)}"
        if one.verdict is Verdict.GOOD:
            yield "ConfigApproved", f"{version} is good for the fleet {new.group}", False
        elif one.verdict is Verdict.BAD:
            note = f"{version} is bad for the fleet {new.group}: {one.reason}"
            yield "ConfigCondemned", note, True
    if new.state is old.state or new.reason in BY_INTENT:
        return
    note = f"fleet {new.group}: {summary.sentence(new, rollout_of(after))}"
    if new.state is State.CANARY:
        yield "ConfigOnTrial", note, False
    elif new.state is State.HELD:
        yield "ConfigHeld", note, True
