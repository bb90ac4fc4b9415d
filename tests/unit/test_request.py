"""One request against real servers, good and bad: what is sent, how long is waited, what is said
and what is not.
"""

from __future__ import annotations

import os
import re
import select
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config_supervisor.reload import http_request, url
from config_supervisor.reload.http_request import HttpAnswer, HttpRequest, RequestFailed
from config_supervisor.reload.interrupt import Interrupt
from config_supervisor.reload.trust import Trust
from tests.answering import Answering, answer, hang
from tests.fake_kube_tls import Authority
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
    """A byte now and then, until the other side gives up: each one alone is in time."""
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
    """The port of a server that takes no more connections: the next one waits for ever."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        yield port
        for one in waiting:
            one.close()


def interrupted(work: Callable[[Interrupt], object], when: Callable[[], object]) -> float:
    """Seconds from the interrupt to the end of the work, which must end by RequestFailed."""
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


def test_interrupt_ends_wait_for_handshake_and_tls_answer(tmp_path: Path) -> None:
    authority = Authority()
    trust = Trust(ca=write(tmp_path / "ca.pem", authority.pem))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = HttpRequest(
            "GET", url.parse(f"https://127.0.0.1:{silent.getsockname()[1]}/"), trust=trust
        )
        taken: list[tuple[socket.socket, object]] = []
        assert interrupted(lambda i: mute.send(10, i), lambda: taken.append(silent.accept())) < 1
        taken[0][0].close()
    reached = threading.Event()

    def hold(connection: socket.socket) -> None:
        reached.set()
        hang(connection)

    with Answering(hold, tls=authority.server_context()) as server:
        asked = HttpRequest("GET", url.parse(server.url()), trust=trust)
        assert interrupted(lambda i: asked.send(10, i), reached.wait) < 1


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


# --- TLS ------------------------------------------------------------------------------------------


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_certificate_is_verified_by_the_ca_file(tmp_path: Path) -> None:
    authority = Authority()
    trust = Trust(ca=write(tmp_path / "ca.pem", authority.pem))
    with Answering(OK, tls=authority.server_context()) as server:
        assert b"fine" == ask(server.url(), trust=trust).body
        assert b"fine" == ask(server.url(), trust=Trust(insecure=True)).body
        assert b"fine" == ask(f"https://localhost:{server.port}/", trust=trust).body


def test_certificate_of_other_ca_is_final_with_remedy(tmp_path: Path) -> None:
    other = write(tmp_path / "other.pem", Authority().pem)
    with Answering(OK, tls=Authority().server_context()) as server:
        by_file = refused(server.url(), trust=Trust(ca=other))
        by_system = refused(server.url())

    assert ("connect", True) == (by_file.outcome, by_file.final)
    assert f"by the CA certificates in {other}" in str(by_file)
    assert "the system's CA certificates" in str(by_system)
    assert "--reload-http-ca" in str(by_system)
    assert "--reload-http-insecure" in str(by_system)


def test_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    authority = Authority()
    trust = Trust(ca=write(tmp_path / "ca.pem", authority.pem))
    with Answering(OK, host="127.0.0.2", tls=authority.server_context()) as server:
        failure = refused(f"https://127.0.0.2:{server.port}/", trust=trust)

    assert failure.final
    assert "IP address mismatch" in str(failure)


@pytest.mark.parametrize("text", [None, "no certificate\n"], ids=["missing", "not PEM"])
def test_unusable_ca_file_is_reported_by_name(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    with Answering(OK, tls=Authority().server_context()) as server:
        failure = refused(server.url(), trust=Trust(ca=str(path)))

    assert failure.final
    assert f"cannot use {path} as CA certificates: " in str(failure)


def test_ca_without_key_usage_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.13 is strict by default, which refuses what `openssl req -x509` makes;
    curl is not.
    """
    lenient = ssl.create_default_context

    def strict(**options: Any) -> ssl.SSLContext:
        context = lenient(**options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
    authority = Authority(usage=False, identifiers=False)
    trust = Trust(ca=write(tmp_path / "ca.pem", authority.pem))
    with Answering(OK, tls=authority.server_context()) as server:
        assert b"fine" == ask(f"https://localhost:{server.port}/", trust=trust).body


def test_plain_server_behind_https_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(OK)

        thread = threading.Thread(target=serve)
        thread.start()
        failure = refused(f"https://127.0.0.1:{port}/", trust=Trust(insecure=True))
        thread.join()

    assert "connect" == failure.outcome


def test_import_loads_neither_http_nor_tls() -> None:
    import subprocess

    code = "import sys, config_supervisor.reload.http_request; print(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert set() == {"http.client", "ssl", "socket", "urllib.parse"} & set(out.split())


def test_image_without_certificates_trusts_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(variable, "/nonexistent")
    assert 0 == ssl.create_default_context().cert_store_stats()["x509_ca"]

    assert 50 < Trust().context().cert_store_stats()["x509_ca"]
