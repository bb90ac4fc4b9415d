"""The role of several services on the command line: `supervisord ...` and `--services FILE`.

It composes a reading and its report; nothing is run here.
"""

from __future__ import annotations

import os

from .. import __version__
from ..core.errors import USAGE, UsageError
from . import check_report, config_files, supervisord_line
from .dialect import SERVICES, SUPERVISORD, Dialect
from .host import Host
from .ini_file import FileError
from .supervisord_format import Reader
from .supervisord_line import Line
from .verdicts import Verdicts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .plan import Plan

SERVICES_OPTION = "--services"
_NOT_YET = "services cannot be run yet; --check shows the plan"
_HELP = """\
usage: supervisord --check [-c FILE] [--json]

Reads a supervisord.conf, prints each difference from supervisord and the plan;
exit code 0, or 2 if the file is refused. supervisord's own options are
accepted.
"""


def output(program: str, argv: Sequence[str], environ: Mapping[str, str]) -> tuple[str, int]:
    """The text for standard output, and the exit code. Raises UsageError."""
    if argv[:1] == [SERVICES_OPTION]:
        return _checked(_services_line(argv), SERVICES, environ)
    line = supervisord_line.parse(argv)
    if line.help or line.version:
        return (_HELP if line.help else f"supervisor {__version__}\n"), 0
    try:
        file = line.file or config_files.found(program)
    except FileError as error:
        raise UsageError(str(error)) from None
    return _checked(line.replace(file=file), SUPERVISORD, environ)


def read(line: Line, dialect: Dialect, environ: Mapping[str, str]) -> tuple[Plan | None, Verdicts]:
    """The plan of a file, or None where it is refused. Raises UsageError."""
    verdicts = Verdicts()
    host = Host(environ)
    names = {**host.names(), "host_node_name": host.node_name}
    try:
        document = config_files.read(line.file, names, verdicts)
    except FileError as error:
        raise UsageError(str(error)) from None
    reader = Reader(document, verdicts, host, dialect, line.options)
    return reader.plan(os.path.dirname(os.path.abspath(line.file))), verdicts


def _checked(line: Line, dialect: Dialect, environ: Mapping[str, str]) -> tuple[str, int]:
    if not line.check:
        raise UsageError(_NOT_YET)
    plan, verdicts = read(line, dialect, environ)
    report = check_report.json_text if line.json else check_report.text
    return report(plan, verdicts), USAGE if plan is None else 0


def _services_line(argv: Sequence[str]) -> Line:
    if len(argv) < len((SERVICES_OPTION, "FILE")):
        raise UsageError(f"{SERVICES_OPTION} needs a value: {SERVICES_OPTION} FILE")
    file, *rest = argv[1:]
    for word in rest:
        if word not in ("--check", "--json"):
            raise UsageError(
                f"{word} cannot be used with {SERVICES_OPTION}; --check and --json can"
            )
    return Line(file=file, check="--check" in rest, json="--json" in rest)
