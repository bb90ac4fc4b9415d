"""Versions that follow each other in a fleet: newer ones, known ones, late failures."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from config_supervisor.fleet.policy import place
from tests.conftest import needs_root
from tests.fake_kube import FakeKube
from tests.harness import Run, only_process, until
from tests.sync.fleet_pods import FLEET, PATIENCE, VERIFY, Group, Kube, version

LONG = "--fleet-bake=50s"  # longer than a test

pytestmark = [only_process, pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture
def group(run: Run, kube: Kube, tmp_path: Path) -> Group:
    return Group(run, kube, tmp_path)


def test_revert_in_a_trial_needs_no_trial(group: Group) -> None:
    first, *others = group.start_pinned("two")
    first.restart(VERIFY, LONG)
    group.change("two")
    first.expect("one", "two")
    first.expect_state("canary")

    group.change("one")
    first.expect("one", "two", "one")
    for pod in group.pods:
        pod.expect_state("settled")
        assert version("one") == pod.fleet()["newest"]
    assert [["one"], ["one"]] == [pod.taken for pod in others]
    until(lambda: (group.annotation("trial"), group.holder()), ("", ""), PATIENCE)
    assert ("", version("one")) == (group.annotation("bad"), group.annotation("good"))


def test_known_good_version_needs_no_trial(group: Group, fake: FakeKube) -> None:
    """After a change that all have taken, the version before is taken back without a write."""
    pods = group.start_pinned("two")
    group.change("two")
    for pod in pods:
        pod.expect("one", "two")
        pod.expect_state("settled")
    before = len(fake.asked("update leases"))

    group.change("one")
    for pod in pods:
        pod.expect("one", "two", "one")
    assert before == len(fake.asked("update leases"))


def test_newer_version_takes_the_place_of_a_trial(group: Group) -> None:
    """The canary tries the newer one: it is the pod at risk."""
    first, *others = group.start_pinned("two", "three", options=["--fleet-bake=3s"])
    group.change("two")
    first.expect("one", "two")
    for pod in others:
        pod.expect_state("waiting")

    group.change("three")
    first.expect("one", "two", "three")
    for pod in others:
        pod.expect("one", "three")
    group.expect_good("three", "one")
    assert "" == group.annotation("bad")


def test_failure_of_a_follower_stops_the_spread(group: Group) -> None:
    """The canary, which runs well, stays; the pod that fails goes back; no further pod takes it."""
    spread = "--fleet-spread=100s"
    first, *others = group.start_pinned("two", options=[spread])
    weak, last = sorted(others, key=lambda pod: place(pod.identity, version("two")))
    weak.restart("--verify=sh -c '! grep -q two {dir}/app.conf'", spread)

    group.change("two")
    group.expect_bad("two", "verify", weak)
    weak.expect("one", "two", "one")
    last.expect_state("condemned", "verify")
    assert ["one"] == last.taken
    assert ["one", "two"] == first.taken
    group.expect_good("one")


def test_clocks_an_hour_apart_change_nothing(group: Group, fake: FakeKube) -> None:
    """The canary's own clock, and the times that it writes for people."""
    needs_root()
    first, *others = group.start_pinned("two")
    ahead = ["unshare", "--time", "--monotonic", "3600", "--fork", "--kill-child"]
    first.restart(VERIFY, "--fleet-bake=2s", prefix=ahead)

    group.change("two")
    for pod in others:
        pod.expect_state("waiting")
    lease = fake.lease(FLEET) or {}
    past = "2001-01-01T00:00:00.000000Z"
    spec = {**lease["spec"], "acquireTime": past, "renewTime": past}
    fake.put_lease(FLEET, lease["metadata"]["annotations"], **spec)
    for pod in group.pods:
        pod.expect("one", "two")
    group.expect_good("two", "one")
    assert 1 == len(others[0].told("is on trial"))


def test_requests_for_the_lease_are_counted(group: Group, fake: FakeKube) -> None:
    """One for each pod and version, and two writes of the canary; none at rest."""
    pods = group.start("two", "bad")
    until(fake.watchers, len(pods), PATIENCE)

    def asked() -> list[str]:
        return sorted(ask.verb for ask in fake.log if ask.resource == "leases")

    before = asked()
    group.change("two")
    for pod in pods:
        pod.expect("one", "two")
        pod.expect_state("settled")
    until(fake.watchers, len(pods), PATIENCE)
    assert sorted([*before, "update", "update", *["watch"] * len(pods)]) == asked()

    # An event without content, at rest.
    before = asked()
    fake.bookmark()
    # A touched source has each pod look once.
    fake.annotate("web", "config-supervisor/look", "1")
    until(asked, sorted([*before, *["get"] * len(pods)]), PATIENCE)


@pytest.mark.timeout(300)
def test_three_lost_canaries_condemn_a_version(group: Group) -> None:
    """They vanish with their disks; the fourth pod has never taken the version."""
    left = list(group.start("two", pods=4, options=["--fleet-bake=10s", "--reload-timeout=1s"]))
    group.change("two")
    for tries in ("1", "2", "3"):
        until(partial(group.annotation, "tries"), tries, 90)
        (canary,) = (pod for pod in left if pod.identity == group.holder())
        canary.expect("one", "two")
        canary.kill()
        left.remove(canary)

    (last,) = left
    until(lambda: group.annotation("bad"), f"{version('two')}=lost@{last.name}", 90)
    last.expect_state("condemned", "lost")
    assert ["one"] == last.taken
