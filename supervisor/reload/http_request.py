"""One HTTP(S) request, and a way to end the wait for its answer from another thread.

It knows nothing of reloads, of retries, or of what an answer means to its caller. A proxy is never
used, whatever the environment says: what is asked here is the app beside us, and its reload is
nobody else's business. A redirect is never followed: what was asked for is what is done. The
credentials and the query of a URL and the values of headers are in no message and in no repr. The
resolver cannot be interrupted; all other waits can.
"""

from __future__ import annotations

import errno
import os
import threading
import time

from .. import __version__
from ..core.errors import reason
from ..core.outcomes import Outcome
from ..core.record import Record
from .deadline_socket import TimedStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    import http.client
    import socket
    import ssl
    from collections.abc import Iterator

# Bytes of an answer's body that are read unless more is asked for: what a log line can bear.
BODY = 1024
_TOKEN = frozenset(
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)  # RFC 9110 5.6.2
_WITH_BODY = frozenset(
    {"POST", "PUT", "PATCH"}
)  # a server may insist on a length, though ours is always 0
_PORTS = {"http": 80, "https": 443}
_INTERIM = range(102, 200)  # http.client skips 100 itself; 101 would be the last answer in HTTP
_MOST_INTERIM = 100
_MOST_SECONDS = (
    86400.0  # of one request, whatever time there is: poll(2) takes no more than 24 days
)
_LEAST_SECRET = 4  # characters: hiding shorter ones would only garble the text


class RequestFailed(Exception):
    """There is no answer. `outcome` is CONNECT or TIMEOUT; `final`: another try cannot end
    differently.
    """

    def __init__(self, outcome: Outcome, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.outcome, self.final = outcome, final


class Interrupt(threading.Event):
    """An event whose setting also ends, at once, what a thread waits for on a socket."""

    def __init__(self) -> None:
        super().__init__()
        self._socket: socket.socket | None = None
        self._guard = (
            threading.Lock()
        )  # a number that was closed and given away must not be shut down

    def set(self) -> None:
        super().set()
        with self._guard:
            if self._socket is None:
                return
            import socket

            try:
                # Not the method of an SSLSocket: that one drops its TLS state, which the other
                # thread is using.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                pass  # not connected any more

    def hold(self, sock: socket.socket) -> None:
        """From now on `set` ends every wait on this socket; raises OSError if it is set already."""
        with self._guard:
            if self.is_set():
                raise ConnectionAbortedError(errno.ECONNABORTED, "not wanted any more")
            self._socket = sock

    def close(self, sock: socket.socket) -> None:
        """Close a socket that may be held."""
        with self._guard:
            self._socket = None
            sock.close()


class Trust(Record):
    """Whom TLS believes: the system's CA certificates, those in the file `ca`, or anybody
    (`insecure`).
    """

    ca: str | None = None
    insecure: bool = False


class Url(Record):
    """An http or https URL; as text it shows neither credentials nor query."""

    scheme: str
    host: str
    port: int
    target: str  # path and query, as sent
    authorization: str = ""  # value of that header, from the credentials

    def __str__(self) -> str:
        path, query, _ = self.target.partition("?")
        return f"{self.scheme}://{self.place}{path}{'?...' if query else ''}"

    __repr__ = __str__

    @property
    def place(self) -> str:
        """`HOST` or `HOST:PORT`, as in a Host header (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class Answer(Record):
    status: int
    phrase: str
    body: bytes  # the first of it
    retry_after: float = 0.0  # seconds that the server asks to wait (RFC 9110, 10.2.3)


class Request(Record):
    """What to ask; `send` may be called again and again."""

    method: str
    url: Url
    headers: tuple[tuple[str, str], ...] = ()  # added to ours, or instead of them
    trust: Trust = Trust()

    def __str__(self) -> str:
        return f"{self.method} {self.url}"

    __repr__ = __str__

    def send(self, seconds: float, interrupt: Interrupt, most: int = BODY) -> Answer:
        """Ask, and read at most `most` bytes of the body, all within `seconds`; raises
        RequestFailed.
        """
        import http.client

        seconds = min(seconds, _MOST_SECONDS)
        until = time.monotonic() + seconds
        try:
            sock = dial(self.url.host, self.url.port, seconds, interrupt)
            try:
                if self.url.scheme == "https":
                    secured = _context(self.trust).wrap_socket(
                        sock, server_hostname=self.url.host, do_handshake_on_connect=False
                    )
                    sock = secured  # the one it was made of is empty now
                    interrupt.hold(sock)
                    sock.settimeout(max(0.001, until - time.monotonic()))
                    secured.do_handshake()
                return self._ask(TimedStream(sock, until), most)
            finally:
                interrupt.close(sock)
        except TimeoutError:
            raise RequestFailed(Outcome.TIMEOUT, f"no answer within {seconds:.1f}s") from None
        except OSError as error:
            raise _failure(error, self.url, self.trust) from error
        except http.client.HTTPException as error:
            raise RequestFailed(Outcome.CONNECT, f"{self.url.place} does not speak HTTP") from error

    def _ask(self, stream: TimedStream, most: int) -> Answer:
        import http.client

        connection = http.client.HTTPConnection(self.url.host)
        connection.sock = stream
        connection.putrequest(
            self.method, self.url.target, skip_host=True, skip_accept_encoding=True
        )
        for name, value in self._all_headers():
            connection.putheader(name, value)
        connection.endheaders()
        with self._final(stream) as response:
            try:
                body = response.read(most) if most else b""
            except (OSError, http.client.HTTPException):
                body = b""  # the status is the answer
            return Answer(
                response.status,
                response.reason,
                body,
                _retry_after(response.getheader("Retry-After", "")),
            )

    def _final(self, stream: TimedStream) -> http.client.HTTPResponse:
        """The final answer; interim ones say nothing about the outcome (RFC 9110, 15.2) and are
        skipped.
        """
        import http.client

        for _ in range(_MOST_INTERIM):
            response = http.client.HTTPResponse(stream, method=self.method)  # type: ignore[arg-type] # all it uses
            response.begin()
            if response.status not in _INTERIM:
                return response
            response.fp = None  # type: ignore[assignment] # closing it would close the reader of the next one
        raise http.client.HTTPException("there are only interim answers")

    def _all_headers(self) -> Iterator[tuple[str, str]]:
        ours = {
            "Host": self.url.place,
            "User-Agent": f"supervisor/{__version__}",
            "Connection": "close",
        }
        if self.url.authorization:
            ours["Authorization"] = self.url.authorization
        if self.method in _WITH_BODY:
            ours["Content-Length"] = "0"
        given = {name.lower() for name, _ in self.headers}
        yield from ((name, value) for name, value in ours.items() if name.lower() not in given)
        yield from self.headers

    def explain(self, answer: Answer) -> str:
        """The status of an answer, for people."""
        head = f"{answer.status} {legible(answer.phrase)}".strip()
        if 300 <= answer.status < 400:
            head += " (redirects are not followed: give the address that it leads to)"
        return head

    def words(self, answer: Answer) -> str:
        """The first of an answer's body in one line, without what a server echoes of
        our secrets.
        """
        text = legible(answer.body.decode(errors="replace"))
        for secret in self._secrets():
            text = text.replace(secret, "[hidden]")
        return text

    def _secrets(self) -> list[str]:
        values = [value for _, value in self.headers]
        if self.url.authorization:
            from base64 import b64decode

            pair = b64decode(self.url.authorization.partition(" ")[2]).decode()
            values += [self.url.authorization, pair, pair.partition(":")[2]]
        values += [self.url.target.partition("?")[2]]
        values += [value.rpartition(" ")[2] for value in values]  # `Bearer TOKEN`
        return sorted(
            {value for value in values if len(value) >= _LEAST_SECRET}, key=len, reverse=True
        )


# --- connecting -----------------------------------------------------------------------------------


def dial(host: str, port: int, seconds: float, interrupt: Interrupt) -> socket.socket:
    """Connect by TCP to the first address of `host` that answers; raises OSError (TimeoutError when
    time is over).

    `localhost` is ::1, then 127.0.0.1, whatever the resolver makes of it: servers bind either. The
    socket is held by `interrupt` and must be closed by it.
    """
    import socket

    until = time.monotonic() + min(seconds, _MOST_SECONDS)
    hosts = ("::1", "127.0.0.1") if host.lower() == "localhost" else (host,)
    problem: OSError = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    try:
        found = [
            one for name in hosts for one in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        ]
    except socket.gaierror as error:
        raise OSError(errno.EADDRNOTAVAIL, f"no address: {reason(error)}") from error
    for index, (family, *_, address) in enumerate(found):
        # One address that swallows packets must not use up the time of the next.
        share = (until - time.monotonic()) / (len(found) - index)
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:  # no IPv6 here
            problem = error
            continue
        try:
            _connect(sock, address, share, interrupt)
        except OSError as error:
            interrupt.close(sock)
            problem = error
        else:
            return sock
        if interrupt.is_set():
            break
    raise problem


def _connect(sock: socket.socket, address: object, seconds: float, interrupt: Interrupt) -> None:
    import select
    import socket

    sock.setblocking(False)
    problem = sock.connect_ex(address)  # type: ignore[arg-type] # whatever getaddrinfo has given
    interrupt.hold(
        sock
    )  # not before: a socket that does not connect yet cannot be woken by shutdown(2)
    if problem == errno.EINPROGRESS:
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        if not poll.poll(max(0.0, seconds) * 1000):
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if problem:
        raise OSError(problem, os.strerror(problem))


def _context(trust: Trust) -> ssl.SSLContext:
    import ssl

    from . import ca_certificates

    if trust.insecure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # in this order
        return context
    try:
        context = ssl.create_default_context(cafile=trust.ca or ca_certificates.ours())
    except OSError as error:  # an ssl.SSLError is one
        message = (
            f"cannot use {trust.ca} as CA certificates: {reason(error)}; --reload-http-ca needs a"
            " file in PEM"
        )
        raise RequestFailed(Outcome.CONNECT, message, final=True) from error
    # Python 3.13 sets it: a certificate that `openssl req -x509` made, without keyUsage, would be
    # no CA any more.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _failure(error: OSError, url: Url, trust: Trust) -> RequestFailed:
    if url.scheme == "https":
        import ssl

        if isinstance(error, ssl.SSLCertVerificationError):
            known = (
                f"the CA certificates in {trust.ca}" if trust.ca else "the system's CA certificates"
            )
            message = (
                f"{url.place} is not trusted: {error.verify_message}, by {known}; name the file of"
                " its CA with --reload-http-ca, or trust anybody with --reload-http-insecure"
            )
            return RequestFailed(Outcome.CONNECT, message, final=True)
    return RequestFailed(Outcome.CONNECT, f"cannot talk to {url.place}: {reason(error)}")


def _retry_after(text: str) -> float:
    """Seconds, from a number or a date; 0 for nothing that can be understood."""
    if text.strip().isdecimal():
        return float(text)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def legible(text: str) -> str:
    """Foreign text for one line of a log: nothing in it can move a cursor or begin a line of its
    own.
    """
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


# --- how it is written ----------------------------------------------------------------------------


def url(text: str) -> Url:
    """Read `http[s]://[USER:PASSWORD@]HOST[:PORT][/PATH][?QUERY]`; raises ValueError, which does
    not repeat it.
    """
    from urllib.parse import unquote, urlsplit

    if not text.isascii() or any(one <= " " or one == "\x7f" for one in text):
        raise ValueError(
            "it is not a URL: only visible ASCII characters may be in one; percent-encode the"
            " others"
        )
    try:
        parts = urlsplit(text)
        port = parts.port
        (parts.hostname or "").encode(
            "idna"
        )  # else the resolver would find out, with another error
    except ValueError:
        raise ValueError("it is not a URL: its host or port is malformed") from None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise ValueError(
            "it is not a URL like http://127.0.0.1:8080/reload or https://localhost/reload"
        )
    authorization = ""
    userinfo, at, _ = parts.netloc.rpartition("@")
    if at:
        from base64 import b64encode

        pair = ":".join(unquote(part) for part in (*userinfo.split(":", 1), "")[:2])
        authorization = f"Basic {b64encode(pair.encode()).decode()}"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Url(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], target, authorization)


def method(text: str) -> str:
    """Read a request's method, in either case; raises ValueError."""
    if not text or not _TOKEN.issuperset(text):
        raise ValueError(f"{text!r} is not a method (examples: POST, GET)")
    return text.upper()


def header(text: str) -> tuple[str, str]:
    """Read `NAME: VALUE`; raises ValueError, which does not repeat the value."""
    name, colon, value = text.partition(":")
    value = value.strip()
    if not colon or not name or not _TOKEN.issuperset(name):
        raise ValueError("it is not a header like 'X-Token: abc'")
    if any(one < " " or one >= "\x7f" for one in value):
        raise ValueError(
            f"the value of the header {name} holds more than visible ASCII characters and spaces"
        )
    return name, value


def status_ranges(text: str) -> tuple[range, ...]:
    """Read accepted statuses: `200-299`, `200,204`; raises ValueError."""
    found = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and 100 <= int(first) <= int(last) <= 599):
            raise ValueError(f"{text!r} is not a list of statuses (examples: 200-299, 200,204)")
        found.append(range(int(first), int(last) + 1))
    return tuple(found)
