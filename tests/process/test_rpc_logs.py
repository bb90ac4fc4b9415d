"""Logs at supervisord's sockets: read, tailed, cleared, and followed by strangers."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Program, Run, only_process, wait_until
from tests.process.rpc_clients import fault, sent, served, unix_section
from tests.process.services import section, supervisord

pytestmark = only_process

KEPT = {"stdout_logfile": "AUTO", "stderr_logfile": "AUTO"}
FOLLOWERS = 8


class Site:
    def __init__(self, run: Run, place: Path, *sections: str) -> None:
        self.path = place / "s.sock"
        self.program: Program = supervisord(run, place, unix_section(self.path), *sections)
        self.rpc: Any = served(self.path).supervisor

    def end(self) -> None:
        self.program.send(signal.SIGTERM)
        self.program.finish(0)


class Follower:
    """A client that follows a log, by bare HTTP."""

    def __init__(self, path: Path, target: str, version: str = "1.1") -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(str(path))
        self._socket.sendall(f"GET {target} HTTP/{version}\r\nHost: a\r\n\r\n".encode())
        self.seen = b""

    def until(self, text: bytes) -> bytes:
        while text not in self.seen:
            piece = self._socket.recv(65536)
            self.seen += piece
            assert piece, self.seen
            assert not self.seen.startswith(b"HTTP/1.1 503"), self.seen
        return self.seen

    def close(self) -> None:
        self._socket.close()


def test_a_log_is_read_tailed_and_cleared(run: Run, tmp_path: Path) -> None:
    said = section("web", command='sh -c "echo one; echo two; exec sleep 1000"', **KEPT)
    unused = section("unused", "wait", autostart="false", **KEPT)
    site = Site(run, tmp_path, said, section("off", "wait", autostart="false"), unused)
    wait_until(lambda: _read(site, "one\ntwo\n"))

    assert "two\n" == site.rpc.readProcessStdoutLog("web", -4, 0)
    assert "ne" == site.rpc.readProcessLog("web", 1, 2)
    assert ["two\n", 8, True] == site.rpc.tailProcessStdoutLog("web", 0, 4)
    assert "" == site.rpc.readProcessStderrLog("web", 0, 0)
    assert (3, "BAD_ARGUMENTS") == fault(site.rpc.readProcessStdoutLog, "web", -1, 1)
    assert (3, "BAD_ARGUMENTS") == fault(site.rpc.readProcessStdoutLog, "web", 0, -1)
    assert (10, "BAD_NAME: x") == fault(site.rpc.readProcessStdoutLog, "x", 0, 0)
    assert (20, "NO_FILE: /dev/stdout") == fault(site.rpc.readProcessStdoutLog, "off", 0, 0)
    assert ["", 0, False] == site.rpc.tailProcessStdoutLog("off", 0, 4)
    assert "" == site.rpc.readProcessStdoutLog("unused", 0, 0)
    assert site.rpc.clearProcessLogs("web")
    assert "" == site.rpc.readProcessStdoutLog("web", 0, 0)
    assert [80, 80, 80] == [one["status"] for one in site.rpc.clearAllProcessLogs()]
    site.end()


def _read(site: Site, text: str) -> None:
    assert text == site.rpc.readProcessStdoutLog("web", 0, 0)


def test_the_main_log_is_read_followed_and_cleared(run: Run, tmp_path: Path) -> None:
    site = Site(run, tmp_path, section("web", "wait"))
    follower = Follower(site.path, "/mainlogtail")
    follower.until(b"supervisord started with pid")
    assert "supervisord started with pid" in site.rpc.readLog(0, 0)
    assert site.rpc.stopProcess("web")
    follower.until(b"stopped: web")
    assert site.rpc.clearLog()
    assert "started" not in site.rpc.readLog(0, 0)
    follower.until(b"==> File truncated <==")
    follower.close()
    site.end()


def test_a_main_log_of_dev_null_is_an_empty_one(run: Run, tmp_path: Path) -> None:
    """The original answers so too, but for the last call, which removes the device there."""
    program = supervisord(
        run, tmp_path, unix_section(tmp_path / "s.sock"), options=("-l", "/dev/null")
    )
    rpc: Any = served(tmp_path / "s.sock").supervisor
    follower = Follower(tmp_path / "s.sock", "/mainlogtail")

    assert follower.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert ["", ""] == [rpc.readLog(0, 0), rpc.readLog(-5, 0)]
    assert (3, "BAD_ARGUMENTS") == fault(rpc.readLog, -1, 1)
    assert rpc.clearLog()
    assert Path("/dev/null").is_char_device()
    follower.close()
    program.send(signal.SIGTERM)
    program.finish(0)


@pytest.mark.parametrize(("version", "chunked"), [("1.1", True), ("1.0", False)])
def test_a_log_is_followed(run: Run, tmp_path: Path, version: str, chunked: bool) -> None:
    site = Site(run, tmp_path, section("cat", command="cat", **KEPT))
    assert site.rpc.sendProcessStdin("cat", "before\n")
    follower = Follower(site.path, "/logtail/cat%3Acat", version)
    assert chunked is (b"Transfer-Encoding: chunked\r\n" in follower.until(b"before\n"))
    assert site.rpc.sendProcessStdin("cat", "after\n")
    assert chunked is (b"6\r\nafter\n\r\n" in follower.until(b"after\n" + b"\r\n" * chunked))
    follower.close()
    site.end()


@pytest.mark.parametrize("target", ["/logtail/x", "/logtail/cat/x", "/logtail/", "/logtail/off"])
def test_a_log_that_is_not_there(run: Run, tmp_path: Path, target: str) -> None:
    off = section("off", "wait", autostart="false")
    site = Site(run, tmp_path, section("cat", command="cat", **KEPT), off)
    answer = sent(site.path, f"GET {target} HTTP/1.0\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n")
    site.end()


def test_followers_have_a_bound(run: Run, tmp_path: Path) -> None:
    """The places of those who went away are free again."""
    site = Site(run, tmp_path, section("cat", command="cat", **KEPT))
    site.rpc.sendProcessStdin("cat", "hello\n")
    followers = [Follower(site.path, "/logtail/cat") for _ in range(FOLLOWERS)]
    for one in followers:
        one.until(b"hello")
    busy = sent(site.path, b"GET /logtail/cat HTTP/1.0\r\n\r\n")
    assert busy.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    followers[0].close()
    site.rpc.getState()  # the server has seen the end of the other

    def free() -> None:
        late = Follower(site.path, "/logtail/cat")
        followers.append(late)
        late.until(b"hello")

    wait_until(free)
    for one in followers:
        one.close()
    site.end()


def test_a_slow_reader_holds_no_log_up(run: Run, tmp_path: Path) -> None:
    """It loses bytes, and is told how many; the service writes on."""
    flood = (
        "sh -c \"read x; head -c 20000000 /dev/zero | tr '\\\\\\\\0' x; echo; echo end; read x\""
    )
    site = Site(run, tmp_path, section("web", command=flood, **KEPT))
    slow = Follower(site.path, "/logtail/web")
    slow.until(b"\r\n\r\n")
    wait_until(lambda: site.rpc.sendProcessStdin("web", "go\n"))
    wait_until(lambda: _ends(site))
    assert b"bytes left out: the reader is slow" in slow.until(b"<==\n")
    slow.close()
    site.end()


def _ends(site: Site) -> None:
    assert site.rpc.readProcessStdoutLog("web", -4, 0) == "end\n"


def test_answers_of_a_multicall_have_a_bound(run: Run, tmp_path: Path) -> None:
    """Many calls in a small request would else fill the memory of PID 1."""
    path = tmp_path / "out"
    path.write_bytes(b"x" * (3 << 20))
    said = section("web", stdout_logfile=str(path), stdout_logfile_maxbytes="0")
    site = Site(run, tmp_path, said)
    call = {"methodName": "supervisor.readProcessStdoutLog", "params": ["web", 0, 0]}
    found = served(site.path).system.multicall([call] * 5)

    assert all(len(one) >= 3 << 20 for one in found[:3])
    assert ["FAILED: the answers before have 8 MiB; ask for it apart"] * 2 == [
        one["faultString"] for one in found[3:]
    ]
    site.end()
