"""A client of a Kubernetes API server: GET, POST and PUT, whose raw answer the caller reads.

Must not know the objects, nor retry a request.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import threading
import urllib.parse
from http import HTTPStatus

from ... import __version__
from ...runtime import log as say
from ..interface import FailureReason
from . import memory_files
from .api_errors import STATUS_LIMIT
from .client_library import import_library
from .credentials import CredentialsError, credentials_of, subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .client_library import Library, LibraryLog
    from .credentials import Access, Credentials

# Bytes of an answer. An object of 1.5 MiB, as etcd takes it, fills 9 MiB of JSON when every
# character is escaped.
ANSWER_LIMIT = 10 << 20

# Opening is serial: the library shares an unguarded table of temporary files (embedded
# certificates), in which a second thread finds the name of a file before its content.
_OPENING = threading.Lock()
_unverified: set[str] = set()  # servers about which the log has a warning


class ApiClient:
    """A client of an API server, for a single thread.

    `url` is the server's address, `ca` the place of its CA for people, `hint` the advice when it
    cannot be reached.
    """

    def __init__(self, conf: Any, credentials: Credentials, library: Library) -> None:
        from . import transport

        # urllib3 would sleep through Retry-After and repeat timeouts; `retry_pace` decides here.
        conf.retries = False
        conf.connection_pool_maxsize = 1
        conf.socket_options = transport.SOCKET_OPTIONS
        self.url: str = conf.host
        ca: str | None = conf.ssl_ca_cert
        in_memory = ca is not None and ca.startswith(memory_files.PLACE)
        self.ca = "the CA certificates in the kubeconfig" if in_memory else ca
        self.hint = credentials.hint
        self._conf = conf
        self._credentials = credentials
        self._bounds = transport.Bounds()
        # The library knows the files, names and proxies of its configuration, urllib3 the rest.
        self._pools: Any = library.rest_client(conf).pool_manager
        self._pools.pool_classes_by_scheme = transport.pools(self._bounds)
        self._error: Any = library.error

    def get(self, path: str, timeouts: tuple[float, float], **query: object) -> Any:
        """The urllib3 response, unread. `timeouts`: seconds to connect, and until the end of the
        answer. `query`: `field_selector` becomes `fieldSelector`, and so on.

        Raises kubernetes' ApiException, urllib3's HTTPError, CredentialsError; reading the response
        raises BadDataError beyond ANSWER_LIMIT bytes.
        """
        named = {_camel_case(name): value for name, value in query.items()}
        target = f"{path}?{urllib.parse.urlencode(named)}" if named else path
        return self._send("GET", target, timeouts)

    def post(self, path: str, body: object, timeouts: tuple[float, float]) -> Any:
        """Create an object; raises as `get` does."""
        return self._send("POST", path, timeouts, _encoded(body))

    def _send(
        self, method: str, target: str, timeouts: tuple[float, float], body: bytes | None = None
    ) -> Any:
        import urllib3

        self.allow(timeouts[1], ANSWER_LIMIT)
        connect, read = timeouts
        try:
            response = self._pools.request(
                method,
                self.url + target,
                body=body,
                headers=self._headers(),
                timeout=urllib3.Timeout(connect=connect, read=read),
                preload_content=False,
            )
        except urllib3.exceptions.SSLError as exc:
            raise self._error(0, f"{type(exc).__name__}\n{exc}") from exc
        if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            return response
        raise self._refusal(response)

    def _headers(self) -> dict[str, str]:
        """The headers of a request; the library renews the login if it is due."""
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": f"config-supervisor/{__version__}",
        }
        for login in self._conf.auth_settings().values():
            value: str = login["value"] or ""
            if not (value.isascii() and value.isprintable()):
                raise CredentialsError(
                    FailureReason.UNAUTHORIZED,
                    f"cannot send {self.credential()}: it has a line break or another character"
                    " that no header may have; write it as one line of ASCII",
                )
            headers[login["key"]] = value
        return headers

    def _refusal(self, response: Any) -> Exception:
        """The library's error for an answer. A connection with more of a body than its begin is
        closed.
        """
        error: Any = self._error(response.status, response.reason)
        with contextlib.closing(response):
            error.body = response.read(STATUS_LIMIT).decode(errors="replace")
        error.headers = response.headers
        failure: Exception = error
        return failure

    def put(self, path: str, body: object, timeouts: tuple[float, float]) -> Any:
        """Replace an object; raises as `get` does."""
        return self._send("PUT", path, timeouts, _encoded(body))

    def interrupt(self) -> None:
        """End the current exchange and refuse others, from any thread; the client's thread gets an
        error, at once unless it is connecting.
        """
        self._bounds.interrupt()

    def allow(self, seconds: float, size: float = float("inf")) -> None:
        """Bound the rest of the answer to the last request, in seconds and bytes."""
        self._bounds.allow(seconds, size)

    def prolong(self, seconds: float) -> None:
        """Bound the rest of the answer in seconds; its bound in bytes stays."""
        self._bounds.prolong(seconds)

    def user(self) -> str:
        """Our name for the server, by the token's claims or the kubeconfig; empty if unknown."""
        return subject(self._conf.api_key.get("BearerToken", "")) or self._credentials.user()

    def credential(self) -> str:
        """The origin of the login, for a message."""
        return self._credentials.credential()

    def close(self) -> None:
        self._pools.clear()


def open_client(access: Access, log: LibraryLog) -> ApiClient:
    """A client with freshly read credentials. Raises CredentialsError."""
    with _OPENING:
        library = import_library()
        conf = library.configuration()
        log.take()
        credentials = credentials_of(access)
        credentials.configure(conf)
        if said := log.take():
            raise CredentialsError(
                FailureReason.UNAUTHORIZED,
                f"cannot get credentials: {credentials.credential()}: {said}",
            )
        if not conf.verify_ssl:
            _say_unverified(conf.host)
        if str(conf.proxy).startswith("socks") and importlib.util.find_spec("socks") is None:
            # urllib3 would warn past the log.
            raise _unusable_proxy(
                conf, "a SOCKS proxy needs the package PySocks beside this program"
            )
        try:
            return ApiClient(conf, credentials, library)
        except ValueError as exc:  # without a connection, the library checks nothing else
            raise _unusable_proxy(conf, "it is not the address of a proxy") from exc


def _unusable_proxy(conf: Any, why: str) -> CredentialsError:
    proxy = f"{conf.proxy} (proxy-url, HTTPS_PROXY)"
    message = f"cannot use the proxy {proxy}: {why}; name one as http://HOST:PORT"
    return CredentialsError(FailureReason.CONFIG, message, fatal=True)


def _say_unverified(host: str) -> None:
    """Warn once for each server; urllib3 would warn at each request, past the log."""
    import urllib3

    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    if host not in _unverified:
        _unverified.add(host)
        say.warning(
            f"the certificate of the API server at {host} is not verified: insecure-skip-tls-verify"
            " in the kubeconfig",
            event="tls_unverified",
        )


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _encoded(body: object) -> bytes:
    # Escapes would make text of 1 MiB larger than a request may be.
    return json.dumps(body, ensure_ascii=False).encode(errors="replace")


def whole(response: Any) -> bytearray:
    """The body of an answer, read to its end."""
    body = bytearray()
    with contextlib.closing(response):
        while piece := response.read1(65536):
            body += piece
    return body
