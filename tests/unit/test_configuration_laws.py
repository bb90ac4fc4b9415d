"""Laws of services with a configuration each: versions of one never touch another, and the good
version that was offered last runs in bounded time.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from config_supervisor.core.actions import Apply, Kill, Reload, SignalReload, Spawn
from config_supervisor.core.rollout_state import RolloutPolicy
from config_supervisor.services.service_orders import Verb
from tests.unit.configured_world import GOOD, KINDS, POLICIES, ConfiguredWorld

NAMES = ("a", "b", "still")
TOUCHED = NAMES[:2]
# Retries of a reload, and of a start that failed several times, are at most half a minute apart.
BOUND = 300.0
RULES = st.tuples(*(st.sampled_from(POLICIES) for _ in NAMES))
WHICH = st.sampled_from(TOUCHED)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), WHICH, st.sampled_from(KINDS)),
        st.tuples(st.just("wait"), st.just(""), st.sampled_from([0.0, 0.1, 0.3, 2.0, 20.0])),
        st.tuples(st.just("crash"), WHICH, st.none()),
        st.tuples(st.just("order"), WHICH, st.sampled_from([Verb.START, Verb.STOP, Verb.RESTART])),
    ),
    max_size=40,
)


def play(world: ConfiguredWorld, steps: list[tuple[str, str, object]]) -> None:
    for step, name, value in steps:
        match value:
            case float(seconds):
                world.wait(seconds)
            case Verb():
                world.order(value, name)
            case None:
                world.crash(name)
            case _:
                assert step == "offer"
                world.offer(name, str(value))


@given(RULES, STEPS)
@settings(max_examples=300, deadline=None)
def test_good_version_runs_and_others_are_left_alone(
    rules: tuple[RolloutPolicy, ...], steps: list[tuple[str, str, object]]
) -> None:
    world = ConfiguredWorld(NAMES, rules)
    first = world.offer("still", GOOD)
    for name in TOUCHED:
        world.offer(name, GOOD)
    world.wait(30)
    touched = len(world.done_for("still"))
    play(world, steps)
    # An app that dies of a version just when the next is put in place speaks against the next.
    world.wait(BOUND)
    last = {name: world.offer(name, GOOD) for name in TOUCHED}
    for name in TOUCHED:
        world.order(Verb.START, name)
    world.wait(BOUND)

    assert last == {name: world.runs_on(name) for name in TOUCHED}
    assert first == world.runs_on("still")
    assert touched == len(world.done_for("still"))


def test_bad_version_of_one_costs_the_other_nothing() -> None:
    world = ConfiguredWorld(("a", "b"), POLICIES[:2])
    good = {name: world.offer(name, GOOD) for name in ("a", "b")}
    world.wait(30)
    world.offer("a", "fatal")
    world.wait(30)

    assert good == {name: world.runs_on(name) for name in ("a", "b")}
    assert [1, 2] == [len(world.done_for(name, Spawn)) for name in ("b", "a")]
    assert [1, 0, 0] == [len(world.done_for("b", kind)) for kind in (Apply, Kill, SignalReload)]
    assert [] == world.done_for("b", Reload)[1:]
