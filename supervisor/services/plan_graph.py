"""The graph of dependencies of a plan: errors, tiers, and the order of a stop.

Pure. It knows identities and edges, no sections; `supervisord_format` resolves names to services.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .plan import Plan


def graph_of(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The services which each service needs, by identity."""
    return {one.identity: tuple(need.service for need in one.depends_on) for one in plan.services}


def cycle(graph: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """A cycle, its first service again at the end, or nothing."""
    done: set[str] = set()
    for start in graph:
        if start not in done:
            found = _cycle_from(start, graph, done)
            if found:
                return found
    return ()


def _cycle_from(start: str, graph: Mapping[str, Sequence[str]], done: set[str]) -> tuple[str, ...]:
    """A walk in depth without recursion: a chain may have more members than Python has frames."""
    path = [start]
    on_path = {start}
    open_edges = [iter(graph[start])]
    while path:
        need = next(open_edges[-1], None)
        if need is None:
            open_edges.pop()
            on_path.discard(path[-1])
            done.add(path.pop())
        elif need in on_path:
            return (*path[path.index(need) :], need)
        elif need not in done:
            path.append(need)
            on_path.add(need)
            open_edges.append(iter(graph[need]))
    return ()


def tiers(graph: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Services that may start at once, in the order of their starts; the graph has no cycle.

    Each service stands in the first tier behind all which it needs, in the order of the graph.
    """
    missing = {one: len(set(needs)) for one, needs in graph.items()}
    dependents = direct_dependents(graph)
    rank = {one: at for at, one in enumerate(graph)}
    tier = [one for one, count in missing.items() if not count]
    found = []
    while tier:
        found.append(tuple(tier))
        free = []
        for one in tier:
            for dependent in dependents[one]:
                missing[dependent] -= 1
                if not missing[dependent]:
                    free.append(dependent)
        tier = sorted(free, key=rank.__getitem__)
    return tuple(found)


def stop_tiers(graph: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Services that may stop at once: each stands behind all that need it, at any distance."""
    return tiers(direct_dependents(graph))


def direct_dependents(graph: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The services that need each service."""
    found: dict[str, list[str]] = {one: [] for one in graph}
    for one, needs in graph.items():
        for need in dict.fromkeys(needs):
            found[need].append(one)
    return {one: tuple(others) for one, others in found.items()}


def dependents(graph: Mapping[str, Sequence[str]], service: str) -> frozenset[str]:
    """The services that need this one, at any distance."""
    return _reachable(direct_dependents(graph), service)


def dependencies(graph: Mapping[str, Sequence[str]], service: str) -> frozenset[str]:
    """The services that this one needs, at any distance."""
    return _reachable(graph, service)


def _reachable(edges: Mapping[str, Iterable[str]], start: str) -> frozenset[str]:
    found: set[str] = set()
    ahead = list(edges[start])
    while ahead:
        one = ahead.pop()
        if one not in found:
            found.add(one)
            ahead.extend(edges[one])
    return frozenset(found)
