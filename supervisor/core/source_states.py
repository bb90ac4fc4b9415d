"""The sources of a service's configuration, as people see them: present or not, readable or not.

Pure. The wiring names the sources; from then on only this module writes a `SourceState`.
"""

from __future__ import annotations

from . import events as ev
from .record import Record

PAUSE = "config-supervisor/pause"  # the annotation by which people ask for a pause


class SourceState(Record):
    name: str  # for people
    present: bool | None = None  # None until it was read once
    trouble: str = ""  # the reason why it cannot be read now
    error: str = ""
    contact: float = 0.0  # the last answer of the source, monotonic


def step(sources: tuple[SourceState, ...], event: ev.Event, now: float) -> tuple[SourceState, ...]:
    """The sources after an event."""
    match event:
        case ev.SourceOpened(index, kind, namespace, name):
            full = f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
            source = sources[index].replace(name=full)
        case ev.SourceRead(index, present):
            source = SourceState(sources[index].name, present=present, contact=now)
        case ev.SourceFailed(index, reason, error):
            source = sources[index].replace(trouble=reason, error=error)
        case ev.SourceContacted(index) | ev.WatchConnected(index) | ev.WatchSaw(index):
            source = sources[index].replace(contact=now)
        case _:
            return sources
    return (*sources[:index], source, *sources[index + 1 :])
