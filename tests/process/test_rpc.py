"""XML-RPC of a supervisord.conf: its sockets, its methods, its faults."""

from __future__ import annotations

import os
import signal
import socket
import stat
import xmlrpc.client
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Program, Run, only_process, wait_until
from tests.process.rpc_clients import fault, posted, proxy, sent, served, unix_section
from tests.process.services import all_told, section, supervisord

pytestmark = only_process

WORD = "secret"
LONG = 150_000  # bytes of a text for a program: more than its pipe takes
WAITING = 1 << 20  # bytes that may wait for a program, and a little more in its pipe
MORE_THAN_PLACES = 40
LISTED = b"<methodCall><methodName>system.listMethods</methodName></methodCall>"


class Site:
    """The program, and its unix socket."""

    def __init__(self, run: Run, place: Path, *sections: str, **keys: object) -> None:
        self.path = place / "s.sock"
        self.program: Program = supervisord(run, place, unix_section(self.path, **keys), *sections)
        self.methods = served(self.path)

    @property
    def rpc(self) -> Any:
        return self.methods.supervisor

    def state(self, name: str) -> str:
        return str(self.rpc.getProcessInfo(name)["statename"])

    def end(self) -> None:
        self.program.send(signal.SIGTERM)
        self.program.finish(0)


def test_a_monitor_reads_states(run: Run, tmp_path: Path) -> None:
    site = Site(run, tmp_path, section("web", "wait"), section("job", "end=0", autostart="false"))
    wait_until(lambda: _equal("RUNNING", site.state("web")))
    job, web = site.rpc.getAllProcessInfo()

    assert ("job", 0, "STOPPED", "Not started") == (
        job["name"],
        job["state"],
        job["statename"],
        job["description"],
    )
    assert (20, "web", 0, "", 0) == (
        web["state"],
        web["group"],
        web["stop"],
        web["spawnerr"],
        web["exitstatus"],
    )
    assert web["pid"] > 1
    assert {"statecode": 1, "statename": "RUNNING"} == site.rpc.getState()
    assert ("3.0", "supervisor") == (site.rpc.getVersion(), site.rpc.getIdentification())
    assert site.program.pid == site.rpc.getPID()
    site.end()
    assert not site.path.exists()


def _equal(expected: object, actual: object) -> None:
    assert expected == actual


def test_orders_wait_for_their_end(run: Run, tmp_path: Path) -> None:
    site = Site(
        run, tmp_path, section("web", "wait"), section("late", "ignore", "wait", autostart="false")
    )
    assert site.rpc.startProcess("late", True)
    assert "RUNNING" == site.state("late")
    assert (60, "ALREADY_STARTED: late") == fault(site.rpc.startProcess, "late")
    assert site.rpc.stopProcess("web")
    assert "STOPPED" == site.state("web")
    assert (70, "NOT_RUNNING: web") == fault(site.rpc.stopProcess, "web")
    assert (10, "BAD_NAME: nosuch") == fault(site.rpc.startProcess, "nosuch")
    assert (11, "BAD_SIGNAL: XX") == fault(site.rpc.signalProcess, "late", "XX")
    assert site.rpc.signalProcess("late", "KILL")
    assert site.rpc.shutdown()
    site.program.finish(0)


def test_faults_of_a_call(run: Run, tmp_path: Path) -> None:
    """CVE-2017-11610 was a way through attributes."""
    site = Site(run, tmp_path, section("web", "wait"))
    for name in ("supervisor.__class__", "supervisor.state.put", "os.system", "supervisor", "x"):
        assert (1, "UNKNOWN_METHOD") == fault(getattr(site.methods, name))
    wrong = (2, "INCORRECT_PARAMETERS")
    assert wrong == fault(site.rpc.getState, 1)
    assert wrong == fault(site.rpc.startProcess)
    assert wrong == fault(site.rpc.startProcess, ["web"])
    assert wrong == fault(site.rpc.readLog, "x", 0)
    assert (3, "BAD_ARGUMENTS") == fault(site.rpc.readLog, -5, 5)
    site.end()


def test_multicall_waits_in_order(run: Run, tmp_path: Path) -> None:
    site = Site(run, tmp_path, section("web", "wait"))
    calls = [
        ("supervisor.stopProcess", ["web"]),
        ("supervisor.getProcessInfo", ["web"]),
        ("supervisor.startProcess", ["web"]),
        ("supervisor.stopProcess", ["nosuch"]),
        ("system.multicall", [[]]),
    ]
    found = site.methods.system.multicall(
        [{"methodName": name, "params": params} for name, params in calls]
    )
    stopped, info, started, unknown, again = found

    assert (True, "STOPPED", True) == (stopped, info["statename"], started)
    assert {"faultCode": 10, "faultString": "BAD_NAME: nosuch"} == unknown
    assert 2 == again["faultCode"]
    site.end()


def test_input_reaches_the_process(run: Run, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    site = Site(
        run,
        tmp_path,
        section("cat", command="cat", stdout_logfile=copied, stdout_logfile_maxbytes=0),
        section("off", "wait", autostart="false"),
    )
    wait_until(lambda: _equal("RUNNING", site.state("cat")))
    assert site.rpc.sendProcessStdin("cat", "größe\n")
    wait_until(lambda: _equal("größe\n", copied.read_text()))
    assert (70, "NOT_RUNNING: off") == fault(site.rpc.sendProcessStdin, "off", "x")
    site.end()


def test_input_beyond_a_pipe_waits_for_the_process(run: Run, tmp_path: Path) -> None:
    """The supervisor answers others meanwhile; above a bound the client is told."""
    copied, gate = tmp_path / "copied", tmp_path / "gate"
    script = f"until test -e {gate}; do sleep 0.05; done; exec cat"
    keys = {"stdout_logfile": copied, "stdout_logfile_maxbytes": 0}
    site = Site(run, tmp_path, section("cat", command=f"sh -c '{script}'", startsecs=0, **keys))
    wait_until(lambda: _equal("RUNNING", site.state("cat")))
    piece = "x" * (LONG - 1) + "\n"
    count = 0
    while count * LONG <= WAITING:
        try:
            assert site.rpc.sendProcessStdin("cat", piece)
        except xmlrpc.client.Fault as refused:
            assert "FAILED: cannot write to the standard input of cat: " in refused.faultString
            assert "bytes wait already" in refused.faultString
            break
        count += 1
    assert WAITING // 2 < count * LONG
    assert "RUNNING" == site.state("cat")
    gate.touch()
    wait_until(lambda: _equal(piece * count, copied.read_text()))
    assert site.rpc.sendProcessStdin("cat", "last\n")
    wait_until(lambda: _equal(piece * count + "last\n", copied.read_text()))
    assert site.rpc.stopProcess("cat")
    site.end()


def test_input_that_waits_ends_with_the_process(run: Run, tmp_path: Path) -> None:
    """It leaves no thread and no descriptor behind."""
    site = Site(run, tmp_path, section("web", "wait", startsecs=0))
    wait_until(lambda: _equal("RUNNING", site.state("web")))
    threads, files = _threads(site), _descriptors(site)
    assert site.rpc.sendProcessStdin("web", "x" * LONG)
    assert threads < _threads(site)
    assert site.rpc.stopProcess("web")
    assert site.rpc.startProcess("web")
    wait_until(
        lambda: _equal((True, True), (_threads(site) <= threads, _descriptors(site) <= files))
    )
    site.end()


def _threads(site: Site) -> int:
    return len(os.listdir(f"/proc/{site.program.pid}/task"))


def _descriptors(site: Site) -> int:
    return len(os.listdir(f"/proc/{site.program.pid}/fd"))


def test_mode_of_the_socket_is_as_written(run: Run, tmp_path: Path) -> None:
    site = Site(run, tmp_path, section("web", "wait"), chmod="0766")

    assert 0o766 == stat.S_IMODE(os.stat(site.path).st_mode)
    site.end()


def test_a_password_is_asked_for(run: Run, tmp_path: Path) -> None:
    site = Site(run, tmp_path, section("web", "wait"), username="anna", password=WORD)
    with pytest.raises(xmlrpc.client.ProtocolError) as raised:
        site.rpc.getState()

    assert 401 == raised.value.errcode
    assert 1 == proxy(site.path, f"anna:{WORD}").supervisor.getState()["statecode"]
    # The body of a stranger is not waited for.
    head = posted(b"", length=1000)
    assert sent(site.path, head).startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    site.end()


def test_the_file_of_a_dead_program_is_replaced(run: Run, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s.sock"))
    site = Site(run, tmp_path, section("web", "wait"))

    assert "web" == site.rpc.getAllProcessInfo()[0]["name"]
    site.end()


def test_a_living_socket_is_left_alone(run: Run, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(tmp_path / "s.sock"))
        living.listen()
        program = supervisord(run, tmp_path, unix_section(tmp_path / "s.sock"), section("a"))
        program.expect(r"cannot listen on .*s\.sock .*another program answers on it")
        all_told(program.out.seen, "a up")
        program.send(signal.SIGTERM)
        program.finish(0)
        assert (tmp_path / "s.sock").exists()


def test_a_socket_without_a_place_costs_no_service(run: Run, tmp_path: Path) -> None:
    program = supervisord(run, tmp_path, unix_section("/nosuch/s.sock"), section("a", "wait"))
    program.expect("cannot listen on /nosuch/s.sock .*no such file or directory; ")
    all_told(program.out.seen, "a up")
    program.send(signal.SIGTERM)
    program.finish(0)


ATTACKS = {
    "no xml": (posted(b"<"), b"400"),
    "bomb": (posted(b'<!DOCTYPE x [<!ENTITY a "b">]><methodCall/>'), b"400"),
    "too long": (posted(b"x" * 1000, length=100_000_000), b"413"),
    "no length": (posted(b"", b"Transfer-Encoding: chunked"), b"411"),
    "two lengths": (posted(b"x", b"Content-Length: 2"), b"400"),
    "no number": (posted(b"", b"Content-Length: -1"), b"400"),
    "an index page": (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"404"),
    "a method": (b"PUT /RPC2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"405"),
    "a way up": (b"GET /logtail/../../etc/passwd HTTP/1.0\r\n\r\n", b"404"),
}


def test_strangers_cost_no_service(run: Run, tmp_path: Path) -> None:
    site = Site(run, tmp_path, section("web", "wait"))
    for name, (data, status) in ATTACKS.items():
        assert sent(site.path, data).split()[1:2] == [status], name
    assert b"" == sent(site.path, posted(LISTED, length=len(LISTED) + 5), end=True)
    assert sent(site.path, posted(LISTED)).startswith(b"HTTP/1.1 200 OK\r\n")
    site.end()


def test_slow_senders_keep_no_place(run: Run, tmp_path: Path) -> None:
    """More of them than places: a monitor is answered all the same."""
    site = Site(run, tmp_path, section("web", "wait"))
    slow = [socket.socket(socket.AF_UNIX) for _ in range(MORE_THAN_PLACES)]
    for one in slow:
        one.connect(str(site.path))
        one.sendall(posted(b"<", length=1000))
    assert "web" == site.rpc.getAllProcessInfo()[0]["name"]
    for one in slow:
        one.close()
    site.end()
