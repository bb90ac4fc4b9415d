"""Reload windows and pauses of a fleet, in whole programs."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.harness import Run, only_process, until
from tests.sync.fleet_pods import VERIFY, Group, Kube
from tests.sync.windows import Opening, closed_window, open_window

OPEN = f"--reload-window={open_window()}"
CLOSED = f"--reload-window={closed_window()}"
SOON = 8  # seconds, for a start of pods

pytestmark = [only_process, pytest.mark.timeout(120)]


@pytest.fixture
def group(run: Run, kube: Kube, tmp_path: Path) -> Group:
    return Group(run, kube, tmp_path)


@pytest.mark.slow
def test_version_waits_for_the_window_of_each_pod(group: Group) -> None:
    """The canary tries it in its window; a pod outside takes it by an order only."""
    first, second = group.start("two", pods=2, options=[OPEN])
    second.restart(VERIFY, CLOSED)

    group.change("two")
    first.expect("one", "two")
    group.expect_good("two", "one")
    second.expect_state("held", "window")
    found = second.status()["config"]
    assert (True, "one") == (found["stale"], second.live())
    assert found["stale_reason"].startswith("no reload window is open; the next opens at ")
    until(lambda: second.metric("config_held", reason="window"), 1)
    assert 1 == len(second.told("waits: no reload window is open"))
    code, _, err = second.ctl("wait", "--fleet", "--timeout=10ms")
    assert (True, True) == (code != 0, "held: no reload window is open; the next" in err)

    # The version is good: an order to this pod puts it in place whatever the hour.
    code, out, err = second.ctl("reload")
    assert (0, True) == (code, out.startswith("reloaded on configuration")), err
    second.expect("one", "two")
    second.expect_state("settled")


@pytest.mark.slow
def test_order_by_hand_overrides_closed_windows(group: Group) -> None:
    """A version without a verdict: no pod tries it, until a person approves it for all."""
    first, second = group.start("two", pods=2, options=[CLOSED])
    group.change("two")
    for pod in group.pods:
        pod.expect_state("held", "window")

    # It reloads the version in place.
    code, _, err = first.ctl("reload")
    assert (1, True) == (code, "the fleet holds the newest" in err)
    first.expect("one", "one")
    first.expect_state("held", "window")
    assert "" == group.annotation("trial")

    code, _, err = second.ctl("fleet", "approve")
    assert 0 == code, err
    first.expect("one", "one", "two")
    second.expect("one", "two")
    for pod in group.pods:
        pod.expect_state("settled")


@pytest.mark.slow
def test_fleet_begins_when_its_window_opens(group: Group, tmp_path: Path) -> None:
    first, second = group.start("two", pods=2, options=[CLOSED])
    opening = Opening(tmp_path / "zones", SOON)
    for pod in group.pods:
        pod.program.send(signal.SIGTERM)
        pod.program.finish()
        pod.start(VERIFY, f"--reload-window={opening.text}", env=opening.env)
    for pod in group.pods:
        pod.expect("one")
        pod.expect_good()

    group.change("two")
    first.expect("one", "two")
    assert (True, ["one"]) == (time.time() >= opening.at, second.taken)
    second.expect("one", "two")
    group.expect_good("two", "one")
