"""The keep of a fleet between the object that holds it and the files of the app.

It keeps the newest version when that is good, and puts the kept one in place for a start. Without
--fleet-keep there is none.
"""

from __future__ import annotations

from ..core.content import BadPath, version_of
from ..core.events import APP
from ..core.primitives import partial
from ..fleet import events as ev
from ..runtime import log
from ..sources.interface import Label
from ..sources.kubernetes.credentials import Access
from ..sources.kubernetes.kept_content import KeptContent
from ..sources.kubernetes.kept_object import Kept
from ..store.write_errors import ApplyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from ..core.content import Entry
    from ..core.events import Event
    from ..options.declarations import Settings

    Put = Callable[[Event], None]

    class KeptFiles(Protocol):
        """The files of the app, as a delivery has them."""

        def newest(self, shared: str) -> Mapping[str, Entry] | None: ...
        def show_kept(self, files: Mapping[str, Entry], *, secret: bool) -> None: ...


class FleetKeep:
    """Each call returns at once; a failure is reported, and costs a start only its shorter way."""

    def __init__(self, settings: Settings, put: Put, files: KeptFiles) -> None:
        self._put = put
        self._files = files
        self._secret = bool(settings.secret)
        self._content: KeptContent | None = None
        if settings.fleet_keep is not None:
            kind = "secret" if self._secret else "configmap"
            label = Label(kind, settings.namespace or "", settings.fleet_keep)
            self._content = KeptContent(label, Access(settings.kubeconfig, settings.context))

    def keep(self, version: str) -> None:
        """Keep the newest version, if it still has this name among pods."""
        files = self._files.newest(version)
        if self._content is None or files is None:
            return

        def kept() -> None:
            log.info(f"kept configuration {version[:8]} for pods that start", event="fleet_kept")

        self._content.keep(Kept(version, files), kept, self._failed)

    def fetch(self, versions: tuple[str, ...]) -> None:
        """Put the kept version in place if it is one of these; reports KeptFound or KeptFailed."""
        if self._content is None:
            self._failed("there is no --fleet-keep")
            return
        self._content.fetch(partial(self._found, versions), self._failed)

    def _found(self, versions: tuple[str, ...], kept: Kept) -> None:
        version = kept.version
        if version not in versions:
            known = ", ".join(one[:8] for one in versions)
            self._failed(f"--fleet-keep holds {version[:8] or 'none'}, no good version ({known})")
            return
        try:
            # Whoever may write the object must not choose the content of a start.
            if not self._secret and version_of(kept.files).digest != version:
                self._failed("--fleet-keep has other content than its version says")
                return
            self._files.show_kept(kept.files, secret=self._secret)
        except (ApplyError, BadPath) as error:
            self._failed(f"cannot use the content of --fleet-keep: {error}")
        except Exception as error:  # the outer edge of the thread: the start waits for a report
            self._failed(f"cannot use the content of --fleet-keep: internal error: {error!r}")
        else:
            self._put(ev.KeptFound(version, APP))

    def _failed(self, error: str) -> None:
        log.warning(error, event="fleet_keep_failed")
        self._put(ev.KeptFailed(error, APP))
