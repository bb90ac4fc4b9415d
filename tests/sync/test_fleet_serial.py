"""Whole programs of a fleet that take a good version one at a time."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from tests.fake_kube import FakeKube
from tests.harness import Run, only_process, until
from tests.sync.fleet_pods import PATIENCE, Gate, Group, Pod, version

SERIAL = "--fleet-serial"
WINDOW = 0.2  # seconds of the pods' own verification

pytestmark = [only_process, pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def group(run: Run, fake: FakeKube, tmp_path: Path) -> Group:
    return Group(run, fake, tmp_path)


def turn_of(group: Group, *pods: Pod) -> Pod:
    """Wait until one of these pods has the turn; that pod."""
    names = {pod.identity: pod for pod in pods}
    until(lambda: group.holder() in names, expected=True, timeout=PATIENCE)
    return names[group.holder()]


def swapped_at(pod: Pod) -> float:
    """When it put its live generation in place."""
    return os.lstat(os.path.join(pod.root, "..data")).st_mtime


def test_serial_pods_follow_one_after_another(group: Group) -> None:
    """The next pod begins once the one before has verified the version."""
    pods = group.start_pinned("two", pods=4, options=[SERIAL])

    group.change("two")
    for pod in pods:
        pod.expect("one", "two")
        pod.expect_state("settled")

    times = sorted(map(swapped_at, pods))
    assert times[0] == swapped_at(pods[0])
    pauses = [after - before for before, after in pairwise(times)]
    assert min(pauses) > WINDOW
    until(group.holder, "", PATIENCE)


def test_failure_in_the_middle_stops_serial_pods(group: Group) -> None:
    """Four pods: the canary, one that takes the version, one that fails, one that never takes it.

    Each reload lasts until the test ends it, so that the others are seen to wait for it.
    """
    canary, *others = group.start_pinned("two", pods=4, options=[SERIAL])
    gates = {pod: Gate(pod, "two") for pod in others}
    for pod, gate in gates.items():
        pod.restart(SERIAL, gate.option)

    group.change("two")
    good = turn_of(group, *others)
    until(good.live, "two", PATIENCE)
    for pod in others:
        pod.expect_state("due")
        assert ("two" if pod is good else "one") == pod.live()
    seen = good.fleet_shown()
    assert ("due", good.identity, None) == (seen["state"], seen["holder"], seen["trial"])
    assert (version("one"), version("two")) == (seen["running"], seen["newest"])

    gates[good].open()
    bad = turn_of(group, *(pod for pod in others if pod is not good))
    until(bad.live, "two", PATIENCE)
    (last,) = (pod for pod in others if pod not in (good, bad))
    assert bad.identity == last.fleet_shown()["holder"]
    assert version("two") == good.fleet_shown()["running"]

    gates[bad].open(code=1)
    group.expect_bad("two", "exec", bad)
    until(bad.live, "one", PATIENCE)
    last.expect_state("condemned", "exec")
    assert ["one"] == last.taken
    assert ["one", "two", "two"] == [last.live(), good.live(), canary.live()]
    assert "" == group.holder()
    group.expect_good("one")
