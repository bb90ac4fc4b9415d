"""The thread of the port: it waits out a shortage, and a failure costs the port alone.

Light: several services import it before descriptors can be short; the metrics and the pages are
made in the thread. It knows neither.
"""

from __future__ import annotations

from ..runtime import log, shortages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .turn_backlog import Backlog

    Port = tuple[Any, Callable[[], None]]  # the metrics, and the way to serve them


def run(make: Callable[[], Port], backlog: Backlog, probe: Callable[..., None]) -> None:
    """Serve; the body of a thread. `probe` has the main loop call its argument in a turn."""
    try:
        metrics, serve = shortages.outlast("serve metrics and probes", make)
    except Exception as error:  # a broken installation of a library must not end a service
        backlog.close()
        log.warning(
            f"cannot serve metrics and probes: {error!r}; everything else goes on",
            event="listen_failed",
        )
        return
    backlog.open(metrics.observe)
    probe(lambda: None)  # a turn: all events up to now are counted
    serve()
