"""Where a health check finds the port of metrics and probes, in a container without a control
socket.

It reads the command line and the environment of process 1, where process 1 is a supervisor and the
kernel shows them: to a container's health check it mostly does. It must not send anything.
"""

from __future__ import annotations

import os

from .. import PREFIX
from ..core.record import Record
from ..process import procfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..options.declarations import Settings

_MOST_BEFORE = 10  # words of a command line before its script: those of the bundle's loader
_ANY_HOST = ("", "0.0.0.0", "::", "localhost")  # 127.0.0.1 is among these


class Place(Record):
    """A port to ask; 0 or less if none is served, or the number is not known."""

    host: str
    port: int
    serves_nothing: bool = False  # by the options of process 1

    @property
    def url(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/livez"


def place(environ: Mapping[str, str]) -> Place:
    """Where process 1 was told to serve; where `environ` says, if process 1 cannot be looked at.

    Raises LookupError if process 1 does not listen there, ValueError for a wrong variable.
    """
    settings = _first_process()
    host, port = settings.served_at if settings else _served_at(environ)
    host = "127.0.0.1" if host in _ANY_HOST else host
    if port < 0:
        return Place(host, port, serves_nothing=settings is not None)
    ports = _ports_of_first() if settings else None
    if ports is not None and port not in ports:  # by --listen-next, or chosen by the kernel
        if len(ports) != 1:
            raise LookupError(f"process 1 does not listen on port {port}")
        (port,) = ports
    return Place(host, port)


def _first_process() -> Settings | None:
    try:
        argv = list(map(os.fsdecode, procfs.arguments(1)))
        environ = list(map(os.fsdecode, procfs.environment(1)))
    except OSError:
        return None
    return settings_of(argv, dict(entry.partition("=")[::2] for entry in environ))


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
    """The TCP ports on which process 1 listens: containers of a pod share their ports. None if they
    cannot be seen.
    """
    try:
        return procfs.listening_ports(1)
    except OSError:
        return None


def _served_at(environ: Mapping[str, str]) -> tuple[str, int]:
    from ..options.parsers import listen

    try:
        return listen(environ.get(f"{PREFIX}LISTEN", "").strip() or "9911")
    except ValueError as error:
        raise ValueError(f"{PREFIX}LISTEN: {error}") from error
