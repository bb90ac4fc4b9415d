"""The metrics of several services, as the role has them with one service."""

from __future__ import annotations

from typing import Any

from config_supervisor.core import events as ev
from config_supervisor.core.rollout_state import Rollout
from config_supervisor.core.service import Policy
from config_supervisor.fleet.state import Fleet
from config_supervisor.runtime.loop import Current
from config_supervisor.services.service_metrics import ServiceMetrics
from config_supervisor.services.service_tally import ServiceTally
from tests.unit.ensemble import Ensemble, service

_PREFIX = "supervisor_service_"


def families(*names: str) -> list[Any]:
    """All metrics, of these services, each with a configuration in a fleet."""
    world = Ensemble(*(service(name) for name in names or ("web",))).begin()
    tally = ServiceTally()
    for name in world.state.members:
        for event in (ev.Started(1, service=name), ev.Exited(1, 3, service=name)):
            tally.observe(event, world.state, world.state, ())
    members = {
        name: member.replace(service=member.service.replace(rollout=Rollout(), fleet=Fleet()))
        for name, member in world.state.members.items()
    }
    state = world.state.replace(members=members)
    current = Current(state, Policy())
    metrics = ServiceMetrics(current, tally, lambda *_: 0)
    for name in members:
        opened = ev.SourceOpened(0, "configmap", "production", "web", service=name)
        metrics.observe(opened, state, state, ())
    return list(metrics.registry.collectors.collect())


def helps() -> dict[str, str]:
    """The texts of the metrics that no single app has, by the name of their samples."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): family.documentation
        for family in families()
        if family.name.startswith(_PREFIX)
    }
