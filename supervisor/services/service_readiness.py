"""The readiness check of one service among several: reports and hooks carry its name."""

from __future__ import annotations

import math

from ..core import events as ev
from ..core.primitives import partial
from ..process.hooks import Runner
from ..reload import checks
from ..reload.readiness import Readiness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .plan import Service

_NOT_YET = ("notify", "fd:")


def checked(text: str) -> checks.Check:
    """The check of `ready = TEXT`. Raises ValueError."""
    if text.startswith(_NOT_YET):
        raise ValueError(f"{text!r} cannot be used yet; CMD, URL and tcp:PORT can")
    return checks.parse(text, "")


def of_service(service: Service, put: Callable[[ev.Event], None]) -> Readiness:
    """The wait until a service is ready."""
    named = partial(_put_named, put, service.identity)
    seconds = service.readiness.timeout
    patience = math.inf if seconds is None else seconds
    return Readiness(checked(service.readiness.check), Runner(named), named, patience)


def _put_named(put: Callable[[ev.Event], None], service: str, event: ev.Event) -> None:
    if isinstance(event, (ev.AppReady, ev.AppUnready, ev.HookOrdered)):
        event = event.replace(service=service)
    put(event)
