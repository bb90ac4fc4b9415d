"""Pods that share an identity by a mistake of people, each with its own disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import Run, only_process, wait_until
from tests.sync.fleet_pods import (
    KEY,
    PATIENCE,
    VERIFY,
    Group,
    Kube,
    Pod,
    prompt_identities,
    version,
)

pytestmark = pytest.mark.timeout(90)


def twins(group: Group, *contents: str) -> list[Pod]:
    """Three pods that settle on the content `one`, with the same identity and a disk for each."""
    group.kube.create("web", {KEY: "one"})
    (identity,) = prompt_identities(1, *contents)
    name, _, uid = identity.partition("/")
    for number in range(3):
        pod = group.pod(f"disk-{number}/0")
        pod.start(VERIFY, env={"POD_NAME": name, "POD_UID": uid})
        pod.expect("one")
        pod.expect_state("settled")
    return group.pods


@only_process
def test_twins_try_a_version_one_after_another(run: Run, kube: Kube, tmp_path: Path) -> None:
    """A bad version hurts a single pod, and no pod condemns a good version."""
    group = Group(run, kube, tmp_path)
    pods = twins(group, "bad", "two")

    group.change("bad")
    for pod in pods:
        pod.expect_state("condemned", "verify")
    assert [["one"], ["one"], ["one", "bad", "one"]] == sorted(
        (pod.taken for pod in pods), key=len
    ), group.annotation("bad")

    group.change("two")

    def followed() -> None:
        assert ["two"] * 3 == [pod.taken[-1] for pod in pods]
        assert [version("bad")] == [
            word.partition("=")[0] for word in group.annotation("bad").split()
        ]

    wait_until(followed, PATIENCE)
    assert 2 <= sum("POD_UID by the downward API" in pod.program.story() for pod in pods)


@only_process
def test_pod_name_without_uid_is_told(run: Run, kube: Kube, tmp_path: Path) -> None:
    group = Group(run, kube, tmp_path)
    kube.create("web", {KEY: "one"})
    pod = group.pod("disk-0/0")
    pod.start(VERIFY, env={"POD_NAME": "web-1", "POD_UID": ""})
    pod.expect("one")

    (line,) = pod.told("cannot use POD_NAME for the fleet web: POD_UID is missing")
    assert "known by its host name" in line
