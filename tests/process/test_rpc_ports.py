"""[inet_http_server]: reading for all, orders with a password; calls in the shape of monitors."""

from __future__ import annotations

import signal
import socket
import xmlrpc.client
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Program, Run, only_process, wait_until
from tests.process.rpc_clients import RPC_SECTION, fault
from tests.process.services import section, supervisord

pytestmark = only_process

WORD = "s3cret"
KEPT = {"stdout_logfile": "AUTO", "stderr_logfile": "AUTO"}


class Site:
    """The program, and its port."""

    def __init__(self, run: Run, place: Path, host: str = "127.0.0.1", login: str = "") -> None:
        self.port = free_port()
        self._address = "[::1]" if ":" in host else "127.0.0.1"
        where = f"{host}:{self.port}" if host else str(self.port)
        server = f"[inet_http_server]\nport = {where}\n{login}{RPC_SECTION}"
        web = section("web", command='sh -c "echo hello; exec sleep 1000"', **KEPT)
        self.program: Program = supervisord(run, place, server, web)
        wait_until(self._listens)

    def _listens(self) -> None:
        family = socket.AF_INET6 if "[" in self._address else socket.AF_INET
        with socket.socket(family) as client:
            assert 0 == client.connect_ex((self._address.strip("[]"), self.port))

    def proxy(self, login: str = "") -> Any:
        return xmlrpc.client.ServerProxy(f"http://{login}{self._address}:{self.port}/RPC2")

    def end(self) -> None:
        self.program.send(signal.SIGTERM)
        self.program.finish(0)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "*", "", "::1"])
def test_any_client_reads_states(run: Run, tmp_path: Path, host: str) -> None:
    site = Site(run, tmp_path, host)
    with site.proxy() as methods:
        assert ["web"] == [one["name"] for one in methods.supervisor.getAllProcessInfo()]
    site.end()


def test_orders_need_a_password_in_the_file(run: Run, tmp_path: Path) -> None:
    """Each method that changes something, and none that reads."""
    site = Site(run, tmp_path)
    with site.proxy() as methods:
        told = "orders over TCP need a password: set username and password in"
        for name, arguments in ORDERS.items():
            code, text = fault(getattr(methods.supervisor, name), *arguments)
            assert code == 30, name
            assert told in text, name
        calls = [{"methodName": "supervisor.stopAllProcesses", "params": []}]
        assert told in methods.system.multicall(calls)[0]["faultString"]
        assert 1 == methods.supervisor.getState()["statecode"]
        reading = {name.partition(".")[2] for name in methods.system.listMethods()} - {*ORDERS}
        assert not [one for one in reading if one.startswith(("start", "stop", "signal", "clear"))]
    site.end()


ORDERS: dict[str, list[object]] = {
    **{f"{verb}Process": ["web"] for verb in ("start", "stop")},
    **{f"{verb}ProcessGroup": ["web"] for verb in ("start", "stop", "add", "remove")},
    **{f"{verb}AllProcesses": [] for verb in ("start", "stop")},
    "signalProcess": ["web", "HUP"],
    "signalProcessGroup": ["web", "HUP"],
    "signalAllProcesses": ["HUP"],
    "clearProcessLog": ["web"],
    "clearProcessLogs": ["web"],
    "clearAllProcessLogs": [],
    "clearLog": [],
    "shutdown": [],
    "restart": [],
    "reloadConfig": [],
    "sendProcessStdin": ["web", "x"],
    "sendRemoteCommEvent": ["a", "b"],
}


def test_orders_work_with_the_password(run: Run, tmp_path: Path) -> None:
    site = Site(run, tmp_path, login=f"username = anna\npassword = {WORD}\n")
    for login in ("", "anna:wrong@", f"Anna:{WORD}@"):
        with site.proxy(login) as methods, pytest.raises(xmlrpc.client.ProtocolError) as raised:
            methods.supervisor.getState()
        assert 401 == raised.value.errcode
    with site.proxy(f"anna:{WORD}@") as methods:
        assert methods.supervisor.stopProcess("web")
        assert methods.supervisor.shutdown()
    site.program.finish(0)


def test_monitors_and_dashboards_find_their_fields(run: Run, tmp_path: Path) -> None:
    """The calls of node_exporter, telegraf, Datadog's check, cesi and supervisord-monitor."""
    site = Site(run, tmp_path, login=f"username = anna\npassword = {WORD}\n")
    with site.proxy(f"anna:{WORD}@") as methods:
        rpc = methods.supervisor

        def runs() -> None:
            assert "RUNNING" == rpc.getProcessInfo("web")["statename"]

        wait_until(runs)
        info = rpc.getAllProcessInfo()[0]
        # node_exporter: labels, state, exit status, start time.
        assert ("web", "web", 20, 0) == tuple(info[key] for key in NODE_EXPORTER)
        assert 0 < info["start"] <= info["now"]
        # telegraf: uptime, and the supervisor as a whole.
        assert {"statecode": 1, "statename": "RUNNING"} == rpc.getState()
        assert "supervisor" == rpc.getIdentification()
        # Datadog: the version, and the description.
        assert rpc.getSupervisorVersion()[0].isdigit()
        assert info["description"].startswith("pid ")
        # cesi and supervisord-monitor: orders and logs.
        assert ["hello\n", 6, False] == rpc.tailProcessStdoutLog("web", 0, 500)
        assert "" == rpc.readProcessStderrLog("web", -1000, 0)
        assert [80] == [one["status"] for one in rpc.stopAllProcesses()]
        assert [] == rpc.stopAllProcesses()
        assert [80] == [one["status"] for one in rpc.startAllProcesses()]
        assert rpc.clearProcessLogs("web")
        assert "supervisor.startProcess" in methods.system.listMethods()
    site.end()


NODE_EXPORTER = ("name", "group", "state", "exitstatus")


def test_a_taken_port_costs_no_service(run: Run, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = f"[inet_http_server]\nport = 127.0.0.1:{port}\n"
        program = supervisord(run, tmp_path, server, section("web", "wait"))
        program.expect(rf"cannot listen on 127.0.0.1:{port} .*: address already in use; ")
        program.expect("success: web entered RUNNING state")
        program.send(signal.SIGTERM)
        program.finish(0)
