"""Services with a configuration of their own: starts, stops and versions among each other."""

from __future__ import annotations

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Action, Answer, Apply, Kill, SignalReload, Spawn
from config_supervisor.core.life_state import Ended
from config_supervisor.core.orders import Result, Settled
from config_supervisor.core.rollout_state import Rollout, RolloutPolicy
from config_supervisor.core.service import Policy
from config_supervisor.core.source_states import SourceState
from config_supervisor.services import conductor, service_policy
from config_supervisor.services.conductor_state import Over, Services
from config_supervisor.services.roster import roster
from config_supervisor.services.service_orders import ServiceOrder, Verb
from tests.unit.ensemble import HUP, TERM, planned, service


class Versions:
    """Two services, one with a configuration; `web` needs `db`."""

    def __init__(self, *, by_restart: bool = False, name: str = "web") -> None:
        self.name = name
        some = [service("db", startsecs=0), service("web", startsecs=0, depends_on=["db"])]
        rules = RolloutPolicy(reload_signal=HUP, restart_to_reload=by_restart)
        policies = {
            one.identity: Policy(
                service_policy.life_policy(one), rules if one.name == name else None
            )
            for one in some
        }
        made = roster(planned(*some), policies)
        self.state: Services = conductor.fresh(made)
        member = self.state.members[name]
        with_versions = member.service.replace(
            rollout=Rollout(), sources=(SourceState("configmap a/b"),)
        )
        members = {**self.state.members, name: member.replace(service=with_versions)}
        self.state = self.state.replace(members=members)
        self.pid = 10
        self.pids: dict[str, int] = {}

    def at(self, now: float, *events: ev.Event) -> list[Action | Ended]:
        ordered: list[Action | Ended] = []
        for event in events:
            self.state, orders = conductor.step(self.state, event, now)
            ordered += orders
        return ordered

    def starts(self, now: float, name: str) -> list[Action | Ended]:
        self.pid += 1
        self.pids[name] = self.pid
        return self.at(now, ev.Started(self.pid, service=name))

    def ends(self, now: float, name: str) -> list[Action | Ended]:
        return self.at(now, ev.Exited(self.pids[name], 0, service=name))

    def running(self) -> Versions:
        """Both run, the configured one on version a."""
        self.at(0, ev.Began())
        first = ev.ConfigOffered("a", service=self.name), ev.ConfigApplied("a", service=self.name)
        if self.name == "db":
            self.at(0, *first)
        self.starts(0, "db")
        if self.name == "web":
            self.at(0, *first)
        self.starts(1, "web")
        self.at(9, ev.DeadlinePassed())
        return self


def test_service_starts_on_a_version_and_its_dependency() -> None:
    world = Versions()
    assert [Spawn("db")] == world.at(0, ev.Began())
    assert [] == world.at(0, ev.ConfigOffered("a", service="web"))

    assert [Apply("web")] == world.starts(0, "db")
    assert [Spawn("web")] == world.at(1, ev.ConfigApplied("a", service="web"))


def test_reload_is_of_the_service_whose_version_changed() -> None:
    world = Versions().running()
    assert [Apply("web")] == world.at(60, ev.ConfigOffered("b", service="web"))

    orders = world.at(60, ev.ConfigApplied("b", service="web"))
    assert [SignalReload(1, HUP, service="web")] == orders


def test_version_offered_to_a_stopped_service_is_taken_up_later() -> None:
    world = Versions().running()
    world.at(60, ServiceOrder(Verb.STOP, ("web",)))
    world.ends(60, "web")
    assert [] == world.at(61, ev.ConfigOffered("b", service="web"))

    assert [Apply("web")] == world.at(62, ServiceOrder(Verb.START, ("web",)))
    assert [Spawn("web")] == world.at(62, ev.ConfigApplied("b", service="web"))


def test_order_to_reload_a_stopped_service_is_refused() -> None:
    world = Versions().running()
    world.at(60, ServiceOrder(Verb.STOP, ("web",)))
    world.ends(60, "web")
    for order in (
        ev.ReloadOrdered(lambda _: None, "web"),
        ev.RollbackOrdered("a", lambda _: None, "web"),
    ):
        assert [Answer(order, Settled(Result.ENDING))] == world.at(61, order)


def test_restart_for_a_version_starts_nothing_in_a_shutdown() -> None:
    """The old process ends for a version while its dependent takes its time to stop."""
    world = Versions(by_restart=True, name="db").running()
    world.at(60, ev.ConfigOffered("b", service="db"))
    assert [Kill(TERM, service="db")] == world.at(60, ev.ConfigApplied("b", service="db"))
    assert [Kill(TERM, service="web")] == world.at(61, ev.SignalReceived(TERM))

    assert not any(isinstance(one, Spawn) for one in world.ends(61, "db"))
    assert [Over(0)] == world.ends(62, "web")
