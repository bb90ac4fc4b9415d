"""The `kubernetes` package: imported late and in part, its log turned into errors.

Must not know the use of it.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import logging
import sys
import threading

from ..interface import FailureReason
from .credentials import CredentialsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


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


def import_library() -> None:
    """Import the client library with the collector off: a full collection would stop all threads.

    Afterwards its objects are frozen: no later collection walks through them. Raises
    CredentialsError.
    """
    if "kubernetes" in sys.modules:
        return
    enabled = gc.isenabled()
    gc.disable()
    # The client loads this package wherever it is installed: 21 MiB of schemas.
    sys.modules.setdefault("kubernetes_validate", None)  # type: ignore[arg-type]
    try:
        _import_parts()
    except ImportError as exc:
        message = f"cannot import the kubernetes package: {exc}; install it beside this program"
        raise CredentialsError(FailureReason.CONFIG, message, fatal=True) from exc
    finally:
        if enabled:
            gc.freeze()
            gc.enable()


def _import_parts() -> None:
    """Import the used parts of the client library only.

    Its package would import OAuth, requests, websockets and informers too: a third of its memory
    and time, in each pod.
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
        # The layout of this release is another: import all of it.
        for name in [name for name in sys.modules if name.partition(".")[0] == "kubernetes"]:
            del sys.modules[name]
        importlib.import_module("kubernetes")
