"""The pages of the port about several services: as those of a single app, with all in each.

It owns the content of /livez, /readyz, /status and `/`; the paths, and the way of a request, are
those of `observe.pages`. The control socket serves the same content.
"""

from __future__ import annotations

import time

from ..http_server.router import as_json, verdict
from ..observe.pages import Site
from . import service_health, service_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..http_server.messages import Response
    from ..runtime.loop import Current
    from .conductor_state import Services


class ServicePages:
    """The responses about the services as they are now; for any thread."""

    def __init__(self, current: Current) -> None:
        self._current = current
        self.by_path: Mapping[str, Callable[[], Response]] = {
            "/livez": self.live,
            "/healthz": self.live,
            "/readyz": self.ready,
            "/status": self.status,
        }

    @property
    def _services(self) -> Services:
        state: Any = self._current.state
        found: Services = state
        return found

    def live(self) -> Response:
        return verdict(service_health.live(self._services))

    def ready(self) -> Response:
        return verdict(service_health.ready(self._services, time.monotonic()))

    def status(self) -> Response:
        return as_json(service_status.shown(self._services, time.monotonic(), time.time()))

    def records(self, clock: float) -> Mapping[str, Mapping[str, object]]:
        """The records of the status page, by service."""
        return service_status.records(self._services, time.monotonic(), clock)


class ServicesSite(Site):
    """The port of several services."""

    def __init__(
        self,
        current: Current,
        probe: Callable[[Callable[[], None]], None],
        metrics: Callable[[str], tuple[str, bytes]],
    ) -> None:
        """As of `Site`. Raises OSError."""
        super().__init__(current, probe, metrics)
        self._pages = ServicePages(current)

    def _live(self) -> Response:
        return self._pages.live()

    def _ready(self) -> Response:
        return self._pages.ready()

    def _status(self) -> Response:
        return self._pages.status()

    def _records(self, clock: float) -> Mapping[str, Mapping[str, object]]:
        return self._pages.records(clock)
