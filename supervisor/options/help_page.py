"""The text of --help: the options in groups, 80 columns wide.

It owns the page; the words of an option stand in its declaration.
"""

from __future__ import annotations

import textwrap

from .command_line import OPTIONS
from .declarations import Settings
from .option import Group, flag
from .services_group import OWN, ServicesGroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_WIDTH = 80
_HEAD = " " * 2
_TEXT = " " * 6
_INTRODUCTION = """\
usage: supervisor [OPTIONS] [--] COMMAND [ARG...]
       supervisor --services FILE [OPTIONS]
       supervisor --s6 [DIR] [OPTIONS] [-- COMMAND]

Runs COMMAND as PID 1 should: reaps orphans, forwards signals, exits with the
exit code of COMMAND. With a configuration option it also keeps the
configuration live: writes the files, starts COMMAND on them, and reloads
COMMAND when they change.

Every --some-option can be given as the variable CONFIG_SUPERVISOR_SOME_OPTION,
but for --help, --version, --verbose, --v, --services, --check and --json.
Repeatable options are split at newlines and commas there. Durations: 500ms, 2s,
1h30m. Signals: HUP, SIGHUP, 1. With --services, options about the app are the
defaults of all services.
"""
_END = """
exit codes: that of COMMAND; 128+N: signal N ended COMMAND; 127: COMMAND was not
found; 126: COMMAND cannot be executed; 125: the supervisor itself failed; 2:
wrong usage
"""


def text() -> str:
    """The whole page."""
    lines = [_INTRODUCTION]
    groups: tuple[type[Group], ...] = (ServicesGroup, *Settings.groups())
    for group in groups:
        lines.append(f"{group.title}:")
        for head, meaning in rows(group.names()):
            lines.append(f"{_HEAD}{head}")
            lines += textwrap.wrap(
                meaning,
                _WIDTH,
                initial_indent=_TEXT,
                subsequent_indent=_TEXT,
                break_on_hyphens=False,
            )
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n" + _END


_ALL = {**OWN, **OPTIONS}


def rows(names: Iterable[str] = tuple(_ALL)) -> Iterable[tuple[str, str]]:
    """Each option as it is written, and its meaning with the default: for the help and for
    docs/options.md.
    """
    for name in names:
        one = _ALL[name]
        head = f"{one.short}, {flag(name)}" if one.short else flag(name)
        default = one.shown_default or (one.default if isinstance(one.default, str) else "")
        yield f"{head} {one.metavar}".rstrip(), f"{one.help} ({default})" if default else one.help
