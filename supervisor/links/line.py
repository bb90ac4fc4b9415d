"""A command line of another program, translated. Pure."""

from __future__ import annotations

from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Texts = dict[str, list[tuple[str, str]]]  # by option: where it was written, and its text

HELP = "help"
VERSION = "version"
ON = "true"


class Line(Record):
    given: Texts
    command: Sequence[str] = ()
    defaults: Mapping[str, str] = {}  # of the other program: our variables win over them
