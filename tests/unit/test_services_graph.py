"""Laws of the graph of dependencies, and of the difference of two plans."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.services import plan_graph
from config_supervisor.services.plan import Group, Kind, Plan, Service
from config_supervisor.services.plan_difference import Difference, apply, difference

MOST = 12


@st.composite
def acyclic(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """A graph in which each service needs earlier ones only, in a random order of names."""
    names = [f"s{number}" for number in range(draw(st.integers(0, MOST)))]
    graph = {
        name: tuple(draw(st.lists(st.sampled_from(names[:at]), max_size=3))) if at else ()
        for at, name in enumerate(names)
    }
    return {name: graph[name] for name in draw(st.permutations(names))}


NAMES = [f"s{number}" for number in range(6)]
ANY = st.dictionaries(
    st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=2), min_size=1
).map(lambda edges: {name: tuple(edges.get(name, ())) for name in NAMES})


def rank(tiers: tuple[tuple[str, ...], ...]) -> dict[str, int]:
    return {one: number for number, tier in enumerate(tiers) for one in tier}


@given(graph=acyclic())
def test_tiers_respect_dependencies(graph: dict[str, tuple[str, ...]]) -> None:
    tier = rank(plan_graph.tiers(graph))

    assert set(graph) == set(tier)
    for one, needs in graph.items():
        assert tier[one] == max((tier[need] + 1 for need in needs), default=0)


@given(graph=acyclic())
def test_stop_follows_the_reverse_graph(graph: dict[str, tuple[str, ...]]) -> None:
    tier = rank(plan_graph.stop_tiers(graph))

    assert set(graph) == set(tier)
    for one in graph:
        for dependent in plan_graph.dependents(graph, one):
            assert tier[dependent] < tier[one]


@given(graph=acyclic())
def test_dependents_mirror_dependencies(graph: dict[str, tuple[str, ...]]) -> None:
    for one in graph:
        for other in graph:
            needs = other in plan_graph.dependencies(graph, one)
            assert needs == (one in plan_graph.dependents(graph, other))


@given(graph=acyclic())
def test_an_acyclic_graph_has_no_cycle(graph: dict[str, tuple[str, ...]]) -> None:
    assert () == plan_graph.cycle(graph)


@given(graph=ANY)
def test_a_cycle_is_a_path_of_the_graph(graph: dict[str, tuple[str, ...]]) -> None:
    found = plan_graph.cycle(graph)
    placed = {one for tier in plan_graph.tiers(graph) for one in tier}

    assert bool(found) == (placed != set(graph))
    if found:
        assert found[0] == found[-1]
        for one, need in itertools.pairwise(found):
            assert need in graph[one]


def test_a_long_chain_is_no_problem() -> None:
    chain = {f"s{at}": (f"s{at + 1}",) if at < 5000 else () for at in range(5001)}

    assert () == plan_graph.cycle(chain)
    assert 5001 == len(plan_graph.tiers(chain))
    assert 5000 == len(plan_graph.dependencies(chain, "s0"))


SERVICES = st.builds(
    lambda name, command: Service(name, "g", name, Kind.PROGRAM, command, (command,)),
    st.sampled_from("xyz"),
    st.sampled_from(["/a", "/b"]),
)
GROUPS = st.builds(
    lambda name, priority, services: Group(
        name, priority=priority, services=tuple({one.name: one for one in services}.values())
    ),
    st.sampled_from("abcd"),
    st.integers(0, 2),
    st.lists(SERVICES, max_size=2),
)
PLANS = st.lists(GROUPS, unique_by=lambda group: group.name).map(
    lambda groups: Plan(
        groups=tuple(sorted(groups, key=lambda group: (group.priority, group.name)))
    )
)


@given(plan=PLANS)
def test_a_plan_does_not_differ_from_itself(plan: Plan) -> None:
    assert not difference(plan, plan)


@given(old=PLANS, new=PLANS)
def test_a_difference_applied_gives_the_new_plan(old: Plan, new: Plan) -> None:
    assert new == apply(old, difference(old, new))


@given(old=PLANS, new=PLANS, names=st.sets(st.sampled_from("abcd")))
def test_an_update_of_some_groups_leaves_others(old: Plan, new: Plan, names: set[str]) -> None:
    plan = apply(old, difference(old, new), tuple(names))

    def chosen(one: Plan, *, inside: bool) -> list[Group]:
        return [group for group in one.groups if (group.name in names) == inside]

    assert chosen(new, inside=True) == chosen(plan, inside=True)
    assert chosen(old, inside=False) == chosen(plan, inside=False)


@given(old=PLANS, new=PLANS)
def test_a_difference_names_each_group_once(old: Plan, new: Plan) -> None:
    found: Difference = difference(old, new)
    names = [*found.removed, *(group.name for group in (*found.added, *found.changed))]

    assert len(names) == len(set(names))
