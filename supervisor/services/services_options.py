"""The options of the role of several services: of the supervisor, and defaults of its services.

It reads the command line behind `--services` and the variables, by the declarations of a single
app and a few of its own. It looks at no file of services. An option about the supervisor as a whole
wins over [supervisord]; an option about an app is the default of services without the key.
"""

from __future__ import annotations

from ..core.errors import UsageError
from ..core.record import Record
from ..options import command_line
from ..options.declarations import LogOptions, ServingOptions, Settings
from ..options.services_group import ON_THE_LINE_ONLY, OWN
from .dialect import Dialect
from .plan import Restart
from .service_defaults import ServiceDefaults
from .service_keys import NAMED_OTHERWISE, OPTION_KEYS
from .supervisord_line import Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .service_defaults import Texts


# Options about the supervisor as a whole.
WHOLE = (
    *ServingOptions.names(),
    *LogOptions.names(),
    "kubeconfig",
    "context",
    "subreaper",
    "parent_death_signal",
)
_OF_SOURCES = ("kubeconfig", "context")  # each service has them, and none a key
_OPTIONS = {**command_line.OPTIONS, **OWN}
_LEVELS = {"warning": "warn"}  # supervisord's names, where they differ
_DEBUG = ("verbose", "v")
_FIELDS = {**NAMED_OTHERWISE, "umask": "umask"}  # of `plan.Service`, by option


class ServicesOptions(Record):
    line: Line  # the file, and keys of [supervisord]
    settings: Settings  # the options in `WHOLE`; all others have their defaults
    essential: bool | None = None
    defaults: ServiceDefaults = ServiceDefaults()


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> ServicesOptions:
    """The options of `supervisor --services FILE [OPTIONS]`. Raises UsageError."""
    given: Texts = {}
    command = command_line.read_arguments(argv, given, _OPTIONS)
    if command:
        raise UsageError(
            f"--services runs the programs of a file, not the command {command[0]!r}; make it a"
            " [program:x] of the file"
        )
    return _parsed(given, environ)


def of_variables(environ: Mapping[str, str], line: Line) -> ServicesOptions:
    """The options under the name supervisord, whose command line wins. Raises UsageError."""
    found = _parsed({}, environ)
    return found.replace(line=line.replace(options={**found.line.options, **line.options}))


def _parsed(given: Texts, environ: Mapping[str, str]) -> ServicesOptions:
    command_line.read_variables(environ, given, command_line.OPTIONS)
    with_variable = {name: one for name, one in OWN.items() if name not in ON_THE_LINE_ONLY}
    command_line.read_variables(environ, given, with_variable)
    if "once" in given:
        raise UsageError(
            f"{_place(given, 'once')} is for a single app; use oneshot = true in a [program:x]"
        )
    own = {name: command_line.value(one, given.get(name)) for name, one in OWN.items()}
    settings = command_line.unchecked({name: given[name] for name in WHOLE if name in given})
    line = Line(
        file=own["services"] or "",
        options=main_keys(given, settings),
        check=own["check"],
        json=own["json"],
        help=settings.help,
        version=settings.version,
    )
    essential = own["essential"] if "essential" in given else None
    return ServicesOptions(line, settings, essential, _defaults(given))


def dialect(options: ServicesOptions, base: Dialect) -> Dialect:
    """A dialect with the defaults that options give."""
    essential = base.essential if options.essential is None else options.essential
    return base.replace(essential=essential, defaults=options.defaults)


def _place(given: Texts, name: str) -> str:
    return given[name][-1][0]


def main_keys(given: Texts, settings: Settings) -> dict[str, str]:
    """Keys of [supervisord]."""
    keys = {}
    if "stop_budget" in given:
        keys["stop_budget"] = given["stop_budget"][-1][1]
    if settings.verbose or settings.v:
        keys["loglevel"] = "debug"
    elif "log_level" in given:
        keys["loglevel"] = _LEVELS.get(settings.log_level, settings.log_level)
    if "user" in given:
        keys["user"] = _user(given)
    return keys


def _user(given: Texts) -> str:
    name, group = command_line.value(command_line.OPTIONS["user"], given["user"])
    if group:
        raise UsageError(
            f"{_place(given, 'user')}: a group cannot be chosen for services; name the user alone"
        )
    return str(name)


def _defaults(given: Texts) -> ServiceDefaults:
    """The defaults of services. Raises UsageError for a value that cannot be parsed."""
    parsed: dict[str, Any] = {
        name: command_line.value(command_line.OPTIONS[name], texts)
        for name, texts in given.items()
        if name in command_line.OPTIONS
    }
    fields = {field: parsed[name] for name, field in _FIELDS.items() if name in parsed}
    if "exitcodes" in fields:
        fields["exitcodes"] = (0, *fields["exitcodes"])
    if "restart" in parsed:
        fields["restart"] = next(one for one in Restart if one == parsed["restart"])
    options = (*OPTION_KEYS, *_OF_SOURCES)
    return ServiceDefaults(fields, {name: given[name] for name in options if name in given})
