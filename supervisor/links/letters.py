"""Options as getopt_long(3) reads them: letters, several in one word, and long names, which may be
cut short. They end at the first other word, or after `--`. Pure.
"""

from __future__ import annotations

from ..core.errors import UsageError
from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Found = tuple[list[tuple[str, str, str]], Sequence[str]]


class Letters(Record):
    """The options of a program."""

    program: str
    switches: str
    valued: str
    names: Mapping[str, str]  # the letter of each long name


def read(argv: Sequence[str], known: Letters) -> Found:
    """Each option as it is written, its letter and its value; and the rest. Raises UsageError."""
    rest = list(argv)
    found: list[tuple[str, str, str]] = []
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        if word.startswith("--"):
            found.append(_long(word, rest, known))
        else:
            found += _short(word, rest, known)
    return found, rest


def _long(word: str, rest: list[str], known: Letters) -> tuple[str, str, str]:
    name, equals, text = word[2:].partition("=")
    meant = [one for one in known.names if one == name] or [
        one for one in known.names if one.startswith(name)
    ]
    if len(meant) != 1:
        raise UsageError(_unknown(f"--{name}", known))
    letter = known.names[meant[0]]
    if letter in known.switches:
        if equals:
            raise UsageError(f"--{name} takes no value; write --{meant[0]}")
        return f"--{name}", letter, ""
    return f"--{name}", letter, text if equals else _next(f"--{name}", rest)


def _short(word: str, rest: list[str], known: Letters) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for at, letter in enumerate(word[1:], start=1):
        written = f"-{letter}"
        if letter in known.valued:
            text = word[at + 1 :] or _next(written, rest)
            return [*found, (written, letter, text)]
        if letter not in known.switches:
            raise UsageError(_unknown(written, known))
        found.append((written, letter, ""))
    return found


def _next(written: str, rest: list[str]) -> str:
    if not rest:
        raise UsageError(f"{written} needs a value")
    return rest.pop(0)


def _unknown(written: str, known: Letters) -> str:
    return (
        f"unknown option {written} of {known.program}; under this name our own options are given"
        " by variables, or use the name supervisor"
    )
