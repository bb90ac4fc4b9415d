"""The options of the role of an s6 tree: `--s6 [DIR] [OPTIONS] [-- COMMAND]`, and the variables.

It reads the options by their declarations. Those about the supervisor as a whole hold here, too;
a few are defaults of services. It looks at no file of the tree.
"""

from __future__ import annotations

from ..core.errors import UsageError
from ..core.record import Record
from ..options import command_line
from ..options.option import flag
from ..options.services_group import OWN
from . import services_options
from .ini_file import Place
from .services_options import WHOLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..options.declarations import Settings
    from .plan import Group, Plan, Service
    from .service_defaults import Texts
    from .verdicts import Verdicts

OPTION = "--s6"
_ROOT = "/"
_OPTIONS = {**command_line.OPTIONS, **OWN}
_OF_SERVICES = ("stop_timeout", "umask")
_OF_THE_PLAN = ("stop_budget", "check", "json")
_HERE = frozenset((*WHOLE, *_OF_SERVICES, *_OF_THE_PLAN)) - {"kubeconfig", "context"}


class TreeOptions(Record):
    """The meaning of a command line about a tree."""

    root: str
    command: tuple[str, ...]
    settings: Settings  # about the supervisor as a whole; all others have their defaults
    check: bool = False
    json: bool = False
    main: Mapping[str, Any] = {}  # fields of `plan.Main`
    services: Mapping[str, Any] = {}  # fields of `plan.Service`
    unused: tuple[str, ...] = ()  # variables without effect

    def applied(self, plan: Plan, verdicts: Verdicts) -> Plan:
        """The plan with these options, and a verdict for each variable without effect."""
        for name in self.unused:
            verdicts.warn(Place("environment", key=name), f"has no effect with {OPTION}")
        groups = tuple(map(self._group, plan.groups))
        return plan.replace(main=plan.main.replace(**self.main), groups=groups)

    def _group(self, group: Group) -> Group:
        return group.replace(services=tuple(map(self._service, group.services)))

    def _service(self, service: Service) -> Service:
        fields = dict(self.services)
        if service.stopwaitsecs is not None or service.oneshot:
            fields.pop("stopwaitsecs", None)  # timeout-kill of the tree wins
        return service.replace(**fields)


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> TreeOptions:
    """The options behind `--s6`. Raises UsageError."""
    words = list(argv[1:])
    command: list[str] = []
    if "--" in words:
        at = words.index("--")
        command = words[at + 1 :]
        del words[at:]
    root = words.pop(0) if words and not words[0].startswith("-") else _ROOT
    given: Texts = {}
    rest = command_line.read_arguments(words, given, _OPTIONS)
    if rest:
        raise UsageError(f"{rest[0]} cannot be used with {OPTION}; the command stands behind --")
    for name in given:
        if name not in _HERE:
            raise UsageError(f"{flag(name)} cannot be used with {OPTION}; {_instead(name)}")
    command_line.read_variables(environ, given, command_line.OPTIONS)
    command_line.read_variables(environ, given, {"stop_budget": OWN["stop_budget"]})
    unused = sorted(given[name][-1][0] for name in given if name not in _HERE)
    settings = command_line.unchecked({name: given[name] for name in WHOLE if name in given})
    return TreeOptions(
        root,
        tuple(command),
        settings,
        check="check" in given and command_line.value(OWN["check"], given["check"]),
        json="json" in given and command_line.value(OWN["json"], given["json"]),
        main=_main(given, settings),
        services=_services(given),
        unused=tuple(unused),
    )


def _instead(name: str) -> str:
    if name == "services":
        return "run either a tree or a file"
    return "the files of the tree say how a service runs"


def _main(given: Texts, settings: Settings) -> dict[str, Any]:
    keys = services_options.main_keys(given, settings)
    fields: dict[str, Any] = {name: keys[name] for name in ("loglevel",) if name in keys}
    if "stop_budget" in given:
        fields["stop_budget"] = command_line.value(OWN["stop_budget"], given["stop_budget"])
    return fields


def _services(given: Texts) -> dict[str, Any]:
    names = {"stop_timeout": "stopwaitsecs", "umask": "umask"}
    return {
        field: command_line.value(command_line.OPTIONS[name], given[name])
        for name, field in names.items()
        if name in given
    }
