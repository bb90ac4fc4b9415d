"""Verdicts: how the reading of a configuration differs from supervisord's, as data.

Pure. A value with no verdict means the same here and there.
"""

from __future__ import annotations

from ..core.record import Record, Words
from .ini_file import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Level(Words):
    IGNORE = "ignore"  # accepted, without an effect, and none is missed
    WARN = "warn"  # accepted, with a difference
    REFUSE = "refuse"  # an error: nothing is run


class Verdict(Record):
    level: Level
    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class Verdicts:
    """The verdicts of a reading, each once, in their order."""

    def __init__(self) -> None:
        self._found: dict[Verdict, None] = {}

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self._found)

    def ignore(self, place: Place, message: str) -> None:
        self._found[Verdict(Level.IGNORE, place, message)] = None

    def warn(self, place: Place, message: str) -> None:
        self._found[Verdict(Level.WARN, place, message)] = None

    def refuse(self, place: Place, message: str) -> None:
        self._found[Verdict(Level.REFUSE, place, message)] = None

    @property
    def refused(self) -> bool:
        return any(one.level is Level.REFUSE for one in self)
