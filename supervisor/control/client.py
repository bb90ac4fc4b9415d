"""supervisorctl: sends one request to the supervisor of this container and prints the answer.

It owns the command line, the way to the control socket and the exit codes. The supervisor decides
everything else. A health check runs every few seconds in every container: nothing is imported
before it is needed, and not even `socket`, which takes longer than the rest; `_socket`, below it,
has everything for this.
"""

from __future__ import annotations

import _socket
import os
import sys

from .. import PREFIX, __version__
from . import peer, socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn

    Socket = _socket.socket

# Exit codes.
FAILURE = 1
USAGE = 2
NOT_RUNNING = 4  # as the LSB has "program is not running" for status
_INTERRUPTED = 130  # as shells report the end by INT
_CONNECT_SECONDS = 5.0
_OK = 200
_WRONG_REQUESTS = frozenset({400, 404, 405})
# The requests of the commands; `wait` and `rollback N` have arguments.
_REQUESTS = {
    "health": "GET /livez",
    "status": "GET /status",
    "reload": "POST /reload",
    "generations": "GET /generations",
    "rollback": "POST /rollback",
    "shutdown": "POST /shutdown",
    "pid": "GET /pid",
    "version": "GET /version",
}
_OPTIONS = ("--socket", "--help", "-h", "--version")
_OF_ONE_APP = ("health", "wait", "generations", "rollback")
_PATIENT = ("wait", "reload", "rollback", "fleet")  # the supervisor knows how long these may take


class ControlError(Exception):
    """Why there is no answer, and the exit code for it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Served(Exception):
    """The supervisor of several services has answered; the exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ForeignError(ControlError):
    """A supervisor of another container listens there."""


def main() -> int:
    """Run supervisorctl with this process's arguments; returns the exit code."""
    argv = sys.argv[1:]
    try:
        if argv and argv[0].startswith("-") and argv[0].partition("=")[0] not in _OPTIONS:
            from . import services_role

            if services_role.is_supervisords(argv[0]):
                return services_role.run(argv, os.environ)
        text = _run(argv, os.environ)
    except Served as served:
        return served.code
    except ControlError as failure:
        _write(2, f"supervisorctl: {failure}\n")
        return failure.code
    except KeyboardInterrupt:
        return _INTERRUPTED
    why = _write(1, text)
    if why:
        _write(2, f"supervisorctl: cannot write to standard output: {why}\n")
    return FAILURE if why else 0


def _write(descriptor: int, text: str) -> str:
    """Write all of a text; the reason why it cannot be written, else ""."""
    data = text.encode(errors="backslashreplace")
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except BrokenPipeError:
        pass  # the reader has gone, `| head` for example
    except OSError as error:
        from errno import EBADF

        from ..core.errors import reason

        return "" if error.errno == EBADF else reason(error)  # closed by the caller
    return ""


def _run(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """The text to print for a command line; raises ControlError."""
    words = list(argv)
    path = ""
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word in ("-h", "--help"):
            return _help()
        if word == "--version":
            return f"supervisorctl {__version__} (config-supervisor)\n"
        if word.partition("=")[0] != "--socket":
            raise ControlError(USAGE, f"unknown option {word}; see supervisorctl --help")
        path = _value(word, words, "PATH")
    if words and (words[0] == "help" or {"-h", "--help"}.intersection(words[1:])):
        return _help(words[1] if words[0] == "help" and words[1:] else words[0])
    if not words or words[0] not in _OF_ONE_APP or "--fleet" in words:
        _try_services(words, path, environ)
    try:
        request = _request(words)
    except ValueError as error:
        raise ControlError(USAGE, str(error)) from error
    try:
        connection = _named(path) if path else _ours(environ)
    except ControlError as error:
        if path or words[0] != "health":
            raise
        return _ask_port(environ, error)
    text = _ask(connection, request, None if words[0] in _PATIENT else _CONNECT_SECONDS, words[0])
    return _shown(words, text)


def _try_services(words: Sequence[str], path: str, environ: Mapping[str, str]) -> None:
    """Raises Served where the supervisor is one of several services."""
    from . import services_role

    code = services_role.attempt(
        words, lambda: _named(path) if path else _ours(environ), environ, named=bool(path)
    )
    if code is not None:
        raise Served(code)


# --- the command line


def _request(words: Sequence[str]) -> str:
    """Method and target of the request for a command; raises ControlError or ValueError."""
    if not words:
        raise ControlError(USAGE, "no command; see supervisorctl --help")
    command = words[0]
    rest = list(words[1:])
    if command == "wait":
        from . import wait_client

        return wait_client.request(rest)
    if command == "fleet":
        from . import fleet_client

        return fleet_client.request(rest)
    request = _REQUESTS.get(command)
    if request and (not rest or (command, rest) == ("status", ["--json"])):
        return request
    if request and command == "rollback" and len(rest) == 1:
        wanted = rest[0]
        if not wanted.strip("0") or set(wanted) - set("0123456789abcdef"):
            why = "neither a number of generations, 1 or more, nor a version"
            raise ControlError(USAGE, f"rollback: {wanted!r} is {why}")
        return f"{request}?to={wanted}"
    if request:
        given = " ".join(rest)
        raise ControlError(USAGE, f"{command} does not take {given}; see supervisorctl --help")
    from . import client_help

    if instead := client_help.remedy(command):
        raise ControlError(FAILURE, f"cannot {command}: {instead}")
    meant = client_help.nearest(command)
    raise ControlError(USAGE, f"unknown command {command!r}{meant}; see supervisorctl --help")


def _help(command: str = "") -> str:
    from . import client_help

    return client_help.of(command)


def _value(word: str, rest: list[str], metavar: str) -> str:
    """The value of an option, `--option=VALUE` or from the words behind it."""
    option, equals, value = word.partition("=")
    if not equals and rest:
        value = rest.pop(0)
    if not value:
        raise ControlError(USAGE, f"{option} needs a value: {option} {metavar}")
    return value


# --- the way there


def _named(path: str) -> Socket:
    """A connection to the socket of --socket, whichever container has it; raises ControlError."""
    return _connect(path, lambda _: True) or _not_running([path])


def _ours(environ: Mapping[str, str]) -> Socket:
    """A connection to the supervisor of this container; raises ControlError."""
    chosen = socket_path.chosen_path(environ)
    if chosen == socket_path.OFF:
        why = f"the supervisor is not running: {PREFIX}CONTROL is off; see --socket"
        raise ControlError(NOT_RUNNING, why)
    failure: ControlError | None = None
    looked = [chosen] if chosen else []
    try:
        # Whoever chose the path may use it from a mount namespace of their own.
        if chosen and (connection := _connect(chosen, bool)):
            return connection
    except ControlError as error:
        failure = error
    for path in socket_path.candidates():
        try:
            if connection := _connect(path, peer.in_our_container):
                return connection
            looked.append(path)
        except ForeignError:
            looked.append(f"{path} (of another container)")
        except ControlError as error:
            failure = error
    if failure is not None:
        raise failure
    return _not_running(looked)


def _not_running(looked: Sequence[str]) -> NoReturn:
    where = " or ".join(looked)
    why = f"the supervisor is not running: it does not listen on {where}; see --socket"
    raise ControlError(NOT_RUNNING, why)


def _connect(path: str, trusted: Callable[[int], bool]) -> Socket | None:
    """A connection to the supervisor at `path`, if its pid is trusted; None if no process listens.

    Raises ForeignError if it is of another container, ControlError if it cannot be used.
    """
    connection = _socket.socket(_socket.AF_UNIX)
    try:
        connection.settimeout(_CONNECT_SECONDS)
        connection.connect(path)
        _check_peer(connection, path, trusted)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        connection.close()
        return None
    except (OSError, ValueError) as error:
        connection.close()
        from ..core.errors import reason

        why = f"cannot connect to {path}: {reason(error)}"
        remedy = "run supervisorctl as the supervisor's user, or name its --socket"
        raise ControlError(FAILURE, f"{why}; {remedy}") from error
    except ControlError:
        connection.close()
        raise
    return connection


def _check_peer(connection: Socket, path: str, trusted: Callable[[int], bool]) -> None:
    """Refuse a supervisor of another container of the pod, which shares the directory, and a
    program of another user in the place of the supervisor.
    """
    pid, uid = peer.credentials(connection)
    if not trusted(pid):
        why = "its supervisor is in another container; see --socket"
        raise ForeignError(FAILURE, f"cannot trust {path}: {why}")
    # Root can read all of us anyway, and may ask the first process of its container.
    init = pid == 1 and os.geteuid() == 0
    if uid not in (0, os.geteuid()) and not init:
        why = f"it belongs to uid {uid}; run supervisorctl as that user"
        raise ControlError(FAILURE, f"cannot trust {path}: {why}")


# --- request and answer


def _ask(connection: Socket, request: str, seconds: float | None, command: str) -> str:
    """The text of the answer to a request; raises ControlError with the supervisor's words if the
    request fails.
    """
    status, text = exchange(connection, request, seconds)
    if not status:
        why = f"the supervisor ended before it answered {command!r}; see its log"
        raise ControlError(NOT_RUNNING, why)
    if status != _OK:
        raise ControlError(USAGE if status in _WRONG_REQUESTS else FAILURE, text.strip())
    return text


def exchange(connection: Socket, request: str, seconds: float | None) -> tuple[int, str]:
    """Status and body of the answer to `METHOD TARGET` over a connected socket, which is closed.

    The status is 0 where no HTTP comes back. Raises ControlError if the answer takes more than
    `seconds`, or ends too early.
    """
    head = f"{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    connection.settimeout(seconds)
    try:
        connection.send(head.encode())
    except OSError:
        pass  # the answer may be there already, and says why
    lines, _, body = _receive(connection, seconds).partition(b"\r\n\r\n")
    start, *headers = lines.decode(errors="replace").split("\r\n")
    status = start.split(" ")[1:2]
    if not start.startswith("HTTP/1.") or not status or not status[0].isdecimal():
        return 0, ""
    for header in headers:
        name, _, value = header.partition(":")
        if name.lower() == "content-length" and value.strip() != str(len(body)):
            why = "the supervisor ended in the middle of its answer; see its log"
            raise ControlError(NOT_RUNNING, why)
    return int(status[0]), body.decode(errors="replace")


def _receive(connection: Socket, seconds: float | None) -> bytes:
    """The whole stream of a connection; raises ControlError if it takes more than `seconds`."""
    data = b""
    try:
        while piece := connection.recv(1 << 16):
            data += piece
    except TimeoutError as error:
        why = f"no answer within {seconds:g}s: the supervisor may be stopped or stuck"
        raise ControlError(FAILURE, why) from error
    except OSError:
        pass  # reset by the end of the other side; the bytes before it count
    finally:
        connection.close()
    return data


def _ask_port(environ: Mapping[str, str], missed: ControlError) -> str:
    """Ask the port for health instead: a container may have no place to put a socket in.

    `missed` says why there is no socket; it is raised, with the port added, if the port does not
    answer either.
    """
    from . import health_port

    try:
        place = health_port.place(environ)
    except ValueError as error:
        raise ControlError(USAGE, str(error)) from error
    except LookupError as error:
        raise ControlError(missed.code, f"{missed}; {error}") from error
    if place.serves_nothing and missed.code == NOT_RUNNING:
        return "ok: this supervisor serves nothing, and ends with its app\n"
    if place.port <= 0:  # off, or chosen by the kernel
        raise missed
    family = _socket.AF_INET6 if ":" in place.host else _socket.AF_INET
    connection = _socket.socket(family)
    connection.settimeout(_CONNECT_SECONDS)
    try:
        connection.connect((place.host, place.port))
    except OSError as error:
        connection.close()
        why = f"nothing answers on {place.url} either ({error})"
        raise ControlError(missed.code, f"{missed}; {why}") from error
    status, text = exchange(connection, _REQUESTS["health"], _CONNECT_SECONDS)
    if status != _OK:
        said = text.partition("\n")[0].strip()
        why = said or f"{place.url} does not answer as a supervisor does"
        raise ControlError(FAILURE, why)
    return text


# --- how answers look


def _shown(words: Sequence[str], text: str) -> str:
    if words[0] == "fleet":
        from . import fleet_client

        return fleet_client.shown(words[1:], text)
    if words not in (["status"], ["generations"]):
        return text
    from . import tables

    return tables.status(text) if words == ["status"] else tables.generations(text)
