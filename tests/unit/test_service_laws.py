"""Laws of every history: random events, deaths of the supervisor among them, then a check of the
orders.

Laws about every step stand in `world.py`: a success is seen before it is claimed, a failed version
is not tried twice, no two versions are applied at once.
"""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Kill, Reload
from config_supervisor.core.life_state import Phase
from config_supervisor.core.service import Policy, step, wake_at
from tests.unit.consistency import flaws
from tests.unit.histories import HUP, TSTP, chosen
from tests.unit.world import play

POLICIES = st.builds(
    chosen,
    configured=st.booleans(),
    restart=st.sampled_from(["never", "on-failure", "always"]),
    leftovers=st.booleans(),
    ready=st.booleans(),
    validate=st.booleans(),
    verify=st.booleans(),
    rollback=st.booleans(),
    restart_to_reload=st.booleans(),
    reload_signal=st.sampled_from([0, HUP]),
    group=st.booleans(),
    is_init=st.booleans(),
    stop_delay=st.sampled_from([0.0, 3.0]),
    stop_timeout=st.sampled_from([None, 5.0]),
    reload_interval=st.sampled_from([0.0, 10.0]),
    reload_quiet=st.sampled_from([0.0, 1.0]),
    reload_splay=st.sampled_from([0.0, 5.0]),
)
REASONS = ["", "write", "hook", "overtaken", "bad_key", "validate"]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0, 70)),
        st.tuples(st.just("signal"), st.sampled_from([1, 2, 3, 10, 18, 20])),
        st.tuples(st.just("exit"), st.sampled_from([0, 1, 137])),
        st.tuples(st.just("offer"), st.sampled_from("abcd")),
        st.tuples(st.just("applied"), st.sampled_from(REASONS)),
        st.tuples(st.just("checked"), st.sampled_from(REASONS)),
        st.tuples(
            st.just("reloaded"),
            st.sampled_from(["", "no_handler", "verify", "unverified", "http_status"]),
        ),
        st.tuples(st.just("ready"), st.none()),
        st.tuples(st.just("unready"), st.booleans()),
        st.tuples(st.just("order"), st.booleans()),
        st.tuples(st.just("left"), st.none()),
        st.tuples(st.just("catches"), st.booleans()),
        st.tuples(st.just("missing"), st.booleans()),
        st.tuples(st.just("die"), st.booleans()),
    ),
    max_size=60,
)


@given(POLICIES, STEPS)
@settings(max_examples=400, deadline=None)
def test_every_history_ends_with_the_apps_code(
    policy: Policy, steps: list[tuple[str, object]]
) -> None:
    world = play(policy, steps)
    world.tell(ev.SignalReceived(15))
    world.told_to_stop = True
    world.reloading = 0
    if world.pid:
        world.exit(7)
        world.tell(ev.NothingLeft())
        assert 7 == world.code
    else:
        world.tell(ev.NothingLeft())
    world.wait(100)
    if world.pid:  # a past deadline started it just before
        world.exit(7)
        world.tell(ev.NothingLeft())

    assert world.code is not None
    assert Phase.ENDED is world.life.phase


@given(POLICIES, STEPS, st.integers(1, 31), st.floats(0, 1000))
@settings(max_examples=400, deadline=None)
def test_signal_that_changes_nothing_needs_no_clock(
    policy: Policy, steps: list[tuple[str, object]], signum: int, later: float
) -> None:
    """The loop remembers the answer to it until the service changes."""
    world = play(policy, steps)
    signal = ev.SignalReceived(signum)
    now, orders = step(world.state, signal, world.now, policy)

    if now is world.state:
        assert (now, orders) == step(world.state, signal, world.now + later, policy)


ON_A: list[tuple[str, object]] = [("offer", "a"), ("applied", "")]
CHECKED = chosen(configured=True, validate=True, verify=True)


@given(POLICIES.filter(lambda p: p.rollout is not None), STEPS)
@example(chosen(configured=True), [*ON_A, ("order", True)])
@example(CHECKED, [*ON_A, ("offer", "b"), ("order", False)])
@example(
    chosen(configured=True, rollback=True, reload_signal=HUP),
    [*ON_A, ("offer", "b"), ("applied", ""), ("order", False), ("order", True)],
)
@example(CHECKED, [*ON_A, ("wait", 38.0), ("offer", "b"), ("checked", "bad_key")])
@example(
    chosen(configured=True, verify=True), [*ON_A, ("wait", 36.0), ("offer", "b"), ("order", True)]
)
@settings(max_examples=400, deadline=None)
def test_app_after_quiet_runs_on_the_newest_version(
    policy: Policy, steps: list[tuple[str, object]]
) -> None:
    world = play(policy, steps)
    world.settle()
    if not world.pid or not world.newest:
        return

    assert Phase.RUNNING is world.life.phase
    if world.newest != world.versions.rejected:
        assert (world.newest, False) == (world.rollout.runs_on, world.rollout.stale)
        assert "success" == world.reloads.outcome
    assert world.versions.live == world.rollout.runs_on
    assert () == world.rollout.orders, "an order without an answer"
    assert wake_at(world.state, policy) is None


@given(POLICIES.filter(lambda p: p.rollout is not None and p.rollout.rollback), STEPS)
@example(chosen(configured=True, rollback=True), [*ON_A, ("wait", 5.0), ("order", True)])
@example(
    chosen(configured=True, rollback=True, verify=True), [*ON_A, ("reloaded", ""), ("order", True)]
)
@settings(max_examples=400, deadline=None)
def test_good_version_offered_last_runs_in_bounded_time(
    policy: Policy, steps: list[tuple[str, object]]
) -> None:
    """Whatever happened, and whenever the supervisor died: a working correction is taken up."""
    world = play(policy, steps)
    if world.code is not None:
        return
    world.offer("works")
    world.settle()

    if world.code is None:
        assert ("works", "success") == (world.rollout.runs_on, world.reloads.outcome)
        assert "works" == world.disk.marks.good[0]


OF_LIFE = [
    ev.SignalReceived(HUP),
    ev.Forked(10),
    ev.OrphanReaped(3),
    ev.AppSuspended(10, TSTP),
    ev.AppReady(3),
    ev.AppUnready(3, "503"),
]
OF_ROLLOUT = [
    ev.ConfigChecked("z"),
    ev.ReloadFinished(0),
    ev.SourceOpened(0, "configmap", "a", "b"),
    ev.SourceRead(0, present=True),
    ev.SourceFailed(0, "forbidden", "no"),
]
OF_NEITHER = [
    ev.ChildrenChanged(),
    ev.SourceContacted(0),
    ev.WatchConnected(0),
    ev.WatchDisconnected(0),
    ev.WatchSaw(0, "added"),
    ev.WatchRestarted("gone"),
]
ANY = [
    ev.Began(),
    ev.NothingLeft(),
    ev.DeadlinePassed(),
    ev.ConfigFailed("", "no_generation", "none"),
    ev.SignalRequested(1, HUP, lambda _: None),
]


@given(POLICIES, STEPS)
@settings(max_examples=200, deadline=None)
def test_every_event_has_an_answer_in_every_phase(
    policy: Policy, steps: list[tuple[str, object]]
) -> None:
    world = play(policy, steps)
    for event in [*OF_LIFE, *OF_ROLLOUT, *OF_NEITHER, *ANY]:
        if policy.rollout is None and event in OF_ROLLOUT:
            continue  # no thread sends it
        after, orders = step(world.state, event, world.now, policy)
        assert [] == flaws(after, policy)
        assert world.pid or not any(isinstance(order, Kill | Reload) for order in orders)


@given(POLICIES.filter(lambda p: p.rollout is not None), STEPS)
@settings(max_examples=200, deadline=None)
def test_events_write_only_their_own_record(
    policy: Policy, steps: list[tuple[str, object]]
) -> None:
    """A signal leaves the rollout as it is, a report about a version leaves the life as it is."""
    world = play(policy, steps)
    before = world.state
    for event in [*OF_LIFE, *OF_NEITHER]:
        assert step(before, event, world.now, policy)[0].rollout is before.rollout
    for event in [*OF_ROLLOUT, *OF_NEITHER]:
        assert step(before, event, world.now, policy)[0].life is before.life
