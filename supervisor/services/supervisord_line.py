"""supervisord's command line: its options, short, long and shortened, and our --check.

The grammar is getopt's, which is the original's. A value is parsed where the same key of the file
is, in `main_section`; an option wins over the file.
"""

from __future__ import annotations

from ..core.errors import UsageError
from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The long name of each option with a value, and its letter.
_VALUED = {
    "configuration": "c",
    "user": "u",
    "umask": "m",
    "directory": "d",
    "logfile": "l",
    "logfile_maxbytes": "y",
    "logfile_backups": "z",
    "loglevel": "e",
    "pidfile": "j",
    "identifier": "i",
    "childlogdir": "q",
    "minfds": "a",
    "minprocs": "",
    "profile_options": "",
}
_SWITCHES = {
    "nodaemon": "n",
    "silent": "s",
    "nocleanup": "k",
    "strip_ansi": "t",
    "help": "h",
    "version": "v",
}
_OURS = ("check", "json")
_HELP = "-?"
ON = "true"


class Line(Record):
    """The meaning of a command line."""

    file: str = ""
    options: Mapping[str, str] = {}  # keys of [supervisord], with their texts
    check: bool = False
    json: bool = False
    help: bool = False
    version: bool = False


def parse(argv: Sequence[str]) -> Line:
    """The options of a command line without the program's name. Raises UsageError."""
    import getopt

    short = "?" + "".join(letter for letter in _SWITCHES.values())
    short += "".join(f"{letter}:" for letter in _VALUED.values() if letter)
    long = [*_SWITCHES, *_OURS, *(f"{name}=" for name in _VALUED)]
    try:
        given, rest = getopt.getopt(list(argv), short, long)
    except getopt.GetoptError as error:
        raise UsageError(f"{error}; supervisord's own options are known here") from None
    if rest:
        raise UsageError(f"positional arguments are not supported: {rest[0]!r}; use -c FILE")
    names = {f"-{letter}": name for name, letter in (_VALUED | _SWITCHES).items() if letter}
    names[_HELP] = "help"
    options: dict[str, str] = {}
    for word, text in given:
        name = names.get(word, word.removeprefix("--"))
        if name in options and name not in (*_OURS, "help", "version"):
            raise UsageError(f"{word} is given twice; give it once")
        options[name] = text if name in _VALUED else ON
    if "profile_options" in options:
        raise UsageError("--profile_options profiles supervisord itself; remove it")
    return Line(
        file=options.pop("configuration", ""),
        check="check" in options,
        json="json" in options,
        help="help" in options,
        version="version" in options,
        options={key: text for key, text in options.items() if key in _VALUED | _SWITCHES},
    )
