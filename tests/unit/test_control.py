"""The control socket on real sockets, with the real machine behind it: who is served, and the
answers.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config_supervisor.control import client, client_help, commands, fleet_client
from config_supervisor.core import events as ev
from config_supervisor.core import health
from config_supervisor.core.life_state import Life, Phase
from config_supervisor.core.outcomes import ApplyFailure
from config_supervisor.core.reloads import Reloads
from config_supervisor.core.rollout_state import Rollout
from config_supervisor.core.service import Service
from config_supervisor.runtime import log, threads
from config_supervisor.store.manifest import Generation
from config_supervisor.store.write_errors import ApplyError
from tests.conftest import needs_root
from tests.harness import wait_until
from tests.unit.control_socket import DOWN, RUNNING, Served, answer, generation
from tests.unit.histories import chosen


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(str(tmp_path / "control.sock"))
    yield served
    served.close()


def logged(capfd: pytest.CaptureFixture[str]) -> str:
    log.flush()
    return capfd.readouterr().err


def test_another_user_is_refused_whatever_the_mode(common: Path) -> None:
    needs_root()
    served = Served(str(common / "control.sock"))
    os.chmod(served.path, 0o666)
    script = (
        "import _socket, os, sys\n"
        "os.setuid(int(sys.argv[2]))\n"
        "s = _socket.socket(_socket.AF_UNIX)\n"
        "s.connect(sys.argv[1])\n"
        "try: s.send(b'GET /livez HTTP/1.0\\r\\n\\r\\n')\n"
        "except BrokenPipeError: pass\n"
        "print(s.recv(1000))\n"
    )
    command = [sys.executable, "-I", "-c", script, served.path]

    def ask(uid: int) -> str:
        return subprocess.run(
            [*command, str(uid)], capture_output=True, text=True, check=True
        ).stdout

    assert "refused: run supervisorctl as uid 0 or root, not uid 65534" in ask(65534)
    assert "ok: running" in ask(0)
    served.close()


def test_generations_need_a_thread(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(body: Callable[[], object], name: str) -> None:
        raise RuntimeError(f"can't start new thread for {name} {body}")

    monkeypatch.setattr(threads, "start", none_left)
    status, text = served.get("/generations")
    assert (503, "cannot read the generations: can't start new thread") == (
        status,
        text.partition(" for ")[0],
    )
    monkeypatch.undo()
    assert 200 == served.get("/generations")[0]


def all_places(served: Served) -> list[socket.socket]:
    """The clients that wait, as many as may."""
    waiting = [served.open("GET /wait/ready") for _ in range(12)]

    def full() -> None:
        for place in select.select(waiting, [], [], 0)[0]:  # the look below was in its way
            waiting[waiting.index(place)] = served.open("GET /wait/ready")
        assert (503, "busy: 12 clients wait already; try again later") == served.get(
            "/wait/ready?seconds=0"
        )

    wait_until(full)
    return waiting


def test_waiting_clients_leave_places_for_health(served: Served) -> None:
    served.core.state = DOWN
    waiting = all_places(served)
    assert (200, "ok: backoff") == served.get("/livez")
    served.core.state = RUNNING
    assert [(200, "running")] * 12 == [answer(client) for client in waiting]


def test_waiting_ends_when_the_client_goes_away(served: Served) -> None:
    served.core.state = DOWN
    waiting = all_places(served)

    def not_full() -> None:
        assert (409, "not ready within 0s: backoff") == served.get("/wait/ready?seconds=0")

    waiting[0].close()
    wait_until(not_full)


def test_client_may_close_its_half_before_the_answer(served: Served) -> None:
    client = served.open("GET /wait/ready?seconds=0.1")
    client.shutdown(socket.SHUT_WR)

    assert (200, "running") == answer(client)


def test_request_without_an_end_is_refused(served: Served) -> None:
    client = served.open()
    client.sendall(b"x" * 5000)

    assert 414 == answer(client)[0]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("GET /stop", 404),
        ("GET /wait", 404),
        ("GET /wait/for-it", 404),
        ("GET /wait/ready?seconds=soon", 400),
        ("GET /wait/ready?seconds=-1", 400),
        ("GET /wait/ready?seconds=nan", 400),
        ("POST /rollback?to=0", 400),
        ("POST /rollback?to=x", 400),
        ("GET /reload", 405),
        ("GET /shutdown", 405),
        ("POST /livez", 405),
        ("BREW /pot", 405),
        ("\0\xff{}", 400),
    ],
)
def test_wrong_request_is_refused(served: Served, target: str, status: int) -> None:
    assert status == served.ask(target)[0]


def test_health_is_that_of_livez(served: Served) -> None:
    served.core.policy = chosen(configured=True, unhealthy_on_failure=True)
    failed = Rollout(reloads=Reloads(outcome="verify", error="no page"))
    served.core.state = RUNNING.replace(rollout=failed)

    assert (503, "not ok: the last reload failed: no page") == served.get("/livez")


def test_stuck_main_loop_is_not_healthy(served: Served) -> None:
    served.core.stuck = True
    stuck = (503, "not ok: the main loop does not answer")

    def noticed() -> None:  # it has just turned
        assert stuck == served.get("/livez")

    wait_until(noticed)
    assert [stuck] * 2 == [served.post("/reload"), served.post("/shutdown")]


def test_unreadable_generations_are_an_error(
    served: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    def no_files() -> list[Generation]:
        raise ApplyError(ApplyFailure.WRITE, "cannot read /x: Permission denied")

    served.pages.kept = no_files
    assert (409, "cannot read /x: Permission denied") == served.get("/generations")
    served.pages.kept = lambda: [generation("b", 1 // 0)]
    assert (500, "cannot serve /rollback: see the log") == served.post("/rollback")
    assert "ZeroDivisionError" in logged(capfd)


def test_reload_is_answered_at_its_end(served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    client = served.open("POST /reload")

    def reloading() -> None:
        assert "reloading" == health.phase(served.core.state)

    wait_until(reloading)
    served.core.put(ev.ReloadFinished(1))
    assert (200, "reloaded on configuration bbbbbbbb (3 files)") == answer(client)
    assert f"reload ordered by uid {os.geteuid()} (pid {os.getpid()})" in logged(capfd)


def test_order_without_configuration_is_refused(served: Served) -> None:
    served.core.state = Service(Life(Phase.RUNNING, pid=7))
    served.pages.kept = list

    assert (409, "no configuration is kept live") == at(served.post("/reload"), 15, 44)
    assert (409, "no generations are kept here") == at(served.post("/rollback"), 18, 46)
    assert 409 == served.get("/wait/synced")[0]
    assert {ev.Probed} == {type(event) for event in served.core.seen}


def at(answer: tuple[int, str], begin: int, end: int) -> tuple[int, str]:
    return answer[0], answer[1][begin:end]


def test_rollback_is_answered_at_its_end(served: Served) -> None:
    client = served.open("POST /rollback?to=1")

    def ordered() -> None:
        orders = [one for one in served.core.seen if isinstance(one, ev.RollbackOrdered)]
        assert ["a" * 64] == [order.digest for order in orders]

    wait_until(ordered)
    served.core.put(ev.ConfigApplied("a" * 64, files=3, rolled_back=True))
    served.core.put(ev.ReloadFinished(1))
    assert (200, "rolled back to configuration aaaaaaaa (3 files)") == answer(client)


def test_generations_are_listed_with_their_distance(served: Served) -> None:
    listed = json.loads(served.get("/generations")[1])

    assert [(0, ["live", "running"]), (1, [])] == [(one["number"], one["marks"]) for one in listed]
    assert ("2030-01-02 03:04:01", "a" * 64, 2, 10) == tuple(
        listed[1][key] for key in ("time", "digest", "files", "bytes")
    )


def test_connection_serves_several_requests(served: Served) -> None:
    """As clients of HTTP other than supervisorctl use it."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = served.connect()
    pages = []
    for path in ("/livez", "/status", "/generations", "/pid"):
        connection.request("GET", path)
        response = connection.getresponse()
        pages.append((response.status, response.read()))
    connection.close()

    assert [200] * 4 == [status for status, _ in pages]
    assert {"app": {"pid": 7}} == json.loads(pages[1][1])
    assert f"{os.getpid()}\n".encode() == pages[3][1]


def test_commands_requests_and_routes_agree(served: Served) -> None:
    requests = [client._request([name]) for name in client._REQUESTS]
    requests += [client._request(["wait", f"--{goal}"]) for goal in (*commands.GOALS, "fleet")]
    requests += [client._request(["fleet", verb]) for verb in ("status", *fleet_client.VERBS)]
    requests = [one.removesuffix("?version=") for one in requests]
    routes = {
        f"{method} {path}" for path, table in served.control.routes.items() for method in table
    }

    assert routes == set(requests)
    assert {*client._REQUESTS, "wait", "fleet"} == set(client_help._COMMANDS)
