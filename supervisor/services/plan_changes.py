"""Changes of the plan by clients: the file read again, and groups added, removed or updated.

Any thread may call it; the loop gets a roster to take up. It must not know the words of a protocol.
A file that is refused changes nothing.
"""

from __future__ import annotations

from ..core.primitives import partial
from .conductor_state import UpdateOrdered
from .plan_difference import apply, difference
from .service_orders import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.events import Event
    from .conductor_state import Services
    from .plan import Plan
    from .plan_difference import Difference
    from .roster import Roster
    from .running_plan import RunningPlan
    from .service_orders import OrderResult, Reply


class PlanChanges:
    """`put` reaches the loop; `state` gives the services as they are."""

    def __init__(
        self, running: RunningPlan, put: Callable[[Event], None], state: Callable[[], Services]
    ) -> None:
        self._running = running
        self._put = put
        self._state = state

    @property
    def active(self) -> Plan:
        """The plan in use, with the changes that were ordered."""
        return self._running.plan

    @property
    def configured(self) -> Plan:
        """The plan of the file, as it was when it was last read."""
        return self._running.configured

    def reread(self) -> Difference:
        """Read the file; the groups that differ from the plan in use.

        Raises UsageError with each error of the file: its name, section, key and line.
        """
        return self._running.reread()

    def add(self, name: str, reply: Reply) -> Answer | None:
        """Take a group of the configured plan up; its services start by their keys.

        The answer, where it is decided at once; else None, and `reply` is called by the loop: with
        the group, or with nothing if all services are about to end or to start again.
        """
        if all(group.name != name for group in self.configured.groups):
            return Answer.BAD_NAME
        if any(group.name == name for group in self.active.groups):
            return Answer.ALREADY_ADDED
        return self.update((name,), reply)

    def remove(self, name: str, reply: Reply) -> Answer | None:
        """Take a group out of the plan in use, if all of its services are down; else as `add`."""
        groups = {group.name: group for group in self.active.groups}
        if name not in groups:
            return Answer.BAD_NAME
        members = self._state().members
        for one in groups[name].services:
            member = members.get(one.identity)
            if member is not None and (member.up or not member.down):
                return Answer.STILL_RUNNING
        self._order(partial(_without, name), (name,), reply)
        return None

    def update(self, names: tuple[str, ...] | None, reply: Reply) -> Answer | None:
        """Apply the difference to the configured plan to these groups, to all without `names`.

        Groups that differ are stopped, then replaced, removed or added; `reply` gets a result for
        each, as for `add`.
        """
        self._order(partial(_applied, names), names, reply)
        return None

    def _order(
        self, change: Callable[[Plan, Plan], Plan], names: tuple[str, ...] | None, reply: Reply
    ) -> None:
        reply = partial(_answer, reply, names)
        self._running.prepare(change, partial(self._send, reply))

    def _send(self, reply: Reply, roster: Roster) -> None:
        self._put(UpdateOrdered(roster, reply))


def _applied(names: tuple[str, ...] | None, active: Plan, configured: Plan) -> Plan:
    return apply(active, difference(active, configured), names)


def _without(name: str, active: Plan, _: Plan) -> Plan:
    return active.replace(groups=tuple(group for group in active.groups if group.name != name))


def _answer(reply: Reply, names: tuple[str, ...] | None, results: tuple[OrderResult, ...]) -> None:
    """Results of other changes, which were ordered just before, are left out."""
    reply(tuple(one for one in results if names is None or one.name in names))
