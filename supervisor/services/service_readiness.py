"""The readiness check of one service among several: reports and hooks carry its name."""

from __future__ import annotations

import math

from ..core import events as ev
from ..core.primitives import partial
from ..process.hooks import Runner
from ..reload import checks
from ..reload.option_values import trust
from ..reload.readiness import Readiness
from . import plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .plan import Service


def judge(text: str) -> None:
    """Raises ValueError where `ready = TEXT` is none."""
    if not plan.Readiness(text).reported:
        checks.parse(text, "")


def of_service(service: Service, put: Callable[[ev.Event], None]) -> Readiness:
    """The wait until a service is ready."""
    named = partial(_put_named, put, service.identity)
    seconds = service.readiness.timeout
    patience = math.inf if seconds is None else seconds
    return Readiness(_check_of(service), Runner(named), named, patience)


def _check_of(service: Service) -> checks.Check:
    """The check with the directory of the configuration in place of `{dir}`."""
    settings = service.settings
    if settings is None:
        return checks.parse(service.readiness.check, "")
    directory = settings.configroot or settings.config_dir or ""
    return checks.parse(service.readiness.check, directory, trust(settings))


def _put_named(put: Callable[[ev.Event], None], service: str, event: ev.Event) -> None:
    if isinstance(event, (ev.AppReady, ev.AppUnready, ev.HookOrdered)):
        event = event.replace(service=service)
    put(event)
