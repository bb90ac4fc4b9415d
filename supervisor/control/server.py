"""The control socket: what supervisorctl asks, and orders that change what the app runs on.

A line of words comes in (`reload`, `wait ready 30`); a line with an exit code goes out, then text,
and the connection ends. Only our own user and root are served, on a unix socket: nothing that
changes anything can be reached over TCP. Runs in threads of its own. It reads the state and puts
events; it touches neither the app nor its files, and no client can hold up the main loop. The
results of orders are read from the state alone.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import threading
import time
from functools import partial

from .. import __version__
from ..core import events as ev
from ..core import health
from ..core.quoting import encodable
from ..runtime import log, threads
from ..runtime.client_limit import affordable
from ..store.configroot import FilesError
from . import commands, socket_files
from .commands import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..core.health import Verdict
    from ..core.state import State
    from ..store.manifest import Generation
    from .commands import Look

_MOST_CLIENTS = 16
_SHARE_OF_FILES = 8  # half of what the port of metrics takes
_WAITING = 3 / 4  # of the clients may wait: a health check must not find every place taken by those
_PLACE_SECONDS = 0.02  # for a place to become free by itself, as most do
_OUST_SECONDS = 0.2  # for the thread of a client that was hung up on to end
_MOST_BYTES = 4096  # of a request
_CLIENT_SECONDS = 10.0  # for a client to send its request, and to take the answer
_ANSWER_SECONDS = 1.0  # a loop that takes longer for one turn is not alive; as for /livez
_LOOK_AGAIN = 20  # milliseconds between two looks at the state
_PAUSE = 0.1  # seconds, when no connection can be accepted
_CREDENTIALS = struct.Struct("iII")  # pid, uid, gid: struct ucred of unix(7)


_SILENT = Answer(1, "not ok: the main loop does not answer")


class Control:
    """Serves the control socket at `path`.

    `state` gives the newest state, `put` takes an event, `generations` gives those kept on disk,
    newest first (none without a configroot; may raise FilesError), `status` is what /status shows
    of a state. `live` may be set to what decides on /livez, if that depends on more than the state.
    `by_default`: the user did not choose the path; then clients of other containers are refused,
    and sockets that ended supervisors left beside it removed.
    """

    def __init__(
        self,
        path: str,
        state: Callable[[], State],
        put: Callable[[ev.Event], None],
        generations: Callable[[], Sequence[Generation]],
        status: Callable[[State], Mapping[str, object]],
    ) -> None:
        self._path, self._state, self._put = path, state, put
        self._generations, self._status = generations, status
        self._most = affordable(_MOST_CLIENTS, _SHARE_OF_FILES)
        self._most_waiting = int(self._most * _WAITING)
        self._places = threading.BoundedSemaphore(self._most)
        self._waiting = threading.BoundedSemaphore(self._most_waiting)
        self._silent: dict[_Client, None] = {}  # those that have not asked yet, the oldest first
        self.live: Callable[[State], Verdict] = health.live
        self.by_default = False
        self._listener: socket.socket | None = None
        self._inode, self._closed = 0, False  # the inode of our socket file
        self._at_once: dict[str, Callable[[], Answer]] = {
            "health": self._tell_health,
            "status": self._tell_status,
            "generations": self._tell_generations,
            "pid": lambda: Answer(0, str(os.getpid())),
            "version": lambda: Answer(0, __version__),
        }
        self._slow: dict[str, Callable[[Sequence[str], _Client], Answer | None]] = {
            "wait": self._wait,
            "reload": self._reload,
            "rollback": self._roll_back,
            "shutdown": self._shut_down,
        }

    def serve(self) -> None:
        """Serve for ever; the body of a thread. Returns, after a warning, if the socket cannot be
        had.
        """
        try:
            self._listener, self._inode = socket_files.listen(self._path)
        except OSError as error:
            log.warning(
                f"cannot listen on {self._path}: {error.strerror or error}; choose another path"
                " with --control, or --control=off; supervisorctl cannot reach this supervisor,"
                " everything else goes on",
                event="listen_failed",
            )
            return
        log.debug(f"control socket: {self._path}")
        if self.by_default:
            socket_files.sweep(self._path)
        while not self._closed:
            self._admit(self._listener)
        self._listener.close()

    def close(self) -> None:
        """Take no more clients and remove the socket file, if it is still ours; for the end of the
        process.
        """
        self._closed = True
        try:
            if self._listener is not None:
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(2)
                if os.lstat(self._path).st_ino == self._inode:
                    os.unlink(self._path)
        except OSError:
            pass  # nobody listens on a file that stays: the next supervisor replaces it

    def _admit(self, listener: socket.socket) -> None:
        """Wait for the next client; it is served in a thread of its own, or refused in one line."""
        try:
            client = _Client(listener.accept()[0])
        except OSError as error:  # it is gone already, or we have no file descriptor left
            log.debug(f"cannot accept a client of {self._path}: {error}")
            threading.Event().wait(_PAUSE)
            return
        if client.uid not in (0, os.geteuid()):
            client.answer(
                Answer(
                    1,
                    f"refused: run supervisorctl as uid {os.geteuid()} or root, not uid"
                    f" {client.uid}",
                )
            )
        elif self.by_default and not client.pid:
            client.answer(
                Answer(
                    1,
                    "refused: run supervisorctl in the container of its supervisor, or name"
                    " --control",
                )
            )
        elif not self._places.acquire(timeout=_PLACE_SECONDS) and not self._oust():
            client.answer(
                Answer(1, f"busy: {self._most} clients are served already; try again later")
            )
        else:
            self._silent[client] = None
            try:
                threads.start(partial(self._talk, client), "control")
            except RuntimeError as error:  # the container's limit of processes
                del self._silent[client]
                self._places.release()
                client.answer(Answer(1, f"cannot serve another client: {error}; try again later"))

    def _oust(self) -> bool:
        """Hang up on the client that has said nothing for longest; whether its place was taken."""
        for client in tuple(self._silent)[:1]:
            if self._silent.pop(client, self) is None:  # else it has just asked
                client.hang_up()
        return self._places.acquire(timeout=_OUST_SECONDS)

    def _talk(self, client: _Client) -> None:
        try:
            refusal = client.request()
            self._silent.pop(client, None)
            answer = refusal or self._answer(client.words, client)
            if answer is not None:
                client.answer(answer)
        finally:
            client.close()
            self._places.release()

    def _answer(self, words: Sequence[str], client: _Client) -> Answer | None:
        """What to say to a request; None if nobody is there to hear it."""
        word = words[0] if words else ""
        try:
            if word in self._at_once:
                return self._at_once[word]()
            if word not in self._slow:
                return Answer(
                    2,
                    f"unknown command {word!r}; there is"
                    f" {', '.join([*self._at_once, *self._slow])}",
                )
            if not self._waiting.acquire(blocking=False):
                return Answer(
                    1, f"busy: {self._most_waiting} clients wait already; try again later"
                )
            try:
                return self._slow[word](words[1:], client)
            finally:
                self._waiting.release()
        except FilesError as error:
            return Answer(1, str(error))
        except Exception as error:  # the outer edge of a request: a failure is an answer too
            log.warning(
                f"cannot answer {word!r} on the control socket: {error!r}", event="request_failed"
            )
            return Answer(1, f"cannot answer {word!r}: internal error: {error!r}")

    # --- answered at once

    def _tell_health(self) -> Answer:
        if not self._turn():
            return _SILENT
        verdict = self.live(self._state())
        return (
            Answer(0, f"ok: {verdict.reason}")
            if verdict.ok
            else Answer(1, f"not ok: {verdict.reason}")
        )

    def _tell_status(self) -> Answer:
        import json

        return Answer(0, json.dumps(self._status(self._state()), indent=2))

    def _tell_generations(self) -> Answer:
        import json

        return Answer(0, json.dumps(commands.listed(self._generations(), self._state())))

    # --- answered when something has come true

    def _wait(self, words: Sequence[str], client: _Client) -> Answer | None:
        goal = commands.GOALS.get(words[0] if words else "")
        try:
            seconds = float(words[1]) if len(words) > 1 else None
        except ValueError:
            goal = None
        if goal is None:
            return Answer(
                2, "cannot wait: it must be `wait ready` or `wait synced`, and a number of seconds"
            )
        answer = self._until(client, partial(commands.waited, goal), seconds)
        return answer or Answer(
            1, f"not {words[0]} within {seconds or 0:g}s: {goal(self._state()).reason}"
        )

    def _reload(self, _: Sequence[str], client: _Client) -> Answer | None:
        before = self._state()
        if not before.sources:
            return Answer(
                1,
                "cannot reload: no configuration is kept live here; see --configmap and"
                " --config-dir",
            )
        log.info(f"reload ordered by {client}", event="reload_ordered")
        if not self._turn(ev.ReloadOrdered()):
            return _SILENT
        return self._until(client, partial(commands.reloaded, before.reloads))

    def _roll_back(self, words: Sequence[str], client: _Client) -> Answer | None:
        wanted = words[0] if words else "1"
        if not commands.is_rollback(wanted):
            return Answer(
                2, "cannot roll back: it must be a number of generations, 1 or more, or a version"
            )
        before = self._state()
        target = commands.earlier(self._generations(), before.config, wanted)
        if isinstance(target, Answer):
            return target
        log.info(
            f"rollback to configuration {commands.short(target)} ordered by {client}",
            event="rollback_ordered",
            version=commands.short(target),
        )
        if not self._turn(ev.RollbackOrdered(target)):
            return _SILENT
        return self._until(client, partial(commands.rolled_back, before.reloads, target))

    def _shut_down(self, _: Sequence[str], client: _Client) -> Answer | None:
        if not self._turn():
            return _SILENT
        log.info(f"shutdown ordered by {client}", event="shutdown_ordered")
        client.answer(Answer(0, "Shut down"))  # first: the end of the process waits for no client
        self._put(ev.SignalReceived(signal.SIGTERM))
        return None

    def _turn(self, *events: ev.Event) -> bool:
        """Have the main loop take these events; whether it has done so in time."""
        turned = threading.Event()
        for event in (*events, ev.Probed(turned.set)):
            self._put(event)
        return turned.wait(_ANSWER_SECONDS)

    def _until(self, client: _Client, look: Look, seconds: float | None = None) -> Answer | None:
        """The first answer that `look` has; None when the time is over or the client has
        gone away.
        """
        ends = None if seconds is None else time.monotonic() + seconds
        while (answer := look(self._state())) is None:
            if (ends is not None and time.monotonic() >= ends) or not client.stays():
                return None
        return answer


class _Client:
    """One connection: who is there, a request, one answer, and whether anybody still
    waits for it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        try:
            raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            connection.close()
            raise
        # The pid is 0 for a process of a PID namespace that ours cannot see: another container
        # (pid_namespaces(7)).
        self.pid, self.uid, _ = _CREDENTIALS.unpack(raw)
        self.words: list[str] = []
        self._hung_up = select.poll()
        self._hung_up.register(
            connection, 0
        )  # POLLHUP is always reported; a client may close its own half

    def __str__(self) -> str:
        return f"uid {self.uid} (pid {self.pid}) through the control socket"

    def request(self) -> Answer | None:
        """Read the request into `words`; what there is to say if it is none."""
        ends, data = time.monotonic() + _CLIENT_SECONDS, b""
        try:
            while b"\n" not in data:
                if len(data) > _MOST_BYTES:
                    return Answer(
                        2, f"cannot read the request: it has more than {_MOST_BYTES} bytes"
                    )
                self._connection.settimeout(max(0.001, ends - time.monotonic()))
                piece = self._connection.recv(_MOST_BYTES + 1 - len(data))
                if not piece:
                    break
                data += piece
        except TimeoutError:
            return Answer(1, f"nothing was asked within {_CLIENT_SECONDS:g}s")
        except OSError as error:
            return Answer(1, f"cannot read the request: {error}")
        self.words = data.partition(b"\n")[0].decode(errors="replace").split()
        return None

    def stays(self) -> bool:
        """Whether the client is still there after a short while; returns as soon as it goes."""
        return not self._hung_up.poll(_LOOK_AGAIN)

    def answer(self, answer: Answer) -> None:
        """Send the answer and end the connection; a client that does not take it has had its
        chance.
        """
        try:
            self._connection.settimeout(_CLIENT_SECONDS)
            self._connection.sendall(f"{answer.code}\n{encodable(answer.text)}\n".encode())
        except OSError as error:
            log.debug(f"cannot answer {self}: {error}")
        self.close()

    def hang_up(self) -> None:
        """End the connection for both sides; the descriptor stays with the thread that reads from
        it.
        """
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it was closed meanwhile

    def close(self) -> None:
        self._connection.close()
