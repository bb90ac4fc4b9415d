"""The socket keys of an [fcgi-program:x]."""

from __future__ import annotations

import os

from . import value_formats
from .host import Host
from .plan import Socket
from .sections import Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_UNIX = "unix://"
_TCP = "tcp://"
_MODE = 0o700
_MOST_BACKLOG = (1 << 16) - 1


def socket(section: Section, host: Host, names: Mapping[str, object]) -> Socket | None:
    """The socket, or None where it cannot be made of the keys."""
    backlog = section.value("socket_backlog", _backlog, None)
    owner = section.value("socket_owner", host.owner, None)
    mode = section.value("socket_mode", value_formats.octal, None)
    text = section.text("socket", names)
    if not text:
        section.refuse("socket", "it is missing; write unix:///PATH or tcp://HOST:PORT")
        return None
    if text.startswith(_UNIX):
        path = text.removeprefix(_UNIX)
        if not os.path.isabs(path):
            section.refuse("socket", f"{path!r} is not an absolute path")
        address = f"{_UNIX}{host.absolute(path)}"
        return Socket(address, owner, _MODE if mode is None else mode, backlog)
    for key, value in (("socket_owner", owner), ("socket_mode", mode)):
        if value is not None:
            section.refuse(key, "it is for unix sockets; remove it")
    if not text.startswith(_TCP):
        section.refuse("socket", f"{text!r} is neither unix:///PATH nor tcp://HOST:PORT")
        return None
    try:
        name, port = value_formats.internet_address(text.removeprefix(_TCP))
    except ValueError as error:
        section.refuse("socket", str(error))
        return None
    return Socket(f"{_TCP}{name}:{port}", None, None, backlog)


def _backlog(text: str) -> int:
    number = value_formats.integer(text)
    if not 1 <= number <= _MOST_BACKLOG:
        raise ValueError(f"{number} is not a length of a queue (1 to {_MOST_BACKLOG})")
    return number
