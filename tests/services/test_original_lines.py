"""The lines of supervisord 4.3 about programs, beside those of the conductor for the same story."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest

from config_supervisor.core import events as ev
from config_supervisor.services.plan import Restart, Retries
from tests.harness import PROGRAM, wait_until
from tests.servers import free_port
from tests.services.oracle import environment
from tests.services.sides import end
from tests.unit.ensemble import KILL, TERM, Ensemble, service

CONFIGURATION = """\
[supervisord]
nodaemon = true
logfile = {scratch}/log
pidfile = {scratch}/pid
[program:steady]
command = sleep 100
[program:quick]
command = sh -c "exit 3"
startsecs = 5
startretries = 1
[program:missing]
command = /nosuch/program
startretries = 0
[program:one]
command = sleep 1.5
startsecs = 0
autorestart = false
[program:lived]
command = sh -c "sleep 1.5; exit 5"
autorestart = false
[program:killed]
command = sh -c "sleep 1.5; kill -9 $$"
autorestart = false
[program:deaf]
command = sh -c "trap '' TERM; while :; do sleep 0.1; done"
stopwaitsecs = 1
"""
PROGRAMS = ("steady", "quick", "missing", "one", "lived", "killed", "deaf")
LAST = (
    "gave up: quick",
    "exited: lived",
    "exited: killed",
    "exited: one",
    "success: deaf",
    "success: steady",
)


def normal(line: str) -> str:
    """A line without its time, and without numbers of processes."""
    text = re.sub(r"^\S+ \S+ ", "", line)
    return re.sub(r"(with pid |\()\d+\b", r"\1N", text)


def about(lines: list[str], name: str) -> list[str]:
    """The lines about a program, in order; a program that is missing has lines with its path."""
    word = re.compile(rf"\b{name}\b|/nosuch" if name == "missing" else rf"\b{name}\b")
    return [line for line in lines if word.search(line) and " to die" not in line]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The log of the original, from its start to its end."""
    python = environment(tmp_path_factory.getbasetemp().parent / "supervisor-4.3")
    scratch = tmp_path_factory.mktemp("original")
    file = scratch / "supervisord.conf"
    file.write_text(CONFIGURATION.format(scratch=scratch))
    log = scratch / "log"
    command = [str(python), "-m", "supervisor.supervisord", "-c", str(file)]
    # Elsewhere, because the name of our folder is the name of its package.
    running = subprocess.Popen(command, cwd=scratch, stdout=subprocess.DEVNULL)

    def complete() -> None:
        text = log.read_text() if log.exists() else ""
        assert [] == [one for one in LAST if one not in text]

    try:
        wait_until(complete, timeout=30)
    finally:
        end(running)
    return [normal(line) for line in log.read_text().splitlines()]


def told() -> list[str]:
    """The same story, told to the conductor."""
    never = Restart.NEVER
    world = Ensemble(
        service("deaf", stopwaitsecs=1),
        service("killed", restart=never),
        service("lived", restart=never),
        service("missing", retries=Retries(0), command="/nosuch/program"),
        service("one", restart=never, startsecs=0),
        service("quick", startsecs=5, retries=Retries(1)),
        service("steady"),
        compatible=True,
    )
    world.outcomes = ["runs", "runs", "runs", "missing"]
    world.begin()
    world.processes["deaf"].deaf = True
    world.exit("one", 0)
    world.exit("quick", 3)
    world.wait(1)
    world.exit("quick", 3)
    world.wait(0.5)
    world.exit("lived", 5)
    world.exit("killed", 0, KILL)
    world.tell(ev.SignalReceived(TERM))
    world.wait(2)
    assert 0 == world.code
    return [re.sub(r"(with pid |\()\d+\b", r"\1N", line) for line in world.log]


@pytest.mark.timeout(120)
def test_lines_about_programs_are_those_of_the_original(original: list[str]) -> None:
    ours = told()

    assert {name: about(original, name) for name in PROGRAMS} == {
        name: about(ours, name) for name in PROGRAMS
    }


@pytest.mark.timeout(120)
def test_lines_about_the_end_are_those_of_the_original(original: list[str]) -> None:
    ours = told()
    of_the_end = re.compile(r"received SIG|to die")

    assert [line for line in original if of_the_end.search(line)][:2] == [
        line for line in ours if of_the_end.search(line)
    ]


OWN = """\
[supervisord]
nodaemon = true
logfile = {scratch}/log
pidfile = {scratch}/pid
[include]
files = more/*.conf
[unix_http_server]
file = {scratch}/open.sock
[inet_http_server]
port = 127.0.0.1:{port}
username = me
password = secret
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
# Of the user of the process, which ours leaves alone.
NOT_OURS = re.compile(r"Supervisor is running as root|Set uid to user")


def own_lines(command: list[str], scratch: Path) -> list[str]:
    """The log of a supervisord that gets an unknown child and a USR2."""
    (scratch / "more").mkdir(parents=True)
    for name in ("b.conf", "a.conf"):
        (scratch / "more" / name).write_text("")
    file = scratch / "supervisord.conf"
    file.write_text(OWN.format(scratch=scratch, port=free_port()))
    log = scratch / "log"
    # The shell's child is that of the supervisor, which takes the place of the shell.
    shell = ["sh", "-c", 'sleep 0.5 & exec "$@"', "sh", *command, "-c", str(file)]
    running = subprocess.Popen(shell, cwd=scratch, stdout=subprocess.DEVNULL)

    def has(words: str) -> None:
        assert words in (log.read_text() if log.exists() else "")

    try:
        wait_until(lambda: has("reaped unknown pid"), timeout=20)
        running.send_signal(signal.SIGUSR2)
        wait_until(lambda: has("supervisord logreopen"), timeout=20)
    finally:
        end(running)
    found = [normal(line) for line in log.read_text().splitlines()]
    text = "\n".join(line for line in found if not NOT_OURS.search(line))
    return re.sub(r"unknown pid \d+", "unknown pid N", text.replace(str(scratch), "")).splitlines()


@pytest.mark.timeout(120)
def test_lines_about_itself_are_those_of_the_original(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    python = environment(tmp_path_factory.getbasetemp().parent / "supervisor-4.3")
    link = tmp_path / "supervisord"
    link.symlink_to(PROGRAM[0])

    theirs = own_lines([str(python), "-m", "supervisor.supervisord"], tmp_path / "theirs")
    ours = own_lines([str(link)], tmp_path / "ours")

    assert theirs == ours
