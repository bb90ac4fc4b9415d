"""The words of a fleet to the rollout, for roles with --fleet.

Pure. Everything reads them as members of `events`.
"""

from __future__ import annotations

from .events import APP, Event


class VersionCleared(Event):
    """The fleet lets this pod apply a version; an empty digest: none any more.

    `trial`: this pod is its canary, until a verdict. `hurry`: a person has it applied at once,
    whatever the hour. `claim`: the pod's mark on the trial, which its next process has to know.
    """

    digest: str
    trial: bool = False
    hurry: bool = False
    claim: str = ""
    service: str = APP


class VersionCondemned(Event):
    """The fleet forbids a version: it is not applied, and does not stay."""

    digest: str
    reason: str  # the word of the verdict
    error: str
    service: str = APP


class StartOnLast(Event):
    """The fleet has the app start on the last good version of an earlier run.

    `good`: versions known as good to the fleet, if not to this pod.
    """

    condemned: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    service: str = APP


class Looked(Event):
    """The rollout has gone on within the turn: the fleet looks again."""

    service: str = APP
