"""The surroundings that all pods of a simulated fleet have in common.

Versions fare as their fates say; a witness hears of everything a pod does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from config_supervisor.core import events as ev
    from config_supervisor.core.service import Service
    from tests.unit.fleet_api import Api
    from tests.unit.fleet_pod import Pod


class Fate(Protocol):
    """How a version fares on a pod."""

    def __call__(self, version: str, pod: Pod) -> str: ...


class Witness(Protocol):
    """Hears of everything a pod does."""

    def heard(self, pod: Pod, event: ev.Event) -> None: ...
    def ordered(self, pod: Pod, order: object) -> None: ...
    def stepped(self, pod: Pod, before: Service) -> None: ...
    def did(self, pod: Pod, deed: str, version: str) -> None: ...


class Content:
    """The present content of the source: a digest, and its name among the pods."""

    def __init__(self, digest: str, shared: str) -> None:
        self.digest = digest
        self.shared = shared


class Setting:
    """The surroundings that all pods have in common."""

    def __init__(self, api: Api, fate: Fate, witness: Witness) -> None:
        self.api = api
        self.fate = fate
        self.witness = witness
        self.content: Content | None = None
        self.keeps = False  # there is a --fleet-keep
        self.bake = 30.0  # --fleet-bake

    def delay(self, most: float) -> float:
        return self.api.dice.delay(most)
