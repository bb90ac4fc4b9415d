"""supervisorctl for several services: the server, a verb or a shell, the exit code.

It composes a command line, a server and the verbs. `client` decides when it is called; a health
check must not import it.
"""

from __future__ import annotations

import os
import sys

from ..core.errors import UsageError
from . import services_line
from .services_server import Server
from .services_session import GENERIC, OK, WRONG_ARGUMENTS, OutputError, Session, contained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .services_line import Line

    Verb = Callable[[Session, str], None]

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_REPORTS = ("status", "health", "pid", "avail", "version", "tail", "maintail")
_ORDERS = (
    *("start", "stop", "restart", "signal", "clear", "shutdown", "reload"),
    *("reread", "update", "add", "remove"),
)
VERBS = (*_REPORTS, *_ORDERS, "config", "fleet", "wait", "open", "fg", "help", "quit", "exit")
_WITH_JSON = ("status", "pid", "avail", "config", "fleet")


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a command line in supervisord's form; the exit code."""
    try:
        line = services_line.parse(argv)
        if line.help:
            from . import services_help

            os.write(1, services_help.text().encode())
            return OK
        file = line.file or services_line.found(sys.argv[0])
        values = services_line.section(file, environ) if file else {}
    except UsageError as error:
        name = sys.argv[0]
        os.write(2, f"Error: {error}\nFor help, use {name} -h\n".encode(errors="backslashreplace"))
        return WRONG_ARGUMENTS
    return run(line, {**values, **line.values})


def run(line: Line, values: Mapping[str, str], server: Server | None = None) -> int:
    """Run the words of a command line, or a shell where there are none; the exit code.

    `values` are those of [supervisorctl], `server` another server than theirs.
    """
    if server is None:
        url = values.get("serverurl", services_line.DEFAULT_URL)
        server = Server(url, values.get("username"), values.get("password"))
    session = Session(server, interactive=line.interactive or not line.words)
    try:
        if line.words:
            one(session, " ".join(line.words))
            if not line.interactive:
                return session.code
        from . import services_shell

        services_shell.run(session, values)
    except BrokenPipeError:
        return session.code  # the reader has gone, `| head` for example
    except OutputError as error:
        session.complain(f"supervisorctl: cannot write to standard output: {error}")
        return GENERIC
    return session.code if line.words else OK


def one(session: Session, text: str) -> bool:
    """Run a line; whether it ends a shell."""
    text = text.strip()
    if not text:
        return False
    if text[0] == "?":
        text = f"help {text[1:]}"
    length = next((at for at, letter in enumerate(text) if letter not in _LETTERS), len(text))
    verb = text[:length]
    arg = text[length:].strip()
    if verb in ("quit", "exit", "EOF"):
        session.say("")
        return True
    deed = _deed(verb)
    if deed is None:
        session.fail(f"*** Unknown syntax: {text}")
        return False
    session.json = verb in _WITH_JSON and "--json" in arg.split()
    if session.json:
        arg = " ".join(word for word in arg.split() if word != "--json")
    contained(session, lambda: deed(session, arg))
    return False


def _deed(verb: str) -> Verb | None:
    """The function of a verb, from the module that has it."""
    if verb in _REPORTS:
        from . import services_verbs

        return getattr(services_verbs, verb)  # type: ignore[no-any-return]
    if verb in _ORDERS:
        from . import services_orders

        return getattr(services_orders, verb)  # type: ignore[no-any-return]
    if verb == "config":
        from . import services_configuration

        return services_configuration.config
    if verb in ("fleet", "wait"):
        from . import services_fleet

        return getattr(services_fleet, verb)  # type: ignore[no-any-return]
    if verb == "open":
        from . import services_verbs

        return services_verbs.open_url
    if verb == "fg":
        from . import services_foreground

        return services_foreground.foreground
    if verb == "help":
        return _help
    return None


def _help(session: Session, arg: str) -> None:
    from . import services_help

    session.say(services_help.of(arg) if arg else services_help.verbs())
