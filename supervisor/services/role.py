"""The role of several services on the command line: `supervisord ...`, `--services FILE`, `--s6`.

It composes a reading with its report, or with the run of the plan.
"""

from __future__ import annotations

import os

from .. import __version__
from ..core.errors import USAGE, UsageError
from ..core.primitives import partial
from . import config_files, main_section, services_options, supervisord_line
from .dialect import SERVICES, SUPERVISORD, Dialect
from .host import Host
from .ini_file import FileError, Place
from .sections import Reading
from .supervisord_format import Reader
from .verdicts import Verdicts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..runtime.signals import Inherited
    from .plan import Plan
    from .supervisord_line import Line

_S6_OPTION = "--s6"
_HELP = """\
usage: supervisord [OPTIONS]

Runs the services of a supervisord.conf in the foreground. An option wins over
the key of [supervisord] with the same name.

  -c, --configuration FILE     the file; without -c, the first that exists of
                               ../etc/supervisord.conf and ../supervisord.conf
                               beside the program's directory,
                               supervisord.conf, etc/supervisord.conf,
                               /etc/supervisord.conf,
                               /etc/supervisor/supervisord.conf
  -n, --nodaemon               no warning that the program stays in the
                               foreground
  -s, --silent                 no log on standard output
  -u, --user USER              run as this user, a name or a number
  -l, --logfile FILE           the log file of the program
  -y, --logfile_maxbytes SIZE  rotate the log file at this size; 0: never
  -z, --logfile_backups N      keep this number of rotated files
  -e, --loglevel LEVEL         critical, error, warn, info, debug, trace, blather
  -j, --pidfile FILE           write the pid to this file
  -i, --identifier TEXT        the name that clients and listeners read
  -t, --strip_ansi             remove escape sequences from lines of services
  -a, --minfds N               raise the limit of open files to N
  -h, --help                   print this help and exit
  -v, --version                print the version and exit

  --check                      print each difference from supervisord and the
                               plan; run nothing; exit code 0, or 2 if the file
                               is refused
  --json                       the report of --check as JSON

Without effect: -m/--umask and -d/--directory, which are for a daemon;
-q/--childlogdir, -k/--nocleanup, --minprocs. Refused: --profile_options.
"""


class Role:
    """A command line about several services."""

    def __init__(self, program: str, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        """Raises UsageError."""
        self._argv = argv
        self._environ = environ
        if argv[:1] == [_S6_OPTION]:
            from . import s6_options

            self._tree = s6_options.parse(argv, environ)
            return  # all that follows is about files
        if _is_supervisord(program):
            options = services_options.of_variables(environ, supervisord_line.parse(argv))
            self._dialect = services_options.dialect(options, SUPERVISORD)
        else:
            options = services_options.parse(argv, environ)
            self._dialect = services_options.dialect(options, SERVICES)
        self._settings = options.settings
        self._line = options.line
        line = self._line
        if not (line.file or line.help or line.version):
            try:
                self._line = line.replace(file=config_files.found(program))
            except FileError as error:
                raise UsageError(str(error)) from None

    def answer(self) -> tuple[str, int] | None:
        """The text for standard output and the exit code, where nothing is to be run. Raises
        UsageError.
        """
        if self._argv[:1] == [_S6_OPTION]:
            from . import s6_role

            return s6_role.answer(self._tree, self._environ)
        line = self._line
        if line.help or line.version:
            return (self._help() if line.help else f"supervisor {__version__}\n"), 0
        if not line.check:
            return None
        from . import check_report

        plan, verdicts = read(line, self._dialect, self._environ)
        if plan is not None and not _has_descriptors(plan, verdicts, line.file):
            plan = None
        report = check_report.json_text if line.json else check_report.text
        return report(plan, verdicts), USAGE if plan is None else 0

    def _help(self) -> str:
        if self._dialect.follows_supervisord:
            return _HELP
        from ..options import help_page

        return help_page.text()

    def run(self, inherited: Inherited) -> int:
        """Run the services; the exit code. Raises UsageError, StartError, OSError."""
        if self._argv[:1] == [_S6_OPTION]:
            from . import s6_role

            return s6_role.run(self._tree, self._environ, inherited)
        from . import services_program

        reading = partial(read, self._line, self._dialect, self._environ)
        return services_program.run(reading, self._settings, self._environ, inherited)


def read(line: Line, dialect: Dialect, environ: Mapping[str, str]) -> tuple[Plan | None, Verdicts]:
    """The plan of a file, or None where it is refused. Raises UsageError."""
    verdicts = Verdicts()
    host = Host(environ)
    names = {**host.names(), "host_node_name": host.node_name}
    try:
        document = config_files.read(line.file, names, verdicts)
    except FileError as error:
        raise UsageError(str(error)) from None
    reader = Reader(Reading(document, verdicts, host, dialect), line.options)
    return reader.plan(os.path.dirname(os.path.abspath(line.file))), verdicts


def _has_descriptors(plan: Plan, verdicts: Verdicts, file: str) -> bool:
    """Whether the limit of open files can be as high as the start would need it here."""
    from . import open_file_limit

    try:
        open_file_limit.raised(plan.main.minfds)
    except UsageError as error:
        verdicts.refuse(Place(file, section=main_section.NAME, key="minfds"), str(error))
        return False
    return True


def _is_supervisord(program: str) -> bool:
    return os.path.basename(program) == "supervisord"
