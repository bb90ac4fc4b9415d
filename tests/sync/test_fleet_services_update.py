"""Services of a fleet that an update replaces, removes and adds: a start like any other."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.fake_kube import FakeKube
from tests.harness import Run, only_process, until
from tests.process.controlled import ctl
from tests.process.services import written
from tests.sync.test_fleet_services import GOOD, Pod, annotation, identity, name_of

pytestmark = [only_process, pytest.mark.slow, pytest.mark.timeout(120)]

# A start that does not hear the answer of the Lease waits for a third of this.
PATIENT = "--initial-sync-timeout=300s"


class Changing(Pod):
    """A pod whose file of services changes."""

    def __init__(self, run: Run, fake: FakeKube, scratch: Path) -> None:
        self._socket = scratch / "control.sock"
        self._file = scratch / "web-0"
        control = f"--control={self._socket}"
        super().__init__(run, fake, scratch, identity("web-0", GOOD), control, PATIENT)

    def update(self, services: str, **keys: object) -> str:
        """Take up these services, the first of them with further keys."""
        further = "".join(f"{key} = {value}\n" for key, value in keys.items())
        first, *others = map(self._section, services)
        written(self._file, [first + further, *others])
        code, out, err = ctl(f"--socket={self._socket}", "update")
        assert (0, "") == (code, err), self.program.story()
        return out


def test_update_starts_a_service_of_a_fleet(run: Run, fake: FakeKube, tmp_path: Path) -> None:
    """Its new record hears of the Lease: with another environment, with other settings, and after
    a time out of the plan.
    """
    fake.create("web", GOOD)
    pod = Changing(run, fake, tmp_path)
    for service in "ab":
        until(partial(annotation, fake, f"web-{service}", "good"), name_of(service, GOOD), 30)
    starts = ["one"]

    for keys in ({"environment": 'X="1"'}, {"reload_timeout": "7s"}):
        assert "a: updated process group" in pod.update("ab", **keys)
        starts.append("one")
        until(partial(pod.taken, "a"), starts, 30)

    assert "a: removed process group" in pod.update("b")
    assert "a: added process group" in pod.update("ab")
    until(partial(pod.taken, "a"), [*starts, "one"], 30)
    assert ["one"] == pod.taken("b")
