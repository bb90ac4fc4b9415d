"""supervisorctl: asks the supervisor of this container, over its control socket, and prints what it
says.

The other end knows everything; here is only the command line, the way there and how answers look. A
health check runs every few seconds in every container, so that nothing is imported before it is
needed, and not even `socket`, which takes longer than the rest: `_socket`, below it, has all that
is wanted here.
"""

from __future__ import annotations

import _socket
import os
import sys

from .. import PREFIX, __version__
from . import socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from ..options.declarations import Settings

FAILURE, USAGE, NOT_RUNNING = 1, 2, 4  # 4: "program is not running", as the LSB has it for status
_CONNECT_SECONDS = 5.0
_MOST_BEFORE = 10  # words of a command line before its script: those of the bundle's loader
# Commands that go over the socket as they are.
_PLAIN = ("health", "status", "reload", "generations", "rollback", "shutdown", "pid", "version")


class ControlError(Exception):
    """Why there is no answer, and the exit code for it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def main() -> int:
    """Run supervisorctl with this process's arguments; returns the exit code."""
    try:
        text = _run(sys.argv[1:], os.environ)
    except ControlError as failure:
        _write(2, f"supervisorctl: {failure}\n")
        return failure.code
    except KeyboardInterrupt:
        return 130  # as a shell has it for a program that INT ended
    _write(1, text)
    return 0


def _write(descriptor: int, text: str) -> None:
    data = text.encode(errors="backslashreplace")
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        pass  # nobody reads it, `| head` for example


def _run(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """What to print for a command line; raises ControlError."""
    words, path = list(argv), ""
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word in ("-h", "--help"):
            return _help()
        if word == "--version":
            return f"supervisorctl {__version__}\n"
        if word.partition("=")[0] != "--socket":
            raise ControlError(USAGE, f"unknown option {word}; see supervisorctl --help")
        path = _value(word, words, "PATH")
    if words and (words[0] == "help" or {"-h", "--help"}.intersection(words[1:])):
        return _help(words[1] if words[0] == "help" and words[1:] else words[0])
    request = _request(words)
    places = [path] if path else socket_path.candidates(environ)
    try:
        connection = _connect(places, anywhere=bool(path))
    except ControlError as error:
        if path or request != "health":
            raise
        return _ask_http(environ, error)
    patient = words[0] in (
        "wait",
        "reload",
        "rollback",
    )  # the other end knows how long these may take
    return _shown(words, _ask(connection, request, None if patient else _CONNECT_SECONDS))


# --- the command line


def _request(words: Sequence[str]) -> str:
    """The request for a command; raises ControlError if it is none."""
    if not words:
        raise ControlError(USAGE, "no command; see supervisorctl --help")
    command, rest = words[0], list(words[1:])
    if command == "wait":
        return _wait(rest)
    if command in _PLAIN and (not rest or (command, rest) == ("status", ["--json"])):
        return command
    if command == "rollback" and len(rest) == 1:
        wanted = rest[0]
        if not wanted.strip("0") or set(wanted) - set("0123456789abcdef"):
            why = "neither a number of generations, 1 or more, nor a version"
            raise ControlError(USAGE, f"rollback: {wanted!r} is {why}")
        return f"rollback {wanted}"
    if command in _PLAIN:
        raise ControlError(
            USAGE, f"{command} does not take {' '.join(rest)}; see supervisorctl --help"
        )
    from . import client_help

    if elsewhere := client_help.elsewhere(command):
        raise ControlError(FAILURE, f"cannot {command}: {elsewhere}")
    raise ControlError(
        USAGE,
        f"unknown command {command!r}{client_help.nearest(command)}; see supervisorctl --help",
    )


def _help(command: str = "") -> str:
    from . import client_help

    return client_help.of(command)


def _wait(rest: list[str]) -> str:
    goals, seconds = [], ""
    while rest:
        word = rest.pop(0)
        if word in ("--ready", "--synced"):
            goals.append(word[2:])
        elif word.partition("=")[0] == "--timeout":
            from ..options.parsers import duration

            try:
                seconds = f" {duration(_value(word, rest, 'DURATION'))}"
            except ValueError as error:
                raise ControlError(USAGE, f"wait --timeout: {error}") from error
        else:
            raise ControlError(USAGE, f"wait does not take {word}; see supervisorctl --help")
    if len(goals) != 1:
        raise ControlError(USAGE, "wait needs --ready or --synced, one of them")
    return f"wait {goals[0]}{seconds}"


def _value(word: str, rest: list[str], metavar: str) -> str:
    """The value of an option, `--option=VALUE` or from the words behind it."""
    option, equals, value = word.partition("=")
    if not equals and rest:
        value = rest.pop(0)
    if not value:
        raise ControlError(USAGE, f"{option} needs a value: {option} {metavar}")
    return value


# --- the way there


def _connect(places: Sequence[str], *, anywhere: bool) -> _socket.socket:
    """A connection to the first place where a supervisor listens that we trust; raises
    ControlError.

    It must be one of our own container, unless it may be `anywhere`.
    """
    failure = ControlError(NOT_RUNNING, "")
    for path in places:
        connection = _socket.socket(_socket.AF_UNIX)
        try:
            connection.settimeout(_CONNECT_SECONDS)
            connection.connect(path)
            _trust(connection, path, anywhere=anywhere)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            connection.close()
        except (OSError, ValueError) as error:
            connection.close()
            why = f"cannot connect to {path}: {getattr(error, 'strerror', None) or error}"
            failure = ControlError(
                FAILURE, f"{why}; run supervisorctl as the supervisor's user, or name its --socket"
            )
        except ControlError as error:
            connection.close()
            failure = error
        else:
            return connection
    if failure.code != NOT_RUNNING:
        raise failure
    looked = " or ".join(places) or f"any socket, as {PREFIX}CONTROL is off"
    raise ControlError(
        NOT_RUNNING, f"the supervisor is not running: nobody listens on {looked}; see --socket"
    )


def _trust(connection: _socket.socket, path: str, *, anywhere: bool) -> None:
    """Refuse a program of another user that waits where the supervisor would be; root may read all
    of us anyway.

    And one of another container of the pod, with which we share the directory.
    """
    raw = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    pid, uid = (
        int.from_bytes(raw[at : at + 4], sys.byteorder) for at in (0, 4)
    )  # struct ucred of unix(7)
    if not (pid or anywhere):  # 0: its PID namespace is none of ours (pid_namespaces(7))
        raise ControlError(
            FAILURE, f"cannot trust {path}: its supervisor is in another container; see --socket"
        )
    init = (
        pid == 1 and os.geteuid() == 0
    )  # who runs this container's first process may be asked by root
    if uid not in (0, os.geteuid()) and not init:
        raise ControlError(
            FAILURE, f"cannot trust {path}: it belongs to uid {uid}; run supervisorctl as that user"
        )


def _ask(connection: _socket.socket, request: str, seconds: float | None) -> str:
    """What the supervisor has to say to a request; raises ControlError with its own words if it
    says no.
    """
    connection.settimeout(seconds)
    try:
        connection.send(request.encode() + b"\n")
    except OSError:
        pass  # it may have refused us before we could ask; its answer says why
    head, _, text = _receive(connection, seconds).partition("\n")
    if not head.isdecimal():
        raise ControlError(
            NOT_RUNNING, f"the supervisor ended before it answered {request!r}; see its log"
        )
    if head != "0":
        raise ControlError(int(head), text.strip())
    return text


def _receive(connection: _socket.socket, seconds: float | None) -> str:
    data = b""
    try:
        while piece := connection.recv(1 << 16):
            data += piece
    except TimeoutError as error:
        raise ControlError(
            FAILURE, f"no answer within {seconds:g}s: the supervisor may be stopped or stuck"
        ) from error
    except OSError:
        pass  # reset by the end of the other side; what came before it counts
    finally:
        connection.close()
    return data.decode(errors="replace")


def _ask_http(environ: Mapping[str, str], missed: ControlError) -> str:
    """Ask /livez instead: a container may have no place to put a socket in.

    `missed` says why there is no socket; it is raised, with what else was tried, if nobody answers
    here either.
    """
    init = _first_process()
    if init and init.served_at[1] < 0 and missed.code == NOT_RUNNING:
        return "ok: this supervisor serves nothing, and ends with its app\n"
    host, port = init.served_at if init else _served_at(environ)
    ports = _ports_of_first() if init else None
    if (
        ports is not None and port not in ports and port >= 0
    ):  # by --listen-next, or chosen by the kernel
        if len(ports) != 1:
            raise ControlError(missed.code, f"{missed}; process 1 does not listen on port {port}")
        (port,) = ports
    if port <= 0:  # off, or chosen by the kernel
        raise missed
    host = "127.0.0.1" if host in ("", "0.0.0.0", "::", "localhost") else host  # noqa: S104 - these include it
    where = f"http://{f'[{host}]' if ':' in host else host}:{port}/livez"
    connection = _socket.socket(_socket.AF_INET6 if ":" in host else _socket.AF_INET)
    connection.settimeout(_CONNECT_SECONDS)
    try:
        connection.connect((host, port))
        connection.send(b"GET /livez HTTP/1.0\r\n\r\n")
    except OSError as error:
        connection.close()
        raise ControlError(
            missed.code, f"{missed}; nobody answers on {where} either ({error})"
        ) from error
    head, _, body = _receive(connection, _CONNECT_SECONDS).partition("\r\n\r\n")
    if head.split(" ")[1:2] != ["200"]:
        raise ControlError(
            FAILURE,
            body.partition("\n")[0].strip() or f"{where} does not answer as a supervisor does",
        )
    return body


def _first_process() -> Settings | None:
    """What process 1 was told, if it is a supervisor and we may read that: a container's health
    check mostly may.
    """
    from ..process import procfs

    try:
        argv = list(map(os.fsdecode, procfs.arguments(1)))
        environ = list(map(os.fsdecode, procfs.environment(1)))
    except OSError:
        return None
    return settings_of(argv, dict(one.partition("=")[::2] for one in environ))


def settings_of(argv: Sequence[str], environ: Mapping[str, str]) -> Settings | None:
    """The settings of a command line of ours; before them stand the interpreter, or the bundle's
    loader, and options.

    None for any other program.
    """
    from ..core.errors import UsageError
    from ..options import command_line

    for at, word in enumerate(argv[:_MOST_BEFORE]):
        if os.path.basename(word) in ("supervisor", "config_supervisor"):  # the latter by -m
            try:
                return command_line.parse(argv[at + 1 :], environ)
            except UsageError:
                continue  # the name of the process, and the loader's options
    return None


def _ports_of_first() -> set[int] | None:
    """The TCP ports on which process 1 listens: containers of a pod share their ports. None if that
    cannot be seen.
    """
    from ..process import procfs

    try:
        return procfs.listening_ports(1)
    except OSError:
        return None


def _served_at(environ: Mapping[str, str]) -> tuple[str, int]:
    from ..options.parsers import listen

    try:
        return listen(environ.get(f"{PREFIX}LISTEN", "").strip() or "9911")
    except ValueError as error:
        raise ControlError(USAGE, f"{PREFIX}LISTEN: {error}") from error


# --- how answers look


def _shown(words: Sequence[str], text: str) -> str:
    command, rest = words[0], words[1:]
    if command not in ("status", "generations") or rest:
        return text
    import json

    try:
        said = json.loads(text)
    except ValueError as error:
        raise ControlError(
            NOT_RUNNING, "the supervisor ended in the middle of its answer; see its log"
        ) from error
    return _table(_status_rows(said) if command == "status" else _generation_rows(said))


def _status_rows(said: Mapping[str, Any]) -> Iterable[Sequence[str]]:
    """A row for each value, whatever the supervisor chooses to show."""
    for section, content in said.items():
        heading = section
        if isinstance(content, dict):
            for name, value in content.items():
                yield heading, name.replace("_", " "), _plain(value)
                heading = ""
        elif isinstance(content, list):
            for one in content:
                (_, first), *others = one.items()
                about = ", ".join(
                    f"{key.replace('_', ' ')}: {_plain(value)}" for key, value in others
                )
                yield heading, _plain(first), about
                heading = ""
        else:
            yield heading, "", _plain(content)


def _generation_rows(said: Iterable[Mapping[str, Any]]) -> Iterable[Sequence[str]]:
    yield "number", "time (UTC)", "digest", "files", "bytes", ""
    for one in said:
        number = "newer" if one["number"] is None else one["number"]
        marks = ", ".join(one["marks"])
        yield [
            _plain(value)
            for value in (number, one["time"], one["digest"], one["files"], one["bytes"], marks)
        ]


def _plain(value: object) -> str:
    """A value for people: `-` for none, digests in the length that the log has."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = " ".join(str(value).splitlines())
    return text[:8] if len(text) == 64 and text.isalnum() else text


def _table(rows: Iterable[Sequence[str]]) -> str:
    found = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in found) for column in range(len(found[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in found
    ]
    return "".join(f"{line.rstrip()}\n" for line in lines)
