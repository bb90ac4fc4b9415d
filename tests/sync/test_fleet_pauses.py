"""A pause of one of several sources, in a fleet of whole programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from config_supervisor.core.content import Entry, version_of
from config_supervisor.core.source_states import PAUSE
from tests.harness import Run, only_process, until
from tests.sync.fleet_pods import FOLLOW, KEY, PATIENCE, VERIFY, Group, Kube, Pod, placed

FURTHER = "more.conf"
BAKE = "--fleet-bake=3s"  # longer than the next events take

pytestmark = [only_process, pytest.mark.timeout(120)]


def version(content: str) -> str:
    """The name of a version of both sources."""
    return version_of({KEY: Entry(content.encode()), FURTHER: Entry(b"more")}).digest


def pods_on_two_sources(run: Run, kube: Kube, scratch: Path) -> Group:
    """Two pods; the first is the only one that may be a canary."""
    group = Group(run, kube, scratch)
    kube.create("web", {KEY: "one"})
    kube.create("more", {FURTHER: "more"})
    sources = "\n".join(f"{kube.namespace}/{name}" for name in ("web", "more"))
    soon = dict.fromkeys(map(version, ("one", "two", "three", "four")), (0.0, 0.1))
    for number, role in enumerate(("--fleet-role=canary", FOLLOW)):
        pod = group.pod(placed(f"web-{number}", soon))
        env = {"CONFIG_SUPERVISOR_CONFIGMAP": sources}
        pod.start("--configmap=", VERIFY, BAKE, role, env=env)
    for pod in group.pods:
        pod.expect("one")
    until(lambda: group.annotation("good"), version("one"), PATIENCE)
    for pod in group.pods:
        pod.expect_state("settled")
    return group


def pause(group: Group, source: str, value: str) -> None:
    group.kube.annotate(source, PAUSE, value)
    words = f"/{source} has the annotation {PAUSE}"
    for pod in group.pods:
        pod.expect_told(f"{words} no more" if value == "false" else f"{words}: new versions wait")


def expect_paused(*pods: Pod) -> None:
    for pod in pods:
        pod.expect_state("held", "paused")


@pytest.mark.slow
def test_pause_of_one_source_holds_the_fleet(run: Run, kube: Kube, tmp_path: Path) -> None:
    group = pods_on_two_sources(run, kube, tmp_path)
    first, second = group.pods

    pause(group, "more", "true")
    group.change("two")
    expect_paused(first, second)
    why = first.status()["config"]["stale_reason"]
    assert f"paused by the annotation {PAUSE} of configmap {kube.namespace}/more" == why
    code, _, err = second.ctl("wait", "--fleet", "--timeout=10ms")
    assert (True, True) == (code != 0, "held: paused by the annotation" in err)
    assert "" == group.annotation("trial")

    # A pause within the trial ends no trial; the other pod waits for the end of the pause.
    pause(group, "more", "false")
    first.expect("one", "two")
    first.expect_state("canary")
    pause(group, "web", "true")
    until(lambda: group.annotation("good").split()[:1], [version("two")], PATIENCE)
    expect_paused(second)
    first.expect_state("settled")
    assert (["one"], "") == (second.taken, group.annotation("bad"))

    # Orders pass: to one pod about a good version, to all pods about any.
    assert 0 == second.ctl("reload")[0]
    second.expect("one", "two")
    group.change("three")
    expect_paused(first, second)
    assert 0 == second.ctl("fleet", "approve")[0]
    first.expect("one", "two", "three")
    second.expect("one", "two", "three")

    # Later versions wait again, until the pause is over.
    group.change("four")
    expect_paused(first, second)
    group.kube.annotate("web", PAUSE, "false")
    second.expect("one", "two", "three", "four", timeout=2 * PATIENCE)
