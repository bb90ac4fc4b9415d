"""One request and its answer by http.client, over a socket that is connected.

http.client skips `100 Continue` alone; the other interim answers say nothing about the outcome and
are skipped here (RFC 9110, 15.2).
"""

from __future__ import annotations

import http.client

from .deadline_socket import DeadlineSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

HTTPException = http.client.HTTPException
_INTERIM = range(102, 200)  # 101 would be the last answer in HTTP
_MOST_INTERIM = 100


class _Response(http.client.HTTPResponse):
    def begin(self) -> None:
        for _ in range(_MOST_INTERIM):
            super().begin()
            if self.status not in _INTERIM:
                return
            nothing: Any = None  # as before `begin`, which else does nothing
            self.headers = self.msg = nothing
        raise HTTPException("there are only interim answers")


class _Connection(http.client.HTTPConnection):
    response_class = _Response


def ask(
    sock: DeadlineSocket, method: str, target: str, headers: Iterable[tuple[str, str]]
) -> http.client.HTTPResponse:
    """Send a request without a body; its final answer, the body of which is not read yet.

    Raises OSError and HTTPException.
    """
    connection = _Connection("")
    stream: Any = sock
    connection.sock = stream
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    return connection.getresponse()
