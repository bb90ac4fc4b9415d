"""Traffic through an app while a test changes or stops it: a load without a pause, and a request
under way.

Both report the view of the app's clients, and nothing depends on the speed of the machine: a test
goes on once an answer of the expected kind has come. Must not know containers, configurations or
reloads.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from typing import Self

from tests.answering import Answering, answer
from tests.conftest import needs
from tests.output_lines import Lines

# Counts answers by the first of the given words in the body, and reports the first sight of each
# word.
_SCRIPT = """
local words, threads = {}, {}
function setup(thread) table.insert(threads, thread) end
function init(arguments) words, counts = arguments, {} end
function response(status, headers, body)
  local found = "other"
  for _, word in ipairs(words) do
    if body:find(word, 1, true) then found = word break end
  end
  if not counts[found] then io.write("saw ", found, "\\n") io.flush() end
  counts[found] = (counts[found] or 0) + 1
end
function done(summary, latency, requests)
  for name, number in pairs(summary.errors) do io.write("error ", name, " ", number, "\\n") end
  for word, number in pairs(threads[1]:get("counts")) do
    io.write("count ", word, " ", number, "\\n")
  end
end
"""


class Load:
    """wrk on one path, each request on a connection of its own, until `end` or the end of the
    `with`.

    A server may close a kept connection between requests at any time (RFC 9112, 9.5), also during a
    reload, and clients have to repeat their request; kept connections would prove nothing.
    """

    def __init__(self, port: int, path: str = "/", words: Sequence[str] = ()) -> None:
        """`words` tell the answers apart; a word in another must stand before it."""
        self.counts: dict[
            str, int
        ] = {}  # answers by word, `other` for those with none; filled by `end`
        self.errors: dict[
            str, int
        ] = {}  # by kind: connect, read, write, timeout, status (400 and more)
        wrk = needs("wrk")
        with tempfile.NamedTemporaryFile("w", suffix=".lua", delete=False) as script:
            script.write(_SCRIPT)
        self._script = script.name
        options = [
            "--threads=1",
            "--connections=4",
            "--duration=180s",
            "--timeout=20s",
            "--header=Connection: close",
        ]
        command = [
            wrk,
            *options,
            f"--script={self._script}",
            f"http://127.0.0.1:{port}{path}",
            "--",
            *words,
        ]
        self._wrk = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert self._wrk.stdout is not None
        self._said = Lines(self._wrk.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._wrk.poll() is None:
            self._wrk.kill()
        self._wrk.wait()
        self._said.reader.join(5)
        os.unlink(self._script)

    def sees(self, word: str) -> None:
        """Wait for the first answer with this word; fails if the load is over before."""
        self._said.expect(f"^saw {re.escape(word)}$", timeout=60)

    def end(self) -> None:
        """Stop it, and fill `counts` and `errors`."""
        assert self._wrk.poll() is None, f"the load ended by itself: {self._said.seen}"
        self._wrk.send_signal(signal.SIGINT)
        for line in self._said.rest(timeout=30):
            match line.split():
                case ["count", word, number]:
                    self.counts[word] = int(number)
                case ["error", kind, number]:
                    self.errors[kind] = int(number)
        assert {"connect", "read", "write", "timeout", "status"} == set(self.errors), (
            self._said.seen
        )

    @property
    def failed(self) -> dict[str, int]:
        """The kinds of errors, with counts."""
        return {kind: number for kind, number in self.errors.items() if number}


class Upload:
    """A request whose body comes in two halves, through the app to a backend of ours: in between it
    is under way.

    The app has to pass the first half on before the second half comes, to `backend` (a port on
    127.0.0.1).
    """

    _HALF = b"x" * 1000

    def __init__(self) -> None:
        self._answering = Answering(self._answer)
        self.backend = self._answering.port
        self._client: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()
        self._answering.__exit__()

    def begin(self, port: int, path: str) -> None:
        """Send the first half; returns once the request has reached the backend."""
        self._client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._client.putrequest("POST", path)
        self._client.putheader("Content-Length", str(2 * len(self._HALF)))
        self._client.endheaders(self._HALF)
        assert self._answering.connected.acquire(timeout=30), (
            "the request did not reach the backend"
        )

    def finishes(self) -> None:
        """Send the rest; the backend must get all of it, and its answer come back."""
        assert self._client is not None
        self._client.send(self._HALF)
        response = self._client.getresponse()
        actual = response.status, response.read().decode()
        assert (200, f"{2 * len(self._HALF)} bytes came") == actual, actual

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(60)
        came = len(self._answering.asked[-1].partition("\r\n\r\n")[2])
        while came < 2 * len(self._HALF) and (piece := connection.recv(4096)):
            came += len(piece)
        connection.sendall(answer("200 OK", f"{came} bytes came", "Connection: close"))
