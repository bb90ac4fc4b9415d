"""The roster: the services of a plan, each with its policy and its neighbours in the graph.

Pure, and made once for each plan, so that an event costs nothing that grows with their number.
"""

from __future__ import annotations

from ..core.record import Record
from ..core.service import Policy
from . import plan_graph
from .plan import LISTENER_PRIORITY, PRIORITY, Kind
from .service_policy import life_policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.source_states import SourceState
    from .plan import Condition, Group, Plan, Service

    Sources = Mapping[str, tuple[SourceState, ...]]


class Place(Record):
    """A service and its neighbours, by identity."""

    service: Service
    policy: Policy
    rank: int  # in the order of starts
    stop_priority: int  # a higher one stops before; not above that of a service which needs it
    needs: tuple[tuple[str, Condition], ...] = ()
    needed_by: tuple[str, ...] = ()
    all_needs: frozenset[str] = frozenset()  # at any distance
    all_needed_by: frozenset[str] = frozenset()
    depth: int = 0  # the services below it, in the longest chain of stops
    sources: tuple[SourceState, ...] = ()  # of its configuration, not read yet


class Roster(Record):
    places: Mapping[str, Place] = {}
    groups: Mapping[str, Group] = {}
    follows_supervisord: bool = False  # in signals, the order of stops, the exit code
    start_budget: float | None = None
    stop_budget: float | None = None
    main: str = ""  # the service whose code is that of an ordered stop
    tiers: int = 1  # in the longest chain of stops


def roster(
    plan: Plan, policies: Mapping[str, Policy] | None = None, sources: Sources | None = None
) -> Roster:
    """The roster of a plan, with policies by identity; without them, those of the plan.

    `sources`: those of each service with a configuration.
    """
    graph = _known_graph(plan)
    dependents = plan_graph.direct_dependents(graph)
    all_needs = _closures(graph)
    all_needed_by = _closures(dependents)
    priorities = _stop_priorities(plan, dependents)
    depths = _depths(graph, priorities)
    places = {}
    for rank, one in enumerate(plan.services):
        name = one.identity
        policy = (policies or {}).get(name)
        places[name] = Place(
            service=one,
            policy=policy or Policy(life_policy(one, leftovers=plan.ends_leftovers)),
            rank=rank,
            stop_priority=priorities[name],
            needs=tuple((need.service, need.condition) for need in one.depends_on),
            needed_by=dependents[name],
            all_needs=all_needs[name],
            all_needed_by=all_needed_by[name],
            depth=depths[name],
            sources=(sources or {}).get(name, ()),
        )
    return Roster(
        places=places,
        groups={group.name: group for group in plan.groups},
        follows_supervisord=plan.follows_supervisord,
        start_budget=plan.main.start_budget,
        stop_budget=plan.main.stop_budget,
        main=next((one.identity for one in plan.services if one.main), ""),
        tiers=max(depths.values(), default=0) + 1,
    )


def _known_graph(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The graph between services of the plan: an update of some groups only may leave a dependency
    without its service.
    """
    graph = plan_graph.graph_of(plan)
    return {name: tuple(need for need in needs if need in graph) for name, needs in graph.items()}


def _closures(edges: Mapping[str, tuple[str, ...]]) -> dict[str, frozenset[str]]:
    """Everything that each service reaches, from those that reach nothing on."""
    found: dict[str, frozenset[str]] = {}
    for tier in plan_graph.tiers(edges):
        for name in tier:
            direct = edges[name]
            found[name] = frozenset(direct).union(*(found[one] for one in direct))
    return found


def _stop_priorities(plan: Plan, dependents: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    """Priorities that agree with the graph: a service stops behind all that need it.

    In supervisord those of the groups; with our defaults, listeners stop behind all others.
    """
    own = {one.identity: _priority(group, plan) for group in plan.groups for one in group.services}
    found: dict[str, int] = {}
    for tier in plan_graph.tiers(dependents):
        for name in tier:
            found[name] = min((own[name], *(found[one] for one in dependents[name])))
    return found


def _priority(group: Group, plan: Plan) -> int:
    if plan.follows_supervisord:
        return group.priority
    return PRIORITY if group.kind is not Kind.LISTENER else LISTENER_PRIORITY


def _depths(graph: Mapping[str, tuple[str, ...]], priorities: Mapping[str, int]) -> dict[str, int]:
    """How many stops may have to follow the stop of each service."""
    depths: dict[str, int] = {}
    for tier in plan_graph.tiers(graph):
        for name in tier:
            depths[name] = 1 + max((depths[need] for need in graph[name]), default=-1)
    steps = max(depths.values(), default=0) + 1  # of one priority
    order = sorted(set(priorities.values()))
    rank = {priority: at * steps for at, priority in enumerate(order)}
    return {name: depth + rank[priorities[name]] for name, depth in depths.items()}
