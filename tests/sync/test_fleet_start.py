"""Pods that start while a version is on trial or condemned, and canaries that are killed."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.fake_kube import FakeKube
from tests.harness import Run, only_pid1, only_process
from tests.sync.fleet_pods import PATIENCE, VERIFY, Group, Kube, Pod, version

LONG = "--fleet-bake=50s"  # longer than a test
BARRED = 125

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def group(run: Run, kube: Kube, tmp_path: Path) -> Group:
    return Group(run, kube, tmp_path)


def on_trial(group: Group, pods: int = 2) -> list[Pod]:
    """The first pod has the content `two` on trial, for longer than the test."""
    found = group.start("two", pods=pods)
    restart(found[0], LONG)
    group.change("two")
    found[0].expect("one", "two")
    found[0].expect_state("canary")
    return found


def condemned(group: Group) -> list[Pod]:
    """The content `bad` is condemned, by the first pod."""
    first, second = group.start("bad", pods=2)
    group.change("bad")
    group.expect_bad("bad", "verify", first)
    second.expect_state("condemned", "verify")
    return [first, second]


def restart(pod: Pod, *options: str) -> None:
    """The container ends in good order, and is started again."""
    pod.program.send(signal.SIGTERM)
    pod.program.finish()
    pod.start(VERIFY, *options)
    pod.expect("one")
    pod.expect_state("settled")


@only_process
def test_restart_in_a_trial_keeps_the_last_good_version(group: Group) -> None:
    first, second = on_trial(group)

    second.program.send(signal.SIGKILL)
    second.program.wait()
    second.start(VERIFY)

    second.expect("one")
    second.expect_state("waiting")
    assert version("two") == group.annotation("trial")
    assert ["one", "two"] == first.taken


@only_process
def test_restart_on_a_condemned_version_keeps_the_good_one(group: Group) -> None:
    _, second = condemned(group)

    second.program.send(signal.SIGKILL)
    second.program.wait()
    second.start(VERIFY)

    second.expect("one")
    second.expect_state("condemned", "verify")
    # It takes the next version as ever.
    group.change("three")
    second.expect("one", "three")


@only_process
def test_new_pod_without_a_disk_starts_in_a_trial(group: Group) -> None:
    """A pod that must start does start: there is no older version anywhere."""
    on_trial(group)

    new = group.pod("web-9/9")
    new.start(VERIFY)
    new.expect("two")

    assert version("two") == group.annotation("trial")


@only_process
def test_new_pod_waits_for_a_correction(group: Group) -> None:
    condemned(group)

    new = group.pod("web-9/9")
    new.start(VERIFY, "--initial-sync-timeout=40s")
    new.expect_state("condemned", "verify")
    assert [] == new.taken

    group.change("three")
    new.expect("three")


@only_process
def test_new_pod_ends_without_a_correction(group: Group) -> None:
    condemned(group)

    new = group.pod("web-9/9")
    new.start(VERIFY, "--initial-sync-timeout=2s")
    new.program.finish(BARRED, timeout=PATIENCE)

    new.expect_told("condemned")
    assert [] == new.taken


# --- the canary is killed -------------------------------------------------------------------------


@only_pid1
def test_killed_canary_condemns_the_version(group: Group) -> None:
    """The same container starts again, with its disk and its name."""
    first, second = on_trial(group)

    first.program.send(signal.SIGKILL)
    first.program.wait()
    first.start(VERIFY)

    group.expect_bad("two", "died", first)
    first.expect("one")
    first.expect_state("condemned", "died")
    second.expect_state("condemned", "died")
    assert ["one"] == second.taken


@only_pid1
def test_killed_canary_leaves_the_version_without_the_api(group: Group, fake: FakeKube) -> None:
    """Its disk knows that it died of the version; it tells the fleet as soon as it can."""
    first, second = on_trial(group)

    fake.down()
    first.program.send(signal.SIGKILL)
    first.program.wait()
    first.start(VERIFY, "--initial-sync-timeout=2s")
    first.expect("one")
    fake.up()

    group.expect_bad("two", "died", first)
    second.expect_state("condemned", "died")
    assert [["one"], ["one"]] == [first.taken, second.taken]
