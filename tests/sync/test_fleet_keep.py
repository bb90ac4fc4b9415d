"""Pods of a fleet that start while a version is on trial, or condemned."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.fake_kube import FakeKube
from tests.harness import Run, only_process, until
from tests.sync.fleet_pods import Pod, annotation, identities, version

VERIFY = "--verify=sh -c '! grep -q bad {dir}/app.conf'"

pytestmark = only_process

Pods = Callable[..., list[Pod]]


@pytest.fixture
def pods(run: Run, fake: FakeKube, tmp_path: os.PathLike[str]) -> Pods:
    """Pods of which the first runs on `one`, which is good."""

    def started(*later: str, options: tuple[str, ...] = (VERIFY,)) -> list[Pod]:
        fake.create("web", {"app.conf": "one"})
        scratch = os.fspath(tmp_path)
        found = [Pod(run, fake, scratch, own) for own in identities(2, "one", *later)]
        found[0].start(*options)
        found[0].expect("one")
        until(lambda: annotation(fake, "good"), version("one"), 30)
        return found

    return started


def condemn(fake: FakeKube, canary: Pod) -> None:
    fake.change("web", {"app.conf": "bad"})
    canary.expect("one", "bad", "one")
    until(lambda: annotation(fake, "bad"), f"{version('bad')}=verify@{canary.name}")


def test_new_pod_starts_on_the_kept_version(pods: Pods, fake: FakeKube) -> None:
    fake.create("web-keep")
    options = (VERIFY, "--fleet-keep=web-keep")
    canary, new = pods("bad", options=options)
    canary.program.err.expect("kept configuration")
    condemn(fake, canary)

    new.start(*options)

    new.expect("one")
    assert "one" == new.live()


def test_new_pod_without_any_other_version_ends(pods: Pods, fake: FakeKube) -> None:
    canary, new = pods("bad")
    condemn(fake, canary)

    program = new.start(VERIFY, "--initial-sync-timeout=4s")

    assert 125 == program.wait()
    assert [] == new.taken
    program.err.expect("the fleet holds configuration .*: condemned: verify")


def test_new_pod_starts_on_a_good_version(pods: Pods, fake: FakeKube) -> None:
    canary, new = pods("bad")
    condemn(fake, canary)
    fake.change("web", {"app.conf": "one"})

    new.start(VERIFY)

    new.expect("one")


def test_killed_canary_condemns_at_its_restart(pods: Pods, fake: FakeKube) -> None:
    """The container, PID 1 included, is killed while the version bakes; its directory stays."""
    options = (VERIFY, "--fleet-bake=1m")
    canary, _ = pods("heavy")
    stop(canary)
    canary.start(*options)
    canary.expect("one")
    fake.change("web", {"app.conf": "heavy"})
    canary.expect("one", "heavy")
    until(lambda: "baking" in marks(canary), True)

    kill(canary)
    canary.start(*options)

    canary.expect("one")
    until(lambda: annotation(fake, "bad"), f"{version('heavy')}=died@{canary.name}")
    assert "" == annotation(fake, "trial")


def test_killed_canary_condemns_without_the_api(pods: Pods, fake: FakeKube) -> None:
    """It starts on its last good version all the same, and publishes later."""
    options = (VERIFY, "--fleet-bake=1m", "--initial-sync-timeout=2s")
    canary, _ = pods("heavy")
    stop(canary)
    canary.start(*options)
    canary.expect("one")
    fake.change("web", {"app.conf": "heavy"})
    canary.expect("one", "heavy")
    until(lambda: "baking" in marks(canary), True)
    kill(canary)

    fake.down()
    canary.start(*options)
    canary.expect("one")
    fake.up()

    until(lambda: annotation(fake, "bad"), f"{version('heavy')}=died@{canary.name}", 30)


def marks(pod: Pod) -> list[str]:
    """The first word of each mark in configroot."""
    with open(os.path.join(pod.root, "..marks"), encoding="ascii") as file:
        return [line.split()[0] for line in file.read().splitlines()[1:]]


def kill(pod: Pod) -> None:
    """The end of a container: all processes are killed."""
    app = pod.program.app
    pod.program.send(signal.SIGKILL)
    os.kill(app, signal.SIGKILL)
    pod.program.wait()


def stop(pod: Pod) -> None:
    pod.program.send(signal.SIGTERM)
    pod.program.wait()
