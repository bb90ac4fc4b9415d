"""The keys that supervisord does not know: order, exit policy, readiness, lines, configuration.

Supervisord ignores unknown keys, so a file with these runs there too. Each option about an app is
a key, derived from the declarations of the options; the keys of the plan are declared here.
"""

from __future__ import annotations

import os

from ..core.errors import UsageError
from ..options import command_line, parsers
from ..options.declarations import AppOptions, ConfigurationOptions, Settings
from ..options.fleet_options import FleetOptions
from ..options.option import flag
from ..options.reload_options import ReloadOptions
from . import value_formats
from .dialect import Dialect
from .plan import Kind, Logging, Readiness, Restart
from .sections import Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .value_formats import Wanted

    Texts = list[tuple[str, str]]  # of an option, each with the place where it is written

# Options about the supervisor as a whole.
_OF_THE_SUPERVISOR = frozenset(
    {"once", "kubeconfig", "context", "subreaper", "parent_death_signal"}
)
# Options for which supervisord has a key.
NAMED_OTHERWISE = {
    "workdir": "directory",
    "stop_signal": "stopsignal",
    "stop_timeout": "stopwaitsecs",
    "ok_exit_code": "exitcodes",
}
_OF_THE_PLAN = frozenset({"user", "umask", "restart"})  # a key of the same name is in the plan
OPTION_KEYS = tuple(
    name
    for group in (ConfigurationOptions, ReloadOptions, FleetOptions, AppOptions)
    for name in group.names()
    if name not in _OF_THE_SUPERVISOR | NAMED_OTHERWISE.keys() | _OF_THE_PLAN
)
_ROOT = "configroot"
_CONFIG_KEYS = "config_keys"
_SOURCES = ("configmap", "secret", "config_dir")
_SOURCE_NAMES = ", ".join(_SOURCES)
_LOG_FORMATS = parsers.choice("text", "json")
_LOG_OVERFLOWS = parsers.choice("block", "drop")


class OurKeys:
    """The keys of a section, read once for all its processes."""

    def __init__(
        self, section: Section, kind: Kind, names: Mapping[str, object], dialect: Dialect
    ) -> None:
        self._section = section
        self._kind = kind
        self._names = names
        self._dialect = dialect
        self.restart: Restart | None = section.value("restart", value_formats.restart, None, names)

    def read(self, words: tuple[str, ...], name: str, own: Mapping[str, object]) -> dict[str, Any]:
        """The fields of a service; `words`: of the command; `own`: the names that its keys about
        configuration may use.
        """
        read = self._section.value
        names = self._names
        boolean = value_formats.boolean
        settings = self._settings(words, name, own)
        check = (settings.ready if settings else None) or ""
        if check:
            self._judge_check(check)
        return {
            "essential": read("essential", boolean, self._dialect.essential, names),
            "main": read("main", boolean, False, names),
            "oneshot": read("oneshot", boolean, False, names),
            "signals": read("signals", boolean, False, names),
            "readiness": Readiness(
                check,
                read("ready_timeout", parsers.duration, None, names),
            ),
            "logging": Logging(
                read("log_tag", str, name if self._dialect.tagged else "", names),
                read("log_format", _LOG_FORMATS, "text", names),
                read("log_overflow", _LOG_OVERFLOWS, "block", names),
            ),
            "settings": settings,
            "config_keys": self._config_keys(settings, own),
        }

    def _config_keys(self, settings: Settings | None, own: Mapping[str, object]) -> tuple[str, ...]:
        """The patterns of the keys that this service reads; empty: all keys."""
        section = self._section
        keys = section.value(_CONFIG_KEYS, value_formats.config_keys, (), own)
        written = any(section.has(name) for name in _SOURCES)
        if keys and not (settings.configured if settings else written):
            section.refuse(_CONFIG_KEYS, f"there is no configuration; add one of {_SOURCE_NAMES}")
        return keys

    def _judge_check(self, text: str) -> None:
        from . import service_readiness  # its modules are for those who have a check

        try:
            service_readiness.judge(text)
        except (ValueError, UsageError) as error:
            self._section.refuse("ready", str(error))

    def wanted(self) -> tuple[Wanted, ...]:
        """The dependencies as written."""
        return self._section.value("depends_on", value_formats.wanted, (), self._names)

    def _default_root(self, texts: Texts, name: str, own: Mapping[str, object]) -> Texts:
        """The configroot of a service below that of the options."""
        from . import configuration_places

        [(place, root)] = texts[-1:]
        try:
            path = configuration_places.default_root(root, str(own["group_name"]), name)
        except ValueError as error:
            self._section.refuse(_ROOT, str(error))
            return texts
        return [(place, path)]

    def _settings(
        self, words: tuple[str, ...], name: str, own: Mapping[str, object]
    ) -> Settings | None:
        """The options of this service, or None where no key is one."""
        section = self._section
        for option, key in NAMED_OTHERWISE.items():
            if section.has(option):
                section.warn(option, f"ignored: here it is called {key}")
        given = {}
        for key in OPTION_KEYS:
            text = section.text(key, own)
            if text is not None and text.strip():
                given[key] = command_line.several(command_line.OPTIONS[key], key, text)
        keys = frozenset(given)
        if self._dialect.defaults is not None and self._kind is not Kind.LISTENER:
            given = self._dialect.defaults.with_keys(given)
            if _ROOT in given and _ROOT not in keys:
                given[_ROOT] = self._default_root(given[_ROOT], name, own)
            if "fleet" in given and "fleet" not in keys:
                given["fleet"] = [(place, f"{text}-{name}") for place, text in given["fleet"]]
        if not given or not words:
            return None
        try:
            settings = _absolute(command_line.settled(given, keys, words))
            _judge_configuration(settings)
        except UsageError as error:
            message = _in_keys(str(error))
            blamed = [key for key in keys if message.startswith((f"{key} ", f"{key}:"))]
            section.refuse(blamed[0] if blamed else next(iter(keys), ""), message)
            return None
        return settings


def _absolute(settings: Settings) -> Settings:
    """The paths as seen from the directory of our start."""
    found = {
        name: getattr(settings, name)
        for name, one in command_line.OPTIONS.items()
        if one.parse is parsers.path and not one.many
    }
    given = {name: path for name, path in found.items() if path is not None}
    return settings.replace(**{name: os.path.abspath(path) for name, path in given.items()})


def _judge_configuration(settings: Settings) -> None:
    """Raises UsageError for values that only their reload method, or their verifier, knows."""
    if not settings.configured:
        return
    from ..wiring import destination

    destination.root(settings)
    directory = settings.configroot or settings.config_dir or ""
    if settings.reload_method.option or settings.verify is not None:
        from ..wiring import reload_plan

        reload_plan.plan(settings, directory)
    if settings.fleet_check is not None:
        from ..wiring import reload_plan

        reload_plan.check("fleet_check", settings.fleet_check, settings, directory)


def _in_keys(message: str) -> str:
    """A message about options, with keys in place of flags."""
    for name in sorted(command_line.OPTIONS, key=len, reverse=True):
        message = message.replace(flag(name), name)
    return message
