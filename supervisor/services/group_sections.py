"""The sections that make groups: [group:x], [program:x], [eventlistener:x], [fcgi-program:x].

It owns the rules of groups: which program belongs to which, the order, doubled names.
"""

from __future__ import annotations

from . import event_names, value_formats
from .fastcgi_socket import socket
from .plan import LISTENER_PRIORITY, PRIORITY, Group, Kind, Main, Service
from .program_section import Program
from .sections import Reading, Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .value_formats import Wanted

_PROGRAM = "program:"
_FASTCGI = "fcgi-program:"
_GROUP = "group:"
_LISTENER = "eventlistener:"
_DEFAULT_HANDLER = "supervisor.dispatchers:default_handler"
_TAGGING_HANDLER = "supervisor_stdout:event_handler"


class GroupReader:
    """Reads all groups of a document."""

    def __init__(self, reading: Reading, names: Mapping[str, object]) -> None:
        """`names` are available in all values."""
        self._reading = reading
        self._document = reading.document
        self._verdicts = reading.verdicts
        self._names = names
        self._environment: Mapping[str, str] = {}
        self.wanted: dict[str, tuple[Wanted, ...]] = {}  # dependencies as written, by identity

    def read(self, environment: Mapping[str, str], main: Main) -> tuple[Group, ...]:
        """The groups by priority and name; `environment`: that of [supervisord]."""
        self._environment = environment
        found = [*self._groups(), *self._programs(), *self._listeners(), *self._fastcgi()]
        found.sort(key=lambda group: (group.priority, group.name))
        unique: dict[str, Group] = {}
        for group in found:
            if group.name in unique:
                self._verdicts.warn(
                    self._document.place(self._header(group)),
                    f"a second group {group.name} is not run, as in supervisord; rename it",
                )
                continue
            unique[group.name] = group.replace(services=tuple(self._unique(group, main)))
        return tuple(unique.values())

    def _header(self, group: Group) -> str:
        """The last section that makes a group of this name."""
        header = ""
        for prefix in (_FASTCGI, _LISTENER, _PROGRAM, _GROUP):
            for name in self._document.sections():
                if name.startswith(prefix) and name.partition(":")[2].strip() == group.name:
                    header = name
        return header

    def _unique(self, group: Group, main: Main) -> Iterator[Service]:
        """The services of a group: of two with one name the last is run, at the first's place."""
        found: dict[str, Service] = {}
        of_main = {"user": main.user, "uid": main.uid, "user_of_main": True}
        for one in group.services:
            if one.name in found:
                self._verdicts.warn(
                    self._document.place(f"{one.kind}:{one.program}"),
                    f"{one.name} is twice in the group {group.name}: only the last is run",
                )
            found[one.name] = one
        for one in found.values():
            yield one if one.user else one.replace(**of_main)

    def _named(self, prefix: str) -> Iterator[Section]:
        for name in self._document.sections():
            if name.startswith(prefix):
                yield self._reading.section(name, self._names)

    def _groups(self) -> Iterator[Group]:
        for section in self._named(_GROUP):
            group = self._name(section)
            priority = section.value("priority", value_formats.integer, PRIORITY)
            programs = section.value("programs", value_formats.words, ())
            services: list[Service] = []
            for program in programs:
                kind = self._kind(section, program)
                if kind is Kind.FASTCGI:
                    section.warn(
                        "programs", f"{program} gets no socket in a group, as in supervisord"
                    )
                if kind is not None:
                    services += self._processes(f"{kind}:{program}", kind, group)
            section.end()
            yield Group(group, Kind.PROGRAM, priority, tuple(services))

    def _kind(self, section: Section, program: str) -> Kind | None:
        sections = self._document.sections()
        kinds = [one for one in (Kind.PROGRAM, Kind.FASTCGI) if f"{one}:{program}" in sections]
        if len(kinds) == 1:
            return kinds[0]
        if kinds:
            section.refuse(
                "programs", f"{program} is both a program and an fcgi-program; rename one"
            )
        else:
            section.refuse("programs", f"there is no [program:{program}]")
        return None

    def _in_groups(self) -> set[str]:
        """The sections which are members of a [group:x]."""
        found = set()
        for section in self._named(_GROUP):
            for program in value_formats.words(section.text("programs") or ""):
                fastcgi = f"{_PROGRAM}{program}" not in self._document.sections()
                found.add(f"{_FASTCGI if fastcgi else _PROGRAM}{program}")
        return found

    def _programs(self) -> Iterator[Group]:
        members = self._in_groups()
        for section in self._named(_PROGRAM):
            if section.name not in members:
                group = self._name(section)
                priority = section.value("priority", value_formats.integer, PRIORITY)
                services = self._processes(section.name, Kind.PROGRAM, group)
                yield Group(group, Kind.PROGRAM, priority, services)

    def _listeners(self) -> Iterator[Group]:
        for section in self._named(_LISTENER):
            group = section.label
            priority = section.value("priority", value_formats.integer, LISTENER_PRIORITY)
            size = section.value("buffer_size", value_formats.integer, 10)
            if size < 1:
                section.refuse("buffer_size", f"{size} holds no event; the least is 1")
            tags = self._tags_output(section)
            events = self._events(section)
            if section.value("redirect_stderr", value_formats.boolean, False):
                section.refuse("redirect_stderr", "a listener speaks its protocol there; remove it")
            services = self._processes(section.name, Kind.LISTENER, group, section)
            yield Group(group, Kind.LISTENER, priority, services, events, size, tags)

    def _events(self, section: Section) -> frozenset[str]:
        names = section.value("events", value_formats.words, ())
        events = frozenset(name.upper() for name in names)
        if not events:
            section.refuse("events", "it is missing; name events, for example PROCESS_STATE")
        for name in sorted(events - event_names.NAMES):
            section.refuse("events", f"{name} is not an event; {_event_near(name)}")
        return events

    def _tags_output(self, section: Section) -> bool:
        handler = section.text("result_handler") or _DEFAULT_HANDLER
        if handler == _TAGGING_HANDLER:
            section.warn(
                "result_handler", "built in; `log_tag` of a program does the same with whole lines"
            )
        elif handler != _DEFAULT_HANDLER:
            section.refuse(
                "result_handler",
                f"{handler} would run inside of supervisord; let the listener act by itself",
            )
        return handler == _TAGGING_HANDLER

    def _fastcgi(self) -> Iterator[Group]:
        members = self._in_groups()
        for section in self._named(_FASTCGI):
            if section.name in members:
                continue
            group = self._name(section)
            priority = section.value("priority", value_formats.integer, PRIORITY)
            shared = socket(section, self._reading.host, {**self._names, "program_name": group})
            services = self._processes(section.name, Kind.FASTCGI, group, section)
            yield Group(group, Kind.FASTCGI, priority, services, socket=shared)

    def _name(self, section: Section) -> str:
        try:
            return value_formats.name(section.label)
        except ValueError as error:
            section.refuse("", str(error))
            return section.label.strip()

    def _processes(
        self, name: str, kind: Kind, group: str, section: Section | None = None
    ) -> tuple[Service, ...]:
        section = section or self._reading.section(name, self._names)
        if kind is Kind.FASTCGI:
            section.ask(("socket", "socket_owner", "socket_mode", "socket_backlog"))
        program = Program(section, kind, self._reading.host, self._reading.dialect, group)
        services = program.services(self._names, self._environment)
        if program.wanted:
            self.wanted |= {one.identity: program.wanted for one in services}
        return services


def _event_near(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, sorted(event_names.NAMES), n=1)
    return f"did you mean {close[0]}?" if close else "PROCESS_STATE and TICK_60, for example, are"
