"""A control socket, served in this process, with the real machine behind it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from config_supervisor.control.server import LIMITS, Control
from config_supervisor.control.socket_files import ControlSocket
from config_supervisor.core import events as ev
from config_supervisor.core.actions import Answer
from config_supervisor.core.life_state import Life, Phase
from config_supervisor.core.rollout_state import Rollout
from config_supervisor.core.service import Service, step
from config_supervisor.core.source_states import SourceState
from config_supervisor.core.versions import Versions
from config_supervisor.http_server.limits import Limits
from config_supervisor.runtime.protocols import Observer
from config_supervisor.store.manifest import Generation
from tests.harness import wait_until
from tests.unit.histories import chosen

B = "b" * 64
VERSIONS = Versions(desired=B, live=B, good=B, files=3)
RUNNING = Service(
    Life(Phase.RUNNING, pid=7, starts=1),
    Rollout(VERSIONS, running=B),
    (SourceState("configmap a/web"),),
)
DOWN = RUNNING.replace(life=Life(Phase.BACKOFF, starts=1))


def generation(digest: str, serial: int) -> Generation:
    name = f"..2030_01_02_03_04_{serial:02d}.000000000"
    return Generation(name, serial, digest * 64, {"app.conf": "1", "more.conf": "2"}, 10)


class Core:
    """The machine without its loop: each event makes a turn."""

    def __init__(self, state: Service = RUNNING) -> None:
        self._state = state
        self.policy = chosen(configured=True)
        self.observers: list[Observer] = []
        self.stuck = False
        self.seen: list[ev.Event] = []

    @property
    def state(self) -> Service:
        return self._state

    @state.setter
    def state(self, state: Service) -> None:
        """Change the state as an event would."""
        before = self._state
        self._state = state
        for observe in self.observers:
            observe(ev.Began(), before, state, ())

    def put(self, event: ev.Event) -> None:
        self.seen.append(event)
        if self.stuck:
            return
        if isinstance(event, ev.Probed):
            event.reply()
        self.state, orders = step(self.state, event, 100.0, self.policy)
        for order in orders:
            if isinstance(order, Answer) and order.event.reply is not None:
                order.event.reply(order.settled)


class Pages:
    """Two generations, unless a test has others."""

    def __init__(self) -> None:
        self.kept: Callable[[], list[Generation]] = lambda: [
            generation("b", 2),
            generation("a", 1),
        ]

    def generations(self) -> list[Generation]:
        return self.kept()

    def status(self, state: Service) -> dict[str, object]:
        return {"app": {"pid": state.life.pid}}


class Served:
    """A served control socket, and clients of it."""

    def __init__(self, path: str, limits: Limits = LIMITS) -> None:
        self.path = path
        self.core = Core()
        self.pages = Pages()
        self.control = Control(ControlSocket(path), self.core, self.core.put, self.pages, limits)
        self.core.observers.append(self.control.observe)
        self._thread = threading.Thread(target=self.control.run)
        self._thread.start()
        wait_until(self._listens)
        self.clients: list[socket.socket] = []

    def _listens(self) -> None:
        assert 200 == self.get("/livez")[0]

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(5)
        try:
            client.connect(self.path)
        except OSError as error:
            client.close()
            raise AssertionError(f"cannot connect: {error}") from error
        return client

    def open(self, target: str = "") -> socket.socket:
        """A client until the end of the test; it sends a request if it has a target."""
        client = self.connect()
        self.clients.append(client)
        if target:
            client.sendall(request(target))
        return client

    def get(self, path: str) -> tuple[int, str]:
        return self.ask(f"GET {path}")

    def post(self, path: str) -> tuple[int, str]:
        return self.ask(f"POST {path}")

    def ask(self, target: str) -> tuple[int, str]:
        """Status and text of the answer to `METHOD PATH`."""
        with self.connect() as client:
            client.sendall(request(target))
            return answer(client)

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.control.end()
        self.control.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()


def request(target: str) -> bytes:
    return f"{target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()


def answer(client: socket.socket) -> tuple[int, str]:
    """Status and text of the answer, up to the end of the connection."""
    data = b""
    try:
        while piece := client.recv(4096):
            data += piece
    except ConnectionResetError:
        pass  # the server left a part of the request unread
    head, _, text = data.decode().partition("\r\n\r\n")
    return int(head.split()[1]), text.removesuffix("\n")
