"""Orders of people about the configuration of one service, through the control socket."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Program, Run, environment, only_process, state, until, wait_until
from tests.process.controlled import SUPERVISORCTL, ctl
from tests.process.services import section, written
from tests.process.test_services_configuration import configured
from tests.volume import swap_volume


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


class Subject:
    """Two services on one volume, `web` with a configroot, and one without a configuration."""

    def __init__(self, run: Run, place: Path) -> None:
        self.place = place
        self.volume = place / "volume"
        swap_volume(self.volume, {"app.conf": "one"})
        file = written(
            place,
            [configured(name, place, "app.conf", startsecs=0) for name in ("web", "api")]
            + [section("plain", "wait")],
        )
        options = ["--services", file, f"--control={place}/control", "--listen=off"]
        self.program: Program = run(options=options)
        until(lambda: self.program.out.seen.count("ready"), 2)
        until((place / "control").exists, expected=True)

    def ask(self, method: str, path: str) -> tuple[int, str]:
        connection = UnixConnection(self.place / "control")
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode().rstrip()
        finally:
            connection.close()

    def ctl(self, *words: str) -> tuple[int, str]:
        """The exit code and the output of supervisorctl."""
        server = f"unix://{self.place}/control"
        done = subprocess.run(
            [SUPERVISORCTL, "-s", server, *words],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env=environment(),
        )
        return done.returncode, done.stdout.rstrip()

    def generations(self, name: str) -> list[dict[str, object]]:
        status, text = self.ask("GET", f"/config/generations?service={name}")
        assert status == 200
        found: list[dict[str, object]] = json.loads(text)
        return found


@pytest.fixture
def subject(run: Run, tmp_path: Path) -> Iterator[Subject]:
    made = Subject(run, tmp_path)
    yield made
    made.program.send(signal.SIGTERM)
    made.program.finish(0)


def test_reload_is_of_one_service(subject: Subject) -> None:
    status, text = subject.ask("POST", "/config/reload?service=web")

    assert (200, True) == (status, text.startswith("web: reloaded on configuration "))
    assert 3 == subject.program.out.seen.count("config: one")
    subject.program.err.expect(r"web: reload ordered by uid 0 \(pid ")


def test_rollback_is_of_one_service(subject: Subject) -> None:
    swap_volume(subject.volume, {"app.conf": "two"})
    until(lambda: subject.program.out.seen.count("config: two"), 2)

    def good() -> None:
        for name in ("web", "api"):
            assert "good" in str(subject.generations(name)[0]["marks"])

    wait_until(good)
    status, text = subject.ask("POST", "/config/rollback?service=web&to=1")

    assert (200, True) == (status, text.startswith("web: rolled back to configuration "))
    assert 3 == subject.program.out.seen.count("config: one")
    assert [["live", "running", "good"], ["failed", "rejected"]] == [
        one["marks"] for one in reversed(subject.generations("web"))
    ]
    assert 2 == subject.program.out.seen.count("config: two")
    assert "live" in str(subject.generations("api")[0]["marks"])


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("reload?service=nosuch", 409, "nosuch: there is no such service"),
        ("reload?service=plain", 409, "plain: it has no configuration; give it configmap"),
        ("rollback?service=web&to=-1", 400, "cannot roll web back to '-1': it must be"),
        ("rollback?service=web&to=9", 409, "web: cannot roll back by 9: 0 earlier are kept"),
    ],
)
def test_order_that_cannot_be_is_refused(
    subject: Subject, path: str, status: int, text: str
) -> None:
    found, why = subject.ask("POST", f"/config/{path}")

    assert (status, True) == (found, why.startswith(text)), why


def test_supervisorctl_orders_for_one_service(subject: Subject) -> None:
    code, text = subject.ctl("config", "reload", "web")
    assert (0, True) == (code, text.startswith("web: reloaded on configuration ")), text

    code, text = subject.ctl("config", "generations", "web")
    head, row = text.splitlines()
    assert (0, ["number", "time", "(UTC)", "digest", "files", "bytes"]) == (code, head.split())
    assert row.startswith("0 ")
    why = subject.ctl("config", "rollback", "web", "7")[1]
    assert why.endswith("see supervisorctl config generations web")
    code, text = subject.ctl("config", "generations", "web", "--json")
    assert (0, 0) == (code, json.loads(text)[0]["number"])


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["reload", "plain"], 1, "plain: it has no configuration; give it configmap"),
        (["rollback", "web", "9"], 1, "web: cannot roll back by 9: 0 earlier are kept"),
        (["rollback", "web", "x"], 2, "cannot roll web back to 'x': it must be a number"),
        (["reload"], 1, "Error: config reload is about one service"),
        (["reload", "web:*"], 2, "Error: config is about one service, not about a group"),
        (["nothing"], 1, "Error: config needs reload, rollback or generations"),
    ],
)
def test_supervisorctl_tells_why_not(
    subject: Subject, words: list[str], code: int, text: str
) -> None:
    found, why = subject.ctl("config", *words)

    assert (code, True) == (found, why.startswith(text)), why


@only_process  # the hook tells its own number
def test_hook_of_a_service_that_leaves_is_ended(run: Run, tmp_path: Path) -> None:
    """Its reports have no receiver any more; its process has to end all the same."""
    swap_volume(tmp_path / "volume", {"app.conf": "one"})
    told = tmp_path / "hook"
    keys = {
        "verify": f"sh -c '! grep two {{dir}}/app.conf || {{ echo $$ > {told}; exec sleep 600; }}'",
        "verify_window": "300s",
        "startsecs": 0,
    }
    file = written(tmp_path, [configured("web", tmp_path, "app.conf", **keys), section("b", "up")])
    control = tmp_path / "control"
    program = run(options=["--services", file, f"--control={control}", "--listen=off"])
    program.expect("config: one")
    swap_volume(tmp_path / "volume", {"app.conf": "two"})
    until(lambda: told.exists() and told.read_text().endswith("\n"), expected=True)
    hook = int(told.read_text())

    written(tmp_path, [section("b", "up")])
    assert (0, "") == ctl(f"--socket={control}", "update")[::2]

    until(lambda: state(hook), "X")
