"""Failures of the API in this program's words: from an exception to a `FailedTry`.

Every message has the deed, the reason and the remedy. No message quotes a header, a token or the
content of an object. Must not decide on the next try, nor import the client library: it knows the
library's exceptions by their attributes.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus

from ...core.errors import reason
from ...core.record import Record
from ..interface import Failure, FailureReason, Label, RestartReason
from .credentials import CredentialsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .api_client import ApiClient

# Up to so much of an error's body is parsed for its message.
STATUS_LIMIT = 1 << 16  # bytes
_STATUS_DEPTH = 100  # lists and maps
_UNKNOWN = HTTPStatus.INTERNAL_SERVER_ERROR  # of an ERROR event without a code
RETRY_AFTER_LIMIT = 300.0  # seconds; a server that asks for more is asked again after that
# OpenSSL about our certificate and key; about a CA it names X509.
_CERTIFICATE = re.compile(r"(?:\[SSL\] (?=PEM)|KEY_VALUES_MISMATCH\] )([^(]*\w)")


# The server about a role: `User "NAME" cannot update resource "leases" in API group ...`.
_MISSING = re.compile(r"\" cannot (\w+) resource \"")


class BadDataError(ValueError):
    """The server's answer, or the object in it, breaks the API's definition."""


class UnsentError(Exception):
    """A request was not sent, for lack of means in this process."""


class EventError(Exception):
    """An ERROR event within a watch: a Status object (code, message) in place of an object."""

    def __init__(self, status: dict[str, Any]) -> None:
        super().__init__("ERROR event")
        code = status.get("code")
        self.status: int = code if isinstance(code, int) and code > 0 else _UNKNOWN
        self.message = str(status.get("message") or status.get("reason") or "no reason given")


class Deed(Record):
    """An attempt in words: the verb, and the rights that it needs.

    `names_missing`: these are several, so a refusal names the one that is missing.
    """

    verb: str
    needs: str
    names_missing: bool = False

    @property
    def outcome(self) -> str:
        """The verb for an answer that came: a watch is a way to read."""
        return "write" if self.verb == "write" else "read"


READING = Deed("read", "list, watch on it")
WATCHING = Deed("watch", "watch beside list on it")


class FailedTry(Record):
    """A failed try: its failure for people, and everything on which the next try depends."""

    restart: RestartReason  # of the watch, for metrics
    failure: Failure
    status: int = 0  # of HTTP; 0 without an answer
    retry_after: float = 0.0  # seconds, as the server asks
    crowded: bool = False  # the server is overloaded
    by_files: bool = False  # another token or CA file may cure it
    unsent: bool = False  # no server got the request


def failed_try(
    error: Exception, client: ApiClient | None, label: Label, deed: Deed = READING
) -> FailedTry:
    """The meaning of an error; raises nothing.

    It was raised while `client` (None: not yet open) did this to `label`.
    """
    try:
        return _explained(error, client, label, deed)
    except Exception:  # an explanation must not fail in its turn
        return _ours(error, label, deed)


def _explained(error: Exception, client: ApiClient | None, label: Label, deed: Deed) -> FailedTry:
    if isinstance(error, CredentialsError):
        failure = _redacted(error.failure)
        return FailedTry(RestartReason.AUTH, failure, by_files=True, unsent=True)
    if isinstance(error, UnsentError):
        message = f"cannot {deed.verb} {label}: {error}"
        failure = Failure(FailureReason.UNREACHABLE, message)
        return FailedTry(RestartReason.CONNECTION, failure, unsent=True)
    if isinstance(error, BadDataError):
        return _failed(
            RestartReason.BAD_DATA,
            FailureReason.BAD_DATA,
            f"cannot {deed.outcome} {label}: {error}",
        )
    status = getattr(error, "status", None)
    if client is not None and isinstance(status, int) and status > 0:
        return _answered(error, status, client, (label, deed))
    if client is not None and status == 0:
        return _untrusted(str(getattr(error, "reason", "")), client)
    return _broken(error, client, label, deed)


def redact(text: str) -> str:
    """The text without anything that looks like a credential, for logs."""
    text = re.sub(r"(?i)\b(bearer|basic)\s+\S+", r"\1 ***", text)
    text = re.sub(r"\b(eyJ[\w-]+\.[\w-]+\.[\w-]*|k8s-aws-v1\.[\w-]+)", "***", text)
    return re.sub(r"//[^/@\s]+@", "//***@", text)


def shown(text: str, most: int = 300) -> str:
    """Foreign text for a line of a log: control characters escaped, the cut rest counted."""
    cut = f"... ({len(text) - most} characters more)" if len(text) > most else ""
    return "".join(map(_escaped, text[:most])) + cut


def _escaped(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode()


def _failed(restart: RestartReason, reason: FailureReason, message: str) -> FailedTry:
    return FailedTry(restart, _redacted(Failure(reason, message)))


def _redacted(failure: Failure) -> Failure:
    return failure.replace(message="".join(map(_escaped, redact(failure.message))))


def _answered(
    error: Exception, status: int, client: ApiClient, attempt: tuple[Label, Deed]
) -> FailedTry:
    label, deed = attempt
    said = words(error)
    restart = RestartReason.HTTP
    reason = FailureReason.SERVER_ERROR
    why = f"{status} {said}"
    advice = "trying again"
    if status == HTTPStatus.UNAUTHORIZED:
        restart = RestartReason.AUTH
        reason = FailureReason.UNAUTHORIZED
        why = "unauthorized"
        advice = f"{client.credential()} was refused: is it expired, or for another cluster?"
    elif status == HTTPStatus.FORBIDDEN:
        restart = RestartReason.AUTH
        reason = FailureReason.FORBIDDEN
        why, advice = _forbidden(said, client, deed)
    elif status == HTTPStatus.NOT_FOUND:
        why = "not found"
        advice = f"is {client.url} a Kubernetes API server? check {client.hint}"
    elif status == HTTPStatus.GONE:
        restart = RestartReason.GONE
        advice = "listing it again"
    failed = _failed(restart, reason, f"cannot {deed.verb} {label}: {why}; {advice}")
    headers = getattr(error, "headers", None) or {}
    after = str(headers.get("Retry-After") or "")
    seconds = min(float(after), RETRY_AFTER_LIMIT) if after.isdecimal() else 0.0
    # A freshly started server says 429 too, until its caches are full: soon.
    crowded = status == HTTPStatus.TOO_MANY_REQUESTS and "initializing" not in said
    return failed.replace(
        status=status,
        retry_after=seconds,
        crowded=crowded,
        by_files=status == HTTPStatus.UNAUTHORIZED,
    )


def _forbidden(said: str, client: ApiClient, deed: Deed) -> tuple[str, str]:
    """The reason and the advice for a 403."""
    missing = _MISSING.search(said) if deed.names_missing else None
    if deed.names_missing and missing is None:
        return f"forbidden: {said}", "check the quotas and admission policies of the namespace"
    named = f"{missing[1]} is missing; " if missing else ""
    return "forbidden", f"{_who(said, client)} needs {deed.needs} ({named}see docs/rbac.md)"


def words(error: Exception) -> str:
    """The server's own words: the message of its Status body, else the reason phrase."""
    if isinstance(error, EventError):
        return shown(error.message)
    body = getattr(error, "body", None) or ""
    try:
        small = len(body) < STATUS_LIMIT and body.count("{") + body.count("[") < _STATUS_DEPTH
        said = json.loads(body if small else "")["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        said = getattr(error, "reason", None) or "no reason given"
    return shown(str(said))


def _who(said: str, client: ApiClient) -> str:
    """The user without the right: the API server says `User "NAME" cannot list resource ...`."""
    _, found, rest = said.partition('User "')
    user = rest.partition('"')[0] if found else client.user()
    kind, _, name = user.partition(":serviceaccount:")
    if kind == "system" and name:
        return f"the service account {name.replace(':', '/')}"
    return f"the user {user}" if user else "its user"


def _untrusted(said: str, client: ApiClient) -> FailedTry:
    """A TLS failure; of it the library gives only the text, behind the name of its class."""
    why = said.replace("\n", " ").rpartition("certificate verify failed: ")[2]
    why = why.partition(" (_ssl")[0].rpartition("] ")[2]
    if certificate := _CERTIFICATE.search(said):
        return _failed(
            RestartReason.AUTH,
            FailureReason.UNAUTHORIZED,
            f"cannot use {client.credential()}: its client certificate and key are refused"
            f" ({certificate[1]}); check that both are PEM and belong together",
        ).replace(by_files=True, unsent=True)
    checked = (
        f"it is checked with {client.ca}" if client.ca else "no certificate authority is given"
    )
    message = (
        f"cannot trust the API server at {client.url}: {why}; {checked}: is that the CA of this"
        " cluster?"
    )
    failed = _failed(RestartReason.CONNECTION, FailureReason.UNREACHABLE, message)
    return failed.replace(by_files=True, unsent=True)


def _broken(error: Exception, client: ApiClient | None, label: Label, deed: Deed) -> FailedTry:
    """A transport failure (urllib3 or the socket), or an error of our own."""
    from urllib3 import exceptions as http

    if client is None or not isinstance(error, (http.HTTPError, OSError)):
        return _ours(error, label, deed)
    late = isinstance(error, (http.ReadTimeoutError, TimeoutError))
    # A refused connection is a subclass of ConnectTimeoutError.
    nowhere = (http.ConnectTimeoutError, http.ProxyError, http.LocationValueError)
    unsent = isinstance(error, (*nowhere, ConnectionRefusedError))
    if isinstance(error, http.LocationValueError):
        why = "it is not an address"
    elif late or type(error) is http.ConnectTimeoutError:
        why = "no answer in time"
    else:
        through = (
            "its proxy (HTTPS_PROXY, proxy-url): " if isinstance(error, http.ProxyError) else ""
        )
        why = through + _cause(error)
    advice = f"check that it is up, and {client.hint}"
    message = f"cannot reach the API server at {client.url}: {why}; {advice}"
    restart = RestartReason.READ_TIMEOUT if late else RestartReason.CONNECTION
    return _failed(restart, FailureReason.UNREACHABLE, message).replace(unsent=unsent)


def _ours(error: Exception, label: Label, deed: Deed) -> FailedTry:
    name = type(error).__name__
    message = f"cannot {deed.outcome} {label}: {name} in the supervisor itself; report it"
    return _failed(RestartReason.CONNECTION, FailureReason.SERVER_ERROR, message)


def _cause(error: BaseException) -> str:
    """The system's words, below all layers around them."""
    cause: BaseException | None = error
    while cause is not None:
        if getattr(cause, "strerror", None):
            return reason(cause)
        cause = cause.__cause__ or cause.__context__
    return "the connection was closed"
