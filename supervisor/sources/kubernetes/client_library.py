"""The `kubernetes` package: imported late and in part, its log turned into errors.

Must not know the requests, nor the use of the library.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib.util
import logging
import sys
import threading

from ...core.record import Record
from ...runtime import log as say
from ...runtime.partial_imports import import_parts, run_package
from ..interface import FailureReason
from .credentials import CredentialsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

# The modules for a request. The code of the packages around them would import OAuth, requests,
# websockets, YAML and pydantic, more than all that a pod needs.
_PACKAGES = ("kubernetes", "kubernetes.client", "kubernetes.utils")
_MODULES = (
    "kubernetes.client.configuration",
    "kubernetes.client.exceptions",
    "kubernetes.client.rest",
)


class LibraryLog:
    """Catches the messages of this thread to the root logger.

    The library logs a failed credential plugin with `logging.error`, goes on without credentials,
    and would install a handler by the way. A `Failure` carries the message instead.
    """

    def __init__(self) -> None:
        self._said: list[str] = []
        self._thread = threading.get_ident()
        self._root = logging.getLogger()
        self._silent = logging.NullHandler()
        self._root.addHandler(self._silent)  # logging.error adds none beside it
        self._root.addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        if threading.get_ident() != self._thread:
            return True
        self._said = [*self._said[-9:], record.getMessage()]
        return False

    def take(self) -> str:
        """The messages since the last call."""
        said = "; ".join(self._said)
        self._said = []
        return said

    def close(self) -> None:
        self._root.removeFilter(self)
        self._root.removeHandler(self._silent)


class Library(Record):
    """The used names of the client library."""

    configuration: Callable[[], Any]  # makes a `Configuration`
    rest_client: Callable[[Any], Any]  # makes a REST client, whose `pool_manager` is urllib3's
    error: type[Exception]  # ApiException


@functools.cache
def import_library() -> Library:
    """Import the client library, for a service account. Raises CredentialsError."""
    with _imports():
        return _parts_or_whole()


@functools.cache
def import_kubeconfig_loader() -> Callable[..., None]:
    """The library's `load_kube_config`, for `import_library` before it. Raises CredentialsError."""
    with _imports():
        if not hasattr(sys.modules["kubernetes.client"], "ApiClient"):
            run_package("kubernetes.client")  # the loader imports from it
        from kubernetes import config

        load: Callable[..., None] = config.load_kube_config
        return load


@contextlib.contextmanager
def _imports() -> Iterator[None]:
    """Import with the collector off: a full collection would stop all threads.

    Afterwards the new objects are frozen: no later collection walks through them.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    except ImportError as exc:
        message = f"cannot import the kubernetes package: {exc}; install it beside this program"
        raise CredentialsError(FailureReason.CONFIG, message, fatal=True) from exc
    finally:
        if enabled:
            gc.freeze()
            gc.enable()


def _parts_or_whole() -> Library:
    if "kubernetes" in sys.modules:
        return _whole()
    with contextlib.suppress(ImportError, AttributeError):
        # It would read the version of h2 from the metadata of all packages, by zipfile and email.
        import_parts(("urllib3.http2",), ("urllib3",))
    try:
        import_parts(_PACKAGES, _MODULES)
    except (ImportError, AttributeError) as exc:
        if importlib.util.find_spec("kubernetes") is None:
            raise
        say.debug(
            f"cannot import parts of the kubernetes package: {exc}; importing all of it",
            event="library_whole",
        )
        return _whole()
    from kubernetes.client.configuration import Configuration
    from kubernetes.client.exceptions import ApiException
    from kubernetes.client.rest import RESTClientObject

    return Library(Configuration, RESTClientObject, ApiException)


def _whole() -> Library:
    """All of the package, as its documentation imports it."""
    # The client loads this package wherever it is installed: 21 MiB of schemas.
    sys.modules.setdefault("kubernetes_validate", None)  # type: ignore[arg-type]
    from kubernetes import client

    api_client: Any = client.ApiClient
    return Library(
        client.Configuration, lambda conf: api_client(conf).rest_client, client.ApiException
    )
