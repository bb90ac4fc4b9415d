"""The control socket with too many clients, with few descriptors, and with names beyond UTF-8."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from config_supervisor.control.server import LIMITS
from config_supervisor.core.rollout_state import Rollout
from config_supervisor.core.source_states import SourceState
from config_supervisor.core.versions import Versions
from config_supervisor.runtime.client_limit import affordable
from tests.unit.control_socket import DOWN, RUNNING, Served, answer


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(str(tmp_path / "control.sock"))
    yield served
    served.close()


def test_silent_clients_make_room_for_a_health_check(served: Served) -> None:
    """Sixteen silent clients failed the container's health check for 10 seconds."""
    silent = [served.open() for _ in range(40)]

    assert [(200, "ok: running")] * 3 == [served.get("/livez") for _ in range(3)]
    assert b"" == silent[0].recv(1)


def test_clients_being_answered_keep_their_places(served: Served) -> None:
    served.core.stuck = True
    clients = [served.open("POST /shutdown") for _ in range(40)]

    stuck = (503, "not ok: the main loop does not answer")
    assert [stuck] * 40 == [answer(client) for client in clients]


def test_held_clients_keep_their_places(served: Served) -> None:
    """However many others come, and however long it takes."""
    served.core.state = DOWN
    held = [served.open("GET /wait/ready") for _ in range(12)]
    others = [served.open() for _ in range(40)]
    health = [served.get("/livez") for _ in range(20)]
    served.core.state = RUNNING

    assert [(200, "ok: backoff")] * 20 == health
    assert [(200, "running")] * 12 == [answer(client) for client in held]
    assert b"" == others[0].recv(1)


def test_late_request_gets_an_answer(tmp_path: Path) -> None:
    served = Served(str(tmp_path / "control.sock"), LIMITS.replace(request_seconds=0.1))
    client = served.open()
    client.sendall(b"GET /li")

    assert (408, "cannot answer: the request did not come within 0.1 seconds") == answer(client)
    served.close()


@pytest.mark.parametrize(("descriptors", "clients"), [(16, 4), (64, 8), (128, 16), (1024, 16)])
def test_few_descriptors_allow_few_clients(descriptors: int, clients: int) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, limits[1]))
    try:
        assert clients == affordable(16, 8)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_answer_escapes_names_without_utf8(served: Served) -> None:
    error = os.fsdecode(b"cannot read /caf\xe9")
    rollout = Rollout(Versions(desired="c"))
    sources = (SourceState("directory", error=error),)
    served.core.state = RUNNING.replace(sources=sources, rollout=rollout)

    assert r"cannot read /caf\xe9" in served.get("/wait/synced?seconds=0")[1]
