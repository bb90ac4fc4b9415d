"""Pods that start while a version is on trial or condemned, and canaries that are killed."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.fake_kube import FakeKube
from tests.harness import Run, only_pid1, only_process
from tests.memory_group import MemoryGroup
from tests.sync.fleet_pods import KEY, PATIENCE, VERIFY, Group, Kube, Pod, version

LONG = "--fleet-bake=50s"  # longer than a test
BARRED = 125

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture
def group(run: Run, kube: Kube, tmp_path: Path) -> Group:
    return Group(run, kube, tmp_path)


def on_trial(group: Group, pods: int = 2) -> list[Pod]:
    """The first pod has the content `two` on trial, for longer than the test."""
    found = group.start_pinned("two", pods=pods)
    found[0].restart(VERIFY, LONG)
    group.change("two")
    found[0].expect("one", "two")
    found[0].expect_state("canary")
    return found


def condemned(group: Group) -> list[Pod]:
    """The content `bad` is condemned, by the first pod."""
    first, second = group.start_pinned("bad", "three", pods=2)
    group.change("bad")
    group.expect_bad("bad", "verify", first)
    second.expect_state("condemned", "verify")
    return [first, second]


@only_process
def test_restart_in_a_trial_keeps_the_last_good_version(group: Group) -> None:
    first, second = on_trial(group)

    second.kill()
    second.start(VERIFY)

    second.expect("one")
    second.expect_state("waiting")
    assert version("two") == group.annotation("trial")
    assert ["one", "two"] == first.taken


@only_process
def test_restart_on_a_condemned_version_keeps_the_good_one(group: Group) -> None:
    _, second = condemned(group)

    second.kill()
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

    first.kill()
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
    first.kill()
    first.start(VERIFY, "--initial-sync-timeout=2s")
    first.expect("one")
    fake.up()

    group.expect_bad("two", "died", first)
    second.expect_state("condemned", "died")
    assert [["one"], ["one"]] == [first.taken, second.taken]


@only_process
def test_stopped_canary_leaves_the_trial_to_another(group: Group) -> None:
    """An ordered end is no verdict: the others wait no longer than for their places."""
    first, *others = group.start("two")
    first.restart(VERIFY, LONG)
    group.change("two")
    first.expect_state("canary")
    first.expect("one", "two")

    first.program.send(signal.SIGTERM)
    first.program.finish()

    for pod in others:
        pod.expect("one", "two")
    group.expect_good("two", "one")
    first.start(VERIFY)
    first.expect("two")
    first.expect_good()
    assert ("", "") == (group.annotation("bad"), group.holder())


# Reads its file as read_config.py does, and takes all memory for the content `two`. The supervisor
# is the first that the kernel kills.
GREEDY = """
import signal, sys
with open("/proc/self/oom_score_adj", "w") as score:
    score.write("0")
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM})
while True:
    text = open(sys.argv[1]).read()
    print("config:", text, flush=True)
    if text == "two":
        bytearray(1 << 30)
    if signal.sigwait({signal.SIGHUP, signal.SIGTERM}) == signal.SIGTERM:
        break
"""
FIRST = ["sh", "-c", 'echo 1000 > /proc/self/oom_score_adj; exec "$@"', "sh"]


@only_pid1
def test_canary_without_memory_condemns_the_version(
    memory_group: MemoryGroup, group: Group
) -> None:
    """The kernel kills PID 1 of the container, which is over its limit of memory."""
    first, second = group.start_pinned("two", pods=2)
    enter = [*memory_group.enter, *FIRST]
    first.command = [sys.executable, "-c", GREEDY, f"{first.root}/{KEY}"]
    first.restart(VERIFY, LONG, prefix=enter)

    group.change("two")
    first.program.wait(PATIENCE)
    assert "two" in first.taken
    first.start(VERIFY, prefix=enter)

    group.expect_bad("two", "died", first)
    first.expect("one")
    second.expect_state("condemned", "died")
    assert ["one"] == second.taken
