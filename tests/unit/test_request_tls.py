"""A request by https: the servers that it trusts, and the end of its waits."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from config_supervisor.reload import url
from config_supervisor.reload.http_request import HttpRequest
from config_supervisor.reload.trust import Trust
from tests.answering import Answering, hang
from tests.fake_kube_tls import Authority
from tests.unit.test_request import OK, ask, interrupted, refused


def trusted(authority: Authority, path: Path) -> Trust:
    (path / "ca.pem").write_text(authority.pem)
    return Trust(ca=str(path / "ca.pem"))


def test_certificate_is_verified_by_the_ca_file(tmp_path: Path) -> None:
    authority = Authority()
    trust = trusted(authority, tmp_path)
    with Answering(OK, tls=authority.server_context()) as server:
        assert b"fine" == ask(server.url(), trust=trust).body
        assert b"fine" == ask(server.url(), trust=Trust(insecure=True)).body
        assert b"fine" == ask(f"https://localhost:{server.port}/", trust=trust).body


def test_certificate_of_other_ca_is_final_with_remedy(tmp_path: Path) -> None:
    other = trusted(Authority(), tmp_path)
    with Answering(OK, tls=Authority().server_context()) as server:
        by_file = refused(server.url(), trust=other)
        by_system = refused(server.url())

    assert ("connect", True) == (by_file.outcome, by_file.final)
    assert f"by the CA certificates in {other.ca}" in str(by_file)
    assert "the system's CA certificates" in str(by_system)
    assert "--reload-http-ca" in str(by_system)
    assert "--reload-http-insecure" in str(by_system)


def test_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    authority = Authority()
    trust = trusted(authority, tmp_path)
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
    """Python 3.13 is strict by default and refuses a CA of `openssl req -x509`; curl is not."""
    lenient = ssl.create_default_context

    def strict(**options: Any) -> ssl.SSLContext:
        context = lenient(**options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
    authority = Authority(usage=False, identifiers=False)
    trust = trusted(authority, tmp_path)
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


def test_image_without_certificates_trusts_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(variable, "/nonexistent")
    assert 0 == ssl.create_default_context().cert_store_stats()["x509_ca"]

    assert 50 < Trust().context().cert_store_stats()["x509_ca"]


def test_interrupt_ends_wait_for_handshake_and_tls_answer(tmp_path: Path) -> None:
    authority = Authority()
    trust = trusted(authority, tmp_path)
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


def test_silent_handshake_times_out(tmp_path: Path) -> None:
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        failure = refused(address, 0.3, trusted(Authority(), tmp_path))

    assert ("timeout", False) == (failure.outcome, failure.final)
    assert 0.3 <= time.monotonic() - began < 2
