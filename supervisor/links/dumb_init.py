"""The command line of dumb-init, with its variables."""

from __future__ import annotations

from .letters import Letters
from .letters import read as read_letters
from .line import HELP as HELP_OPTION
from .line import ON, VERSION, Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .line import Texts

HELP = """\
usage: dumb-init [OPTIONS] PROGRAM [ARG...]

  -c, --single-child    send signals to PROGRAM only, not to its process group
  -r, --rewrite FROM:TO send signal TO instead of FROM, none if TO is 0;
                        repeatable
  -v, --verbose         log more
  -h, --help            print this help and exit
  -V, --version         print the version of supervisor and exit

Variables: DUMB_INIT_SETSID=0 as -c, DUMB_INIT_DEBUG=1 as -v.
"""
_NAMES = {"single-child": "c", "rewrite": "r", "verbose": "v", "help": "h", "version": "V"}
_LETTERS = Letters("dumb-init", "cvhV", "r", _NAMES)
_OPTIONS = {"r": "rewrite", "v": "verbose", "h": HELP_OPTION, "V": VERSION}
_ALONE_VARIABLE, _ALONE = "DUMB_INIT_SETSID", "0"
_VERBOSE_VARIABLE, _VERBOSE = "DUMB_INIT_DEBUG", "1"


def read(argv: Sequence[str], environ: Mapping[str, str]) -> Line:
    """Raises UsageError."""
    given: Texts = {}
    found, command = read_letters(argv, _LETTERS)
    alone = environ.get(_ALONE_VARIABLE) == _ALONE
    for written, letter, text in found:
        if letter in _OPTIONS:
            given.setdefault(_OPTIONS[letter], []).append((written, text or ON))
        else:
            alone = True
    if environ.get(_VERBOSE_VARIABLE) == _VERBOSE:
        given.setdefault("verbose", [(_VERBOSE_VARIABLE, ON)])
    if alone:
        return Line(given, command)
    return Line(given, command, {"signal_group": ON})
