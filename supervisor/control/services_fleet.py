"""The verbs `fleet` and `wait` of supervisorctl, about the fleets of several services.

supervisord has none of these; the paths are those of `services/fleet_routes.py`.
"""

from __future__ import annotations

from . import fleet_client, wait_client
from .services_session import GENERIC, WRONG_ARGUMENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .services_session import Session

_OK, _BAD_REQUEST, _NOT_FOUND = 200, 400, 404


def fleet(session: Session, arg: str) -> None:
    words = arg.split()
    text = _answer(session, "fleet", words, fleet_client.request)
    if text and not session.json and not set(words).intersection(fleet_client.VERBS):
        text = fleet_client.tables_of(text)
    if text:
        session.say(text.rstrip())


def wait(session: Session, arg: str) -> None:
    text = _answer(session, "wait", arg.split(), wait_client.request)
    if text:
        session.say(text.rstrip())


def _answer(session: Session, verb: str, words: Sequence[str], request: Callable[..., str]) -> str:
    """The text of a good answer; empty after the line about a failure."""
    try:
        line = request(words, several=True)
    except ValueError as error:
        session.fail(f"Error: {error}", WRONG_ARGUMENTS)
        return ""
    if not session.is_up():
        return ""
    status, text = session.server.ask(line)
    if status == _OK:
        return text
    if status == _NOT_FOUND:
        text = f"error: {session.server.url} is no config-supervisor: it has no `{verb}`"
    session.fail(text.rstrip(), WRONG_ARGUMENTS if status == _BAD_REQUEST else GENERIC)
    return ""
