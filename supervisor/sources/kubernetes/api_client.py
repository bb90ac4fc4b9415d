"""A link to a Kubernetes API server: a GET whose raw answer the caller reads, and a POST.

Owns the client library: `kubernetes` is imported when the first link is opened, and what it logs
about credential plugins becomes an error. Must not know what is read over a link, nor retry
anything.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import logging
import sys
import threading

from ...runtime import log as say
from .credentials import AccessError, origin_of, subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .credentials import Access, Origin

# Bytes of an answer. An object of 1.5 MiB, as etcd takes it, fills 9 MiB of JSON when every
# character is escaped.
ANSWER_LIMIT = 10 << 20

# Opening is serial: the library shares one unguarded table of temporary files (embedded
# certificates), in which a second thread finds the name of a file that is not yet written.
_OPENING = threading.Lock()
_unverified = False  # that the log has said so


class LibraryLog:
    """Catches what this thread logs through the root logger, as the client library does.

    The library logs a failed credential plugin with `logging.error`, goes on without credentials,
    and would by the way install a handler. It is said in a `Trouble` instead.
    """

    def __init__(self) -> None:
        self._said: list[str] = []
        self._thread = threading.get_ident()
        self._root, self._silent = logging.getLogger(), logging.NullHandler()
        self._root.addHandler(self._silent)  # with a handler there, logging.error adds none
        self._root.addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        if threading.get_ident() != self._thread:
            return True
        self._said = [*self._said[-9:], record.getMessage()]
        return False

    def take(self) -> str:
        """What was said since the last time."""
        said, self._said = "; ".join(self._said), []
        return said

    def close(self) -> None:
        self._root.removeFilter(self)
        self._root.removeHandler(self._silent)


class Link:
    """One client of one API server.

    url is where it is, ca what its certificate is checked with, hint what to check when it cannot
    be reached. One thread uses it.
    """

    def __init__(self, conf: Any, origin: Origin) -> None:
        from kubernetes import client, dynamic
        from kubernetes.utils import tcp_keepalive_socket_options

        from . import transport

        # urllib3 would sleep through Retry-After and repeat timeouts, and could not be stopped.
        conf.retries = False
        conf.connection_pool_maxsize = 1
        conf.socket_options = tcp_keepalive_socket_options(20, 5, 4)  # a dead path shows in 40 s
        self.url: str = conf.host
        self.ca: str | None = conf.ssl_ca_cert
        self.hint = origin.hint
        self._conf, self._origin = conf, origin
        self._bounds = transport.Bounds()
        self._api: Any = client.ApiClient(conf)
        self._api.rest_client.pool_manager.pool_classes_by_scheme = transport.pools(self._bounds)
        dynamic_client: Any = dynamic.DynamicClient
        # No discovery: paths are known, and it would ask for every group of the cluster.
        self._client = dynamic_client(self._api, discoverer=lambda *_: None)

    def get(self, path: str, timeouts: tuple[float, float], **query: object) -> Any:
        """The urllib3 response, unread. `timeouts`: to connect, and until the answer is read, in
        seconds.

        Raises kubernetes' ApiException, urllib3's HTTPError, AccessError; reading the response
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
        return subject(self._conf.api_key.get("BearerToken", "")) or self._origin.user()

    def credential(self) -> str:
        """In words, where the credentials are from."""
        return self._origin.credential()

    def close(self) -> None:
        self._api.close()


def open_link(access: Access, log: LibraryLog) -> Link:
    """A link with credentials that are read now. Raises AccessError."""
    with _OPENING:
        _import_library()
        from kubernetes import client

        conf = client.Configuration()
        log.take()
        origin = origin_of(access)
        origin.configure(conf)
        if said := log.take():
            raise AccessError(
                "unauthorized", f"cannot get credentials: {origin.credential()}: {said}"
            )
        if not conf.verify_ssl:
            _say_unverified(conf.host)
        return Link(conf, origin)


def _say_unverified(host: str) -> None:
    """Once, in our own words; urllib3 would at each request, past the log."""
    global _unverified  # noqa: PLW0603 - for the life of the process
    import urllib3

    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    if not _unverified:
        _unverified = True
        say.warning(
            f"the certificate of the API server at {host} is not verified: insecure-skip-tls-verify"
            " in the kubeconfig",
            event="tls_unverified",
        )


def _import_library() -> None:
    """Import the client library with the collector off: a full collection would stop all threads.

    Afterwards its objects are frozen, so that no later collection walks through them.
    """
    if "kubernetes" in sys.modules:
        return
    enabled = gc.isenabled()
    gc.disable()
    # The client loads it wherever it finds it: 21 MiB of schemas.
    sys.modules.setdefault("kubernetes_validate", None)  # type: ignore[arg-type]
    try:
        _import_parts()
    except ImportError as exc:
        message = f"cannot import the kubernetes package: {exc}; install it beside this program"
        raise AccessError("config", message, fatal=True) from exc
    finally:
        if enabled:
            gc.freeze()
            gc.enable()


def _import_parts() -> None:
    """Import what is used of the client library, not all that its package itself would import.

    That is OAuth, requests, websockets and informers: a third of its memory and of its time, in
    each pod.
    """
    spec = importlib.util.find_spec("kubernetes")
    if spec is None or spec.loader is None:
        raise ImportError("no module named kubernetes")
    package: Any = importlib.util.module_from_spec(spec)  # its own code does not run
    sys.modules["kubernetes"] = package
    try:
        import kubernetes.client

        package.__version__ = kubernetes.client.__version__
        import kubernetes.client.api_client
        import kubernetes.dynamic
        import kubernetes.utils
    except (ImportError, AttributeError):
        # Another release is laid out in another way: then all of it.
        for name in [name for name in sys.modules if name.partition(".")[0] == "kubernetes"]:
            del sys.modules[name]
        importlib.import_module("kubernetes")
