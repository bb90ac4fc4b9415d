"""A fleet whose API server refuses, stays away or conflicts: no pod applies, and all converge."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.fake_kube import FakeKube
from tests.harness import Run, app, only_process, until, wait_until
from tests.sync.fleet_pods import FLEET, PATIENCE, VERIFY, Gate, Group, Pod, version

pytestmark = [only_process, pytest.mark.slow, pytest.mark.timeout(90)]

READING = ("get leases", "list leases", "watch leases")
WRITING = ("create leases", "update leases")


@pytest.fixture
def group(run: Run, fake: FakeKube, tmp_path: Path) -> Group:
    return Group(run, fake, tmp_path)


def change(
    group: Group, content: str, pods: Sequence[Pod], state: str, reason: str | None = None
) -> None:
    """Change the content, and wait until these pods are in a state about it."""
    group.change(content)
    for pod in pods:
        until(partial(newest, pod), version(content), PATIENCE)
        pod.expect_state(state, reason)


def newest(pod: Pod) -> object:
    return pod.fleet()["newest"]


def expect_all(pods: Sequence[Pod], *contents: str) -> None:
    for pod in pods:
        pod.expect(*contents)


# --- rights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("verbs", [READING, WRITING], ids=["read", "write"])
def test_forbidden_lease_holds_until_granted(
    group: Group, fake: FakeKube, verbs: Sequence[str]
) -> None:
    pods = group.start("two")
    until(fake.watchers, len(pods), PATIENCE)  # no watch on the Lease outlives the right to it

    fake.forbid(*verbs)
    change(group, "two", pods, "held", "forbidden")
    for pod in pods:
        assert 1.0 == pod.metric("fleet_state", state="held")

    def tried_again() -> None:
        refused = [ask for verb in verbs for ask in fake.asked(verb, 403)]
        assert len(refused) > 2 * len(pods)

    wait_until(tried_again, PATIENCE)
    expect_all(pods, "one")
    assert [1, 1, 1] == [len(pod.told("is held")) for pod in pods]

    fake.permit()
    expect_all(pods, "one", "two")
    group.expect_good("two", "one")


def test_orders_are_answered_whatever_the_server_does(group: Group, fake: FakeKube) -> None:
    """A person waits for no pause between the writes of a verdict or of a claim."""
    pods = group.start("two", pods=2)
    fake.forbid("update leases")
    group.change("two")
    pods[0].expect_state("held", "forbidden")
    until(lambda: len(fake.asked("update leases", 403)) > 3, True, PATIENCE)  # 8 s to the next

    refused = answered(pods[0], "approve")
    assert "update is missing" in refused
    assert "the order is dropped" in refused
    assert "update is missing" in answered(pods[0], "status")

    fake.down()
    away = "cannot reach the API server"
    until(lambda: away in answered(pods[1], "status"), True, PATIENCE)
    assert "the order is dropped" in answered(pods[0], "approve")
    fake.up()
    fake.freeze()
    assert "cannot condemn a version" in answered(pods[1], "condemn")
    expect_all(pods, "one")


def answered(pod: Pod, verb: str) -> str:
    """The answer of `supervisorctl fleet`, which comes soon."""
    began = time.monotonic()
    _, out, err = pod.ctl("fleet", verb)
    assert time.monotonic() - began < 9.0
    return out + err


def test_pods_of_another_shape_hold(group: Group) -> None:
    """They cannot speak of the same versions: their files stand elsewhere."""
    first, second = group.start("two", pods=2)
    other = group.pod("web-9/9")
    other.command = app("read_config.py", f"{other.root}/copy.conf")
    other.start(VERIFY, "--map=app.conf=copy.conf")
    other.expect("one")

    group.change("two")
    for pod in (first, second):
        pod.expect("one", "two")
    other.expect_state("held", "shape")
    words = "pods with other sources, sub-directories or --map use the Lease"
    # Once for each of the versions: it had to start on the first.
    assert [1, 1] == [
        len(other.told(f"{how}: {words}")) for how in ("in place, without a verdict", "is held")
    ]
    other.expect("one")


def test_lease_of_another_program_holds(group: Group, fake: FakeKube) -> None:
    pods = group.start("two")

    fake.delete(FLEET, kind="lease")
    fake.put_lease(FLEET, holderIdentity="a-controller")
    change(group, "two", pods, "held", "foreign")
    expect_all(pods, "one")
    assert "a-controller" == group.holder()

    fake.delete(FLEET, kind="lease")
    expect_all(pods, "one", "two")


# --- writes that fail -----------------------------------------------------------------------------


def test_storm_of_conflicts_delays_a_version_only(group: Group, fake: FakeKube) -> None:
    first, *others = group.start_pinned("two")

    fake.forestall(FLEET, 8)
    group.change("two")
    first.expect("one", "two")
    expect_all(others, "one", "two")
    group.expect_good("two", "one")

    conflicts = fake.asked("update leases", 409)
    assert 8 == len(conflicts)


def test_lost_answers_to_writes_are_no_loss(group: Group, fake: FakeKube) -> None:
    """The claim and the verdict stand: their answers are lost."""
    first, *others = group.start_pinned("two")

    fake.lose_answer("update leases", 2)
    group.change("two")
    first.expect("one", "two")
    expect_all(others, "one", "two")
    group.expect_good("two", "one")

    assert "" == group.annotation("bad")
    assert ["one", "two"] == first.taken


# --- the server is away ---------------------------------------------------------------------------


@pytest.fixture(params=["refused", "frozen"])
def away(request: pytest.FixtureRequest, fake: FakeKube) -> Away:
    return Away(fake, request.param)


class Away:
    """An API server that refuses connections, or answers nothing, for a while."""

    def __init__(self, fake: FakeKube, how: str) -> None:
        self._fake = fake
        self._refuses = how == "refused"

    def begin(self) -> None:
        if self._refuses:
            self._fake.down()
        else:
            self._fake.freeze()

    def expect_missed(self, pods: Sequence[Pod], verb: str, times: int) -> None:
        """Wait until pods miss the server: they know it is away, or so many requests hang."""
        if not self._refuses:
            until(lambda: len(self._fake.asked(verb)), times, PATIENCE)
            return
        for pod in pods:
            pod.expect_state("held", "unreachable")

    def end(self) -> None:
        if self._refuses:
            self._fake.up()
        else:
            self._fake.thaw()


def test_server_is_away_before_a_trial(group: Group, away: Away) -> None:
    pods = group.start("two", soon=False)

    change(group, "two", pods, "asking")
    away.begin()
    away.expect_missed(pods, "watch leases", 1 + len(pods))
    expect_all(pods, "one")

    away.end()
    expect_all(pods, "one", "two")


def test_server_is_away_during_a_trial(group: Group, away: Away) -> None:
    """The canary keeps the version that runs well; the others hold, until the verdict stands."""
    first, *others = group.start_pinned("two")
    gate = Gate(first, "two")
    first.restart(VERIFY, gate.option)

    change(group, "two", others, "waiting")
    away.begin()
    gate.open()
    # The first has told its verdicts on both versions, and claimed the second.
    away.expect_missed(others, "update leases", 3)
    expect_all(others, "one")

    away.end()
    expect_all(others, "one", "two")
    group.expect_good("two", "one")
    assert "two" == first.live()


def test_server_is_away_during_the_spread(group: Group, away: Away) -> None:
    """A verdict that was heard counts."""
    first, *others = group.start("two", options=["--fleet-spread=60s"])

    change(group, "two", others, "due")
    away.begin()
    expect_all(others, "one", "two")
    away.end()
    group.expect_good("two", "one")
    assert ["one", "two"] == first.taken


def test_server_is_away_after_a_condemnation(group: Group, away: Away) -> None:
    first, *others = group.start_pinned("bad", "three")

    change(group, "bad", others, "condemned", "verify")
    away.begin()
    away.end()
    group.change("three")
    first.expect("one", "bad", "one", "three")
    expect_all(others, "one", "three")


# --- the Lease is deleted -------------------------------------------------------------------------


def test_deleted_lease_at_rest_is_made_again(group: Group) -> None:
    pods = group.start("two")

    group.delete_lease()
    group.change("two")
    expect_all(pods, "one", "two")
    group.expect_good("two", "one")


def test_deleted_lease_in_a_trial_begins_another(group: Group) -> None:
    first, *others = group.start_pinned("two")
    gate = Gate(first, "two")
    first.restart(VERIFY, gate.option)

    change(group, "two", others, "waiting")
    group.delete_lease()
    gate.open()
    expect_all(others, "one", "two")
    until(lambda: group.annotation("good").split()[:1], [version("two")], PATIENCE)
    assert "" == group.annotation("bad")
    assert "two" == first.live()


def test_deleted_lease_forgets_a_condemnation(group: Group) -> None:
    """One pod tries the version once more, and condemns it again."""
    pods = group.start("bad")
    change(group, "bad", pods, "condemned", "verify")

    group.delete_lease()
    until(lambda: group.annotation("bad").partition("=")[0], version("bad"), PATIENCE)
    for pod in pods:
        pod.expect_state("condemned", "verify")
        assert "one" == pod.taken[-1]
    assert 2 == sum(pod.taken.count("bad") for pod in pods)


def test_deleted_lease_in_the_spread_ends_with_all(group: Group) -> None:
    first, *others = group.start("two", options=["--fleet-spread=60s"])
    change(group, "two", others, "due")

    group.delete_lease()
    expect_all(others, "one", "two")
    until(lambda: group.annotation("good").split()[:1], [version("two")], PATIENCE)
    assert ["one", "two"] == first.taken
