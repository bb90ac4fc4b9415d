"""The bounds of a server on connections, bytes, time and its share of a processor.

Numbers only: `server.py` holds them.
"""

from __future__ import annotations

from ..core.record import Record


class Limits(Record):
    """Bounds of a server; times in seconds."""

    connections: int = 32
    # Bytes kept of a connection: the head of its request, and the body. Without bodies, a request
    # with one is answered by its head, and ends its connection.
    received: int = 8192
    body: int = 0
    # Bytes of responses that peers have not taken yet, of all connections together.
    unsent: int = 512 * 1024
    # From accept, or the first byte of a further request, to the last byte.
    request_seconds: float = 5.0
    # Between two requests: more than a minute, the usual interval of scrapes.
    idle_seconds: float = 75.0
    # For a peer to take a response: the usual timeout of scrapers.
    send_seconds: float = 10.0
    # The share of a core, in the long run.
    processor: float = 0.25
    # Descriptors of the process for each connection; the rest is for the app's needs.
    share_of_files: int = 4
