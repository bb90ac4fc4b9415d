"""Laws of several services: random graphs, plans and histories, each with a stop at its end.

Laws about every order stand in `ensemble.py`.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from config_supervisor.core import events as ev
from config_supervisor.services import plan as plans
from config_supervisor.services.plan import Condition, Kind, Pace, Restart
from config_supervisor.services.service_orders import Verb
from tests.unit.ensemble import HUP, SLACK, TERM, USR1, USR2, Ensemble, service

NAMES = "abcdef"
PACES = [
    plans.Retries(),
    plans.Retries(0),
    plans.Retries(2, Pace.EXPONENTIAL),
    plans.Retries(3, Pace.EXPONENTIAL, 60.0),
]


@st.composite
def services(draw: st.DrawFn) -> list[plans.Service]:
    found: list[plans.Service] = []
    main = draw(st.sampled_from([*NAMES, ""]))
    shared = draw(st.booleans())
    for at, name in enumerate(NAMES[: draw(st.integers(1, len(NAMES)))]):
        condition = st.sampled_from([one for one in Condition if one is not Condition.TRIED])
        needs = {
            other.identity: plans.Dependency(other.identity, draw(condition))
            for other in found
            if draw(st.booleans())
        }
        one = service(
            name,
            group="shared" if shared and at % 2 else "",
            startsecs=draw(st.sampled_from([0, 1, 5])),
            restart=draw(st.sampled_from(list(Restart))),
            retries=draw(st.sampled_from(PACES)),
            autostart=draw(st.sampled_from([True, True, True, False])),
            essential=draw(st.booleans()),
            oneshot=draw(st.booleans()),
            main=name == main,
            signals=draw(st.booleans()),
            stopwaitsecs=draw(st.sampled_from([0, 2, 10])),
            stopasgroup=draw(st.booleans()),
            kind=draw(st.sampled_from([Kind.PROGRAM] * 5 + [Kind.LISTENER])),
            readiness=draw(st.sampled_from([plans.Readiness(), plans.Readiness("tcp:1", None)])),
        )
        found.append(one.replace(depends_on=tuple(needs.values())))
    return found


OPTIONS = st.fixed_dictionaries(
    {
        "compatible": st.booleans(),
        "budget": st.sampled_from([None, 0.5, 3.0, 30.0]),
        "priorities": st.dictionaries(st.sampled_from([*NAMES, "shared"]), st.integers(1, 3)),
    }
)
WHICH = st.integers(0, len(NAMES) - 1)
VERBS = st.sampled_from([Verb.START, Verb.STOP, Verb.RESTART, Verb.SIGNAL])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.3, 1.0, 1.5, 6.0, 40.0])),
        st.tuples(st.just("exit"), st.tuples(WHICH, st.sampled_from([0, 1, 3]))),
        st.tuples(st.just("crash"), st.tuples(WHICH, st.sampled_from([9, 11]))),
        st.tuples(st.just("ready"), WHICH),
        st.tuples(st.just("execute"), WHICH),
        st.tuples(st.just("deaf"), WHICH),
        st.tuples(st.just("leaves"), WHICH),
        st.tuples(st.just("undying"), WHICH),
        st.tuples(st.just("outcome"), st.sampled_from(["missing", "slow", "runs"])),
        st.tuples(st.just("order"), st.tuples(VERBS, WHICH, st.booleans())),
        st.tuples(st.just("all"), VERBS),
        st.tuples(st.just("signal"), st.sampled_from([HUP, USR1, USR2])),
        st.tuples(st.just("restart"), st.none()),
        st.tuples(st.just("update"), st.tuples(WHICH, st.sampled_from(["drop", "change"]))),
        st.tuples(st.just("stale"), WHICH),
    ),
    max_size=40,
)


def play(world: Ensemble, steps: list[tuple[str, Any]]) -> None:
    names = list(world.roster.places)
    world.begin()
    for kind, value in steps:
        if isinstance(value, int) and kind not in ("signal", "wait"):
            _of_one(world, kind, names[value % len(names)])
            continue
        match kind, value:
            case "wait", float(seconds):
                world.wait(seconds)
            case "exit" | "crash", (which, number):
                _end(world, kind, names[which % len(names)], number)
            case "outcome", str(outcome):
                world.outcomes.append(outcome)
            case "order", (verb, which, wait):
                world.order(verb, names[which % len(names)], signum=USR1, wait=wait)
            case "all", verb:
                world.order(verb, *world.state.roster.places, signum=USR1)
            case "signal", int(signum):
                world.tell(ev.SignalReceived(signum))
            case "restart", _:
                world.stop_all(restart=True)
            case "update", (which, how):
                _update(world, names[which % len(names)], how)


def _end(world: Ensemble, kind: str, name: str, number: int) -> None:
    process = world.processes.get(name)
    if process is not None and process.runs:
        world.exit(name, *((0, number) if kind == "crash" else (number, 0)))


def _of_one(world: Ensemble, kind: str, name: str) -> None:
    process = world.processes.get(name)
    match kind:
        case "ready" if process is not None and process.runs:
            world.is_ready(name)
        case "execute" if process is not None and not process.runs:
            world.execute(name)
        case "deaf":
            world.deaf_ones.add(name)
            if process is not None:
                process.deaf = True
        case "undying" if world.roster.stop_budget is not None:
            world.undying.add(name)
        case "leaves":
            world.leaving.add(name)
        case "stale":
            world.tell(ev.Exited(3, 1, service=name), ev.NothingLeft("nosuch"))


def _update(world: Ensemble, name: str, how: str) -> None:
    """A plan without a service, or with a change of it."""
    changed = []
    for group in world.plan.groups:
        kept = [one for one in group.services if how != "drop" or one.identity != name]
        kept = [
            one.replace(environment={"A": "b"}) if one.identity == name else one for one in kept
        ]
        needs = [
            one.replace(
                depends_on=tuple(
                    need for need in one.depends_on if how != "drop" or need.service != name
                )
            )
            for one in kept
        ]
        changed.append(group.replace(services=tuple(needs)))
    world.update(world.plan.replace(groups=tuple(group for group in changed if group.services)))


def stop(world: Ensemble) -> None:
    """A stop order, and the time that it takes at most."""
    began = world.now
    if world.stops_at is None or (world.state.stopping and world.state.stopping.restart):
        world.tell(ev.SignalReceived(TERM))
    world.tell(ev.SignalReceived(TERM), ev.SignalReceived(HUP))
    for name in [name for name, process in world.processes.items() if not process.runs]:
        if name in world.processes:
            world.execute(name)
    world.wait(1000)
    budget = world.roster.stop_budget
    if budget is not None and world.code is not None and world.over_at > began:
        assert world.stops_at is not None
        assert world.over_at <= world.stops_at + budget + SLACK


@given(services(), OPTIONS, STEPS)
@settings(max_examples=300, deadline=None)
def test_every_history_ends_after_a_stop(
    some: list[plans.Service], options: dict[str, Any], steps: list[tuple[str, Any]]
) -> None:
    world = Ensemble(*some, **options)
    play(world, steps)
    stop(world)

    assert world.code is not None, "a stop without an end"
    assert world.asked == len(world.answers), "an order without its answer, or with two"
    judge_code(world)


def judge_code(world: Ensemble) -> None:
    """The law of the exit code."""
    stopping = world.state.stopping
    assert stopping is not None
    if stopping.cause:
        one = world.state.roster.places[stopping.cause].service
        member = world.state.members[stopping.cause]
        assert one.essential or one.main
        if member.failed:
            assert world.code != 0
        elif stopping.cause in world.ended:
            assert world.code == world.ended[stopping.cause][0]
    elif stopping.code is None:
        main = world.roster.main
        codes = {0} if not main else {0, world.ended.get(main, (0,))[0]}
        assert world.code in codes | {1}


@given(services(), OPTIONS, STEPS)
@settings(max_examples=100, deadline=None)
def test_services_reach_what_is_wanted_of_them(
    some: list[plans.Service], options: dict[str, Any], steps: list[tuple[str, Any]]
) -> None:
    """After a quiet time nothing is about to start or to stop."""
    world = Ensemble(*some, **options)
    play(world, steps)
    world.outcomes = []
    for name in [name for name, process in world.processes.items() if not process.runs]:
        world.execute(name)
    for _ in range(len(world.roster.places) + 1):
        world.wait(200)
        for name, process in list(world.processes.items()):
            if process.runs and name in world.processes:
                world.is_ready(name)
    if world.code is not None or world.undying:
        return

    for name, member in world.state.members.items():
        if not member.up:
            assert member.down, f"{name} did not stop"
        if member.up and all(
            world._at(need) for need in world.state.roster.places[name].service.depends_on
        ):
            assert name in world.processes, f"{name} does not run"
