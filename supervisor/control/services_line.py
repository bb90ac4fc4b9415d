"""The command line of supervisorctl as supervisord has it, and the section [supervisorctl].

The grammar is getopt's, which is the original's: an option wins over the file. Errors are
UsageError; the client prints them.
"""

from __future__ import annotations

import os

from ..core.errors import UsageError, reason
from ..core.record import Record
from ..options.supervisord_files import search_paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECTION = "supervisorctl"
DEFAULT_URL = "http://localhost:9001"
_UNIX = "unix://"
_SHORT = "h?c:is:u:p:r:"
_LONG = {
    "help": "h",
    "configuration=": "c",
    "interactive": "i",
    "serverurl=": "s",
    "username=": "u",
    "password=": "p",
    "history_file=": "r",
}
_KEYS = ("serverurl", "username", "password", "prompt", "history_file")
_OPTION_KEYS = {"s": "serverurl", "u": "username", "p": "password", "r": "history_file"}


class Line(Record):
    """The meaning of a command line; texts that are not given are empty."""

    words: tuple[str, ...] = ()
    file: str = ""
    interactive: bool = False
    help: bool = False
    values: Mapping[str, str] = {}  # keys of the section, from options

    @property
    def names_server(self) -> bool:
        """Whether it says which server is meant."""
        return bool(self.file or "serverurl" in self.values)


def parse(argv: Sequence[str]) -> Line:
    """Raises UsageError."""
    import getopt

    try:
        given, words = getopt.getopt(list(argv), _SHORT, [*_LONG])
    except getopt.GetoptError as error:
        raise UsageError(str(error)) from None
    letters = {f"--{name.rstrip('=')}": letter for name, letter in _LONG.items()}
    options: dict[str, str] = {}
    for word, text in given:
        letter = letters.get(word, word[1:])
        if letter in options and letter not in "hi?":
            raise UsageError(f"conflicting command line option {word!r}")
        options[letter] = text
    url = options.get("s", "")
    if url and not url.startswith((_UNIX, "http://", "https://")):
        raise UsageError(f"invalid value for -s {url!r}: it is no URL; write unix:// or http://")
    return Line(
        words=tuple(words),
        file=options.get("c", ""),
        interactive="i" in options,
        help="h" in options or "?" in options,
        values={key: options[letter] for letter, key in _OPTION_KEYS.items() if letter in options},
    )


def found(program: str) -> str:
    """The first file of the search order; empty where there is none."""
    return next((path for path in search_paths(program) if os.path.exists(path)), "")


def section(path: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The values of [supervisorctl] in a file. Raises UsageError."""
    import configparser

    from ..options.expansion import expand

    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";", "#"))
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file, path)
    except FileNotFoundError:
        raise UsageError(f"could not find config file {path}") from None
    except OSError as error:
        raise UsageError(f"could not read config file {path}: {reason(error)}") from None
    except (configparser.Error, UnicodeDecodeError) as error:
        raise UsageError(f"File contains parsing errors: {path}: {error}") from None
    if not parser.has_section(SECTION):
        raise UsageError(f"{path}: .ini file does not include supervisorctl section")
    here = os.path.dirname(os.path.abspath(path))
    names = {**{f"ENV_{name}": value for name, value in environ.items()}, "here": here}
    values = {}
    for key in _KEYS:
        if not parser.has_option(SECTION, key):
            continue
        try:
            values[key] = expand(parser.get(SECTION, key), names)
        except ValueError as error:
            raise UsageError(f"{path}: [{SECTION}] {key}: {error}") from None
    url = values.get("serverurl", DEFAULT_URL)
    if url.startswith(_UNIX):
        place = os.path.abspath(os.path.expanduser(url.removeprefix(_UNIX)))
        url = f"{_UNIX}{place}"
    return {**values, "serverurl": url}
