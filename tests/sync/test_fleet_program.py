"""Three pods of a fleet as whole programs: a canary first."""

from __future__ import annotations

import os
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
    """Three pods on the content `one`, which is good."""

    def started(*later: str, options: tuple[str, ...] = (VERIFY,)) -> list[Pod]:
        fake.create("web", {"app.conf": "one"})
        scratch = os.fspath(tmp_path)
        found = [Pod(run, fake, scratch, own) for own in identities(3, "one", *later)]
        for pod in found:
            pod.start(*options)
        for pod in found:
            pod.expect("one")
        until(lambda: annotation(fake, "good"), version("one"), 30)
        return found

    return started


def test_good_version_reaches_the_canary_first(pods: Pods, fake: FakeKube) -> None:
    first, *others = pods("two")

    fake.change("web", {"app.conf": "two"})
    first.expect("one", "two")

    assert [["one"], ["one"]] == [pod.taken for pod in others]
    for pod in others:
        pod.expect("one", "two")
    good = annotation(fake, "good").split()
    assert [version("two"), version("one")] == good
    assert "" == annotation(fake, "trial")


def test_bad_version_stops_at_the_canary(pods: Pods, fake: FakeKube) -> None:
    first, *others = pods("bad", "three")
    before = [os.readlink(os.path.join(pod.root, "..data")) for pod in others]

    fake.change("web", {"app.conf": "bad"})
    first.expect("one", "bad", "one")

    until(lambda: annotation(fake, "bad"), f"{version('bad')}=verify@{first.name}", 10)
    assert [["one"], ["one"]] == [pod.taken for pod in others]
    assert before == [os.readlink(os.path.join(pod.root, "..data")) for pod in others]

    # The next version is another trial.
    fake.change("web", {"app.conf": "three"})
    first.expect("one", "bad", "one", "three")
    for pod in others:
        pod.expect("one", "three")
