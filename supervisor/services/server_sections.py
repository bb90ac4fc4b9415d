"""The sections of sockets and plug-ins: servers, the client's, RPC interfaces.

A plug-in is refused, with the thing to do instead.
"""

from __future__ import annotations

from . import value_formats
from .host import Host
from .plan import Server
from .sections import Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

UNIX = "unix_http_server"
INTERNET = "inet_http_server"
CLIENT = "supervisorctl"
RPC = "rpcinterface:"
CLIENT_PLUGIN = "ctlplugin:"
_FACTORY = "supervisor.rpcinterface_factory"
_STANDARD = "supervisor.rpcinterface:make_main_rpcinterface"
_SOCKET_MODE = 0o700
_OURS = (-1, -1)


def unix_server(section: Section, host: Host, names: Mapping[str, object]) -> Server | None:
    """The server; `names` are those of the path, which knows `here` besides the others."""
    file = section.text("file", names)
    if file is None:
        if not section.has("file"):
            section.refuse("file", "it is missing; name the path of the socket")
        return None
    server = Server(
        section=section.name,
        path=host.absolute(file.strip()),
        mode=section.value("chmod", value_formats.octal, _SOCKET_MODE),
        owner=section.value("chown", host.owner, _OURS),
    )
    return _with_password(section, server)


def internet_server(section: Section) -> Server | None:
    if not section.has("port"):
        section.refuse("port", "it is missing; name HOST:PORT")
        return None
    host, port = section.value("port", value_formats.internet_address, ("", 0))
    server = _with_password(section, Server(section=section.name, host=host, port=port))
    if server.password is None:
        section.verdicts.warn(
            section.place("password"), "without a password this port shows, and takes no orders"
        )
    return server


def _with_password(section: Section, server: Server) -> Server:
    username = section.text("username")
    password = section.text("password")
    if section.has("username") != section.has("password"):
        missing = "password" if section.has("username") else "username"
        section.refuse(missing, "it is missing; username and password belong together")
    section.end()
    return server.replace(username=username, password=password)


def client(section: Section) -> None:
    """The section of supervisorctl, which reads it itself: an error here stops no service."""
    section.ask(("serverurl", "username", "password"))
    section.ignore("prompt", "there is no prompt")
    section.ignore("history_file", "there is no history")
    section.end()


def rpc_interface(section: Section) -> None:
    factory = section.text(_FACTORY)
    if factory is None and not section.has(_FACTORY):
        section.refuse(_FACTORY, f"it is missing; write {_STANDARD}")
    elif factory is not None and factory != _STANDARD:
        section.refuse(
            _FACTORY,
            f"{factory} would run inside of supervisord; remove the section, and reach"
            " supervisor's own methods by XML-RPC",
        )
    elif section.label != "supervisor":
        section.verdicts.ignore(section.place(), "the standard methods are there in any case")


def client_plugin(section: Section) -> None:
    section.verdicts.refuse(
        section.place(),
        "a plug-in would run inside of supervisorctl; remove the section, and use the plug-in's"
        " own client",
    )
