"""`supervisorctl wait`: its words as a request.

Pure: `client` sends the request. Imported by that command only.
"""

from __future__ import annotations

from ..options.parsers import duration
from . import service_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_GOALS = ("--ready", "--synced", "--fleet")


def request(words: Sequence[str], *, several: bool = False) -> str:
    """Method and target for the words behind `wait`; `several`: of services. Raises ValueError."""
    rest, service = service_option.without(words, several=several)
    goals = []
    seconds = ""
    while rest:
        word = rest.pop(0)
        option, _, value = word.partition("=")
        if word in _GOALS:
            goals.append(word[2:])
        elif option == "--timeout":
            value = value or (rest.pop(0) if rest and word == option else "")
            seconds = f"seconds={_seconds(value)}"
        else:
            raise ValueError(f"wait does not take {word}; see supervisorctl --help")
    if len(goals) != 1:
        raise ValueError(f"wait needs one of {', '.join(_GOALS)}")
    if several and goals != ["fleet"]:
        raise ValueError("of several services wait has --fleet only; see supervisorctl status")
    arguments = "&".join(filter(None, (seconds, service)))
    return f"GET /wait/{goals[0]}" + (f"?{arguments}" if arguments else "")


def _seconds(value: str) -> float:
    if not value:
        raise ValueError("--timeout needs a value: --timeout DURATION")
    try:
        return duration(value)
    except ValueError as error:
        raise ValueError(f"wait --timeout: {error}") from error
