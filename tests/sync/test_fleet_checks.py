"""Checks of a trial by commands that hang, or that cannot run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import Run, only_process
from tests.sync.fleet_pods import Group, Kube

FIRST = 'sh -c "grep -q one {dir}/app.conf && exit 0'  # all is well with this content

pytestmark = [only_process, pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture
def group(run: Run, kube: Kube, tmp_path: Path) -> Group:
    return Group(run, kube, tmp_path)


def test_check_that_hangs_condemns(group: Group) -> None:
    """As an app in trouble has its clients wait. The log has the reason of the verdict."""
    check = f'--fleet-check={FIRST}; echo waits; sleep 60"'
    first, other = group.start_pinned("two", pods=2, options=[check])
    group.change("two")

    group.expect_bad("two", "check", first)
    first.expect("one", "two", "one")
    assert ["one"] == other.taken
    failed = first.told("the check of the trial failed: sh did not end in time (code 124): waits")
    assert 3 == len(failed)


def test_check_that_cannot_run_is_told(group: Group) -> None:
    """It says nothing about the version."""
    check = f'--fleet-check={FIRST}; nosuchprogram"'
    first, other = group.start_pinned("two", pods=2, options=[check])
    group.change("two")

    first.expect("one", "two")
    first.expect_told("the check of the trial could not be asked: sh cannot run", timeout=60)
    first.expect_state("held", "unchecked", timeout=60)
    assert ["one"] == other.taken
    assert "" == group.annotation("bad")
    assert 1 == len(first.told("could not be asked"))
    assert 0 == first.ctl("fleet", "approve")[0]
    other.expect("one", "two")
