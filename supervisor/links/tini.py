"""The command line of tini, with its variables."""

from __future__ import annotations

from ..core.errors import UsageError
from .letters import Letters
from .letters import read as read_letters
from .line import HELP as HELP_OPTION
from .line import ON, VERSION, Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .line import Texts

HELP = """\
usage: tini [OPTIONS] PROGRAM [ARG...]

  -s          no effect: orphans are always adopted
  -p SIGNAL   get this signal when the parent dies
  -g          send signals to the process group of PROGRAM
  -e CODE     exit with 0 where PROGRAM exits with CODE; repeatable
  -v          log more
  -w          no effect: reaped orphans are not logged
  -h          print this help and exit
  --version   print the version of supervisor and exit

Variables: TINI_KILL_PROCESS_GROUP as -g, TINI_VERBOSITY, TINI_SUBREAPER.
"""
_LETTERS = Letters("tini", "sgvwhlV", "pe", {"version": "V"})
_SWITCHES = {"g": "signal_group", "v": "verbose", "h": HELP_OPTION, "V": VERSION}
_VALUED = {"p": "parent_death_signal", "e": "ok_exit_code"}
_GROUP_VARIABLE = "TINI_KILL_PROCESS_GROUP"
_LEVEL_VARIABLE = "TINI_VERBOSITY"
_USUAL_LEVEL = 1


def read(argv: Sequence[str], environ: Mapping[str, str]) -> Line:
    """Raises UsageError."""
    given: Texts = {}
    found, command = read_letters(argv, _LETTERS)
    for written, letter, text in found:
        if letter == "l":
            raise UsageError("-l prints tini's licence, which does not hold here; remove it")
        if letter in _SWITCHES:
            given.setdefault(_SWITCHES[letter], []).append((written, ON))
        elif letter in _VALUED:
            given.setdefault(_VALUED[letter], []).append((written, text))
    if _GROUP_VARIABLE in environ:
        given.setdefault("signal_group", [(_GROUP_VARIABLE, ON)])
    if environ.get(_LEVEL_VARIABLE, "").isdecimal():
        _set_level(int(environ[_LEVEL_VARIABLE]), given)
    return Line(given, command)


def _set_level(level: int, given: Texts) -> None:
    """The level of the log; more than the usual one is -v."""
    if level > _USUAL_LEVEL:
        given.setdefault("verbose", [(_LEVEL_VARIABLE, ON)])
    elif level < _USUAL_LEVEL and "verbose" not in given:
        given["log_level"] = [(_LEVEL_VARIABLE, "error")]
