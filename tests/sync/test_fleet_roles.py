"""Whole programs of a fleet, only one of which may take a version first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fake_kube import FakeKube
from tests.harness import Run, only_process
from tests.sync.fleet_pods import FOLLOW, KEY, VERIFY, Group, Pod, placed, version

NOW, LATER = (0.0, 0.02), (0.1, 0.12)  # places

pytestmark = [only_process, pytest.mark.slow, pytest.mark.timeout(150)]


@pytest.fixture
def pods(run: Run, fake: FakeKube, tmp_path: Path) -> list[Pod]:
    """A canary that asks two seconds after its followers do."""
    group = Group(run, fake, tmp_path)
    late = {version("one"): NOW, version("two"): LATER}
    soon = {version("two"): NOW, version("three"): NOW}
    fake.create("web", {KEY: "one"})
    canary = group.pod(placed("web-0", late))
    canary.start(VERIFY, "--fleet-role=canary")
    group.expect_good("one")
    for name in ("web-1", "web-2"):
        group.pod(placed(name, soon)).start(VERIFY, FOLLOW)
    for pod in group.pods:
        pod.expect("one")
        pod.expect_good()
    return group.pods


def test_followers_wait_for_the_canary(pods: list[Pod], fake: FakeKube) -> None:
    """However long it takes; without any canary they hold, and a person releases the version."""
    canary, *followers = pods
    before = len(fake.asked("update leases"))

    fake.change("web", {KEY: "two"})
    for pod in followers:
        pod.expect_state("asking")  # first of all, and not for itself
    for pod in pods:
        pod.expect("one", "two")
    tried = f"this pod tries configuration {version('two')[:8]}"
    assert [1, 0, 0] == [len(pod.told(tried)) for pod in pods]
    writes = fake.asked("update leases")[before:]
    assert 2 == len(writes)  # the claim, and the verdict

    canary.end()
    fake.change("web", {KEY: "three"})
    for pod in followers:
        pod.expect_state("held", "no_canary", timeout=90)
        assert ["one", "two"] == pod.taken
    code, out, err = followers[0].ctl("fleet", "approve")
    assert (0, "") == (code, err), out
    for pod in followers:
        pod.expect("one", "two", "three")
