"""supervisorctl beside the whole program: every command, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from config_supervisor import __version__
from config_supervisor.control import socket_path
from tests.conftest import needs, needs_open_interpreter, needs_root
from tests.harness import (
    NOBODY_KNOWS,
    Program,
    Run,
    app,
    environment,
    only_pid1,
    only_process,
    wait_until,
)
from tests.http import get, port_of
from tests.servers import free_port

SUPERVISORCTL = os.path.join(os.path.dirname(sys.executable), "supervisorctl")
LISTEN = "--listen=127.0.0.1:0"

Result = tuple[int, str, str]  # exit code, standard output, standard error


class Subject:
    """The program on a directory with one file, which is copied, and supervisorctl for it."""

    def __init__(self, run: Run, scratch: Path) -> None:
        self._run = run
        self.source, self.live = scratch / "source", scratch / "live"
        self.socket = str(scratch / "control.sock")
        self.options = [
            f"--config-dir={self.source}",
            f"--configroot={self.live}",
            f"--control={self.socket}",
            LISTEN,
        ]

    def write(self, content: str) -> None:
        self.source.mkdir(exist_ok=True)
        (self.source / "new").write_text(content)
        (self.source / "new").replace(self.source / "app.conf")

    def start(self, *options: str, command: Sequence[str] = ()) -> Program:
        """Start, and return when supervisorctl is answered."""
        command = command or app("read_config.py", f"{self.live}/app.conf")
        hurry = ["--reload-interval=0s", "--verify-window=100ms"]
        self.program = self._run(*command, options=[*self.options, *hurry, *options])

        def answers() -> None:
            assert self.ctl("health")[0] in (0, 1), self.program.story()

        wait_until(answers)
        return self.program

    def running(self, *contents: str) -> Program:
        """Start on the first content, and change to each of the others; the app runs on the last
        one.
        """
        self.write(contents[0])
        program = self.start()
        program.expect(f"config: {contents[0]}")
        program.expect("ready")
        for content in contents[1:]:
            self.write(content)
            program.expect(f"config: {content}")
            self.done("wait", "--synced", "--timeout=10s")
        return program

    def ctl(self, *words: str) -> Result:
        return ctl(f"--socket={self.socket}", *words)

    def done(self, *words: str) -> str:
        """What a command prints, which must succeed."""
        code, out, err = self.ctl(*words)
        assert (0, "") == (code, err), self.program.story()
        return out

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start a command that waits."""
        return subprocess.Popen(
            [SUPERVISORCTL, f"--socket={self.socket}", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )


def ctl(*words: str, prefix: Sequence[str] = (), env: dict[str, str] | None = None) -> Result:
    done = subprocess.run(
        [*prefix, SUPERVISORCTL, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**environment(), **(env or {})},
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def subject(run: Run, tmp_path: Path) -> Subject:
    return Subject(run, tmp_path)


# --- looking


def ages_left_out(shown: dict[str, Any]) -> dict[str, Any]:
    """Two looks differ by the time between them, and by a window that ends meanwhile."""
    moving = ("_ago", "_at", "last_outcome", "good")
    return {
        name: (
            {key: value for key, value in part.items() if not key.endswith(moving)}
            if isinstance(part, dict)
            else part
        )
        for name, part in shown.items()
    }


def test_status_is_a_table_or_what_the_port_serves(subject: Subject) -> None:
    program = subject.running("one")
    shown = subject.done("status")

    code, page = get(port_of(program), "/status")
    told = json.loads(subject.done("status", "--json"))
    for section in (told["config"], told["reloads"]):
        assert section.pop("last_error_output") is None  # for the control socket alone
    assert (200, ages_left_out(told)) == (code, ages_left_out(json.loads(page)))
    digest = told["config"]["running"]
    rows = [line.split() for line in shown.splitlines()]
    assert ["app", "phase", "running"] in rows
    assert ["running", digest[:8]] in rows
    assert ["stale", "no"] in rows


def test_health_is_for_a_health_check(subject: Subject) -> None:
    subject.running("one")

    assert (0, "ok: running\n", "") == subject.ctl("health")


ASK = ["sh", "-c", f"{SUPERVISORCTL} health; echo code $?"]


@only_pid1
def test_a_first_process_that_serves_nothing_is_healthy(run: Run) -> None:
    """Only of process 1 can that be known."""
    program = run(*ASK)
    program.expect("ok: this supervisor serves nothing, and ends with its app")
    program.expect("code 0")


@only_pid1
def test_a_first_process_started_as_a_module_is_known(run: Run) -> None:
    """Without pip's launcher, which obeys PYTHONHOME."""
    program = run.directly(sys.executable, "-I", "-m", "config_supervisor", "--", *ASK)
    program.expect("ok: this supervisor serves nothing, and ends with its app")


@only_pid1
def test_without_a_socket_health_asks_where_the_first_process_was_told_to_serve(run: Run) -> None:
    """Only of process 1 can that be known."""
    patient = [
        "sh",
        "-c",
        f"until {SUPERVISORCTL} health; do :; done",
    ]  # the app starts before the server
    run(*patient, options=[f"--listen=127.0.0.1:{free_port()}"]).expect("ok: running")


@only_process
def test_without_a_supervisor_nothing_is_healthy(run: Run) -> None:
    """The tests' own process 1 is none of ours."""
    run(*ASK).expect("code 4")


@only_process
def test_a_supervisor_that_is_stopped_is_not_healthy(subject: Subject) -> None:
    """The same as PID 1, and it takes the five seconds."""
    program = subject.running("one")
    program.send(signal.SIGSTOP)
    code, out, err = subject.ctl("health")
    program.send(signal.SIGCONT)
    assert (1, "") == (code, out)
    assert "supervisorctl: no answer within 5s: the supervisor may be stopped or stuck\n" == err
    assert (0, "ok: running\n", "") == subject.ctl("health")


def test_an_app_between_two_starts_is_healthy_and_not_ready(subject: Subject) -> None:
    subject.write("one")
    subject.start("--restart=always", command=["false"])

    def backing_off() -> None:
        assert (0, "ok: backoff\n", "") == subject.ctl("health")
        assert (1, "", "supervisorctl: not ready within 0s: backoff\n") == subject.ctl(
            "wait", "--ready", "--timeout=0"
        )

    wait_until(backing_off)


def test_generations_are_listed_newest_first(subject: Subject) -> None:
    subject.running("one", "two", "three")
    header, *rows = subject.done("generations").splitlines()

    assert ["number", "time", "(UTC)", "digest", "files", "bytes"] == header.split()
    assert [("0", "1", "5"), ("1", "1", "3"), ("2", "1", "3")] == [
        (row.split()[0], *row.split()[4:6]) for row in rows
    ]
    assert [["live,", "running,", "good"], ["good"]] == [row.split()[6:] for row in rows[:2]]


# --- the supervisor itself


def test_pid_and_version_are_those_of_the_supervisor(subject: Subject) -> None:
    program = subject.running("one")
    own = "1" if program.mode == "pid1" else str(program.pid)

    assert (f"{own}\n", f"{__version__}\n") == (subject.done("pid"), subject.done("version"))


def test_shutdown_is_as_term(subject: Subject) -> None:
    program = subject.running("one")

    assert "Shut down\n" == subject.done("shutdown")
    program.finish(0)
    assert any("got SIGTERM: stopping" in line for line in program.err.seen)


# --- waiting


def test_wait_ends_when_the_first_configuration_is_there(subject: Subject) -> None:
    subject.start()
    code, _, err = subject.ctl("wait", "--ready", "--timeout=100ms")

    assert 1 == code
    assert err.startswith(
        "supervisorctl: not ready within 0.1s: waiting for the first configuration"
    )
    waiting = [
        subject.begin("wait", "--ready"),
        subject.begin("wait", "--synced", "--timeout", "1m"),
    ]
    subject.write("one")
    ready, synced = [one.communicate(timeout=10) for one in waiting]
    assert ("running\n", "") == ready
    assert synced[0].startswith("running on configuration ")
    assert [0, 0] == [one.returncode for one in waiting]


def test_who_waits_is_told_that_the_supervisor_ends(subject: Subject) -> None:
    program = subject.start()
    waiting = subject.begin("wait", "--ready")
    program.send(signal.SIGTERM)
    program.wait()

    assert "supervisorctl: " in waiting.communicate(timeout=10)[1]
    assert waiting.returncode in (1, 4)
    assert (
        4,
        (
            "supervisorctl: the supervisor is not running: it does not listen on"
            f" {subject.socket}; see --socket\n"
        ),
    ) == (subject.ctl("reload")[::2])
    assert not os.path.exists(subject.socket)


# --- orders


def test_reload_reloads_what_has_not_changed(subject: Subject) -> None:
    program = subject.running("one")

    assert subject.done("reload").startswith("reloaded on configuration ")
    program.expect("config: one")
    assert ["config: one", "ready", "config: one"] == program.out.seen


def test_a_reload_that_fails_says_why(subject: Subject) -> None:
    subject.write("one")
    subject.start("--reload-timeout=300ms", command=["sleep", "60"])
    subject.done("wait", "--synced", "--timeout=10s")
    code, out, err = subject.ctl("reload")

    assert (1, "") == (code, out)
    assert err.startswith(
        "supervisorctl: cannot reload: it does not catch SIGHUP, which would end it; "
    )


def test_a_reload_that_cannot_be_verified_has_failed(subject: Subject) -> None:
    subject.write("one")
    subject.start("--verify=false").expect("ready")
    code, out, err = subject.ctl("reload")

    assert (1, "") == (code, out)
    assert (
        "supervisorctl: cannot reload: the verification did not pass: false ended with code 1\n"
        == err
    )


def test_rollback_puts_an_older_generation_back_until_the_content_changes(subject: Subject) -> None:
    program = subject.running("one", "two", "three")

    assert subject.done("rollback", "2").startswith("rolled back to configuration ")
    program.expect("config: one")
    assert "one" == (subject.live / "app.conf").read_text()
    assert ["newer  ", "newer  ", "0      "] == [
        row[:7] for row in subject.done("generations").splitlines()[1:]
    ]
    assert "rejected" in subject.done("generations").splitlines()[1]
    subject.write("four")
    program.expect("config: four")
    assert ["one", "two", "three", "one", "four"] == [
        line[8:] for line in program.out.seen if line != "ready"
    ]


def test_reload_after_a_rollback_takes_the_newest_again(subject: Subject) -> None:
    program = subject.running("one", "two")
    subject.done("rollback")
    program.expect("config: one")
    subject.done("reload")
    program.expect("config: two")


def test_there_is_nothing_to_go_back_to_in_the_beginning(subject: Subject) -> None:
    subject.running("one")

    code, _, err = subject.ctl("rollback")
    assert (
        1,
        (
            "supervisorctl: cannot roll back by 1: 0 earlier are kept that did not fail; see"
            " supervisorctl generations\n"
        ),
    ) == (
        code,
        err,
    )


# --- which socket


def test_a_second_supervisor_leaves_the_socket_to_the_first(subject: Subject, run: Run) -> None:
    subject.running("one")
    second = run("sleep", "60", options=[f"--control={subject.socket}", LISTEN])
    second.err.expect(
        f"cannot listen on {subject.socket}: another program answers on it; choose another"
    )
    second.send(signal.SIGTERM)
    second.wait()

    assert (0, "ok: running\n", "") == subject.ctl("health")


def test_without_a_socket_health_asks_the_port(run: Run) -> None:
    port = port_of(run("sleep", "60", options=["--control=off", LISTEN]))
    env = {"CONFIG_SUPERVISOR_CONTROL": "off", "CONFIG_SUPERVISOR_LISTEN": f":{port}"}

    assert (0, "ok: running\n", "") == ctl("health", env=env)
    where = "CONFIG_SUPERVISOR_CONTROL is off; see --socket"
    assert (4, "", f"supervisorctl: the supervisor is not running: {where}\n") == ctl(
        "status", env=env
    )


# A command that takes the modes of /run and /tmp, and another command to run with them. An empty
# /tmp would hide this checkout, if it is there.
MOUNTED = """
mount -t tmpfs -o "$0" run /run
mount --bind /tmp /tmp && mount -o "remount,bind,$1" /tmp
shift; exec "$@"
"""


@only_process
@pytest.mark.parametrize(
    ("run_mode", "tmp_mode", "path"),
    [("rw", "rw", r"/run/{}\.sock"), ("ro", "rw", r"/tmp/{}-0-\d+\.sock"), ("ro", "ro", "")],
)
def test_the_default_place_is_the_first_that_can_be_written_to(
    run: Run, run_mode: str, tmp_mode: str, path: str
) -> None:
    """In a mount namespace, which has the real directories of its own."""
    needs_root()
    nsenter = needs("nsenter")
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    prefix = ["unshare", "--mount", "sh", "-ec", MOUNTED, run_mode, tmp_mode]
    chosen = {"CONFIG_SUPERVISOR_CONTROL": ""}
    program = run("sleep", "60", options=["-v", f"--listen={listen}"], prefix=prefix, env=chosen)
    program.err.expect(
        f"control socket: {path.format('config-supervisor')}$"
        if path
        else "cannot make a control socket"
    )
    inside = [nsenter, "--mount", f"--target={program.pid}"]

    def healthy() -> None:
        assert (0, "ok: running\n", "") == ctl(
            "health", prefix=inside, env={"CONFIG_SUPERVISOR_LISTEN": listen}
        )

    wait_until(healthy)
    assert (0 if path else 4) == ctl("status", prefix=inside)[0]
    program.send(signal.SIGTERM)  # /tmp may be the real one: the socket has to go
    program.wait()


def test_candidates_are_the_plain_name_and_our_own() -> None:
    container = os.stat("/proc/self/ns/mnt").st_ino

    assert [
        "/run/config-supervisor.sock",
        f"/run/config-supervisor-{container}.sock",
        f"/tmp/config-supervisor-{os.geteuid()}-{container}.sock",
    ] == socket_path.candidates()[:3]


@only_pid1
def test_root_is_served_by_the_supervisor_of_another_user(run: Run) -> None:
    """`docker exec -u 0` in an image with `USER 1000`."""
    needs_root()
    needs_open_interpreter()
    program = run(
        "sleep", "60", options=[LISTEN], prefix=NOBODY_KNOWS, env={"CONFIG_SUPERVISOR_CONTROL": ""}
    )
    inside = ["nsenter", "-t", str(program.pid), "-m", "-p", "--", SUPERVISORCTL, "status"]

    def served() -> None:
        done = subprocess.run(inside, capture_output=True, text=True, timeout=10, check=False)
        assert 0 == done.returncode, done.stderr
        assert "running" in done.stdout

    wait_until(served)
