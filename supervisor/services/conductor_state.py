"""The services as they are, as values: a member for each service, and the stop of all.

No rules stand here. A state is replaced, never changed: any thread may read it.
"""

from __future__ import annotations

from ..core.actions import Action
from ..core.events import Event
from ..core.life_state import Ended, Phase
from ..core.record import Record
from ..core.service import Service
from ..core.upkeep_state import KeptLife

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .roster import Roster
    from .service_orders import OpenOrder, OrderResult


class Member(Record):
    """A service of the roster, and what is wanted of it."""

    service: Service
    up: bool = False  # wanted to run
    again: bool = False  # wanted up again once it is down
    begun: bool = False  # its life goes on, or has ended
    refused: str = ""  # why it cannot start: a dependency has failed for good
    stop_at: float | None = None  # when its stop was ordered
    tried: bool = False  # the time for the start of all services was over while it ran

    @property
    def life(self) -> KeptLife:
        life = self.service.life
        if not isinstance(life, KeptLife):
            raise TypeError(f"{self.service.name} has the life of a single app")
        return life

    @property
    def down(self) -> bool:
        """Whether it has no process, and none to come without a start."""
        return not self.begun or (self.service.life.phase is Phase.ENDED and not self.life.to_undo)

    @property
    def failed(self) -> bool:
        """Whether it has failed for good: FATAL, in the words of supervisord."""
        life = self.life
        unstarted = not life.ordered and not life.settled
        return bool(self.refused) or (
            self.begun and life.phase is Phase.ENDED and (life.gave_up or unstarted)
        )

    @property
    def spent(self) -> bool:
        """Whether it is down without an order, and starts no more."""
        life = self.life
        return bool(self.refused) or (
            self.begun and life.phase is Phase.ENDED and not life.ordered and not self.up
        )


class Stopping(Record):
    """The stop of all services."""

    since: float
    cause: str = ""  # the service whose end ends all; "" for an order
    code: int | None = None  # of that service; None: that of an ordered stop
    restart: bool = False  # all start again, from a plan that is read again
    until: float | None = None  # the end of the stop budget
    awaiting_plan: bool = False


class Services(Record):
    roster: Roster
    members: Mapping[str, Member] = {}
    wakes: Mapping[str, float] = {}  # the next deadline of each service that has one
    begun: bool = False
    start_by: float | None = None  # the end of the start budget
    stopping: Stopping | None = None
    orders: tuple[OpenOrder, ...] = ()  # not answered yet
    next_roster: Roster | None = None  # of an update, once what leaves is down
    leaving: frozenset[str] = frozenset()  # members that an update replaces or removes
    code: int | None = None  # of the container, once all is over
    changed: tuple[str, ...] = ()  # members that the last event changed, in order


Out = tuple[Action | Ended, ...]

# --- events ---------------------------------------------------------------------------------------


class StopAllOrdered(Event):
    """An order to end, or to start all services again from the plan on disk."""

    restart: bool = False


class PlanRead(Event):
    """The plan that `ReadPlan` asked for; the old one where the new one cannot be used."""

    roster: Roster


class UpdateOrdered(Event):
    """Groups that differ in the new roster are stopped, replaced, removed or added.

    `reply` gets a result for each group.
    """

    roster: Roster
    reply: Callable[[tuple[OrderResult, ...]], None] | None = None


# --- orders ---------------------------------------------------------------------------------------


class TakeRoster(Action):
    """From here on, orders are about the services of this roster; those before it are not."""

    roster: Roster


class ReadPlan(Action):
    """All services are down: read the plan again, and report `PlanRead`."""


class ReopenLogs(Action):
    """Open the log files again."""


class Over(Action):
    """All is over: end with this code."""

    code: int


class AnswerOrder(Action):
    """Answer an order about services."""

    reply: Callable[[tuple[OrderResult, ...]], None]
    results: tuple[OrderResult, ...]
