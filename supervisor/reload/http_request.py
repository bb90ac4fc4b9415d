"""One HTTP(S) request without a body, and its answer.

It knows nothing of reloads, of retries, or of the meaning of an answer. It uses no proxy, whatever
the environment says: the server is the app beside us, and its reload concerns no other host. It
follows no redirect. The credentials and the query of a URL and the values of headers are in no
message and in no repr.
"""

from __future__ import annotations

import time

from .. import __version__
from ..core.errors import reason
from ..core.outcomes import Outcome
from ..core.quoting import legible
from ..core.record import Record
from .trust import Trust
from .url import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    import http.client
    from collections.abc import Iterator

    from .deadline_socket import DeadlineSocket
    from .interrupt import Interrupt

# Bytes of an answer's body that are read by default: a log line bears no more.
BODY = 1024
# Characters of a method or of a header's name (RFC 9110, 5.6.2).
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
# A server may insist on a length, though it is always 0 here.
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_LEAST_SECRET = 4  # characters: hiding shorter ones would only garble the text


class RequestFailed(Exception):
    """There is no answer. `outcome` is CONNECT or TIMEOUT; `final`: a retry would end alike."""

    def __init__(self, outcome: Outcome, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.outcome, self.final = outcome, final


class HttpAnswer(Record):
    status: int
    phrase: str
    body: bytes  # the first of it
    retry_after: float = 0.0  # seconds that the server asks to wait (RFC 9110, 10.2.3)


class HttpRequest(Record):
    """A request; `send` may be called again and again."""

    method: str
    url: Url
    headers: tuple[tuple[str, str], ...] = ()  # added to ours, or instead of them
    trust: Trust = Trust()

    def __str__(self) -> str:
        return f"{self.method} {self.url}"

    __repr__ = __str__

    def send(self, seconds: float, interrupt: Interrupt, most: int = BODY) -> HttpAnswer:
        """Ask, and read at most `most` bytes of the answer's body, all within `seconds`; raises
        RequestFailed.
        """
        from . import deadline_socket, http_exchange

        until = time.monotonic() + seconds
        url = self.url
        try:
            with deadline_socket.connect_tcp(url.host, url.port, until, interrupt) as sock:
                if url.scheme == "https":
                    self._secure(sock)
                answer = http_exchange.ask(sock, self.method, url.target, self._all_headers())
                return _read(answer, most)
        except TimeoutError:
            raise RequestFailed(Outcome.TIMEOUT, f"no answer within {seconds:.1f}s") from None
        except OSError as error:
            message = f"cannot talk to {url.place}: {reason(error)}"
            raise RequestFailed(Outcome.CONNECT, message) from error
        except http_exchange.HTTPException as error:
            raise RequestFailed(Outcome.CONNECT, f"{url.place} does not speak HTTP") from error

    def _secure(self, sock: DeadlineSocket) -> None:
        try:
            context = self.trust.context()
        except OSError as error:
            message = (
                f"cannot use {self.trust.ca} as CA certificates: {reason(error)};"
                " --reload-http-ca needs a file in PEM"
            )
            raise RequestFailed(Outcome.CONNECT, message, final=True) from error
        try:
            sock.secure(context, self.url.host)
        except OSError as error:
            refusal = self.trust.refusal(error)
            if not refusal:
                raise
            message = f"{self.url.place} {refusal}"
            raise RequestFailed(Outcome.CONNECT, message, final=True) from error

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

    def explain(self, answer: HttpAnswer) -> str:
        """The status of an answer, for people."""
        head = f"{answer.status} {legible(answer.phrase)}".strip()
        if 300 <= answer.status < 400:
            head += " (redirects are not followed: give the address that it leads to)"
        return head

    def words(self, answer: HttpAnswer) -> str:
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


def _read(response: http.client.HTTPResponse, most: int) -> HttpAnswer:
    from http.client import HTTPException

    with response:
        try:
            body = response.read(most) if most else b""
        except (OSError, HTTPException):
            body = b""  # the status is the answer
        retry_after = _retry_after(response.getheader("Retry-After", ""))
        return HttpAnswer(response.status, response.reason, body, retry_after)


def _retry_after(text: str) -> float:
    """Seconds, from a number or a date; 0 for nothing that can be understood."""
    if text.strip().isdecimal():
        return float(text)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


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
