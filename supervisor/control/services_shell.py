"""The interactive shell of supervisorctl: lines of a person, with history and completion.

It owns the prompt and `readline`, which may be missing; a line is run by `services_client`.
"""

from __future__ import annotations

from . import services_client
from .services_server import StatusError
from .services_session import Session, identity
from .xml_values import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_OF_GROUPS = frozenset({"add", "remove", "update"})
_OF_SERVICES = frozenset(
    {"clear", "fg", "pid", "restart", "signal", "start", "status", "stop", "tail"}
)


def run(session: Session, values: Mapping[str, str]) -> None:
    """Show all services, then run lines until the end of the input, or `quit`."""
    session.interactive = True
    history = values.get("history_file", "")
    readline = _readline(session, history)
    prompt = f"{values.get('prompt', 'supervisor')}> "
    over = services_client.one(session, "status")
    try:
        while not over:
            try:
                line = input(prompt)
            except EOFError:
                line = "EOF"
            over = services_client.one(session, line)
    except KeyboardInterrupt:
        session.say("")
    if readline is not None and history:
        try:
            readline.write_history_file(history)
        except OSError as error:
            session.complain(f"cannot write the history {history}: {error.strerror}")


def _readline(session: Session, history: str) -> Any:
    try:
        import readline
    except ImportError:
        return None
    # A name such as web-1, group:web or group:* is one word.
    readline.set_completer_delims("".join(set(readline.get_completer_delims()) - set(":*-")))
    completion = Completion(session)
    readline.set_completer(lambda text, at: completion(readline.get_line_buffer(), text, at))
    readline.parse_and_bind("tab: complete")
    if history:
        try:
            readline.read_history_file(history)
        except OSError:
            pass  # the first time there is none
    return readline


class Completion:
    """The words that may follow in a line."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: list[str] = []

    def __call__(self, line: str, text: str, at: int) -> str | None:
        """The word number `at` that begins with `text`; None behind the last one."""
        if not at:
            try:
                self._found = [f"{word} " for word in self._words(line) if word.startswith(text)]
            except (OSError, ValueError, Fault, StatusError):  # the verb will tell it
                self._found = []
        return self._found[at] if at < len(self._found) else None

    def _words(self, line: str) -> list[str]:
        words = line.split()
        verb = words[0] if words else ""
        if len(words) < len((verb, "")) and not line.endswith(" "):
            return list(services_client.VERBS)
        if verb == "help":
            return list(services_client.VERBS)
        if verb not in _OF_GROUPS | _OF_SERVICES:
            return []
        infos = self._session.call("getAllProcessInfo")
        groups = dict.fromkeys(info["group"] for info in infos)
        if verb in _OF_GROUPS:
            return list(groups)
        names = [identity(info["group"], info["name"]) for info in infos]
        several = [group for group in groups if group not in names]
        return [*names, *(f"{group}:*" for group in several)]
