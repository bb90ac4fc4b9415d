"""A session of supervisorctl with a supervisor of several services: its server, output, exit code.

It owns the exit codes of supervisord's supervisorctl, and the lines about a server that cannot be
reached. Verbs are in `services_verbs` and `services_orders`.
"""

from __future__ import annotations

import errno
import os

from ..core.errors import reason
from .fault_codes import FaultCode
from .services_server import URLError
from .xml_values import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .services_server import Server
    from .xml_values import Param

# Exit codes of the original.
OK = 0
GENERIC = 1
WRONG_ARGUMENTS = 2
STATUS_DOWN = 3  # of `status`, where a service is down
UNREACHABLE = 4
STATUS_UNKNOWN = 4  # of `status`, for an unknown name, and without a server
NO_FILE = 7  # no socket
NOT_RUNNING = 7  # of orders, for a service that is down

_OUTPUT = 1
_ERRORS = 2


_OF_DEAD_PROGRAMS = (FaultCode.SPAWN_ERROR, FaultCode.ABNORMAL_TERMINATION, FaultCode.NOT_RUNNING)


class OutputError(Exception):
    """Standard output takes no more: a full disk, for example."""


class Session:
    def __init__(self, server: Server, *, interactive: bool = False, json: bool = False) -> None:
        self.server = server
        self.interactive = interactive
        self.json = json
        self.code = OK

    def say(self, text: str) -> None:
        """Write a line to standard output."""
        self.write(f"{text}\n".encode(errors="backslashreplace"))

    def write(self, data: bytes) -> None:
        """Write to standard output. Raises BrokenPipeError where its reader has gone, OutputError
        where it takes no more.
        """
        try:
            while data:
                data = data[os.write(_OUTPUT, data) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            if error.errno != errno.EBADF:  # closed by the caller
                raise OutputError(reason(error)) from error

    def complain(self, text: str) -> None:
        """Write a line to standard error."""
        os.write(_ERRORS, f"{text}\n".encode(errors="backslashreplace"))

    def fail(self, text: str, code: int = GENERIC) -> None:
        self.say(text)
        self.code = code

    def say_json(self, value: object) -> None:
        import json

        self.say(json.dumps(value, indent=2))

    def call(self, method: str, *params: Param) -> Any:
        return self.server.call(method, *params)

    def is_up(self) -> bool:
        """Whether the server can be reached; without one a line says so. Raises OSError."""
        try:
            self.server.connect()
        except OSError as error:
            if not self.unreachable(error):
                raise
            return False
        return True

    def unreachable(self, error: OSError) -> bool:
        """Whether this error means that no server is there; then a line says so."""
        if error.errno == errno.ECONNREFUSED:
            self.fail(f"{self.server.url} refused connection", UNREACHABLE)
        elif error.errno == errno.ENOENT:
            self.fail(f"{self.server.url} no such file", NO_FILE)
        else:
            return False
        return True

    def note(self, fault: int, harmless: int = FaultCode.SUCCESS) -> None:
        """Let a fault be the exit code, unless it is none, or harmless."""
        if fault in (harmless, FaultCode.SUCCESS):
            return
        self.code = NOT_RUNNING if fault in _OF_DEAD_PROGRAMS else GENERIC

    def confirmed(self, question: str) -> bool:
        """Whether a person at the shell says yes; without a shell it is not asked."""
        return not self.interactive or input(question).lower().startswith("y")


def contained(session: Session, verb: Callable[[], None]) -> None:
    """Run a verb; an error of the server, or on the way to it, is a line and an exit code."""
    from .services_server import StatusError

    unauthorized = 401
    try:
        verb()
    except StatusError as error:
        if error.status != unauthorized:
            session.fail(f"error: {session.server.url} answers with {error}")
        elif session.interactive:
            from getpass import getpass

            session.say("Server requires authentication")
            session.server.username = input("Username:")
            session.server.password = getpass("Password:")
            session.say("")
            contained(session, verb)
        else:
            session.fail("Server requires authentication")
    except Fault as fault:
        session.fail(_fault(fault))
    except (URLError, ValueError) as error:
        session.fail(f"error: {error}")
    except BrokenPipeError:
        raise
    except OSError as error:
        if session.unreachable(error):
            session.code = GENERIC
        else:
            session.fail(f"error: cannot ask {session.server.url}: {error.strerror or error}")


def _fault(fault: Fault) -> str:
    match fault.code:
        case FaultCode.SHUTDOWN_STATE:
            return "ERROR: supervisor shutting down"
        case FaultCode.UNKNOWN_METHOD:
            return (
                f"ERROR: {fault.text}: the server does not know this method; its"
                " [rpcinterface:supervisor] may be missing"
            )
    return f"ERROR: {fault.text}"


def identity(group: str, name: str | None) -> str:
    """`group:name`, or `name` where both agree; `group:*` without a name."""
    if name is None:
        return f"{group}:*"
    return name if name == group else f"{group}:{name}"


def parsed(word: str) -> tuple[str, str | None]:
    """The group and the name of a word; without a name it means the whole group."""
    group, colon, name = word.partition(":")
    if not colon:
        return word, word
    return group, None if name in ("", "*") else name
