"""The control socket when there are too many clients, or few descriptors, or names that are not
UTF-8.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.state import SourceState
from config_supervisor.runtime.client_limit import affordable
from tests.harness import wait_until
from tests.unit.test_control import RUNNING, Served, answer


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(str(tmp_path / "control.sock"))
    yield served
    served.close()


def test_silent_clients_make_room_for_a_health_check(served: Served) -> None:
    """Sixteen that say nothing failed the container's health check for 10 seconds."""
    silent = [served.open() for _ in range(40)]

    assert [(0, "ok: running")] * 3 == [served.ask("health") for _ in range(3)]
    assert b"" == silent[0].recv(1)


def test_clients_that_are_being_answered_keep_their_places(served: Served) -> None:
    served.core.stuck = True
    clients = [served.open("health\n") for _ in range(16)]

    def asked() -> None:
        assert 16 <= sum(isinstance(event, ev.Probed) for event in served.core.seen)

    wait_until(asked)
    assert (1, "busy: 16 clients are served already; try again later") == served.ask("health")
    assert [(1, "not ok: the main loop does not answer")] * 16 == [
        answer(client) for client in clients
    ]
    served.core.stuck = False


@pytest.mark.parametrize(("descriptors", "clients"), [(16, 4), (64, 8), (128, 16), (1024, 16)])
def test_few_descriptors_allow_few_clients(descriptors: int, clients: int) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, limits[1]))
    try:
        assert clients == affordable(16, 8)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_answer_shows_names_that_are_not_utf8_by_their_bytes(served: Served) -> None:
    error = os.fsdecode(b"cannot read /caf\xe9")
    served.core.state = RUNNING.replace(
        sources=(SourceState("directory", error=error),), config=RUNNING.config.replace(desired="c")
    )

    assert r"cannot read /caf\xe9" in served.ask("wait synced 0")[1]
