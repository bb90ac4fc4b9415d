"""A client of a Kubernetes API server: a GET whose raw answer the caller reads, and a POST.

Must not know what is read over it, nor retry anything.
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

# Opening is serial: the library shares one unguarded table of temporary files (embedded
# certificates), in which a second thread finds the name of a file that is not yet written.
_OPENING = threading.Lock()
_unverified: set[str] = set()  # the servers of which the log has said so


class ApiClient:
    """One client of one API server.

    url is where it is, ca what its certificate is checked with, hint what to check when it cannot
    be reached. One thread uses it.
    """

    def __init__(self, conf: Any, credentials: Credentials) -> None:
        from kubernetes import client, dynamic
        from kubernetes.utils import tcp_keepalive_socket_options

        from . import transport

        # urllib3 would sleep through Retry-After and repeat timeouts, and could not be stopped.
        conf.retries = False
        conf.connection_pool_maxsize = 1
        conf.socket_options = tcp_keepalive_socket_options(20, 5, 4)  # a dead path shows in 40 s
        self.url: str = conf.host
        self.ca: str | None = conf.ssl_ca_cert
        self.hint = credentials.hint
        self._conf, self._credentials = conf, credentials
        self._bounds = transport.Bounds()
        self._api: Any = client.ApiClient(conf)
        self._api.rest_client.pool_manager.pool_classes_by_scheme = transport.pools(self._bounds)
        dynamic_client: Any = dynamic.DynamicClient
        # No discovery: paths are known, and it would ask for every group of the cluster.
        self._client = dynamic_client(self._api, discoverer=lambda *_: None)

    def get(self, path: str, timeouts: tuple[float, float], **query: object) -> Any:
        """The urllib3 response, unread. `timeouts`: to connect, and until the answer is read, in
        seconds.

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
        """Who the server takes us for, by the token's own claims or the kubeconfig; ''
        if unknown.
        """
        return subject(self._conf.api_key.get("BearerToken", "")) or self._credentials.user()

    def credential(self) -> str:
        """In words, where the credentials are from."""
        return self._credentials.credential()

    def close(self) -> None:
        self._api.close()


def open_client(access: Access, log: LibraryLog) -> ApiClient:
    """A client with credentials that are read now. Raises CredentialsError."""
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
    """Once, in our own words; urllib3 would at each request, past the log."""
    import urllib3

    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    if host not in _unverified:
        _unverified.add(host)
        say.warning(
            f"the certificate of the API server at {host} is not verified: insecure-skip-tls-verify"
            " in the kubeconfig",
            event="tls_unverified",
        )
