"""An honest API server for tests: real semantics over real TLS, with faults on order.

`FakeKube` listens on loopback and serves ConfigMaps, Secrets, Leases and Namespaces as a cluster:
list, get, watch, create, update, patch and delete, resourceVersions, field selectors, bookmarks,
410 after compaction, bearer tokens and RBAC on every request. On order it also fails as clusters
do: it holds an answer back, falls silent, cuts or resets watches, trickles, sends nonsense, goes
down. It must not know the client: everything goes over HTTP, into the request log.

`python -m tests.fake_kube --help` serves a directory of files as ConfigMaps.
"""

from __future__ import annotations

import copy
import enum
import json
import os
import random
import select
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any, Self

from tests import fake_kube_files
from tests.fake_kube_events import Reported
from tests.fake_kube_faults import Answer, Hold
from tests.fake_kube_http import Listener, Stream
from tests.fake_kube_kinds import KINDS, Json, RefusedError, lease_manifest, manifest
from tests.fake_kube_request import Ask
from tests.fake_kube_store import Event, Store
from tests.fake_kube_tls import Authority
from tests.fake_kube_users import Rule, Users


class WatchList(enum.Enum):
    """The answers of releases to a watch that wants the existing objects first."""

    OFFERED = "1.34 and newer: the objects, and a bookmark at their end"
    GATED = "1.27 and newer, without the feature gate: 422"
    UNKNOWN = "1.19 to 1.26: 422, since a resourceVersionMatch is for lists"
    IGNORED = "1.18 and older: the objects, but no bookmark at their end"
    FILTERED = "behind a proxy that refuses parameters: 400"


class FakeKube(Users):
    """The server and the orders of a test. Objects live in `namespace` by default."""

    def __init__(self, port: int = 0, authority: Authority | None = None) -> None:
        super().__init__(authority or Authority())
        self.namespace = "production"
        self.kubeconfig = ""  # the last written one
        self.store = Store()
        self.store.namespaces.add(self.namespace)
        self.store.heard = self._spread
        self.reported = Reported()
        self.log: list[Ask] = []
        self.documents: dict[str, Json] = {}  # further paths with their fixed JSON
        # Whether a watch may begin with the existing objects, as the release decides.
        self.watch_list = WatchList.OFFERED
        self.endless_headers = False  # answers begin, and their headers never end
        self.gone_as_event = False  # 410 as an ERROR event in a 200 stream, not as a status
        self.trickle: tuple[int, float] | None = None  # bytes at a time, seconds between
        self.bookmark_every = 60.0
        self._answers: list[Answer] = []
        self._holds: list[Hold] = []
        self._losses: list[str] = []  # verbs whose next answers are lost
        self._rivals: dict[str, int] = {}  # names of Leases: updates that a rival forestalls
        self._streams: list[Stream] = []
        self._flowing = threading.Event()
        self._flowing.set()
        self._context = self.authority.server_context()
        self._listener: Listener | None = Listener(self, port, self._context)
        self.port = self._listener.port

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for hold in self._holds:
            hold.release()
        self.thaw()
        self.down()

    # Deeds of users

    def create(
        self,
        name: str,
        data: Mapping[str, str | bytes] | None = None,
        binary: Mapping[str, bytes] | None = None,
        *,
        kind: str = "configmap",
        unchecked: bool = False,
    ) -> Json:
        """A new object. Values are plain: a Secret's are encoded here, and `binary` always is."""
        body = manifest(name, data, binary, kind=kind)
        return self.store.create(f"{kind}s", self.namespace, body, unchecked=unchecked)

    def change(
        self,
        name: str,
        data: Mapping[str, str | bytes] | None = None,
        binary: Mapping[str, bytes] | None = None,
        *,
        kind: str = "configmap",
    ) -> Json:
        """New content for an object, its labels and annotations kept."""
        with self.store.lock:
            old = self.store.get(f"{kind}s", self.namespace, name)
            body = manifest(name, data, binary, kind=kind)
            body["metadata"] = old["metadata"]
            return self.store.replace(f"{kind}s", self.namespace, name, body)

    def annotate(self, name: str, key: str, value: str, *, kind: str = "configmap") -> Json:
        body = {"metadata": {"annotations": {key: value}}}
        return self.store.patch(f"{kind}s", self.namespace, name, body)

    def delete(self, name: str, *, kind: str = "configmap") -> Json:
        return self.store.delete(f"{kind}s", self.namespace, name)

    def lease(self, name: str) -> Json | None:
        """A Lease as it is now; None without one."""
        found = self.store.select("leases", self.namespace, name)[1]
        return copy.deepcopy(found[0]) if found else None

    def put_lease(
        self, name: str, annotations: Mapping[str, str] | None = None, **spec: object
    ) -> Json:
        """Create a Lease, or write over it whatever its version is."""
        with self.store.lock:
            body = lease_manifest(name, annotations, **spec)
            if old := self.lease(name):
                body["metadata"] = {**old["metadata"], "annotations": dict(annotations or {})}
            return self.store.replace("leases", self.namespace, name, body)

    def write_kubeconfig(self, path: str, **changes: Any) -> str:
        """A kubeconfig for the admin; `changes`: user, cluster, context entries to overlay."""
        self.kubeconfig = path
        content = fake_kube_files.kubeconfig(
            self.url, self.authority.pem, self.token, self.namespace, changes
        )
        return fake_kube_files.write(path, content)

    def user_kubeconfig(self, path: str, *rules: Rule) -> str:
        """A kubeconfig for a new user with these rights only."""
        token = self.add_user(f"system:serviceaccount:default:{uuid.uuid4().hex[:8]}", *rules)
        parts = self.url, self.authority.pem, token, self.namespace
        return fake_kube_files.write(path, fake_kube_files.kubeconfig(*parts, {}))

    def write_kubeconfig_and_ca(self, path: str, pem: str) -> str:
        """A kubeconfig for the admin, with the CA in a file beside it."""
        fake_kube_files.write(f"{path}.crt", pem)
        # Null, for the library prefers the data.
        cluster = {"certificate-authority-data": None, "certificate-authority": f"{path}.crt"}
        return self.write_kubeconfig(path, cluster=cluster)

    def write_service_account(self, folder: str, token: str | None = None) -> str:
        """A pod's service account as a kubelet mounts it: token, ca.crt, namespace."""
        files = {
            "token": self.token if token is None else token,
            "ca.crt": self.authority.pem,
            "namespace": self.namespace,
        }
        for name, text in files.items():
            fake_kube_files.write(os.path.join(folder, name), text)
        return folder

    # Faults

    def answer_next(
        self,
        verb: str,
        status: int,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
    ) -> None:
        """Script the next answers to a verb, for every user; times=-1: until `clear`. Status 0:
        send the bare bytes, and close the connection.
        """
        if body is None:
            reason = {
                409: "Conflict",
                429: "TooManyRequests",
                500: "InternalError",
                503: "ServiceUnavailable",
            }
            text = "the server is currently unable to handle the request"
            body = json.dumps(RefusedError(status, reason.get(status, ""), text).status()).encode()
        self._answers.append(Answer(verb, status, body, headers or {}, times))

    def clear(self) -> None:
        """Drop the scripted answers."""
        self._answers.clear()

    def hold(self, verb: str) -> Hold:
        """Keep the next answer to a verb back until `release`."""
        hold = Hold(verb)
        self._holds.append(hold)
        return hold

    def lose_answer(self, verb: str, times: int = 1) -> None:
        """Carry the next requests of a verb out, and reset their connections without an answer."""
        self._losses += [verb] * times

    def forestall(self, name: str, times: int) -> None:
        """Let a rival write to a Lease just before each of its next updates: a storm of 409s."""
        self._rivals[name] = times

    def freeze(self) -> None:
        """Accept and read, but send nothing any more, on old and new connections."""
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def cut(self, how: str = "fin") -> None:
        """End the open watches: `clean` as at their timeout, `fin` or `rst` in mid-stream."""
        with self.store.lock:
            for stream in self._streams:
                stream.end = how
                stream.woken.notify()

    def inject(self, raw: bytes) -> None:
        """Send raw bytes down every open watch."""
        with self.store.lock:
            for stream in self._streams:
                stream.send(raw)

    def bookmark(self) -> None:
        """Send a bookmark down every open watch, if its request allows them."""
        with self.store.lock:
            for stream in self._streams:
                if stream.bookmarks:
                    stream.send(_bookmark(stream.ask.resource, self.store.version))

    def down(self) -> None:
        """Stop listening and drop every connection."""
        if self._listener is not None:
            self.cut("fin")
            self._listener.close()
            self._listener = None

    def up(self, *, forbidding: float = 0.0) -> None:
        """Listen again on the same port, with all stored objects.

        `forbidding`: seconds of 403 for every request, as while a restarted server loads its roles.
        """
        self.forbidding_until = time.monotonic() + forbidding
        if self._listener is None:
            self._listener = Listener(self, self.port, self._context)

    # For the eyes of tests

    def watchers(self) -> int:
        """The number of open watches."""
        with self.store.lock:
            return len(self._streams)

    def asked(self, verb: str, status: int | None = None) -> list[Ask]:
        """The logged requests with a verb (and an answer); see `Ask.is_a`."""
        return [ask for ask in self.log if ask.is_a(verb) and status in {None, ask.status}]

    # For the HTTP side

    def scripted(self, ask: Ask) -> Answer | None:
        """Take the scripted answer to this request; None without one."""
        with self.store.lock:
            self.log.append(ask)
            for index, answer in enumerate(self._answers):
                if ask.is_a(answer.verb):
                    self._answers[index] = answer.replace(times=answer.times - 1)
                    if answer.times == 1:
                        del self._answers[index]
                    return answer
        return None

    def begin(self, ask: Ask) -> None:
        """Called before an admitted request is carried out."""
        with self.store.lock:
            left = self._rivals.get(ask.name, 0)
            there = self.store.select(*ask.selection)[1]
            if left and there and ask.is_a("update leases"):
                self._rivals[ask.name] = left - 1
                body = {"metadata": {"annotations": {"rival": str(left)}}}
                self.store.patch("leases", ask.namespace, ask.name, body)

    def loses(self, ask: Ask) -> bool:
        """Whether the answer to a request is lost."""
        with self.store.lock:
            for verb in filter(ask.is_a, self._losses):
                self._losses.remove(verb)
                return True
        return False

    def wait_to_send(self, ask: Ask | None = None) -> None:
        """Stand here while the server is frozen or the answer to this request is held."""
        for hold in self._holds:
            if ask and ask.is_a(hold.verb):
                self._holds.remove(hold)
                hold.keep()
                break
        self._flowing.wait()

    def open_stream(self, ask: Ask) -> Stream:
        """A watch from the asked version on; nothing between is lost. 410 when it is too old."""
        with self.store.lock:
            asked = int(ask.query.get("resourceVersion") or 0)
            seconds = float(ask.query.get("timeoutSeconds") or random.randint(1800, 3600))
            stream = Stream(ask, seconds, after=asked, lock=self.store.lock)
            try:
                backlog = self._backlog(ask, asked)
            except RefusedError as gone:
                if not self.gone_as_event:
                    raise
                backlog, stream.deadline = [], ask.at
                stream.queue.append(_line("ERROR", gone.status()))
            stream.queue.extend(_line(e.type, e.obj) for e in backlog if e.concerns(*ask.selection))
            if ask.initial_events:
                stream.after = self.store.version
            if ask.initial_events and self.watch_list is WatchList.OFFERED:
                stream.queue.append(_bookmark(ask.resource, self.store.version, initial_end=True))
            self._streams.append(stream)
            return stream

    def _backlog(self, ask: Ask, asked: int) -> list[Event]:
        if asked and not ask.initial_events:
            return self.store.since(asked)
        return [
            Event(0, "ADDED", ask.resource, obj) for obj in self.store.select(*ask.selection)[1]
        ]

    def end_left_streams(self) -> None:
        """End the watches whose clients have closed their connections, as a cluster does."""
        with self.store.lock:
            open_streams = {stream.fd: stream for stream in self._streams if stream.fd >= 0}
            poll = select.poll()
            for fd in open_streams:
                poll.register(fd, select.POLLRDHUP)
            for fd, _ in poll.poll(0):
                open_streams[fd].end = "left"
                open_streams[fd].woken.notify()

    def close_stream(self, stream: Stream) -> None:
        with self.store.lock:
            self._streams.remove(stream)

    def next_piece(self, stream: Stream) -> bytes:
        """The next bytes of a watch; b'' when it is over."""
        with self.store.lock:
            while not stream.end:
                now = time.monotonic()
                if stream.queue:
                    return stream.queue.popleft()
                if now >= stream.deadline:
                    stream.end = "clean"
                elif stream.bookmarks and now >= stream.bookmarked + self.bookmark_every:
                    stream.bookmarked = now
                    if stream.told < self.store.version:
                        stream.told = self.store.version
                        stream.queue.append(_bookmark(stream.ask.resource, stream.told))
                else:
                    until = min(stream.deadline, stream.bookmarked + self.bookmark_every)
                    stream.woken.wait(until - now)
            return b""

    def _spread(self, event: Event) -> None:
        line = _line(event.type, event.obj)
        for stream in self._streams:
            if event.version > stream.after and event.concerns(*stream.ask.selection):
                stream.send(line)


def _line(kind: str, obj: Json) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def _bookmark(resource: str, version: int, *, initial_end: bool = False) -> bytes:
    meta: Json = {"resourceVersion": str(version), "creationTimestamp": None}
    if initial_end:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    kind = KINDS[resource]
    obj = {"kind": kind.name, "apiVersion": kind.api_version, "metadata": meta}
    return _line("BOOKMARK", obj)


if __name__ == "__main__":
    from tests.fake_kube_main import main

    raise SystemExit(main())
