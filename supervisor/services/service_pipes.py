"""Pipes between services: the output of one is the input of another, over restarts of either.

Both ends stay open here, so no line that waits in a pipe is lost with a process. It knows no order
of starts: a producer depends on its consumer.
"""

from __future__ import annotations

import os

from .service_files import NOTHING, Contribution, FilePart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .plan import Service

_INPUT, _OUTPUT = 0, 1


class ServicePipes(FilePart):
    """A pipe for each consumer, which all of its producers share; made at the first start."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._consumers = {one.identity: one.output_to for one in services if one.output_to}
        self._pipes: dict[str, tuple[int, int]] = {}

    def open(self, identity: str) -> Contribution:
        streams: dict[int, int | str] = {}
        if identity in self._consumers.values():
            streams[_INPUT] = self._pipe(identity)[0]
        if identity in self._consumers:
            streams[_OUTPUT] = self._pipe(self._consumers[identity])[1]
        return Contribution(streams)

    def open_script(self, identity: str) -> Contribution:
        if identity not in self._consumers:
            return NOTHING
        return Contribution({_OUTPUT: self._pipe(self._consumers[identity])[1]})

    def _pipe(self, consumer: str) -> tuple[int, int]:
        if consumer not in self._pipes:
            self._pipes[consumer] = os.pipe2(os.O_CLOEXEC)
        return self._pipes[consumer]
