"""A client of a Kubernetes API server: a GET whose raw answer the caller reads, and a POST.

Must not know the objects, nor retry a request.
"""

from __future__ import annotations

import threading

from ...runtime import log as say
from ..interface import FailureReason
from .client_library import import_library
from .credentials import CredentialsError, credentials_of, subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .client_library import LibraryLog
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

    `url` is the server's address, `ca` the file with its CA, `hint` the advice when it cannot be
    reached.
    """

    def __init__(self, conf: Any, credentials: Credentials) -> None:
        from kubernetes import client, dynamic
        from kubernetes.utils import tcp_keepalive_socket_options

        from . import transport

        # urllib3 would sleep through Retry-After and repeat timeouts; `retry_pace` decides here.
        conf.retries = False
        conf.connection_pool_maxsize = 1
        conf.socket_options = tcp_keepalive_socket_options(20, 5, 4)  # finds a dead path in 40 s
        self.url: str = conf.host
        self.ca: str | None = conf.ssl_ca_cert
        self.hint = credentials.hint
        self._conf = conf
        self._credentials = credentials
        self._bounds = transport.Bounds()
        self._api: Any = client.ApiClient(conf)
        self._api.rest_client.pool_manager.pool_classes_by_scheme = transport.pools(self._bounds)
        dynamic_client: Any = dynamic.DynamicClient
        # Without discovery, which would ask for every group of the cluster: the paths are known.
        self._client = dynamic_client(self._api, discoverer=lambda *_: None)

    def get(self, path: str, timeouts: tuple[float, float], **query: object) -> Any:
        """The urllib3 response, unread. `timeouts`: seconds to connect, and until the end of the
        answer.

        Raises kubernetes' ApiException, urllib3's HTTPError, CredentialsError; reading the response
        raises BadDataError beyond ANSWER_LIMIT bytes.
        """
        self.allow(timeouts[1], ANSWER_LIMIT)
        return self._client.request(
            "get", path, serialize=False, _request_timeout=timeouts, **query
        )

    def post(self, path: str, body: object, timeouts: tuple[float, float]) -> Any:
        """Create an object; raises as `get` does."""
        self.allow(timeouts[1], ANSWER_LIMIT)
        return self._client.request(
            "post", path, body=body, serialize=False, _request_timeout=timeouts
        )

    def allow(self, seconds: float, size: float = float("inf")) -> None:
        """Bound the rest of the answer to the last request, in seconds and bytes."""
        self._bounds.allow(seconds, size)

    def user(self) -> str:
        """Our name for the server, by the token's claims or the kubeconfig; empty if unknown."""
        return subject(self._conf.api_key.get("BearerToken", "")) or self._credentials.user()

    def credential(self) -> str:
        """The origin of the login, for a message."""
        return self._credentials.credential()

    def close(self) -> None:
        self._api.close()


def open_client(access: Access, log: LibraryLog) -> ApiClient:
    """A client with freshly read credentials. Raises CredentialsError."""
    with _OPENING:
        import_library()
        from kubernetes import client

        conf = client.Configuration()
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
        return ApiClient(conf, credentials)


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
