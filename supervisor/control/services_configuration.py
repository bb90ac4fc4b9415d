"""The verb `config` of supervisorctl: reload, rollback and generations of one service.

supervisord has none of these; the paths are those of `services/configuration_routes.py`.
"""

from __future__ import annotations

from .services_session import GENERIC, WRONG_ARGUMENTS, identity, parsed
from .services_verbs import usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .services_session import Session

_RELOAD, _ROLLBACK, _GENERATIONS = ("reload", "rollback", "generations")
_MOST_WORDS = {_RELOAD: 2, _ROLLBACK: 3, _GENERATIONS: 2}
_OK, _BAD_REQUEST, _NOT_FOUND = 200, 400, 404


def config(session: Session, arg: str) -> None:
    words = arg.split()
    action = words[0] if words else ""
    if action not in _MOST_WORDS:
        usage(session, "config", "Error: config needs reload, rollback or generations")
        return
    if not 1 < len(words) <= _MOST_WORDS[action]:
        usage(session, "config", f"Error: config {action} is about one service")
        return
    group, name = parsed(words[1])
    if name is None:
        session.fail("Error: config is about one service, not about a group", WRONG_ARGUMENTS)
        return
    from urllib.parse import quote

    path = f"/config/{action}?service={quote(identity(group, name))}"
    if len(words) == _MOST_WORDS[_ROLLBACK]:
        path += f"&to={quote(words[2])}"
    method = "GET" if action == _GENERATIONS else "POST"
    if session.is_up():
        _show(session, action, *session.server.ask(f"{method} {path}"))


def _show(session: Session, action: str, status: int, text: str) -> None:
    if status == _NOT_FOUND:
        session.fail(f"error: {session.server.url} is no config-supervisor: it has no `config`")
    elif status != _OK:
        session.fail(text.rstrip(), WRONG_ARGUMENTS if status == _BAD_REQUEST else GENERIC)
    elif action == _GENERATIONS and not session.json:
        from . import tables

        session.say(tables.generations(text).rstrip())
    else:
        session.say(text.rstrip())
