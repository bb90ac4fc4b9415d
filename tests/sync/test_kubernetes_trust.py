"""The Kubernetes source trusts the servers that client-go trusts, and no others."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from urllib3.util import ssl_

from config_supervisor.sources.kubernetes.credentials import Access
from tests.fake_kube import FakeKube
from tests.fake_kube_files import write
from tests.fake_kube_tls import Authority
from tests.sync.following import Following

Follow = Callable[..., Following]

A = {"k": b"a"}


@pytest.fixture(autouse=True)
def _strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """As urllib3 on Python 3.13 and newer: VERIFY_X509_STRICT by default."""
    monkeypatch.setattr(ssl_, "sys", SimpleNamespace(version_info=(3, 13)))


@pytest.mark.parametrize(
    ("usage", "identifiers"), [(True, True), (False, True), (True, False), (False, False)]
)
def test_server_trusted_by_kubectl_is_trusted(
    follow: Follow, tmp_path: object, usage: bool, identifiers: bool
) -> None:
    """Old clusters (microk8s, early kubeadm) have a CA without keyUsage, or certificates without an
    AKI.
    """
    with FakeKube(authority=Authority(usage=usage, identifiers=identifiers)) as kube:
        kube.create("nginx", {"k": "a"})
        access = Access(kube.write_kubeconfig(f"{tmp_path}/old"))
        follow(access=access).expect_reads(A)


def test_certificate_for_another_name_is_refused(follow: Follow, tmp_path: object) -> None:
    with FakeKube(authority=Authority(usage=False, identifiers=False)) as kube:
        kube.create("nginx", {"k": "a"})
        access = Access(
            kube.write_kubeconfig(
                f"{tmp_path}/old", cluster={"tls-server-name": "elsewhere.example"}
            )
        )
        follow(access=access).expect_failure(
            f"cannot trust the API server at {kube.url}: ", "elsewhere.example"
        )


def test_ca_file_without_the_server_ca_is_refused(follow: Follow, tmp_path: object) -> None:
    with FakeKube(authority=Authority(usage=False, identifiers=False)) as kube:
        access = Access(
            kube.write_kubeconfig_and_ca(f"{tmp_path}/other", Authority(usage=False).pem)
        )
        follow(access=access).expect_failure(f"cannot trust the API server at {kube.url}: ")


def test_former_ca_is_refused_after_the_file_changed(follow: Follow, tmp_path: object) -> None:
    """The file is read for each connection, its former content forgotten."""
    with FakeKube() as kube:
        kube.create("nginx", {"k": "a"})
        path = kube.write_kubeconfig_and_ca(f"{tmp_path}/config", kube.authority.pem)
        source = follow(access=Access(path))
        source.expect_watching()
        write(f"{path}.crt", Authority().pem)
        kube.cut("rst")
        source.expect_failure("cannot trust the API server")


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_insecure_skip_tls_verify_is_obeyed(follow: Follow, tmp_path: object) -> None:
    """`insecure-skip-tls-verify` in a kubeconfig means it."""
    with FakeKube() as kube:
        kube.create("nginx", {"k": "a"})
        cluster = {"certificate-authority-data": None, "insecure-skip-tls-verify": True}
        path = kube.write_kubeconfig(f"{tmp_path}/config", cluster=cluster)
        follow(access=Access(path)).expect_reads(A)


def test_server_behind_a_proxy_is_verified(follow: Follow, tmp_path: object) -> None:
    with FakeKube(authority=Authority(usage=False)) as kube, Tunnel() as proxy:
        kube.create("nginx", {"k": "a"})
        cluster = {"proxy-url": f"http://127.0.0.1:{proxy.port}"}
        access = Access(kube.write_kubeconfig(f"{tmp_path}/config", cluster=cluster))
        source = follow(access=access)
        source.expect_reads(A)
        kube.change("nginx", {"k": "b"})
        source.expect_last_read({"k": b"b"})
        assert {f"CONNECT 127.0.0.1:{kube.port}"} == set(proxy.asked)


class Tunnel(socketserver.ThreadingTCPServer):
    """A proxy for CONNECT only."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Passing)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def server_close(self) -> None:
        self.shutdown()
        super().server_close()


class _Passing(socketserver.StreamRequestHandler):
    server: Tunnel

    def handle(self) -> None:
        head = self.rfile.readline().decode()
        while self.rfile.readline().strip():
            pass
        host, _, port = head.split(" ")[1].rpartition(":")
        self.server.asked.append(" ".join(head.split(" ")[:2]))
        with contextlib.suppress(OSError), socket.create_connection((host, int(port))) as server:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            while ready := select.select([server, self.connection], [], [], 20)[0]:
                for one, other in ((server, self.connection), (self.connection, server)):
                    if one in ready:
                        piece = one.recv(65536)
                        if not piece:
                            return
                        other.sendall(piece)
