"""The reload methods on real processes and real servers: each effect, and each failure with its
reason.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from config_supervisor.process.pid_lookup import PidLookup
from config_supervisor.reload import checks, http_request, url
from config_supervisor.reload.http_request import HttpRequest
from config_supervisor.reload.methods.exec import Exec
from config_supervisor.reload.methods.http import Http
from config_supervisor.reload.methods.process import Process
from config_supervisor.reload.methods.signal import Signal
from config_supervisor.reload.reloader import ReloadPlan
from tests.answering import Answering, answer, hang
from tests.conftest import needs_root
from tests.elsewhere import Elsewhere
from tests.harness import app, wait_until
from tests.main_thread import MainThread, Reloading
from tests.output_lines import Lines

OK = answer("200 OK")
ANY_2XX = http_request.status_ranges("200-299")
HUP = int(signal.SIGHUP)


def outcome(main: MainThread, plan: ReloadPlan, pid: int = 0) -> tuple[str, str]:
    """Reason and error of a reload, both empty for success."""
    return Reloading(main, plan, pid).end()


def test_restart_method_only_verifies(main: MainThread) -> None:
    assert ("", "") == outcome(main, ReloadPlan(None))


# --- by signal ------------------------------------------------------------------------------------


@pytest.fixture
def catching() -> Iterator[tuple[int, Lines]]:
    """An app with handlers, which prints its signals."""
    with subprocess.Popen(app("print_signals.py"), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = Lines(process.stdout)
        lines.expect("ready")
        yield process.pid, lines
        process.kill()
        lines.reader.join(5)


def test_app_with_handler_gets_signal(main: MainThread, catching: tuple[int, Lines]) -> None:
    main.app, lines = catching

    assert ("", "") == outcome(main, ReloadPlan(Signal(HUP)), main.app)
    assert [(0, HUP)] == main.signals
    assert "1" == lines.next()


def test_app_without_handler_never_gets_signal(main: MainThread) -> None:
    with subprocess.Popen(["sleep", "60"]) as deaf:
        main.app = deaf.pid
        reason, error = outcome(main, ReloadPlan(Signal(HUP), timeout=0.2), deaf.pid)
        assert ([], None) == (main.signals, deaf.poll())
        deaf.kill()

    assert "no_handler" == reason
    assert "it does not catch SIGHUP, which would end it; choose the signal" in error


def test_stopping_app_gets_no_signal(main: MainThread, catching: tuple[int, Lines]) -> None:
    main.app, main.deaf = catching[0], True

    assert ("no_process", "it is being stopped") == outcome(main, ReloadPlan(Signal(HUP)), main.app)


# --- by request -----------------------------------------------------------------------------------


def http(server: Answering, method: str = "POST", accepted: Sequence[range] = ANY_2XX) -> Http:
    return Http(HttpRequest(method, url.parse(server.url("/-/reload"))), accepted)


@pytest.mark.parametrize(
    ("status", "accepted"), [("200 OK", ANY_2XX), ("302 Found", (range(200, 201), range(302, 303)))]
)
def test_http_accepted_status_is_success(
    main: MainThread, status: str, accepted: Sequence[range]
) -> None:
    with Answering(answer(status)) as server:
        assert ("", "") == outcome(main, ReloadPlan(http(server, accepted=accepted)))

    assert ["POST /-/reload HTTP/1.1"] == server.heads()


@pytest.mark.parametrize(
    "status", ["400 Bad", "403 Forbidden", "404 Not Found", "304 Not Modified", "204 Empty"]
)
def test_http_other_status_is_final_with_its_body(main: MainThread, status: str) -> None:
    with Answering(answer(status, "Lifecycle API\nis not enabled"), OK) as server:
        reason, error = outcome(main, ReloadPlan(http(server, "PUT", (range(200, 201),))))
        assert 1 == len(server.asked)

    assert "http_status" == reason
    assert error.startswith(f"PUT http://127.0.0.1:{server.port}/-/reload: {status}")
    assert error.endswith(": Lifecycle API is not enabled") == (
        status[0] in "45"
    )  # the others have no body


@pytest.mark.parametrize(
    "status", ["408 Timeout", "425 Early", "429 Many", "500 No", "502 No", "503 No", "599 No"]
)
def test_http_temporary_status_is_retried(main: MainThread, status: str) -> None:
    with Answering(answer(status), b"", OK) as server:
        assert ("", "") == outcome(main, ReloadPlan(http(server)))
        assert 3 == len(server.asked)


def test_http_waits_for_late_server(main: MainThread) -> None:
    with Answering(OK) as gone:
        plan = ReloadPlan(http(gone))
    reloading = Reloading(main, plan)
    with Answering(OK, port=gone.port) as server:
        assert ("", "") == reloading.end()
        assert 1 == len(server.asked)


def test_http_retry_after_delays_the_retry(main: MainThread) -> None:
    began = time.monotonic()
    with Answering(answer("503 No", "", "Retry-After: 1"), OK) as server:
        assert ("", "") == outcome(main, ReloadPlan(http(server)))

    assert 1 <= time.monotonic() - began < 3


def test_http_long_retry_after_ends_the_reload(main: MainThread) -> None:
    began = time.monotonic()
    with Answering(answer("503 No", "busy", "Retry-After: 60")) as server:
        reason, error = outcome(main, ReloadPlan(http(server), timeout=5))

    assert ("http_status", True) == (
        reason,
        error.endswith("503 No, and asks to wait 60s before the next try: busy"),
    )
    assert time.monotonic() - began < 3


def test_http_retries_end_with_the_time_and_are_counted(main: MainThread) -> None:
    began = time.monotonic()
    with Answering(answer("500 No", "bad rule")) as server:
        reason, error = outcome(main, ReloadPlan(http(server), timeout=1))

    assert "http_status" == reason
    assert error.endswith(f"500 No (tried {len(server.asked)} times): bad rule")
    assert len(server.asked) in (2, 3)  # at 0, 0.25 and 0.75 s, less some jitter
    assert time.monotonic() - began < 3


def test_http_silent_server_times_out(main: MainThread) -> None:
    began = time.monotonic()
    with Answering(hang) as server:
        reason, error = outcome(main, ReloadPlan(http(server), timeout=0.5))

    assert ("timeout", True) == (reason, "no answer within 0.5s" in error)
    assert 0.4 <= time.monotonic() - began < 3


def test_http_closed_port_fails_to_connect(main: MainThread) -> None:
    with Answering(OK) as gone:
        plan = ReloadPlan(http(gone), timeout=0.6)
    reason, error = outcome(main, plan)

    assert "connect" == reason
    assert f"cannot talk to 127.0.0.1:{gone.port}: connection refused" in error


# --- by command -----------------------------------------------------------------------------------


def test_command_reloads_with_the_directory(main: MainThread, tmp_path: Path) -> None:
    command = Exec(["sh", "-c", 'echo done > "$0"', "{dir}/mark"], str(tmp_path))

    assert ("", "") == outcome(main, ReloadPlan(command))
    assert "done\n" == (tmp_path / "mark").read_text()


def test_command_failure_has_code_and_last_words(main: MainThread) -> None:
    command = Exec(["sh", "-c", "echo one; echo two >&2; exit 7"], "/")

    assert ("exec", "sh ended with code 7: one two") == outcome(main, ReloadPlan(command))


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 124", "did not end in time (code 124)"),
        ("exit 126", "cannot run: it ended with code 126 (not executable)"),
        ("no-such-program", "cannot run: it ended with code 127 (not found)"),
        ("kill -KILL $$", "was killed (code 137), by hand or for lack of memory"),
    ],
)
def test_command_that_cannot_run_is_no_verdict(main: MainThread, script: str, why: str) -> None:
    reason, error = outcome(main, ReloadPlan(Exec(["sh", "-c", script], "/")))

    assert ("hook", f"sh {why}") == (reason, error[: len(why) + 3])


def test_missing_command_is_no_verdict(main: MainThread) -> None:
    reason, error = outcome(main, ReloadPlan(Exec(["/no/such"], "/")))

    assert ("hook", "cannot start /no/such: No such file or directory") == (reason, error)


@pytest.mark.parametrize(
    ("check", "reason"), [("false", "verify"), ("sh -c no-such", "unverified")]
)
def test_verification_that_cannot_run_is_no_verdict(
    main: MainThread, check: str, reason: str
) -> None:
    plan = ReloadPlan(None, checks.parse(check, "/"), window=0.1)

    assert reason == outcome(main, plan)[0]


def test_hanging_command_ends_in_time_with_its_children(main: MainThread) -> None:
    reason, error = outcome(
        main, ReloadPlan(Exec(["sh", "-c", "sleep 61 & echo $!; wait"], "/"), timeout=0.4)
    )
    pid = int(error.rpartition(" ")[2])

    def gone() -> None:
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/cmdline", "rb") as file:
            assert b"sleep" not in file.read()

    assert "timeout" == reason
    wait_until(gone)


# --- by signal to a process of another container --------------------------------------------------

CATCHER = (
    "python3",
    "-S",
    "-I",
    "-c",
    "import signal as s; s.signal(1, lambda *_: 0)\nwhile 1: s.pause()",
)
MORTAL = (
    "python3",
    "-S",
    "-I",
    "-c",
    "import signal as s, os; s.signal(1, lambda *_: os._exit(1))\ns.pause()",
)


class Other:
    """A process of another container, and its pid file."""

    def __init__(self, path: Path, start: Callable[..., int]) -> None:
        self.path, self._start = path, start

    def __call__(self, *argv: str, user: int | None = None) -> int:
        pid = self._start(*argv, user=user)
        self.path.write_text(f"{pid}\n")
        return pid

    def plan(self, timeout: float = 10, window: float = 0) -> ReloadPlan:
        return ReloadPlan(Process(PidLookup(str(self.path)), HUP), window=window, timeout=timeout)


@pytest.fixture
def other(common: Path) -> Iterator[Other]:
    elsewhere = Elsewhere()
    yield Other(common / "pid", elsewhere.start)
    elsewhere.close()


def test_other_process_is_awaited_and_signalled(main: MainThread, other: Other) -> None:
    reloading = Reloading(main, other.plan())
    pid = other(*CATCHER)

    assert ("", "") == reloading.end()
    assert [(pid, HUP)] == main.signals


def test_missing_other_process_is_reported(main: MainThread, other: Other) -> None:
    reason, error = outcome(main, other.plan(0.1))

    assert "no_process" == reason
    assert f"cannot read the pid file {other.path}: no such file" in error


def test_other_process_without_handler_gets_no_signal(main: MainThread, other: Other) -> None:
    pid = other("sleep", "60")
    reason, error = outcome(main, other.plan(0.1))

    assert "no_handler" == reason
    assert f"{other.path} (pid {pid}) does not catch SIGHUP" in error
    assert [] == main.signals


def test_other_process_that_ends_fails_the_reload(main: MainThread, other: Other) -> None:
    pid = other(*MORTAL)

    expected = "child_exited", f"process {pid} ended after it was told to reload"
    assert expected == outcome(main, other.plan(window=0.5))


def test_process_of_another_user_is_reported_with_remedy(main: MainThread, other: Other) -> None:
    needs_root()
    pid = other(*CATCHER, user=12345)
    os.seteuid(54321)
    try:
        reason, error = outcome(main, other.plan())
    finally:
        os.seteuid(0)

    assert ("permission", []) == (reason, main.signals)
    assert (
        f"cannot signal {other.path} (pid {pid}, uid 12345): operation not permitted; "
        "run the sidecar as the same uid (runAsUser: 12345)" == error
    )
