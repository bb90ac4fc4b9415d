"""The keep of a fleet: one ConfigMap or Secret with the last good version, for pods that start.

The object is made by people, empty, and never created here; a write replaces the version that was
read just before, or fails. Requests run in a thread that ends after the last of them. Must not
know which version is good, nor put files in place.
"""

from __future__ import annotations

from http import HTTPStatus

from ...core.primitives import partial
from .answer_parsing import parsed
from .api_client import whole
from .api_errors import BadDataError, Deed, failed_try
from .credentials import namespace
from .errands import SECONDS, Errand, Errands
from .kept_object import KeepError, filled, kept_in, version_in
from .object_paths import single

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..interface import Label
    from .api_client import ApiClient
    from .credentials import Access
    from .kept_object import Kept

    Failed = Callable[[str], None]

_READING = Deed("read", "get, update on it", names_missing=True)
_WRITING = Deed("write", "get, update on it", names_missing=True)


class KeptContent:
    """The object of --fleet-keep. Its methods return at once; the reports come in any thread, and
    raise nothing.
    """

    def __init__(self, label: Label, access: Access) -> None:
        """`label`: of kind configmap or secret; an empty namespace is the pod's."""
        self._label = label
        self._private = label.kind == "secret"
        self._errands = Errands(access, f"keep {label}")
        self._access = access

    def fetch(self, found: Callable[[Kept], None], failed: Failed) -> None:
        """Read the version that is kept; an empty object has none."""
        deed = partial(self._fetch, found)
        self._errands.add(Errand(deed, partial(self._report, failed, _READING)))

    def keep(self, kept: Kept, done: Callable[[], None], failed: Failed) -> None:
        """Keep a version in place of the last, unless it is kept already."""
        deed = partial(self._keep, kept, done)
        self._errands.add(Errand(deed, partial(self._report, failed, _WRITING)))

    def _fetch(self, found: Callable[[Kept], None], client: ApiClient) -> None:
        found(kept_in(self._get(client), private=self._private))

    def _keep(self, kept: Kept, done: Callable[[], None], client: ApiClient) -> None:
        obj = self._get(client)
        if version_in(obj) != kept.version:
            body = filled(obj, kept, private=self._private)
            del obj  # the request holds these few MiB already
            self._put(client, body)
        done()

    def _get(self, client: ApiClient) -> Any:
        if not self._label.namespace:
            self._label = self._label.replace(namespace=namespace(self._access))
        try:
            obj = parsed(whole(client.get(single(self._label), SECONDS)))
        except Exception as error:
            if getattr(error, "status", None) != HTTPStatus.NOT_FOUND:
                raise
            kind, name = self._label.kind, self._label.name
            where = self._label.namespace
            how = f"kubectl create {'secret generic' if kind == 'secret' else kind} {name}"
            raise KeepError(f"it does not exist; create it: {how} -n {where}") from error
        if not isinstance(obj, dict):
            raise BadDataError("the answer is not an object")
        return obj

    def _put(self, client: ApiClient, body: dict[str, Any]) -> None:
        try:
            client.put(single(self._label), body, SECONDS).close()
        except Exception as error:
            if getattr(error, "status", None) != HTTPStatus.CONFLICT:
                raise
            why = "another pod wrote it at the same moment; the next good version is kept again"
            raise KeepError(why) from error

    def _report(
        self, failed: Failed, deed: Deed, error: Exception, client: ApiClient | None
    ) -> None:
        if isinstance(error, KeepError):
            failed(f"cannot {deed.verb} {self._label}: {error}")
        else:
            failed(failed_try(error, client, self._label, deed).failure.message)
