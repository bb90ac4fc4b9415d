"""The names of an s6 tree resolved: bundles, dependencies, pipelines; mistakes are verdicts.

Pure. The rules are those of s6-rc-compile: all names are defined, once, without a cycle.
"""

from __future__ import annotations

from ..core.quoting import encodable
from ..core.record import Record
from . import plan_graph
from .ini_file import Place
from .s6_definitions import Definition, Named, Type
from .sections import near

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .verdicts import Verdicts

    Needs = Mapping[str, Mapping[str, Place]]


class Resolved(Record):
    """`needs`: by service, the services it needs, each with the place that says so."""

    definitions: Mapping[str, Definition]  # with the bundles of pipelines
    needs: Needs

    def members(self, name: str) -> tuple[str, ...]:
        return members(self.definitions, name)

    def closure(self, names: Iterable[str]) -> frozenset[str]:
        """The services behind these names, and all which they need."""
        found: set[str] = set()
        ahead = [one for name in names for one in self.members(name)]
        while ahead:
            one = ahead.pop()
            if one not in found:
                found.add(one)
                ahead.extend(self.needs[one])
        return frozenset(found)


def resolve(definitions: Mapping[str, Definition], verdicts: Verdicts) -> Resolved:
    known = {**definitions, **_pipelines(definitions, verdicts)}
    for one in known.values():
        for named in one.names:
            _judge_name(one, named, known, verdicts)
    _refuse_bundle_cycle(known, verdicts)
    for one in known.values():
        _judge_pipes(one, known, verdicts)
    needs = {name: _needs(one, known) for name, one in known.items() if one.type is not Type.BUNDLE}
    _refuse_cycle(needs, verdicts)
    return Resolved(known, needs)


def members(definitions: Mapping[str, Definition], name: str) -> tuple[str, ...]:
    """The services that a name stands for: itself, or those of a bundle, in their order."""
    found: dict[str, None] = {}
    seen = {name}
    ahead = [name]
    while ahead:
        one = definitions.get(ahead.pop())
        if one is None:
            continue
        if one.type is not Type.BUNDLE:
            found[one.name] = None
            continue
        fresh = [named.name for named in one.names if named.name not in seen]
        seen.update(fresh)
        ahead += reversed(fresh)
    return tuple(found)


def _needs(one: Definition, known: Mapping[str, Definition]) -> dict[str, Place]:
    """A producer needs its consumer, so that no line is written into a pipe without a reader."""
    found: dict[str, Place] = {}
    for named in (*one.names, *one.producer_for):
        for member in members(known, named.name):
            found.setdefault(member, named.place)
    return found


def _judge_name(
    one: Definition, named: Named, known: Mapping[str, Definition], verdicts: Verdicts
) -> None:
    if named.name not in known:
        name = encodable(named.name)
        verdicts.refuse(named.place, f"{one.name}: there is no service {name}{near(name, known)}")


def _pipelines(definitions: Mapping[str, Definition], verdicts: Verdicts) -> dict[str, Definition]:
    """The bundles that `pipeline-name` makes: the last consumer and all its producers."""
    found: dict[str, Definition] = {}
    for one in definitions.values():
        for named in one.pipeline:
            if named.name in definitions or named.name in found:
                verdicts.refuse(
                    named.place, f"{named.name} is the name of a service already; choose another"
                )
                continue
            names = (Named(one.name, named.place), *_producers(one, definitions))
            found[named.name] = Definition(named.name, Type.BUNDLE, one.path, names)
    return found


def _producers(last: Definition, definitions: Mapping[str, Definition]) -> Iterable[Named]:
    seen = {last.name}
    ahead = list(last.consumer_for)
    while ahead:
        named = ahead.pop(0)
        if named.name in definitions and named.name not in seen:
            seen.add(named.name)
            yield named
            ahead += definitions[named.name].consumer_for


def _judge_pipes(one: Definition, known: Mapping[str, Definition], verdicts: Verdicts) -> None:
    """Both ends name each other."""
    for named in (*one.producer_for, *one.consumer_for):
        other = known.get(named.name)
        if other is None or other.type is not Type.LONGRUN:
            kind = "no service" if other is None else f"a {other.type}"
            name = encodable(named.name)
            verdicts.refuse(named.place, f"{name} is {kind}; the end of a pipe is a longrun")
    for named in one.producer_for:
        _judge_end(one, named, known, "consumer-for", verdicts)
    for named in one.consumer_for:
        _judge_end(one, named, known, "producer-for", verdicts)


def _judge_end(
    one: Definition, named: Named, known: Mapping[str, Definition], file: str, verdicts: Verdicts
) -> None:
    other = known.get(named.name)
    if other is None:
        return
    named_back = other.consumer_for if file == "consumer-for" else other.producer_for
    if other.type is Type.LONGRUN and one.name not in {back.name for back in named_back}:
        verdicts.refuse(
            named.place, f"{named.name} does not name {one.name} in its file {file}; add it there"
        )


def _refuse_bundle_cycle(known: Mapping[str, Definition], verdicts: Verdicts) -> None:
    bundles = {name: one for name, one in known.items() if one.type is Type.BUNDLE}
    graph = {
        name: tuple(named.name for named in one.names if named.name in bundles)
        for name, one in bundles.items()
    }
    found = plan_graph.cycle(graph)
    if found:
        place = next(named.place for named in bundles[found[0]].names if named.name == found[1])
        verdicts.refuse(place, f"bundles contain each other: {' -> '.join(found)}; remove one")


def _refuse_cycle(needs: Needs, verdicts: Verdicts) -> None:
    found = plan_graph.cycle({name: tuple(of) for name, of in needs.items()})
    if found:
        verdicts.refuse(
            needs[found[0]][found[1]],
            f"a cycle of dependencies: {' -> '.join(found)}; remove one of them",
        )
