"""Which role the supervisor has that supervisorctl finds: several services, or a single app.

`client` asks it for commands that may be meant for several services. Of a supervisor that does not
run, the supervisord.conf of the image may name another socket.
"""

from __future__ import annotations

import sys

from ..core.errors import UsageError
from . import client, services_line
from .services_server import Server, StatusError
from .xml_values import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .client import Socket

_LETTERS = ("-c", "-s", "-u", "-p", "-i", "-r", "-?")
_OPTIONS = (
    *("--configuration", "--serverurl", "--username", "--password"),
    *("--interactive", "--history_file"),
)


def is_supervisords(word: str) -> bool:
    """Whether a command line begins with an option of supervisord's supervisorctl."""
    return word[:2] in _LETTERS or word.partition("=")[0] in _OPTIONS


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a command line in supervisord's form; the exit code."""
    from . import services_client

    return services_client.main(argv, environ)


def attempt(
    words: Sequence[str], connect: Callable[[], Socket], environ: Mapping[str, str], *, named: bool
) -> int | None:
    """The exit code of a command for several services; None where a single app is supervised, or
    nothing is there to ask.

    `connect` reaches the control socket, `named`: it was named by a person.
    """
    line = services_line.Line(words=tuple(words))
    try:
        connection = connect()
    except client.ControlError as error:
        values = {} if named or error.code != client.NOT_RUNNING else _of_file(environ)
        if not values:
            _refuse(words, error)
            return None
        from . import services_client

        return services_client.run(line, values)
    server = Server(f"unix://{connection.getpeername()}")
    if not _serves_services(server, connection):
        return None
    from . import services_client

    return services_client.run(line, {}, server)


def _refuse(words: Sequence[str], error: client.ControlError) -> None:
    """Raises ControlError for a command of supervisord where no supervisor answers: of a single app
    it would be refused in any case.
    """
    from . import client_help

    instead = client_help.remedy(words[0]) if words else ""
    if instead and error.code == client.NOT_RUNNING:
        why = f"cannot {words[0]}: {error}; of a single app: {instead}"
        raise client.ControlError(error.code, why) from error


def _serves_services(server: Server, connection: Socket) -> bool:
    """Whether supervisord's protocol is spoken over a connection, which is used up."""
    server.adopt(connection)
    try:
        server.call("getVersion")
    except Fault:
        return True
    except (StatusError, ValueError, OSError):
        return False
    finally:
        connection.close()
    return True


def _of_file(environ: Mapping[str, str]) -> dict[str, str]:
    """The section [supervisorctl] of the image's file; empty without one."""
    file = services_line.found(sys.argv[0])
    try:
        return services_line.section(file, environ) if file else {}
    except UsageError:
        return {}  # the line about the supervisor that does not run says more
