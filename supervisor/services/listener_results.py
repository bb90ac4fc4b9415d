"""The result handler `supervisor_stdout:event_handler`: results of listeners become lines of ours.

Pure. A result is the event PROCESS_LOG as the listener got it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    Source = tuple[str, str, str]  # group, name and channel of a program


def output(result: bytes, shown: Container[Source]) -> bytes:
    """The bytes to print: the program's, behind its name and channel; none where the program's
    output is `shown` in any case. Raises ValueError for a result without these.
    """
    head, _, data = result.partition(b"\n")
    fields = dict(_pair(word) for word in head.decode().split())
    name, channel = fields.get("processname"), fields.get("channel")
    if not name or not channel:
        raise ValueError("a result without processname and channel")
    if (fields.get("groupname", name), name, channel) in shown:
        return b""
    return f"{name} {channel} | ".encode() + data


def _pair(word: str) -> tuple[str, str]:
    name, _, value = word.partition(":")
    return name, value
