"""The port of metrics and probes on real sockets, in a thread here, with short limits."""

from __future__ import annotations

import errno
import os
import re
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from config_supervisor.core.life_state import Life, Phase
from config_supervisor.core.service import Policy, Service
from config_supervisor.core.source_states import SourceState
from config_supervisor.http_server.limits import Limits
from config_supervisor.observe import listener, pages
from config_supervisor.runtime import log
from tests.harness import wait_until

QUICK = Limits(
    connections=4, request_seconds=0.3, idle_seconds=0.5, send_seconds=0.3, unsent=1 << 20
)
ASK = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
LONG = b"x" * (4 << 20)  # more than the kernel buffers for a peer without reads


class Port:
    """A served port, and the clients of a test."""

    def __init__(self) -> None:
        self.state = Service(Life(Phase.RUNNING, pid=7))
        self.policy = Policy()
        self.turns: Callable[[Callable[[], None]], None] = lambda reply: reply()
        self.page: Callable[[str], tuple[str, bytes]] = lambda accept: (
            "text/plain",
            f"page for {accept}\n".encode(),
        )
        self.site = pages.Site(self, self._turn, self._page, QUICK)
        self._listener = listener.listen_at("127.0.0.1", 0)
        self.address = self._listener.getsockname()
        self._thread = threading.Thread(target=self.site.serve, args=(self._listener,))
        self._thread.start()
        self.clients: list[socket.socket] = []

    def _turn(self, reply: Callable[[], None]) -> None:
        self.turns(reply)

    def _page(self, accept: str) -> tuple[str, bytes]:
        return self.page(accept)

    def open(self, data: bytes = b"", timeout: float = 5) -> socket.socket:
        """A client with these bytes sent; it stays until the end of the test."""
        client = socket.create_connection(self.address, timeout)
        self.clients.append(client)
        client.sendall(data)
        return client

    def ask(self, data: bytes = ASK) -> tuple[int, str]:
        return answer(self.open(data))

    def get(self, path: str, more: str = "") -> tuple[int, str]:
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n{more}\r\n".encode())

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.site.stop()
        self._thread.join(5)
        self._listener.close()
        self.site.close()
        assert not self._thread.is_alive()


def answer(client: socket.socket) -> tuple[int, str]:
    """Status and body of an answer; further bytes are left."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = client.recv(1)
        assert piece, f"the connection ended after {head!r}"
        head += piece
    length = re.search(rb"Content-Length: (\d+)", head)
    assert length is not None
    body = b""
    while len(body) < int(length[1]):
        body += client.recv(int(length[1]) - len(body))
    return int(head.split()[1]), body.decode()


def ended(client: socket.socket) -> bool:
    """Whether the other end closes, within the patience of the client."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.fixture
def port() -> Iterator[Port]:
    port = Port()
    yield port
    port.close()


def test_requests_in_one_packet_are_answered_in_order(port: Port) -> None:
    paths = ["/livez", "/metrics", "/nothing", "/readyz", "/metrics"]
    client = port.open(
        b"".join(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode() for path in paths)
    )
    client.shutdown(socket.SHUT_WR)

    assert [200, 200, 404, 200, 200] == [answer(client)[0] for _ in paths]
    assert ended(client)


def test_request_a_byte_at_a_time_is_answered(port: Port) -> None:
    client = port.open()
    for byte in ASK:
        client.sendall(bytes([byte]))

    assert (200, "ok: running\n") == answer(client)


def test_request_with_a_body_ends_its_connection(port: Port) -> None:
    """The body would be the next request."""
    client = port.open(b"GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\n\r\n" + ASK)

    assert 200 == answer(client)[0]
    assert ended(client)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_method_that_changes_something_is_refused(port: Port, method: str) -> None:
    client = port.open(
        f"{method} /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    )

    assert (405, "only GET, HEAD are answered\n") == answer(client)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"HELO\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 2000, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", 408),
    ],
)
def test_bad_request_is_answered_and_its_connection_ends(
    port: Port, data: bytes, status: int
) -> None:
    client = port.open(data)

    assert status == answer(client)[0]
    assert ended(client)


def test_silent_client_is_dropped_without_an_answer(port: Port) -> None:
    assert ended(port.open())


def test_deadline_of_a_request_is_not_moved_by_its_bytes(port: Port) -> None:
    client = port.open()
    began = time.monotonic()
    while not select_ready(client, 0.05):
        client.sendall(b"G")

    assert time.monotonic() - began < 10 * QUICK.request_seconds
    assert 408 == answer(client)[0]


def select_ready(client: socket.socket, seconds: float) -> bool:
    client.settimeout(seconds)
    try:
        client.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return False
    finally:
        client.settimeout(5)
    return True


def test_kept_connection_is_dropped_when_it_stays_idle(port: Port) -> None:
    client = port.open(ASK)
    assert 200 == answer(client)[0]
    client.sendall(ASK)
    assert 200 == answer(client)[0]

    assert ended(client)


def test_client_that_never_reads_is_dropped(port: Port) -> None:
    port.page = lambda _: ("text/plain", LONG)
    client = port.open(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")

    def dropped() -> None:
        client.sendall(b"x")  # fails after a close of the other end

    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        wait_until_raises(dropped)


def wait_until_raises(body: Callable[[], None]) -> None:
    def never() -> None:
        body()
        raise AssertionError("the connection stays")

    wait_until(never, 5)


def test_slow_readers_hold_one_page_at_most(port: Port) -> None:
    """Each of them could hold a page of its own."""
    port.page = lambda _: ("text/plain", LONG)
    slow = [
        port.open(b"GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: %d\r\n\r\n" % n) for n in range(3)
    ]

    assert 200 == port.ask()[0]
    sizes = []
    for client in slow:
        size = 0
        try:
            while piece := client.recv(1 << 20):
                size += len(piece)
        except (ConnectionResetError, TimeoutError):
            pass
        sizes.append(size)
    assert len([size for size in sizes if size > len(LONG)]) <= 1


def test_newest_client_is_served_when_all_places_are_taken(port: Port) -> None:
    idle = [port.open() for _ in range(20)]

    assert 200 == port.ask()[0]
    assert ended(idle[0])


def test_connection_that_a_page_is_made_for_is_kept(port: Port) -> None:
    begun = threading.Event()
    go_on = threading.Event()

    def slow(_: str) -> tuple[str, bytes]:
        begun.set()
        assert go_on.wait(5)
        return "text/plain", b"slow\n"

    port.page = slow
    client = port.open(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    assert begun.wait(5)
    probes = [port.ask()[0] for _ in range(20)]
    go_on.set()

    assert [200] * 20 == probes
    assert (200, "slow\n") == answer(client)


def test_scrapes_that_wait_share_one_page(port: Port) -> None:
    begun = threading.Semaphore(0)
    go_on = threading.Event()
    made = []

    def slow(accept: str) -> tuple[str, bytes]:
        made.append(accept)
        begun.release()
        assert go_on.wait(5)
        return "text/plain", b"page\n"

    port.page = slow
    request = b"GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: x\r\n\r\n"
    clients = [port.open(request)]
    assert begun.acquire(timeout=5)
    clients += [port.open(request) for _ in range(2)]
    assert 200 == port.ask()[0]  # the server has read the others before
    go_on.set()

    assert [(200, "page\n")] * 3 == [answer(client) for client in clients]
    assert ["x", "x"] == made


def test_main_loop_that_does_not_turn_fails_livez_alone(port: Port) -> None:
    port.turns = lambda _: None
    client = port.open(ASK)

    assert 200 == port.get("/readyz")[0]
    assert (503, "not ok: the main loop does not answer\n") == answer(client)


def test_main_loop_is_asked_once_for_all_who_wait(port: Port) -> None:
    replies: list[Callable[[], None]] = []
    port.turns = replies.append
    clients = [port.open(ASK) for _ in range(3)]
    assert 200 == port.get("/readyz")[0]
    replies[0]()

    assert [200] * 3 == [answer(client)[0] for client in clients]
    assert 1 == len(replies)


def test_failing_page_is_logged_once_until_it_succeeds(
    port: Port, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(_: str) -> tuple[str, bytes]:
        raise ValueError("no page today")

    works = port.page
    for page in (fail, fail, fail, works, fail):
        port.page = page
        assert (200 if page is works else 500) == port.get("/metrics")[0]

    log.flush()
    assert 2 == capfd.readouterr().err.count("cannot serve /metrics")


def test_names_that_are_not_utf8_are_shown_by_their_bytes(port: Port) -> None:
    name = os.fsdecode(b"directory /caf\xe9")
    port.state = Service(sources=(SourceState(name, error=f"cannot read {name}"),))

    assert (503, r"directory /caf\xe9") == (
        port.get("/readyz")[0],
        port.get("/readyz")[1].strip()[-18:],
    )
    assert r"/caf\\xe9" in port.get("/status")[1]


LISTED = ["/metrics", "/livez", "/healthz", "/readyz", "/status"]
BROWSER = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"


def test_browser_at_the_port_sees_status_and_pages(port: Port) -> None:
    code, page = port.get("/", BROWSER)

    assert 200 == code
    assert LISTED == re.findall(r'<li><a href="([^"]+)"', page)
    assert "running, ready" in page


def test_page_names_a_hostile_source_by_its_text(port: Port) -> None:
    port.state = Service(sources=(SourceState("<script>alert(1)</script>", present=True),))
    page = port.get("/", BROWSER)[1]

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page


def test_failed_accept_is_logged_once_and_does_not_spin(
    port: Port, capfd: pytest.CaptureFixture[str]
) -> None:
    """No descriptor is left in the process."""
    serves_and_has_closed(port)
    clients = [socket.socket() for _ in range(3)]
    port.clients[:0] = clients
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The lowest free number becomes the limit: there is no further descriptor.
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        used = time.process_time()
        for client in clients:
            client.connect(port.address)
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            os.dup(0)
        silent_for(port, 0.5)
        assert time.process_time() - used < 0.25
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert 200 == port.ask()[0]
    log.flush()
    assert 1 == capfd.readouterr().err.count("cannot accept a connection")


def silent_for(port: Port, seconds: float) -> None:
    """Let time pass without an answer to any client."""
    port.clients[0].settimeout(seconds)
    with pytest.raises(TimeoutError):
        port.clients[0].recv(1)


def serves_and_has_closed(port: Port) -> None:
    """Ask once; afterwards neither side has a descriptor of it."""
    client = port.open(b"GET /livez HTTP/1.0\r\n\r\n")
    assert 200 == answer(client)[0]
    both = len(os.listdir("/proc/self/fd"))
    client.close()

    def closed() -> None:
        assert len(os.listdir("/proc/self/fd")) == both - 2

    wait_until(closed)
