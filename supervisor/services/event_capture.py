"""The capture mode of a stream: the text between two tokens becomes an event, and no log.

Pure. The tokens are supervisord's, and may be split over reads.
"""

from __future__ import annotations

BEGIN = b"<!--XSUPERVISOR:BEGIN-->"
END = b"<!--XSUPERVISOR:END-->"


class Capture:
    """The bytes of a stream of a service, from its start on."""

    def __init__(self, most: int) -> None:
        """`most`: bytes that a captured text keeps, the last ones."""
        self._most = most
        self._captures = False
        self._held = b""  # perhaps the beginning of a token
        self._text = bytearray()

    def feed(self, data: bytes) -> tuple[bytes, list[bytes]]:
        """The bytes for the log, and the texts that were captured."""
        data = self._held + data
        self._held = b""
        logged = []
        captured = []
        while data:
            token = END if self._captures else BEGIN
            text, found, data = data.partition(token)
            if not found:
                held = _overlap(text, token)
                self._held = text[len(text) - held :]
                text = text[: len(text) - held]
            if not self._captures:
                logged.append(text)
            else:
                self._keep(text)
            if found:
                if self._captures:
                    captured.append(bytes(self._text))
                    self._text.clear()
                self._captures = not self._captures
        return b"".join(logged), captured

    def rest(self) -> bytes:
        """The bytes for the log at the end of the stream; a text without its end is lost."""
        held = b"" if self._captures else self._held
        self._held = b""
        return held

    def _keep(self, text: bytes) -> None:
        self._text += text
        del self._text[: max(0, len(self._text) - self._most)]


def _overlap(data: bytes, token: bytes) -> int:
    """How many bytes at the end of the data may begin the token."""
    sizes = range(min(len(token) - 1, len(data)), 0, -1)
    return next((size for size in sizes if data.endswith(token[:size])), 0)
