"""A turn of a service with a rollout: the messages between its life and its rollout.

Pure, and the only place where these meet: the life's reports go to the rollout, the rollout's
requests to the life. Each writes its own record.
"""

from __future__ import annotations

from . import events as ev
from . import life, rollout, source_states
from .errors import CANNOT_RUN
from .life_state import End, Ended, Phase, Report, Request, StartAgain
from .rollout_state import Rollout, RolloutPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .actions import Action
    from .service import Out, Policy, Service


def step(service: Service, event: ev.Event, now: float, policy: Policy) -> tuple[Service, Out]:
    """The service after an event, and its orders; it has a rollout."""
    turn = _Turn(service, now, policy)
    if isinstance(event, ev.Exited):
        # First, because the version may decide whether the app starts again.
        report = life.ending(turn.life, event, now, policy.life)
        if report is not None:
            turn.tell_rollout(report)
            turn.tell_fleet_of_end(event)
    turn.tell_life(event)
    if isinstance(event, ev.SignalReceived) and turn.life is service.life:
        return turn.result(service.sources)  # forwarded at once: it changes nothing else
    turn.tell_rollout(event)
    sources = source_states.step(service.sources, event, now)
    if isinstance(event, ev.SourceFailed) and event.fatal and turn.life.phase is Phase.WAITING:
        turn.tell_life(End(CANNOT_RUN, event.error))
    if service.fleet is None:
        turn.pursue()
    else:
        turn.tell_fleet(event)
        turn.pursue()
        turn.look_again()
    turn.mark(event)
    return turn.result(sources)


class _Turn:
    """The records as they change, and the orders."""

    def __init__(self, service: Service, now: float, policy: Policy) -> None:
        self.life = service.life
        self.rollout = service.rollout or Rollout()
        self.fleet = service.fleet
        self._seen = self.rollout  # by the fleet
        self._told: ev.Event | None = None  # to the fleet, before the life
        self._before = service
        self._rollout_before = self.rollout
        self._now = now
        self._life_policy = policy.life
        self._policy = policy.rollout or RolloutPolicy()
        self._fleet_rules = policy.fleet
        self._orders: list[Action | Ended] = []

    def tell_life(self, told: ev.Event | Request) -> None:
        self.life, out = life.step(self.life, told, self._now, self._life_policy)
        for one in out:
            if isinstance(one, Report):
                self.tell_rollout(one)
            if isinstance(one, Ended) or not isinstance(one, Report):
                self._orders.append(one)

    def tell_rollout(self, told: ev.Event | Report) -> None:
        self._take(rollout.step(self.rollout, told, self.life, self._now, self._policy))

    def tell_fleet(self, event: ev.Event) -> bool:
        """Tell the fleet an event; whether it told the rollout anything."""
        if self._fleet_rules is None or event is self._told:
            return False
        told = False
        self.fleet, out = self._fleet_rules.step(
            self.fleet, event, self.rollout, self.life, self._now
        )
        for one in out:
            if isinstance(one, ev.Event):
                self.tell_rollout(one)
                told = True
            else:
                self._orders.append(one)
        self._seen = self.rollout
        return told

    def tell_fleet_of_end(self, event: ev.Exited) -> None:
        """The app has ended, and its life has not gone on yet: its version may be condemned."""
        before = self.rollout.versions
        if self.fleet is None or before.returning:
            return
        self.tell_fleet(event)
        self._told = event
        after = self.rollout.versions
        if after.returning:
            self.tell_life(StartAgain())

    def look_again(self) -> None:
        """Have the fleet look once more, if the rollout or the life has gone on."""
        later = self.rollout is not self._seen or self._told is not None
        if later and self.tell_fleet(ev.Looked()):
            self.pursue()

    def pursue(self) -> None:
        """Have the rollout order its next step."""
        self._take(rollout.pursue(self.rollout, self.life, self._now, self._policy))
        if self.rollout.orders:
            from . import orders

            self.rollout, answers = orders.settle(self.rollout, self.life)
            self._orders += answers

    def mark(self, event: ev.Event) -> None:
        """Have new marks written down."""
        self._orders += rollout.to_mark(self._rollout_before, self.rollout, event, self._policy)

    def _take(self, result: rollout.Result) -> None:
        self.rollout, out = result
        for one in out:
            if isinstance(one, Request):
                self.tell_life(one)
            else:
                self._orders.append(one)

    def result(self, sources: tuple[source_states.SourceState, ...]) -> tuple[Service, Out]:
        """The service after the turn; the same object if nothing has changed."""
        before = self._before
        same = (
            self.life is before.life
            and self.rollout is before.rollout
            and sources is before.sources
            and self.fleet is before.fleet
        )
        if same:
            return before, tuple(self._orders)
        after = before.replace(
            life=self.life, rollout=self.rollout, sources=sources, fleet=self.fleet
        )
        return after, tuple(self._orders)
