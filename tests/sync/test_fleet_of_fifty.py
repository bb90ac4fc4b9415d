"""A fleet of 50 whole programs on one Lease, which take most of a minute to start."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.fake_kube import FakeKube
from tests.harness import Run, only_process, until, wait_until
from tests.sync.fleet_pods import KEY, VERIFY, Group, Pod, version

MANY = 50
AT_ONCE = 5  # starts
SPREAD = 6.0  # seconds
PATIENCE = 90.0
LATE = 5.0  # seconds that a busy machine may add

pytestmark = [only_process, pytest.mark.slow, pytest.mark.timeout(400)]


class Fleet(Group):
    """Fifty pods, each at the place that its name gives it."""

    kube: FakeKube

    def begin(self, verify: Callable[[int], str] = lambda _: VERIFY, *options: str) -> None:
        """Start all on `one`; `verify` gives the option of each pod by its number."""
        self.kube.create("web", {KEY: "one"})
        pods = [self.pod(f"web-{number}/{number}") for number in range(MANY)]
        for first in range(0, MANY, AT_ONCE):
            some = range(first, first + AT_ONCE)
            for number in some:
                spread = f"--fleet-spread={SPREAD:g}s"
                pods[number].start(verify(number), spread, "--listen=off", *options)
            for number in some:
                pods[number].expect("one", timeout=PATIENCE)
        self.expect_good("one")
        self.expect_rest()

    def expect_rest(self) -> None:
        """Wait until each pod follows its source, and none the Lease."""
        until(self.kube.watchers, MANY, PATIENCE)

    def took(self, content: str) -> list[Pod]:
        return [pod for pod in self.pods if content in pod.taken]

    def swapped_at(self, pods: Sequence[Pod]) -> list[float]:
        """When each pod put its live generation in place, by the clock of the request log."""
        ahead = time.time() - time.monotonic()
        links = [os.path.join(pod.root, "..data") for pod in pods]
        return sorted(os.lstat(link).st_mtime - ahead for link in links)

    def written_at(self) -> float:
        """The last write to the Lease, by the same clock."""
        return self.kube.asked("update leases", 200)[-1].at

    def lease_requests(self) -> int:
        return len([ask for ask in self.kube.log if ask.resource == "leases"])


@pytest.fixture
def fleet(run: Run, fake: FakeKube, tmp_path: Path) -> Fleet:
    return Fleet(run, fake, tmp_path)


def test_bad_version_reaches_one_of_fifty(fleet: Fleet) -> None:
    fleet.begin()
    before = {pod.name: pod.place() for pod in fleet.pods}

    changed = time.monotonic()
    fleet.change("bad")
    until(lambda: fleet.annotation("bad").partition("=")[0], version("bad"), PATIENCE)
    assert fleet.written_at() < changed + 60
    (canary,) = fleet.took("bad")
    canary.expect("one", "bad", "one", timeout=PATIENCE)
    assert f"{version('bad')}=verify@{canary.name}" == fleet.annotation("bad")
    for pod in fleet.pods:
        pod.expect_told("condemned", timeout=PATIENCE)
    after = {pod.name: pod.place() for pod in fleet.pods if pod is not canary}
    assert after == {name: place for name, place in before.items() if name != canary.name}

    # The next event: all take the correction, and have not seen the bad version.
    fleet.change("two")
    for pod in fleet.pods:
        tried = ["bad", "one"] if pod is canary else []
        pod.expect("one", *tried, "two", timeout=PATIENCE)


def test_good_version_reaches_fifty_after_the_verdict(fleet: Fleet) -> None:
    """Each pod at its own place, and with one request for the Lease: all hear the verdict."""
    fleet.begin(lambda _: VERIFY, "--fleet-bake=22s")
    before = fleet.lease_requests()

    # An event at rest, which has no content, costs no request for the Lease.
    fleet.kube.bookmark()
    fleet.change("two")
    until(lambda: len(fleet.took("two")), MANY, PATIENCE)

    first, *others = fleet.swapped_at(fleet.pods)
    verdict = fleet.written_at()
    assert first < verdict < others[0]
    assert others[-1] < verdict + SPREAD + LATE
    # The places are spread: a fifth of the pods and more come in the second half.
    assert sum(at > verdict + SPREAD / 2 for at in others) > MANY / 5

    fleet.expect_rest()
    claims = [ask for ask in fleet.kube.asked("update leases") if ask.at > verdict - 60]
    assert fleet.lease_requests() - before <= MANY + len(claims)
    assert len(claims) >= 2


def test_late_failure_on_a_tenth_stops_the_spread(fleet: Fleet) -> None:
    """Five of fifty pods fail on a version that is good for the canary."""
    weak = "--verify=sh -c '! grep -q two {dir}/app.conf'"
    # Not the canary: the first of all to ask.
    fleet.begin(lambda number: weak if number % 10 == 3 else VERIFY, "--fleet-bake=22s")

    fleet.change("two")
    until(lambda: fleet.annotation("bad").partition("=")[0], version("two"), PATIENCE)
    stopped = fleet.written_at()

    def heard() -> None:
        """A pod that has not taken the version holds it."""
        for pod in fleet.pods:
            assert "two" in pod.taken or pod.told("is condemned"), pod.program.story()

    wait_until(heard, PATIENCE)
    assert len(fleet.took("two")) < MANY / 2
    stayed = [pod for pod in fleet.pods if pod.taken == ["one", "two"]]
    assert all(at < stopped + 1 for at in fleet.swapped_at(stayed))
