"""The letters of s6-svc as orders about services.

Pure. The letters are those that s6-svc of s6 2.11 writes into the control FIFO of a service.
"""

from __future__ import annotations

from ..runtime import signals
from .service_orders import ServiceOrder, Verb

_VERBS = {"u": Verb.START, "o": Verb.START, "d": Verb.STOP, "r": Verb.RESTART}
_SIGNALS = {
    "a": "ALRM",
    "b": "ABRT",
    "c": "CONT",
    "h": "HUP",
    "i": "INT",
    "k": "KILL",
    "p": "STOP",
    "q": "QUIT",
    "t": "TERM",
    "y": "WINCH",
    "1": "USR1",
    "2": "USR2",
}


def order(letter: str, service: str) -> ServiceOrder | None:
    """The order of a letter; None for one without a meaning here: `once`, or about s6-supervise."""
    if letter in _VERBS:
        return ServiceOrder(_VERBS[letter], (service,), wait=False)
    if letter in _SIGNALS:
        signum = signals.number(_SIGNALS[letter])
        return ServiceOrder(Verb.SIGNAL, (service,), wait=False, signum=signum)
    return None
