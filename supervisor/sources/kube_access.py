"""How to reach a Kubernetes API server, and as whom: the pod's service account, or a kubeconfig.

Gives a `Link`, which can do one thing: a GET whose raw answer the caller reads. Owns everything that
concerns credentials, so that they stay in here: token files are read again, what the client
library logs about credential plugins becomes an error, and no message quotes a kubeconfig. Must not
know what is read over a link, nor retry anything. `kubernetes` is imported when the first link is opened.
"""

from __future__ import annotations

import base64
import gc
import importlib
import importlib.util
import json
import logging
import os
import sys
import threading

from ..record import Record
from . import Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"

# Opening is serial: the library shares one unguarded table of temporary files (embedded
# certificates), in which a second thread finds the name of a file that is not yet written.
_OPENING = threading.Lock()


class Access(Record):
    """Which API server to use, and as whom.

    A kubeconfig or a context that is named is used; else the pod's service account, in a pod; else
    the kubeconfig that $KUBECONFIG names, or ~/.kube/config.
    """

    kubeconfig: str | None = None
    context: str | None = None
    account: str = SERVICE_ACCOUNT  # the directory that a kubelet mounts: token, ca.crt, namespace


class AccessError(Exception):
    """The access itself is unusable; `trouble` says why and what to do."""

    def __init__(self, reason: str, message: str, *, fatal: bool = False) -> None:
        super().__init__(message)
        self.trouble = Trouble(reason, message, fatal)


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

    url is where it is, ca what its certificate is checked with, hint what to check when it cannot be
    reached. One thread uses it.
    """

    def __init__(self, conf: Any, origin: _Account | _Kubeconfig) -> None:
        from kubernetes import client, dynamic
        from kubernetes.utils import tcp_keepalive_socket_options

        # urllib3 would sleep through Retry-After and repeat timeouts, and nobody could stop it.
        conf.retries = False
        conf.connection_pool_maxsize = 1
        conf.socket_options = tcp_keepalive_socket_options(20, 5, 4)  # a dead path shows in 40 s
        self.url: str = conf.host
        self.ca: str | None = conf.ssl_ca_cert
        self.hint = origin.hint
        self._conf, self._origin = conf, origin
        self._api: Any = client.ApiClient(conf)
        dynamic_client: Any = dynamic.DynamicClient
        # No discovery: paths are known, and it would ask for every group of the cluster.
        self._client = dynamic_client(self._api, discoverer=lambda *_: None)

    def get(self, path: str, timeouts: tuple[float, float], **query: object) -> Any:
        """The urllib3 response, unread. `timeouts`: to connect, and of each read, in seconds.

        Raises kubernetes' ApiException, urllib3's HTTPError, AccessError.
        """
        return self._client.request("get", path, serialize=False, _request_timeout=timeouts, **query)

    def post(self, path: str, body: object, timeouts: tuple[float, float]) -> Any:
        """Create an object; raises as `get` does."""
        return self._client.request("post", path, body=body, serialize=False, _request_timeout=timeouts)

    def user(self) -> str:
        """Who the server takes us for, by the token's own claims or the kubeconfig; '' if unknown."""
        return _subject(self._conf.api_key.get("BearerToken", "")) or self._origin.user()

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
        origin = _origin(access)
        origin.configure(conf)
        if said := log.take():
            raise AccessError("unauthorized", f"cannot get credentials: {origin.credential()}: {said}")
        return Link(conf, origin)


def namespace(access: Access) -> str:
    """The namespace to use where none is said: the pod's own, else the context's, else `default`.

    Raises AccessError when there is no usable kubeconfig outside of a pod.
    """
    return _origin(access).namespace() or "default"


def _origin(access: Access) -> _Account | _Kubeconfig:
    named = access.kubeconfig or access.context
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    token = os.path.join(access.account, "token")
    if not named and host and os.access(token, os.R_OK):
        return _Account(access.account, host)
    paths = access.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    files = [os.path.expanduser(path) for path in paths.split(":") if path]
    if not named and not any(map(os.path.exists, files)):
        where = "not in a pod: KUBERNETES_SERVICE_HOST is not set"
        if host:
            where = f"in a pod without a readable token {token}: is automountServiceAccountToken off?"
        message = (
            f"cannot find an API server: {where}, and there is no kubeconfig {paths}; "
            "give --kubeconfig FILE, or run in a pod that has a service account"
        )
        raise AccessError("config", message, fatal=True)
    return _Kubeconfig(files, access.context)


class _Account:
    """A pod's service account, as the kubelet mounts it."""

    hint = "that no NetworkPolicy forbids it"

    def __init__(self, folder: str, host: str) -> None:
        self._token = os.path.join(folder, "token")
        self._ca = os.path.join(folder, "ca.crt")
        self._namespace = os.path.join(folder, "namespace")
        port = os.environ.get("KUBERNETES_SERVICE_PORT") or "443"
        self._url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"

    def configure(self, conf: Any) -> None:
        if not os.access(self._ca, os.R_OK):
            message = (
                f"cannot read {self._ca}, which the API server's certificate is checked with; "
                "is the service account mounted whole?"
            )
            raise AccessError("config", message, fatal=True)
        conf.host = self._url
        conf.proxy = None  # HTTPS_PROXY is meant for the app, and proxies know no cluster addresses
        conf.ssl_ca_cert = self._ca
        self._renew(conf)
        conf.refresh_api_key_hook = self._renew

    def _renew(self, conf: Any) -> None:
        # Before every request: the kubelet replaces the file at 80 % of the token's life.
        try:
            with open(self._token, encoding="ascii") as file:
                conf.api_key["BearerToken"] = f"Bearer {file.read().strip()}"
        except (OSError, ValueError) as exc:
            message = f"cannot read the token {self._token}: {_plain(exc)}"
            raise AccessError("unauthorized", message) from exc

    def namespace(self) -> str:
        try:
            with open(self._namespace, encoding="utf-8") as file:
                return file.read().strip()
        except OSError:
            return ""

    def user(self) -> str:
        return ""

    def credential(self) -> str:
        return f"the token in {self._token}"


class _Kubeconfig:
    """One kubeconfig, or several merged as $KUBECONFIG lists them."""

    def __init__(self, files: list[str], context: str | None) -> None:
        self._files, self._context = files, context
        self._name = ":".join(files)
        self.hint = f"`server` in {self._name}"

    def configure(self, conf: Any) -> None:
        from kubernetes import config

        load: Any = config.load_kube_config
        try:
            load(
                config_file=self._name,
                context=self._context,
                client_configuration=conf,
                persist_config=False,
            )
        except Exception as exc:
            raise self._error(self._problem(exc)) from exc
        renew = conf.refresh_api_key_hook
        if renew is not None:

            def renew_stripped(conf: Any) -> None:
                renew(conf)  # puts itself back as the hook
                conf.refresh_api_key_hook = renew_stripped
                # A token file that was written by hand ends in a newline, which no header may have.
                conf.api_key["BearerToken"] = conf.api_key["BearerToken"].strip()

            conf.refresh_api_key_hook = renew_stripped

    def namespace(self) -> str:
        return str(self._chosen().get("namespace") or "")

    def user(self) -> str:
        try:
            return str(self._chosen().get("user") or "")
        except AccessError:
            return ""  # it was fine when it was read; here it only helps to explain another failure

    def credential(self) -> str:
        return f"the login of user {self.user()!r} in {self._name}"

    def _chosen(self) -> dict[str, Any]:
        """The chosen context: cluster, user, namespace. Raises AccessError if there is none."""
        contexts: dict[str, Any] = {}
        current = None
        for path in self._files:
            if len(self._files) > 1 and not os.path.exists(path):
                continue
            content = self._parse(path)
            current = content.get("current-context") or current
            contexts = {**_contexts(content), **contexts}  # the first file to name one decides
        wanted = self._context or current
        if wanted in contexts:
            return dict(contexts[wanted])
        known = ", ".join(sorted(contexts)) or "none"
        if wanted is None:
            raise self._error(f"it has no current-context; give --context; contexts are {known}")
        raise self._error(f"no such context {wanted!r}; contexts are {known}")

    def _parse(self, path: str) -> dict[str, Any]:
        import yaml  # noqa: PLC0415 - not in a pod

        try:
            with open(path, encoding="utf-8") as file:
                content = yaml.safe_load(file)
            _contexts(content)
        except yaml.YAMLError as exc:
            mark = getattr(exc, "problem_mark", None)
            line = f" in line {mark.line + 1}" if mark else ""
            raise self._error(f"it is not valid YAML{line}") from exc
        except (TypeError, KeyError, AttributeError, UnicodeDecodeError) as exc:
            raise self._error("it is not a kubeconfig") from exc
        except OSError as exc:
            raise self._error(_plain(exc), path) from exc
        return dict(content)

    def _problem(self, exc: Exception) -> str:
        self._chosen()  # says more about most mistakes than the library does
        if isinstance(exc, OSError):
            return f"{exc.filename}: {_plain(exc)}" if exc.filename else _plain(exc)
        # The library quotes the whole entry, tokens and all, after " in ".
        return str(exc).split(" in ")[0].split("\n")[0] or type(exc).__name__

    def _error(self, why: str, path: str = "") -> AccessError:
        message = f"cannot use kubeconfig {path or self._name}: {why}"
        return AccessError("config", message, fatal=True)


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

    That is OAuth, requests, websockets and informers: a third of its memory and of its time, in each pod.
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


def _contexts(content: Any) -> dict[str, Any]:
    return {entry["name"]: entry.get("context") or {} for entry in content.get("contexts") or []}


def _subject(credential: str) -> str:
    """The `sub` claim of a bearer token that is a JWT (RFC 7519), unverified; '' if there is none."""
    try:
        claims = credential.split(".")[1]
        decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return str(decoded["sub"])
    except (IndexError, ValueError, KeyError, TypeError):
        return ""


def _plain(exc: Exception) -> str:
    """An error's own words, without its number and file name."""
    text = getattr(exc, "strerror", None) or str(exc)
    return text[:1].lower() + text[1:]
