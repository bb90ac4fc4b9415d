"""The client of an API server: its requests, its connection, its errors."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from config_supervisor import __version__
from config_supervisor.sources.kubernetes.api_client import ApiClient, open_client
from config_supervisor.sources.kubernetes.api_errors import STATUS_LIMIT
from config_supervisor.sources.kubernetes.client_library import LibraryLog
from config_supervisor.sources.kubernetes.credentials import Access
from tests.fake_kube import FakeKube

SECONDS = (2.0, 2.0)


@pytest.fixture
def client(pod: Access) -> Iterator[ApiClient]:
    log = LibraryLog()
    opened = open_client(pod, log)
    yield opened
    opened.close()
    log.close()


@pytest.fixture
def path(fake: FakeKube) -> str:
    return f"/api/v1/namespaces/{fake.namespace}/configmaps"


def test_request_names_the_program_and_its_query(
    fake: FakeKube, client: ApiClient, path: str
) -> None:
    client.get(path, SECONDS, field_selector="metadata.name=ä&b", resource_version="7").close()
    (ask,) = fake.asked("list", 200)
    assert {"fieldSelector": "metadata.name=ä&b", "resourceVersion": "7"} == ask.query
    assert f"config-supervisor/{__version__}" == ask.agent


def test_kernel_probes_a_silent_connection(client: ApiClient, path: str) -> None:
    with contextlib.closing(client.get(path, SECONDS)) as response:
        options = [
            response.connection.sock.getsockopt(level, option)
            for level, option in (
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                (socket.IPPROTO_TCP, socket.TCP_NODELAY),
            )
        ]
    assert [1, 20, 1] == options


def test_refusal_keeps_the_connection(fake: FakeKube, client: ApiClient, path: str) -> None:
    """A handshake costs the server more than the answer."""
    fake.answer_next("list", 503, headers={"Retry-After": "7"})
    with pytest.raises(Exception, match="Service Unavailable") as refused:
        client.get(path, SECONDS)
    client.get(path, SECONDS).close()
    assert (503, "7") == (
        getattr(refused.value, "status", 0),
        getattr(refused.value, "headers", {})["Retry-After"],
    )
    first, second = fake.asked("list")
    assert first.client == second.client


def test_long_refusal_is_read_in_part(fake: FakeKube, client: ApiClient, path: str) -> None:
    fake.answer_next("list", 500, b"x" * (4 << 20))
    with pytest.raises(Exception, match="Internal Server Error") as refused:
        client.get(path, SECONDS)
    client.get(path, SECONDS).close()
    assert STATUS_LIMIT == len(getattr(refused.value, "body", ""))
    first, second = fake.asked("list")
    assert first.client != second.client
