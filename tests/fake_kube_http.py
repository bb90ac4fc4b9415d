"""The HTTP side of the fake API server: connections, requests, answers, chunked watch streams.

FakeKube and its Store decide on a request; this module reads and writes bytes, and carries out the
faults of sockets.
"""

from __future__ import annotations

import collections
import http.server
import json
import os
import socket
import ssl
import struct
import threading
import time
from typing import TYPE_CHECKING

from tests.fake_kube_kinds import KINDS, Json, RefusedError
from tests.fake_kube_request import Ask

if TYPE_CHECKING:
    from tests.fake_kube import FakeKube

LOOK_EVERY = 0.25  # seconds between looks for clients that left their watches
REQUEST_LIMIT = 3 << 20  # bytes of a request's body: MaxRequestBodyBytes of kube-apiserver


class Stream:
    """An open watch: bytes to send, and its kind of end (clean, fin, rst; '' while it lives)."""

    def __init__(self, ask: Ask, seconds: float, *, after: int, lock: threading.RLock) -> None:
        # A change wakes only the watches that it concerns, however many there are.
        self.woken = threading.Condition(lock)
        self.ask = ask
        self.after = after  # a watch from a future version is silent until then
        self.queue: collections.deque[bytes] = collections.deque()
        self.deadline = ask.at + seconds
        self.end = ""
        self.bookmarks = ask.query.get("allowWatchBookmarks", "").lower() in {"1", "t", "true"}
        self.bookmarked, self.told = ask.at, 0
        self.fd = -1  # of the connection

    def send(self, data: bytes) -> None:
        """Add bytes to send; for a holder of the lock."""
        self.queue.append(data)
        self.woken.notify()


class Listener:
    """A listening TLS socket and the threads behind it, until `close`."""

    def __init__(self, kube: FakeKube, port: int, context: ssl.SSLContext) -> None:
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.kube, self._server.context = kube, context
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), name="fake kube", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; drop every connection."""
        self._server.shutdown()
        self._thread.join()
        self._server.drop_connections()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # connections of a fleet that come at once
    block_on_close = False
    kube: FakeKube
    context: ssl.SSLContext

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        self.connections: set[socket.socket] = set()
        self._look = 0.0
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket.socket, object]:
        plain, address = self.socket.accept()
        # The handshake is left to the connection's own thread: a slow client must not block others.
        connection = self.context.wrap_socket(
            plain, server_side=True, do_handshake_on_connect=False
        )
        self.connections.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        self.connections.discard(request)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called again and again while it serves."""
        now = time.monotonic()
        if now >= self._look:
            self._look = now + LOOK_EVERY
            self.kube.end_left_streams()

    def drop_connections(self) -> None:
        for connection in tuple(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                self.connections.discard(connection)

    def handle_error(self, *_: object) -> None:
        """A client may go away, or refuse our certificate."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        ask = Ask(self.command, self.path, self.headers.get("Authorization", ""))
        ask.agent = self.headers.get("User-Agent", "")
        ask.client = self.client_address
        certificate = self.connection.getpeercert()
        ask.serial = int(certificate["serialNumber"], 16) if certificate else 0
        kube = self.server.kube
        if length > REQUEST_LIMIT:
            text = f"Request entity too large: limit is {REQUEST_LIMIT}"
            self._send(
                ask,
                413,
                json.dumps(RefusedError(413, "RequestEntityTooLarge", text).status()).encode(),
                {},
            )
            return
        if answer := kube.scripted(ask):
            kube.wait_to_send(ask)
            self._send(ask, answer.status, answer.body, dict(answer.headers))
            return
        try:
            kube.admit(ask)
            if ask.verb == "watch":
                self._watch(ask)
                return
            kube.begin(ask)
            status, answered = self._answer(ask, self._parsed(body))
        except RefusedError as refused:
            status, answered = refused.code, refused.status()
        except ValueError as nonsense:
            status, answered = 400, RefusedError(400, "BadRequest", str(nonsense)).status()
        encoded = json.dumps(answered).encode()
        kube.wait_to_send(ask)
        if kube.loses(ask):
            ask.status = status
            self._break("rst")
            return
        self._send(ask, status, encoded, {})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _parsed(self, body: bytes) -> Json:
        if body and "json" not in self.headers.get("Content-Type", "json"):
            text = "the body of the request was in an unknown format, accepted: application/json"
            raise RefusedError(415, "UnsupportedMediaType", text)
        parsed: Json = json.loads(body) if body else {}
        return parsed

    def _answer(self, ask: Ask, body: Json) -> tuple[int, Json]:
        kube, store = self.server.kube, self.server.kube.store
        if ask.path in kube.documents:
            return 200, kube.documents[ask.path]
        if not ask.resource:
            raise RefusedError(404, "NotFound", "the server could not find the requested resource")
        if ask.resource == "namespaces":
            return self._namespaces(ask, body)
        if ask.resource == "events":
            return self._events(ask, body)
        where = ask.resource, ask.namespace, ask.name
        match ask.verb:
            case "list":
                _check_selector(ask)
                version, objects = store.select(*ask.selection)
                bare = ({k: o[k] for k in o if k not in {"kind", "apiVersion"}} for o in objects)
                kind = KINDS[ask.resource]
                return 200, {
                    "kind": f"{kind.name}List",
                    "apiVersion": kind.api_version,
                    "metadata": {"resourceVersion": str(version)},
                    "items": list(bare),
                }
            case "get":
                return 200, store.get(*where)
            case "create":
                return 201, store.create(ask.resource, ask.namespace, body)
            case "update":
                return self._update(ask, body)
            case "patch":
                return 200, store.patch(*where, body)
            case _:
                return 200, store.delete(*where)

    def _update(self, ask: Ask, body: Json) -> tuple[int, Json]:
        kube = self.server.kube
        with kube.store.lock:
            creates = KINDS[ask.resource].put_creates and not kube.store.select(*ask.selection)[1]
            if creates:
                kube.admit(ask.creating())
            obj = kube.store.replace(ask.resource, ask.namespace, ask.name, body)
            return 201 if creates else 200, obj

    def _events(self, ask: Ask, body: Json) -> tuple[int, Json]:
        kube = self.server.kube
        if ask.verb != "create" or ask.name:
            raise RefusedError(
                405, "MethodNotAllowed", "this server only takes events, and gives none back"
            )
        with kube.store.lock:
            if ask.namespace not in kube.store.namespaces:
                raise RefusedError(404, "NotFound", f'namespaces "{ask.namespace}" not found')
            return 201, kube.reported.create(ask.namespace, body)

    def _namespaces(self, ask: Ask, body: Json) -> tuple[int, Json]:
        store = self.server.kube.store
        if ask.verb == "list":
            items = [_namespace(name) for name in sorted(store.namespaces)]
            meta = {"resourceVersion": str(store.version)}
            return 200, {
                "kind": "NamespaceList",
                "apiVersion": "v1",
                "metadata": meta,
                "items": items,
            }
        if ask.verb == "create":
            store.namespaces.add(body["metadata"]["name"])
            return 201, _namespace(body["metadata"]["name"])
        if ask.name not in store.namespaces:
            raise RefusedError(404, "NotFound", f'namespaces "{ask.name}" not found')
        if ask.verb == "delete":
            store.namespaces.discard(ask.name)
            for resource in KINDS:
                for obj in store.select(resource, ask.name)[1]:
                    store.delete(resource, ask.name, obj["metadata"]["name"])
        return 200, _namespace(ask.name)

    def _watch(self, ask: Ask) -> None:
        kube = self.server.kube
        if not ask.resource:
            raise RefusedError(404, "NotFound", "the server could not find the requested resource")
        _check_selector(ask)
        if ask.initial_events:
            _check_initial_events(ask, kube.watch_list.name)
        stream = kube.open_stream(ask)
        stream.fd = self.connection.fileno()
        try:
            kube.wait_to_send(ask)
            ask.status = 200
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while piece := kube.next_piece(stream):
                kube.wait_to_send()
                self._chunk(piece)
            if stream.end == "clean":
                kube.wait_to_send()
                self.wfile.write(b"0\r\n\r\n")
            else:
                self._break(stream.end)
        finally:
            kube.close_stream(stream)

    def _chunk(self, data: bytes) -> None:
        size, pause = self.server.kube.trickle or (len(data), 0.0)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if pause:
                time.sleep(pause)  # the fault itself: a byte now and then

    def _break(self, how: str) -> None:
        self.close_connection = True
        if how == "rst":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, ask: Ask, status: int, body: bytes, headers: dict[str, str]) -> None:
        if not status:
            self.wfile.write(body)
            self._break("fin")
            return
        ask.status = status
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def flush_headers(self) -> None:
        while (
            self.server.kube.endless_headers
        ):  # the fault itself: a byte now and then, until the client has enough
            self.wfile.write(b"X")
            time.sleep(0.02)
        super().flush_headers()

    def log_message(self, *_: object) -> None:
        """The request log of FakeKube is the log."""


def _check_selector(ask: Ask) -> None:
    for term in filter(None, ask.query.get("fieldSelector", "").split(",")):
        if term.partition("=")[0].rstrip("!") not in {"metadata.name", "metadata.namespace"}:
            label = term.partition("=")[0]
            raise RefusedError(400, "BadRequest", f"field label not supported: {label}")
    if ask.query.get("labelSelector"):
        raise RefusedError(400, "BadRequest", "this server knows no label selectors")


def _check_initial_events(ask: Ask, offered: str) -> None:
    """As the API server validates `sendInitialEvents`; `offered`: the name of a `WatchList`."""
    if offered == "FILTERED":
        raise RefusedError(400, "BadRequest", "unknown parameter: sendInitialEvents")
    why = ""
    if offered == "UNKNOWN":
        why = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch"
    elif offered == "GATED":
        why = (
            "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the"
            " WatchList feature gate is enabled"
        )
    elif ask.query.get("resourceVersionMatch") != "NotOlderThan":
        why = (
            "resourceVersionMatch: Forbidden: sendInitialEvents requires setting"
            " resourceVersionMatch to NotOlderThan"
        )
    if why:
        raise RefusedError(422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: {why}')


def _namespace(name: str) -> Json:
    status = {"phase": "Active"}
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}, "status": status}
