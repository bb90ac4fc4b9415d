"""Laws of a fleet: random fleets and histories against the rules that run in each pod.

Each example plays a history on up to 7 pods and one Lease, then ends all faults. `make test` plays
a few hundred; a long run counts the states that it has reached as well, and fails if it missed any:

    FLEET_EXAMPLES=20000 python -m pytest tests/unit/test_fleet_laws.py --timeout 0
"""

from __future__ import annotations

import collections
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.fleet_world import FleetWorld, Setup

EXAMPLES = int(os.environ.get("FLEET_EXAMPLES", "100"))
MANY = 2000  # examples, from which on each state is reached
PLAIN = settings(
    deadline=None,
    database=None,
    derandomize=EXAMPLES < MANY,
    suppress_health_check=list(HealthCheck),
)

OFFSETS = st.lists(st.sampled_from([0.0, 4096.0, 1048576.0, 7.5]), min_size=1, max_size=7)
RATES = st.lists(st.sampled_from([1.0, 1.0, 0.5, 2.0]), min_size=1, max_size=7)
ROLES: st.SearchStrategy[list[str]] = st.one_of(
    st.just([]),
    st.lists(st.sampled_from(["auto", "canary", "follower"]), min_size=1, max_size=7),
)


@st.composite
def setups(draw: st.DrawFn, *, rates: bool = True) -> Setup:
    rare = st.sampled_from([False, False, False, True])
    return Setup(
        pods=draw(st.integers(1, 7)),
        roles=tuple(draw(ROLES)),
        offsets=tuple(draw(OFFSETS)),
        rates=tuple(draw(RATES)) if rates else (),
        seed=draw(st.integers(0, 1 << 20)),
        bake=draw(st.sampled_from([30.0, 5.0])),
        spread=draw(st.sampled_from([60.0, 5.0])),
        check=draw(st.booleans()),
        serial=draw(rare),
        manual=draw(rare),
        keep=draw(st.booleans()),
        secret=draw(rare),
        validate=draw(st.booleans()),
        verify=draw(st.sampled_from([True, True, True, False])),
        ready=draw(st.booleans()),
        restart_to_reload=draw(rare),
        restart=draw(st.sampled_from(["always", "never"])),
        strange=draw(st.sampled_from([-1] * 9 + [0])),
    )


WHICH = st.integers(0, 6)
FATES = st.sampled_from(
    ["good", "good", "good", "validate", "verify", "unready", "bake", "check", "kills", "some"]
)
WAITS = st.sampled_from([0.1, 1.0, 5.0, 5.0, 20.0, 45.0, 120.0, 120.0, 400.0])
VERBS = st.sampled_from(["approve", "condemn", "recall", "clear"])
WRITES = st.sampled_from(["unheard", "dropped", "late"])
TROUBLES = st.sampled_from(["", "write", "hook", "connect"])
CHANGE = st.tuples(st.just("change"), FATES)
WAIT = st.tuples(st.just("wait"), WAITS)
FAULT = st.one_of(
    st.tuples(st.just("away"), st.booleans()),
    st.tuples(st.just("unlease")),
    st.tuples(st.just("touch")),
    st.tuples(st.just("replace"), WHICH),
    st.tuples(st.just("kill"), WHICH, st.booleans()),
    st.tuples(st.just("kill"), WHICH, st.just(value=False)),
    st.tuples(st.just("crash"), WHICH, st.sampled_from([0, 1])),
    st.tuples(st.just("part"), WHICH, st.booleans()),
    st.tuples(st.just("part"), WHICH, st.just(value=True)),
    st.tuples(st.just("forbid"), WHICH, st.booleans()),
    st.tuples(st.just("write"), WHICH, WRITES),
    st.tuples(st.just("cut"), WHICH),
    st.tuples(st.just("trouble"), WHICH, TROUBLES),
)
OF_CANARY = st.one_of(  # the pod that holds the trial, if any
    st.tuples(st.just("canary"), st.just("kill"), st.booleans()),
    st.tuples(st.just("canary"), st.just("replace")),
    st.tuples(st.just("canary"), st.just("part"), st.just(value=True)),
    st.tuples(st.just("canary"), st.just("write"), WRITES),
    st.tuples(st.just("canary"), st.just("crash"), st.sampled_from([0, 1])),
    st.tuples(st.just("canary"), st.just("trouble"), TROUBLES),
)
PERSON = st.one_of(
    st.tuples(st.just("order"), WHICH, VERBS, st.integers(0, 3)),
    st.tuples(st.just("order"), WHICH, VERBS, st.just(0)),
    st.tuples(st.just("reload"), WHICH),
    st.tuples(st.just("rollback"), WHICH),
    st.tuples(st.just("poke")),
    st.tuples(st.just("add")),
)
REVERT = st.tuples(st.just("revert"), st.integers(1, 4))
ANY = st.one_of(CHANGE, REVERT, FAULT, OF_CANARY, PERSON, WAIT)
LOST = (WAIT, st.just(("canary", "replace")), st.just(("wait", 120.0)))
# Whole phrases, for single steps at random seldom meet.
PHRASE = st.one_of(
    st.tuples(CHANGE, WAIT),
    st.tuples(FAULT, CHANGE, WAIT, FAULT, WAIT),
    st.tuples(CHANGE, WAIT, OF_CANARY, WAIT),
    st.tuples(CHANGE, WAIT, CHANGE, WAIT),
    st.tuples(CHANGE, WAIT, PERSON, WAIT),
    st.tuples(CHANGE, *(LOST * 3)),
    st.tuples(ANY),
    st.tuples(ANY),
    st.tuples(WAIT),
)
STEPS = st.lists(PHRASE, max_size=12).map(lambda phrases: [one for some in phrases for one in some])
BEGUN = ("wait", 400.0)  # the fleet runs on its first version

Steps = list[tuple[Any, ...]]

# States that a long run must have seen: else the histories are too tame.
INTERESTING = [
    "claim",
    "takeover",
    "newer on trial",
    "resigned",
    "tried",
    "followed",
    "nothing else to start on",
    "recovered",
    "fetched",
    "kept",
    "returned",
    "passed",
    "hurry",
    "recall",
    "deleted",
    "conflict",
    "unknown write",
    "obeyed",
    "bad: died",
    "bad: lost",
    "bad: verify",
    "bad: validate",
    "bad: check",
    "bad: child_exited",
    "bad: not_ready",
    "bad: manual",
]


def play(setup: Setup, steps: Steps) -> FleetWorld:
    world = FleetWorld(setup)
    world.play([BEGUN, *steps])
    return world


def test_laws_hold_in_every_history() -> None:
    reached: collections.Counter[str] = collections.Counter()

    @settings(PLAIN, max_examples=EXAMPLES)
    @given(setups(), STEPS)
    def run(setup: Setup, steps: Steps) -> None:
        world = play(setup, steps)
        world.settle()
        reached.update(world.laws.reached)

    run()
    if EXAMPLES >= MANY:
        print(sorted(reached.items()))
        assert [] == [state for state in INTERESTING if not reached[state]]


# Histories that broke a law once, by the flaw.
FOUND: dict[str, tuple[Setup, Steps]] = {
    "a pod took up a condemned version of its disk, whose name it had lost": (
        Setup(
            pods=5,
            rates=(1.0, 2.0, 0.5, 1.0, 0.5, 1.0, 1.0),
            secret=True,
            validate=True,
            restart="never",
        ),
        [
            ("trouble", 5, "connect"),
            ("change", "verify"),
            ("change", "check"),
            ("change", "bake"),
            ("wait", 5.0),
            ("canary", "replace"),
            ("wait", 240.0),
            ("change", "validate"),
        ],
    ),
    "a pod ended although a version came in the same moment": (
        Setup(pods=7, rates=(0.5, 0.5, 1.0, 2.0, 2.0, 2.0, 2.0), seed=173, ready=True),
        [("change", "verify"), ("wait", 400.0), ("away", True), ("replace", 1), ("wait", 120.0)],
    ),
    "a pod whose resignation stood at last began nothing before the next event": (
        Setup(strange=0),
        [
            ("change", "good"),
            ("wait", 20.0),
            ("canary", "trouble", "write"),
            ("change", "unready"),
            ("wait", 5.0),
            ("canary", "part", True),
            ("wait", 400.0),
        ],
    ),
    "a rollback before any version was known had none of them fail": (
        Setup(pods=1, roles=("canary",), offsets=(0.0,), rates=(1.0,), seed=83, ready=True),
        [
            ("change", "good"),
            ("wait", 5.0),
            ("canary", "kill", False),
            ("wait", 5.0),
            ("rollback", 0),
        ],
    ),
}


@pytest.mark.parametrize("flaw", FOUND)
def test_found_history_keeps_the_laws(flaw: str) -> None:
    play(*FOUND[flaw]).settle()


def test_clocks_of_pods_are_never_compared() -> None:
    """The same history under clocks with other offsets has the same decisions."""

    @settings(PLAIN, max_examples=EXAMPLES // 5)
    @given(setups(rates=False), STEPS, OFFSETS)
    def run(setup: Setup, steps: Steps, others: list[float]) -> None:
        one = play(setup, steps)
        setup.offsets = tuple(others)
        other = play(setup, steps)
        for mine, its in zip(one.laws.trace, other.laws.trace, strict=True):
            assert mine == its

    run()
