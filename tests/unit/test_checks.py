"""Checks by request, connection and command on real servers and commands, and the wait for
readiness.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config_supervisor.core import events as ev
from config_supervisor.reload import checks
from config_supervisor.reload.checks import CheckedApp, CheckFailed
from config_supervisor.reload.readiness import Readiness
from config_supervisor.reload.trust import Trust
from tests.answering import Answering, answer, hang
from tests.fake_kube_tls import Authority
from tests.harness import wait_until
from tests.main_thread import MainThread


def ask(main: MainThread, text: str, seconds: float = 5, trust: Trust | None = None) -> None:
    checks.parse(text, "/etc/app", trust or Trust()).once(CheckedApp(0, main.runner), seconds)


def no(main: MainThread, text: str, seconds: float = 5) -> str:
    with pytest.raises(CheckFailed) as caught:
        ask(main, text, seconds)
    return f"{caught.value}: {caught.value.words}" if caught.value.words else str(caught.value)


# --- by request -----------------------------------------------------------------------------------


def test_http_check_passes_for_200_to_299(main: MainThread) -> None:
    with Answering(
        answer("204 No Content"), answer("299 Fine"), answer("302 Found"), answer("503 No", "later")
    ) as server:
        ask(main, server.url("/a"))
        ask(main, server.url("/b"))
        assert f"GET {server.url('/c')}: 302 Found (redirects" in no(main, server.url("/c"))
        assert f"GET {server.url('/d')}: 503 No: later" == no(main, server.url("/d"))

    assert [
        "GET /a HTTP/1.1",
        "GET /b HTTP/1.1",
        "GET /c HTTP/1.1",
        "GET /d HTTP/1.1",
    ] == server.heads()


def test_http_check_times_out_without_secrets(main: MainThread) -> None:
    with Answering(hang) as server:
        message = no(main, server.url("/x?key=s3cret", "root:hunter22@"), 0.2)

    assert f"GET http://127.0.0.1:{server.port}/x?...: no answer within 0.2s" == message


def test_http_check_trusts_the_given_ca(main: MainThread, tmp_path: Path) -> None:
    authority = Authority()
    ca = tmp_path / "ca.pem"
    ca.write_text(authority.pem)
    with Answering(answer("200 OK"), tls=authority.server_context()) as server:
        ask(main, server.url(), trust=Trust(ca=str(ca)))
        assert "is not trusted" in no(main, server.url())


# --- by connection --------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_tcp_check_without_host_asks_both_loopbacks(main: MainThread, host: str) -> None:
    if host == "::1" and not socket.has_dualstack_ipv6():
        pytest.skip("needs IPv6: enable it on the loopback interface")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        port = server.getsockname()[1]
        ask(main, f"tcp:{port}")
        ask(main, f"tcp:localhost:{port}")
        ask(main, f"tcp:{f'[{host}]' if ':' in host else host}:{port}")
    assert f"cannot connect to port {port} of 127.0.0.1: connection refused, of ::1: " in no(
        main, f"tcp:{port}"
    )


def test_tcp_check_may_have_years_of_time(main: MainThread) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ask(main, f"tcp:{server.getsockname()[1]}", seconds=1e8)


def test_tcp_check_with_host_asks_that_host_only(main: MainThread) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert f"cannot connect to port {port} of 127.0.0.2: connection refused" == no(
            main, f"tcp:127.0.0.2:{port}"
        )


@pytest.mark.parametrize(
    "text", ["tcp:", "tcp:x", "tcp:0", "tcp:65536", "tcp://a:1", "tcp:::1:80", "tcp:a:"]
)
def test_malformed_tcp_check_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not tcp:\[HOST:\]PORT"):
        checks.parse(text, "/")


# --- by command -----------------------------------------------------------------------------------


def test_command_check_passes_and_gets_the_directory(main: MainThread) -> None:
    ask(main, 'sh -c \'test "$0 $1" = "/etc/app -c/etc/app/x"\' {dir} -c{dir}/x')

    assert ("/etc/app", "-c/etc/app/x") == main.hooks[0][3:]


def test_command_check_fails_with_last_words_only(
    main: MainThread,
) -> None:
    script = "import sys; print('x' * 3000); print('no \\x1b[31mway', file=sys.stderr); sys.exit(3)"
    message = no(main, f'{sys.executable} -c "{script}" --password=s3cret')

    assert f"{os.path.basename(sys.executable)} ended with code 3: xxx" in message
    assert message.endswith("xx no [31mway")
    assert len(message) < 1100
    assert "s3cret" not in message


def test_command_check_times_out(main: MainThread) -> None:
    began = time.monotonic()

    assert "sleep did not end in time (code 124)" == no(main, "sleep 60", 0.2)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("command", "unable"),
    [
        ("/no/such thing", True),
        ("sh -c 'exit 127'", True),
        ("sh -c 'kill -9 $$'", True),
        ("false", False),
    ],
)
def test_command_check_that_cannot_run_has_no_answer(
    main: MainThread, command: str, unable: bool
) -> None:
    with pytest.raises(CheckFailed) as caught:
        ask(main, command)

    assert unable == caught.value.unable


def test_cancel_ends_command_check(main: MainThread) -> None:
    subject = CheckedApp(0, main.runner)
    ended: list[str] = []

    def run() -> None:
        with pytest.raises(CheckFailed) as caught:
            checks.parse("sleep 60", "/").once(subject, 60)
        ended.append(str(caught.value))

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: _some(main.hooks))
    subject.cancelled.set()
    thread.join(3)
    assert ["sleep did not end in time (code 124)"] == ended


def _some(items: object) -> None:
    assert items


@pytest.mark.parametrize("text", ["", "  ", "sh -c 'open", "http://", "https://a:b/"])
def test_malformed_check_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"empty|not a command|not a URL"):
        checks.parse(text, "/")


def test_check_of_the_present_ignores_the_past(main: MainThread) -> None:
    check = checks.parse("true", "/")

    assert check is check.before(CheckedApp(0, main.runner), 1)


# --- readiness ------------------------------------------------------------------------------------


@pytest.fixture
def app() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as app:
        yield app
        app.kill()


@contextlib.contextmanager
def waiting(readiness: Readiness, pid: int) -> Iterator[threading.Thread]:
    """A thread as the loop starts it; it ends with the context."""
    thread = threading.Thread(target=readiness.wait, args=(pid,), daemon=True)
    thread.start()
    yield thread
    thread.join(5)
    assert not thread.is_alive()


def test_readiness_is_reported_once_the_check_passes(
    main: MainThread, app: subprocess.Popen[bytes]
) -> None:
    with Answering(answer("503 Not Yet"), answer("503 Not Yet"), answer("200 OK")) as server:
        with waiting(
            Readiness(checks.parse(server.url(), "/"), main.runner, main.put, 30), app.pid
        ):
            assert ev.AppReady(app.pid) == main.event()
        assert 3 == len(server.asked)
    assert main.quiet()


def test_readiness_wait_ends_silently_with_the_app(
    main: MainThread, app: subprocess.Popen[bytes]
) -> None:
    with (
        Answering(answer("503 Not Yet")) as server,
        waiting(Readiness(checks.parse(server.url(), "/"), main.runner, main.put, 30), app.pid),
    ):
        server.connected.acquire(timeout=5)
        app.kill()
        app.wait()
    assert main.quiet()


def test_readiness_wait_ends_by_cancel(main: MainThread, app: subprocess.Popen[bytes]) -> None:
    readiness = Readiness(checks.parse("sleep 60", "/"), main.runner, main.put, 30)
    with waiting(readiness, app.pid):
        wait_until(lambda: _some(main.hooks))
        readiness.cancel()
    assert main.quiet()


def test_readiness_wait_replaces_an_earlier_wait(
    main: MainThread, app: subprocess.Popen[bytes]
) -> None:
    with Answering(hang, answer("200 OK")) as server:
        readiness = Readiness(checks.parse(server.url(), "/"), main.runner, main.put, 30)
        with waiting(readiness, app.pid):
            server.connected.acquire(timeout=5)
            with waiting(readiness, os.getpid()):
                assert ev.AppReady(os.getpid()) == main.event()
    assert main.quiet()


def test_readiness_survives_an_internal_failure(
    main: MainThread, app: subprocess.Popen[bytes]
) -> None:
    class Broken(checks.Check):
        tries = 0

        def once(self, subject: CheckedApp, seconds: float) -> None:
            self.tries += 1
            if self.tries < 3:
                raise RuntimeError(f"{subject} {seconds}")

    with waiting(Readiness(Broken(), main.runner, main.put, 30), app.pid):
        assert ev.AppReady(app.pid) == main.event()
