"""Pods of a fleet that start on the version that it keeps for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import Run, only_process
from tests.sync.fleet_pods import VERIFY, Group, Kube

KEEP = "--fleet-keep=web-keep"

pytestmark = only_process


@pytest.fixture
def group(run: Run, kube: Kube, tmp_path: Path) -> Group:
    kube.create("web-keep")
    return Group(run, kube, tmp_path)


def condemned(group: Group) -> None:
    (canary,) = group.start("bad", pods=1, options=[KEEP])
    canary.expect_told("kept configuration")
    group.change("bad")
    group.expect_bad("bad", "verify", canary)


def test_new_pod_starts_on_the_kept_version(group: Group) -> None:
    condemned(group)

    new = group.pod("web-9/9")
    new.start(VERIFY, KEEP)

    new.expect("one")
    assert "one" == new.live()


def test_kept_content_of_another_hand_is_refused(group: Group) -> None:
    """Whoever may write the object cannot choose the content of a start."""
    condemned(group)
    group.kube.change("web-keep", {"app.conf": "mine"})

    new = group.pod("web-9/9")
    new.start(VERIFY, KEEP)

    new.expect_told("--fleet-keep has other content than its version says")
    group.change("three")
    new.expect("three")
