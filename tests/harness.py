"""The program under test as a real process, and the means to watch it.

It starts the program as an ordinary process (where it is a subreaper) or as PID 1 of a private pid
namespace, reads its output line by line, and kills the processes of its own run only: a mark in the
environment, inherited by all descendants, identifies them. It must not know the expected behaviour.
SUPERVISOR_COMMAND names another program to test, `tini -s` for example.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest

from config_supervisor.process.procfs import descendants
from tests.output_lines import Lines

APPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "apps")
MODES = ("process", "pid1")
MARK = "TEST_RUN_MARK"
# A user and a group unknown to passwd, as OpenShift assigns them.
NOBODY_KNOWS = ["setpriv", "--reuid=12345", "--regid=12346", "--clear-groups", "--"]
PROGRAM = shlex.split(os.environ.get("SUPERVISOR_COMMAND", "")) or [
    os.path.join(os.path.dirname(sys.executable), "supervisor")
]

DYING = 2.0  # seconds that KILL may take on a busy machine
LAST_LINES = 1.0  # seconds for the reader of an ended program's output

# For a test that fits a single mode; its docstring gives the reason.
only_process = pytest.mark.parametrize("run", ["process"], indirect=True)
only_pid1 = pytest.mark.parametrize("run", ["pid1"], indirect=True)


def app(name: str, *args: object) -> list[str]:
    """The command of a program in tests/apps; -S -I start it fast and untouched by PYTHON*."""
    return [sys.executable, "-S", "-I", os.path.join(APPS, name), *map(str, args)]


def wait_until(assertion: Callable[[], None], timeout: float = 10) -> None:
    """Poll until `assertion` holds; after `timeout` seconds let it fail with the real values."""
    end = time.monotonic() + timeout
    while True:
        try:
            return assertion()
        except AssertionError:
            if time.monotonic() > end:
                raise
        time.sleep(0.005)


def until(actual: Callable[[], object], expected: object, timeout: float = 10) -> None:
    """Wait until something has a value."""

    def equal() -> None:
        assert expected == actual()

    wait_until(equal, timeout)


def children(pid: int) -> list[int]:
    """The children of a process, zombies included; none if the process is gone."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as listing:
                found += map(int, listing.read().split())
    except OSError:
        return []
    return found


def status(pid: int | str) -> dict[str, str]:
    """/proc/PID/status by name; empty if the process is gone."""
    try:
        with open(f"/proc/{pid}/status") as listing:
            return parse_status(listing)
    except OSError:
        return {}


def parse_status(lines: Iterable[str]) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def signals_in(mask: str) -> set[int]:
    """The signal numbers in a mask of /proc/PID/status: bit 0 is signal 1 (proc(5))."""
    bits = int(mask, 16)
    return {number for number in range(1, 65) if bits >> (number - 1) & 1}


def state(pid: int) -> str:
    """R, S, D, T, Z or whatever proc(5) has; X when the process is gone."""
    return status(pid).get("State", "X")[0]


def assert_state(pid: int, letter: str) -> None:
    """Wait until the process is in that state; S stands for running as well as sleeping."""

    def reached() -> None:
        assert letter == state(pid).replace("R", "S").replace("D", "S")

    wait_until(reached)


def marked(mark: str) -> list[int]:
    """Every living process with the mark; a zombie has no environment any more."""
    wanted, found = f"{MARK}={mark}".encode(), []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as environment:
                if wanted in environment.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:  # it ended meanwhile, or belongs to another user
            continue
    return found


def describe(pids: Iterable[int]) -> list[str]:
    lines = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as command:
                words = command.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            words = "gone"
        lines.append(f"{pid} {state(pid)} {words}")
    return lines


@functools.cache
def namespace() -> tuple[str, ...]:
    """The command that makes its arguments PID 1 of a pid namespace; skips where the system allows
    none.
    """
    command = ["unshare", "-pf", "--kill-child", "--mount-proc"]
    if os.geteuid():
        command += ["-U", "--map-root-user"]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", b"").decode().strip() or error
        pytest.skip(f"needs root or user namespaces for a private pid namespace: {why}")
    return tuple(command)


class Program:
    """A run of the program: its pid, its streams, its signals and its end."""

    def __init__(self, mode: str, command: Sequence[str], master: int = -1, **popen: Any) -> None:
        self.mode = mode
        self.started = time.monotonic()
        self.popen = subprocess.Popen(command, **popen)
        self._pidfd = os.pidfd_open(self.popen.pid)
        self._master = master
        self.out = Lines(self.popen.stdout or open(master, "rb", closefd=False))  # noqa: SIM115
        self.err = Lines(self.popen.stderr) if self.popen.stderr else self.out

    @functools.cached_property
    def pid(self) -> int:
        """The supervisor's pid as the tests see it."""
        return self._only_child(self.popen.pid) if self.mode == "pid1" else self.popen.pid

    @functools.cached_property
    def app(self) -> int:
        """The pid of the supervisor's single child, in the tests' pid namespace."""
        return self._only_child(self.pid)

    def _only_child(self, pid: int) -> int:
        found: list[int] = []

        def one() -> None:
            found[:] = children(pid)  # which may miss a child while others come and go (proc(5))
            assert len(found) == 1, f"{pid} has {found}\n{self.story()}"

        wait_until(one)
        return found[0]

    def story(self) -> str:
        """The record of the run, for the message of a failure."""
        tree = [self.popen.pid, *children(self.popen.pid)]
        tree += [grandchild for pid in tree[1:] for grandchild in children(pid)]
        return f"stdout: {self.out.seen}\nstderr: {self.err.seen}\nrunning: {describe(tree)}"

    def expect(self, pattern: str, timeout: float = 10) -> re.Match[str]:
        """Wait for a line on stdout with the pattern, skipping others."""
        try:
            return self.out.expect(pattern, timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from None

    def send(self, number: int) -> None:
        """Send a signal to the supervisor itself, from outside of its namespace if it has one."""
        os.kill(self.pid, number)

    def type(self, text: str) -> None:
        """Write to the app: through its terminal if it has one, else through its stdin."""
        os.write(
            self._master if self.popen.stdin is None else self.popen.stdin.fileno(), text.encode()
        )

    def end_of_input(self) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.close()

    def wait(self, timeout: float = 10) -> int:
        """Wait for the end; the return code in the manner of subprocess: -N when signal
        N ended it.
        """
        if not select.select([self._pidfd], [], [], timeout)[0]:
            raise AssertionError(f"still running after {timeout} s\n{self.story()}")
        return self.popen.wait()

    def finish(self, code: int = 0, timeout: float = 10) -> None:
        """Wait for the end, which must have this exit code."""
        actual = self.wait(timeout)
        for stream in (self.out, self.err):
            stream.catch_up(LAST_LINES)
        assert code == actual, self.story()

    def close(self) -> None:
        """Release everything; the processes must have been killed before."""
        self.popen.wait()
        os.close(self._pidfd)
        if self.popen.stdin is not None:
            self.popen.stdin.close()
        for stream in (self.out, self.err):
            stream.reader.join(5)
        if self._master >= 0:
            os.close(self._master)


class Run:
    """Starts programs in a single mode for a test, and makes sure nothing of them is left."""

    _count = 0

    def __init__(self, mode: str) -> None:
        Run._count += 1
        self.mode = mode
        self.mark = f"{os.getpid()}-{Run._count}"
        self.programs: list[Program] = []
        self.surroundings: dict[str, str] = {}  # variables for each program
        self._outer = namespace() if mode == "pid1" else ()

    def __call__(
        self,
        *command: str,
        options: Sequence[str] = (),
        prefix: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        **popen: Any,
    ) -> Program:
        """Start the program on an app.

        `options` are its own, `prefix` is a command that ends in an exec of its arguments and is
        replaced by the program, `env` is added to the environment; `popen` is for subprocess.Popen.
        """
        end = ["--", *command] if command else []
        return self._start([*prefix, *PROGRAM, *options, *end], env, popen)

    def directly(
        self,
        *command: str,
        prefix: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        **popen: Any,
    ) -> Program:
        """Start the app in the same surroundings without the program, to compare."""
        return self._start([*prefix, *command], env, popen)

    def on_terminal(
        self, *command: str, options: Sequence[str] = (), supervised: bool = True
    ) -> Program:
        """Start the program as the leader of a session with its own controlling terminal.

        Unless `supervised`, the command itself is the leader.
        """
        master, slave = os.openpty()
        command = (*PROGRAM, *options, "--", *command) if supervised else command
        streams: dict[str, Any] = {"stdin": slave, "stdout": slave, "stderr": slave}
        try:
            return self.directly(*command, prefix=["setsid", "--ctty"], master=master, **streams)
        finally:
            os.close(slave)

    def _start(
        self, command: Sequence[str], env: Mapping[str, str] | None, popen: dict[str, Any]
    ) -> Program:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # All runs would share the default control socket: programs of other tests would be in the
        # way.
        apart = {"CONFIG_SUPERVISOR_CONTROL": "off", MARK: self.mark}
        given = {**environment(), **self.surroundings, **apart, **(env or {})}
        popen = {**pipes, **popen, "env": given}
        program = Program(self.mode, [*self._outer, *command], **popen)
        self.programs.append(program)
        return program

    def left(self) -> list[int]:
        """The living processes of this test."""
        return marked(self.mark)

    def _survivors(self) -> list[str]:
        """The living processes of this test, once the killed ones have had time to end."""
        with contextlib.suppress(AssertionError):
            until(self.left, [], DYING)
        return describe(self.left())

    def kill_left(self) -> None:
        """Kill every process of this test, hidden sessions included."""
        # A process that writes its title over its environment (nginx) shows no mark: it is found
        # below a marked process.
        below = [pid for one in self.left() for pid in descendants(one)]

        def none_left() -> None:
            left = self.left()
            for pid in (*left, *below):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            below.clear()
            assert [] == left

        wait_until(none_left)

    def close(self) -> None:
        """Kill what still runs; a survivor of an ended supervisor is a failure."""
        ended = all(program.popen.poll() is not None for program in self.programs)
        left = self._survivors() if ended else []
        self.kill_left()
        for program in self.programs:
            program.close()
        assert [] == left, "left behind by a supervisor that has ended"


def environment() -> dict[str, str]:
    """Our environment without the program's variables."""
    ours = ("CONFIG_SUPERVISOR_", "CONFIG_CONTROLLER_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
