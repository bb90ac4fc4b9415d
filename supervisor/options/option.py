"""An option: its form on a command line, in the environment and in the help."""

from __future__ import annotations

from .. import PREFIX
from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Option(Record):
    """How the value of an option is written and read."""

    parse: Callable[[str], Any] | None  # None: a switch
    default: Any
    metavar: str
    help: str
    many: bool = False
    commas: bool = True  # several values in one variable may be split at commas too
    short: str = ""
    shown_default: str = ""
    value: Any = None  # of the default, parsed
    holds: str = ""  # names an option: this option gives a file with its value


class Group(Record):
    """A section of the help."""

    title = ""

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return cls.__match_args__


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    return PREFIX + name.upper()


def option(
    parse: Callable[[str], Any] | None,
    metavar: str,
    help: str,
    *,
    default: Any = None,
    value: Any = None,
    many: bool = False,
    commas: bool = True,
    short: str = "",
    shown: str = "",
    holds: str = "",
) -> Any:
    """Declare an option: a field of a `Group`. `many`: it may be repeated, and its value is a
    tuple.
    """
    one: Option = object.__new__(Option)
    # As its constructor does, without the checks of the number of fields: there are many options.
    one.__dict__.update(
        parse=parse,
        default=() if many else default,
        metavar=metavar,
        help=help,
        many=many,
        commas=commas,
        short=short,
        shown_default=shown,
        value=() if many else default if value is None else value,
        holds=holds,
    )
    return one
