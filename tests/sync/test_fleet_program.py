"""Three pods of a fleet as whole programs: a canary first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import Run, only_process
from tests.sync.fleet_pods import Group, Kube

pytestmark = [only_process, pytest.mark.timeout(60)]


@pytest.fixture
def group(run: Run, kube: Kube, tmp_path: Path) -> Group:
    return Group(run, kube, tmp_path)


def test_good_version_reaches_the_canary_first(group: Group) -> None:
    first, *others = group.start("two")

    group.change("two")
    first.expect("one", "two")

    assert [["one"], ["one"]] == [pod.taken for pod in others]
    for pod in others:
        pod.expect("one", "two")
    group.expect_good("two", "one")
    assert ("", "") == (group.annotation("trial"), group.holder())


def test_bad_version_stops_at_the_canary(group: Group) -> None:
    first, *others = group.start("bad")
    before = [pod.place() for pod in others]

    group.change("bad")
    first.expect("one", "bad", "one")

    group.expect_bad("bad", "verify", first)
    for pod in others:
        pod.expect_state("condemned", "verify")
        pod.expect("one")
    assert before == [pod.place() for pod in others]

    # The next version is another trial.
    group.change("three")
    first.expect("one", "bad", "one", "three")
    for pod in others:
        pod.expect("one", "three")
