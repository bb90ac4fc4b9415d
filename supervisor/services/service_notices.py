"""The Kubernetes Events of several services: pure, from an event and the services around it.

Few: a service that is given up, the beginning of a crash loop, an end for lack of memory, the end
of the container; and those about the configuration of each service, as for a single app.
"""

from __future__ import annotations

from ..core import events as ev
from ..observe import pod_events
from ..observe.pod_events import Notice
from . import service_ends

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from .conductor_state import Services

_LOOP = 5  # failures in a row
_PASSED = ev.DeadlinePassed()  # stands for an event of another service, or of none


def notices(
    event: ev.Event, before: Services, after: Services, short_of_memory: Collection[str] = ()
) -> Iterator[Notice]:
    """The notices of a turn."""
    for name in after.changed:
        if name in before.members and name in after.members:
            yield from _of_service(event, name, before, after, short_of_memory)
    if after.stopping is not None and before.stopping is None:
        why = service_ends.sentence(after, short_of_memory)
        if why:
            yield Notice("ContainerEnds", why, warning=True)


def memory_notice(name: str) -> Notice:
    """The notice of an end for lack of memory."""
    return Notice("ServiceOutOfMemory", f"{name} was killed: out of memory", warning=True)


def _of_service(
    event: ev.Event,
    name: str,
    before: Services,
    after: Services,
    short_of_memory: Collection[str],
) -> Iterator[Notice]:
    was = before.members[name]
    member = after.members[name]
    if member.failed and not was.failed and not member.life.ordered:
        yield Notice(
            "ServiceFailed",
            f"{service_ends.fate(after, name, short_of_memory)}; it is given up (FATAL)",
            warning=True,
        )
    elif member.life.failures >= _LOOP > was.life.failures:
        fate = service_ends.fate(after, name, short_of_memory)
        yield Notice("ServiceCrashLoop", f"{fate}; it is started again", warning=True)
    if member.service.rollout is None:
        return
    mine = event if getattr(event, "service", "") == name else _PASSED
    for one in pod_events.notices(mine, was.service, member.service):
        yield one.replace(note=f"{name}: {one.note}")
