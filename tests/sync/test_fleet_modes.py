"""A fleet in the other modes of the program: sidecars, and init containers."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Program, Run, only_process, until
from tests.sync.fleet_pods import PATIENCE, VERIFY, Group, Kube, Pod, version
from tests.sync.fleet_sidecars import SidecarGroup

LONG = "--fleet-bake=50s"  # longer than a test
BARRED = 125

pytestmark = [only_process, pytest.mark.timeout(90)]


@pytest.fixture
def sidecars(run: Run, kube: Kube, tmp_path: Path) -> Iterator[SidecarGroup]:
    group = SidecarGroup(run, kube, tmp_path)
    yield group
    group.close()


@pytest.mark.slow
def test_bad_version_stops_at_the_first_sidecar(sidecars: SidecarGroup) -> None:
    """Each app is reloaded by a request; it fails by its own answer to the verification."""
    first, *others = sidecars.begin("bad")
    before = [pod.place() for pod in others]

    sidecars.change("bad")
    first.expect("one", "bad", "one")
    sidecars.expect_bad("bad", "verify", first)
    for pod in others:
        pod.expect_state("condemned", "verify")
    assert (before, [["one"]] * 2) == ([p.place() for p in others], [p.taken for p in others])
    assert "one" == first.live()

    # The next version is good, and spreads.
    sidecars.change("two")
    first.expect("one", "bad", "one", "two")
    for pod in others:
        pod.expect("one", "two")
    sidecars.expect_good("two", "one")
    until(lambda: [pod.fleet()["state"] for pod in sidecars.pods], ["settled"] * 3, PATIENCE)


@pytest.mark.slow
def test_killed_sidecar_takes_its_app_back(sidecars: SidecarGroup) -> None:
    """The app outlives the supervisor: it is reloaded on the version before."""
    first, second = sidecars.begin("two", pods=2)
    first.restart(LONG)
    sidecars.change("two")
    first.expect("one", "two")
    first.expect_state("canary")

    first.program.send(signal.SIGKILL)
    first.program.wait()
    first.start(LONG)

    sidecars.expect_bad("two", "died", first)
    first.expect("one", "two", "one")
    first.expect_state("condemned", "died")
    assert ("one", "one") == (first.live(), second.live())


# --- an init container ----------------------------------------------------------------------------


@pytest.fixture
def group(run: Run, kube: Kube, tmp_path: Path) -> Group:
    return Group(run, kube, tmp_path)


def run_once(pod: Pod, *options: str) -> Program:
    """Run the init container of a pod, to its end."""
    command, pod.command = pod.command, []
    program = pod.start("--once", "--listen=off", "--initial-sync-timeout=3s", *options)
    pod.command = command
    program.wait(PATIENCE)
    return program


@pytest.mark.slow
def test_init_container_in_a_trial_takes_the_kept_version(group: Group) -> None:
    group.kube.create("web-keep")
    first, second = group.start("two", pods=2, options=["--fleet-keep=web-keep"])
    first.expect_told("kept configuration")
    first.restart(VERIFY, LONG)
    group.change("two")
    first.expect("one", "two")
    first.expect_state("canary")

    new = group.pod("web-9/9")
    run_once(new, "--fleet-keep=web-keep").finish(0)
    assert "one" == new.live()
    # Its own disk comes first, without the keep.
    second.program.send(signal.SIGKILL)
    second.program.wait()
    run_once(second).finish(0)
    assert "one" == second.live()
    # The app starts on these files, and waits for the verdict.
    second.start(VERIFY)
    second.expect("one")
    second.expect_state("waiting")
    # A pod that must start does start, where there is no other version.
    last = group.pod("web-8/8")
    run_once(last).finish(0)
    assert "two" == last.live()
    assert version("two") == group.annotation("trial")


@pytest.mark.slow
def test_init_container_leaves_a_condemned_version(group: Group) -> None:
    first, second = group.start("bad", pods=2)
    group.change("bad")
    group.expect_bad("bad", "verify", first)

    second.program.send(signal.SIGKILL)
    second.program.wait()
    run_once(second).finish(0)
    assert "one" == second.live()
    new = group.pod("web-9/9")
    run_once(new).finish(BARRED)
    new.expect_told("condemned")
    group.change("three")
    run_once(new).finish(0)
    assert "three" == new.live()


@pytest.mark.slow
def test_init_container_of_the_canary_lets_the_trial_go_on(group: Group) -> None:
    """The sandbox of the pod starts again in good order, its init container included."""
    first, second = group.start("two", pods=2)
    first.restart(VERIFY, LONG)
    group.change("two")
    first.expect("one", "two")
    first.expect_state("canary")

    first.program.send(signal.SIGTERM)
    first.program.finish()
    run_once(first).finish(0)
    first.start(VERIFY)

    group.expect_good("two", "one")
    second.expect("one", "two")
    assert "" == group.annotation("bad")


@pytest.mark.slow
def test_init_container_starts_on_its_disk_if_the_fleet_knows_it(group: Group) -> None:
    """No version of its disk is marked as good, as it has no app."""
    (canary,) = group.start("bad", pods=1)
    new = group.pod("web-9/9")
    run_once(new).finish(0)
    group.change("bad")
    group.expect_bad("bad", "verify", canary)

    program = run_once(new, "--initial-sync-timeout=60s")
    program.finish(0)
    assert "one" == new.live()
