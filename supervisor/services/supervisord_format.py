"""supervisord's format: the sections of a document to a plan, with verdicts as data.

The composition of the readers of sections. It reads no file and runs nothing; users and directories
are looked up through `host`.
"""

from __future__ import annotations

from ..options.expansion import expand
from . import server_sections
from .group_sections import GroupReader
from .ini_file import Place
from .main_section import NAME, MainSection
from .plan import Plan, Server
from .plan_rules import Rules
from .program_section import environment_of
from .sections import Reading, near

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .sections import Section

_KINDS = (
    "group:x",
    "program:x",
    "fcgi-program:x",
    "eventlistener:x",
    "rpcinterface:x",
    "ctlplugin:x",
)
_SINGLE = (NAME, "include", "supervisorctl", "unix_http_server", "inet_http_server")
_PREFIXES = tuple(kind.removesuffix("x") for kind in _KINDS)


class Reader:
    """Reads one document; `options`: those of supervisord's command line, by key."""

    def __init__(self, reading: Reading, options: Mapping[str, str]) -> None:
        self._reading = reading
        self._document = reading.document
        self._verdicts = reading.verdicts
        self._host = reading.host
        self._options = options
        self._names: dict[str, object] = self._host.names()

    def plan(self, here: str) -> Plan | None:
        """The plan, or None where a verdict refuses the file."""
        if NAME not in self._document.sections():
            if self._reading.dialect.follows_supervisord:
                file = self._document.first_file
                self._verdicts.refuse(
                    Place(file), "there is no section [supervisord]; add it, even if it is empty"
                )
                return None
            self._document.add(f"[{NAME}]\n", self._document.first_file)
        self._names |= {"here": here}
        section = self._section(NAME)
        reader = MainSection(section, self._host, self._options)
        main = reader.read(follows_supervisord=self._reading.dialect.follows_supervisord)
        environment = self._environment(section)
        dialect = self._reading.dialect
        essential = reader.essential
        if essential is not None:
            dialect = dialect.replace(essential=essential)
        section.end()
        self._names |= {f"ENV_{name}": value for name, value in environment.items()}
        groups = GroupReader(self._reading.replace(dialect=dialect), self._names)
        found = groups.read(environment, main)
        plan = Plan(
            main,
            found,
            tuple(self._servers()),
            dialect.follows_supervisord,
            included=tuple(self._document.included),
        )
        plan = Rules(groups.wanted, self._verdicts, self._document.place).connected(plan)
        if any(one.settings is not None for one in plan.services):
            from . import configuration_places

            configuration_places.judge(plan, self._verdicts, self._document.place)
        self._judge_sections()
        return None if self._verdicts.refused else plan

    def _environment(self, section: Section) -> Mapping[str, str]:
        """The variables of all services. supervisord 4.3 expands this value twice, 4.4 once."""
        names = {**self._names, "host_node_name": self._host.node_name}
        once = section.text("environment", self._names) or ""
        try:
            text = expand(once, names)
        except ValueError:
            section.warn("environment", "supervisord 4.3 refuses the %% in it, 4.4 reads it so")
            text = once
        return environment_of(section, text).values

    def _section(self, name: str) -> Section:
        return self._reading.section(name, self._names)

    def _servers(self) -> Iterable[Server]:
        """The sockets, those of TCP first; any name that begins so is one, as in supervisord."""
        names = {key: value for key, value in self._names.items() if key != "here"}
        for kind in (server_sections.INTERNET, server_sections.UNIX):
            for name in self._document.sections():
                if not name.startswith(kind):
                    continue
                section = self._reading.section(name, names)
                if kind == server_sections.UNIX:
                    server = server_sections.unix_server(section, self._host, self._names)
                else:
                    server = server_sections.internet_server(section)
                if server is not None:
                    yield server

    def _judge_sections(self) -> None:
        for name in self._document.sections():
            section = self._section(name)
            if name == server_sections.CLIENT:
                server_sections.client(section)
            elif name.startswith(server_sections.RPC):
                server_sections.rpc_interface(section)
            elif name.startswith(server_sections.CLIENT_PLUGIN):
                server_sections.client_plugin(section)
            elif not _known(name):
                self._verdicts.warn(
                    section.place(), f"unknown section, ignored{near(name, (*_SINGLE, *_KINDS))}"
                )


def _known(name: str) -> bool:
    servers = (server_sections.INTERNET, server_sections.UNIX)
    return name in _SINGLE or name.startswith((*_PREFIXES, *servers))
