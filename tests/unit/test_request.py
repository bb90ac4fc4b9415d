"""A request to real servers, good and bad: its bytes, its bounds in time, its errors."""

from __future__ import annotations

import os
import re
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from config_supervisor.reload import http_request, url
from config_supervisor.reload.http_request import HttpAnswer, HttpRequest, RequestFailed
from config_supervisor.reload.interrupt import Interrupt
from config_supervisor.reload.trust import Trust
from tests.answering import Answering, answer, hang
from tests.harness import wait_until

OK = answer("200 OK", "fine")
SYSTEM = Trust()


def ask(text: str, seconds: float = 5, trust: Trust = SYSTEM) -> HttpAnswer:
    return HttpRequest("GET", url.parse(text), trust=trust).send(seconds, Interrupt())


def refused(text: str, seconds: float = 5, trust: Trust = SYSTEM) -> RequestFailed:
    with pytest.raises(RequestFailed) as caught:
        ask(text, seconds, trust)
    return caught.value


# --- what is sent and read ------------------------------------------------------------------------


def test_request_sends_method_path_headers_and_no_body() -> None:
    with Answering(OK) as server:
        headers = (http_request.header("X-Token: abc"), http_request.header("user-agent: mine"))
        HttpRequest("POST", url.parse(server.url("/-/reload?now=1")), headers).send(5, Interrupt())

    lines = server.asked[0].split("\r\n")
    assert "POST /-/reload?now=1 HTTP/1.1" == lines[0]
    assert {f"Host: 127.0.0.1:{server.port}", "Content-Length: 0", "Connection: close"} <= set(
        lines
    )
    assert {"X-Token: abc", "user-agent: mine"} <= set(lines)
    assert 1 == sum(line.lower().startswith("user-agent:") for line in lines)


def test_request_with_years_of_time_is_made() -> None:
    """A window of verification may be long; poll(2) and socket timeouts take 24 days."""
    with Answering(OK) as server:
        assert 200 == ask(server.url(), seconds=1e8).status


def test_get_sends_no_length_and_reads_the_answer() -> None:
    with Answering(answer("503 Service Unavailable", "later", "Retry-After: 7")) as server:
        actual = ask(server.url())

    assert HttpAnswer(503, "Service Unavailable", b"later", 7.0) == actual
    assert "Content-Length" not in server.asked[0]


def test_chunked_body_is_read() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    with Answering(chunked) as server:
        assert b"abc" == ask(server.url()).body


def test_body_is_read_up_to_its_bound() -> None:
    with Answering(answer("200 OK", "x" * 5000)) as server:
        assert 1024 == len(ask(server.url()).body)
        assert 5000 == len(
            HttpRequest("GET", url.parse(server.url())).send(5, Interrupt(), 9000).body
        )


def test_credentials_of_url_are_decoded_and_sent() -> None:
    with Answering(OK) as server:
        ask(server.url("/", "us%20er:p%40ss%3Aword@"))

    assert "Authorization: Basic dXMgZXI6cEBzczp3b3Jk" in server.asked[0]  # us er:p@ss:word


def test_retry_after_may_be_a_date() -> None:
    stamp = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 100))
    with Answering(
        answer("429 Too Many", "", f"Retry-After: {stamp}"),
        answer("429 Too Many", "", "Retry-After: ?"),
    ) as s:
        assert 90 < ask(s.url()).retry_after <= 100
        assert 0 == ask(s.url()).retry_after


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_localhost_is_either_loopback_address(host: str) -> None:
    if host == "::1" and not socket.has_dualstack_ipv6():
        pytest.skip("needs IPv6: enable it on the loopback interface")
    with Answering(OK, host=host) as server:
        assert 200 == ask(f"http://localhost:{server.port}/").status


def test_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with Answering(answer("502 Bad Gateway")) as proxy, Answering(OK) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        assert 200 == ask(server.url()).status
        assert [] == proxy.asked


def test_redirect_is_an_answer_with_an_explanation() -> None:
    with Answering(answer("302 Found", "", "Location: /other"), OK) as server:
        asked = HttpRequest("GET", url.parse(server.url()))
        actual = asked.send(5, Interrupt())
        assert 1 == len(server.asked)

    assert (
        "302 Found (redirects are not followed: give the address that it leads to)"
        == asked.explain(actual)
    )


# --- what goes wrong ------------------------------------------------------------------------------


def test_closed_port_is_reported_with_its_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    failure = refused(f"http://127.0.0.1:{port}/")

    assert ("connect", False) == (failure.outcome, failure.final)
    assert f"cannot talk to 127.0.0.1:{port}: connection refused" == str(failure)


def test_host_without_address_is_reported() -> None:
    failure = refused("http://nowhere.invalid/")

    assert "connect" == failure.outcome
    assert "cannot talk to nowhere.invalid: no address: " in str(failure)


def test_silent_server_times_out() -> None:
    began = time.monotonic()
    with Answering(hang) as server:
        failure = refused(server.url(), 0.3)

    assert ("timeout", "no answer within 0.3s") == (failure.outcome, str(failure))
    assert 0.3 <= time.monotonic() - began < 2


def drip(connection: socket.socket) -> None:
    """A byte now and then, until the other side gives up: each byte alone is in time."""
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Slow: " + b"x" * 200:
        connection.sendall(bytes([byte]))
        select.select([connection], [], [], 0.05)


def test_trickling_headers_time_out() -> None:
    began = time.monotonic()
    with Answering(drip) as server:
        failure = refused(server.url(), 0.5)
        assert 0.5 <= time.monotonic() - began < 2

    assert "timeout" == failure.outcome


def test_endless_body_leaves_the_status() -> None:
    def half(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        hang(connection)

    with Answering(half) as server:
        assert 200 == ask(server.url(), 0.4).status


@pytest.mark.parametrize(
    "text", [b"220 mail.example ESMTP\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\0\0\r\n\r\n"]
)
def test_answer_that_is_not_http_is_reported(text: bytes) -> None:
    with Answering(text) as server:
        failure = refused(server.url())

    assert ("connect", f"127.0.0.1:{server.port} does not speak HTTP") == (
        failure.outcome,
        str(failure),
    )


def test_server_that_hangs_up_is_reported() -> None:
    with Answering(lambda _: None) as server:
        assert "connect" == refused(server.url()).outcome


# --- ending a wait --------------------------------------------------------------------------------


@pytest.fixture
def full_backlog() -> Iterator[int]:
    """The port of a server whose backlog is full: the next connection hangs."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield port
        for client in waiting:
            client.close()


def interrupted(work: Callable[[Interrupt], object], when: Callable[[], object]) -> float:
    """Seconds from the interrupt to the end of the work by RequestFailed."""
    interrupt = Interrupt()
    ended: list[tuple[float, str]] = []

    def run() -> None:
        try:
            work(interrupt)
        except RequestFailed as failure:
            ended.append((time.monotonic(), failure.outcome))

    thread = threading.Thread(target=run)
    thread.start()
    when()
    began = time.monotonic()
    interrupt.set()
    thread.join(10)
    assert ["connect"] == [reason for _, reason in ended]
    return ended[0][0] - began


def test_interrupt_ends_wait_for_answer() -> None:
    with Answering(hang) as server:
        asked = HttpRequest("GET", url.parse(server.url()))
        seconds = interrupted(lambda i: asked.send(10, i), server.connected.acquire)

    assert seconds < 1


def test_interrupt_ends_wait_for_connection(full_backlog: int) -> None:
    asked = HttpRequest("GET", url.parse(f"http://127.0.0.1:{full_backlog}/"))

    def connecting() -> int:
        with open("/proc/net/tcp", encoding="ascii") as table:
            return len(
                re.findall(rf":{full_backlog:04X} 02 ", table.read())
            )  # SYN_SENT, proc_net_tcp

    before = connecting()

    def one_more() -> None:
        assert before + 1 == connecting()

    assert interrupted(lambda i: asked.send(10, i), lambda: wait_until(one_more)) < 1


def test_connection_times_out(full_backlog: int) -> None:
    began = time.monotonic()

    assert "timeout" == refused(f"http://127.0.0.1:{full_backlog}/", 0.4).outcome
    assert 0.4 <= time.monotonic() - began < 2


def test_interrupt_before_request_prevents_it() -> None:
    interrupt = Interrupt()
    interrupt.set()
    with Answering(OK) as server, pytest.raises(RequestFailed):
        HttpRequest("GET", url.parse(server.url())).send(5, interrupt)

    assert [] == server.asked


def test_requests_leave_no_file_descriptor_open() -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    with Answering(OK, hang, b"nonsense\r\n\r\n", OK) as server:
        before = count()
        for _ in range(6):
            try:
                ask(server.url(), 0.2)
            except RequestFailed:
                continue
        for _ in range(6):
            server.gone.acquire(timeout=5)
        assert before == count()


def test_import_loads_neither_http_nor_tls() -> None:
    import subprocess

    code = "import sys, config_supervisor.reload.http_request; print(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert set() == {"http.client", "ssl", "socket", "urllib.parse"} & set(out.split())
