"""Random s6-rc sources against a slow and plain model of s6-rc: refusals, closures and tiers."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from config_supervisor.services import plan_graph
from tests.s6_trees import Planted, Reading

ATOMS = ("a", "b", "c", "d", "e")
BUNDLES = ("p", "q")
# The overlay's own, without fix-attrs, which has nothing to run.
OVERLAY = {"legacy-cont-init": [], "legacy-services": ["base", "user"]}
NAMES = st.lists(st.sampled_from((*ATOMS, *BUNDLES)), max_size=2, unique=True)
RARELY = st.lists(
    st.sampled_from((*ATOMS, *BUNDLES, "base", "legacy-services", "nope")), max_size=1
)
GRAPHS = st.fixed_dictionaries(
    {
        "oneshots": st.sets(st.sampled_from(ATOMS)),
        "needs": st.dictionaries(st.sampled_from(ATOMS), NAMES, max_size=4),
        "more": st.dictionaries(st.sampled_from(ATOMS), RARELY, max_size=1),
        "bundles": st.fixed_dictionaries({"p": NAMES, "q": NAMES}),
        "user": NAMES,
        "user2": NAMES,
    }
)


class Refused(Exception):
    pass


class Model:
    """Names resolved by recursion; a name met again on the way down is a cycle."""

    def __init__(self, graph: Mapping[str, Mapping[str, list[str]]]) -> None:
        self.needs = {
            name: [*graph["needs"].get(name, []), *graph["more"].get(name, [])] for name in ATOMS
        } | OVERLAY
        self.bundles = {
            **graph["bundles"],
            "user": graph["user"],
            "user2": graph["user2"],
            "base": ["legacy-cont-init"],
        }
        for name in self.bundles:
            self.atoms(name, ())
        self.edges = {
            name: {atom for need in needs for atom in self.atoms(need, ())}
            for name, needs in self.needs.items()
        }
        for name in self.edges:
            self.descend(name, ())

    def atoms(self, name: str, above: tuple[str, ...]) -> set[str]:
        if name in self.needs:
            return {name}
        if name not in self.bundles or name in above:
            raise Refused
        below = (*above, name)
        return {atom for one in self.bundles[name] for atom in self.atoms(one, below)}

    def descend(self, name: str, above: tuple[str, ...]) -> set[str]:
        """The service and all it needs."""
        if name in above:
            raise Refused
        below = (*above, name)
        return {name}.union(*(self.descend(need, below) for need in self.edges[name]))

    def rounds(self) -> list[set[str]]:
        """Each round starts all services of the top bundle which have all they need."""
        tops = (*self.atoms("user", ()), *self.atoms("user2", ()), "legacy-services")
        waiting = set().union(*(self.descend(one, ()) for one in tops))
        up: set[str] = set()
        found = []
        while waiting:
            free = {one for one in waiting if self.edges[one] <= up}
            found.append(free)
            up |= free
            waiting -= free
        return found


def planted(root: Path, graph: Mapping[str, Mapping[str, list[str]]]) -> Planted:
    tree = Planted(root)
    for name in ATOMS:
        needs = (*graph["needs"].get(name, []), *graph["more"].get(name, []))
        add = tree.oneshot if name in graph["oneshots"] else tree.longrun
        add(name, *needs)
    for name in BUNDLES:
        tree.bundle(name, *graph["bundles"][name])
    return tree.user(*graph["user"]).bundle("user2", *graph["user2"])


def tiers(found: Reading) -> list[set[str]]:
    started = {one.identity for one in found.plan.services if one.autostart}
    named = plan_graph.tiers(plan_graph.graph_of(found.plan))
    return [tier for tier in (set(one) & started for one in named) if tier]


@settings(max_examples=40, deadline=None)
@given(graph=GRAPHS)
def test_random_source_is_read_as_the_model_does(
    graph: Mapping[str, Mapping[str, list[str]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = planted(Path(folder) / "root", graph).read()
    try:
        rounds = Model(graph).rounds()
    except Refused:
        assert found.refusals
        return

    assert [] == found.refusals
    assert rounds == tiers(found)
