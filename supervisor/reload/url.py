"""http and https URLs: read with care, and shown without their secrets."""

from __future__ import annotations

from ..core.record import Record

PORTS = {"http": 80, "https": 443}


class Url(Record):
    """An http or https URL; as text it shows neither credentials nor query."""

    scheme: str
    host: str
    port: int
    target: str  # path and query, as sent
    authorization: str = ""  # value of that header, from the credentials

    def __str__(self) -> str:
        path, query, _ = self.target.partition("?")
        return f"{self.scheme}://{self.place}{path}{'?...' if query else ''}"

    __repr__ = __str__

    @property
    def place(self) -> str:
        """`HOST` or `HOST:PORT`, as in a Host header (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def parse(text: str) -> Url:
    """Read `http[s]://[USER:PASSWORD@]HOST[:PORT][/PATH][?QUERY]`; raises ValueError, which does
    not repeat the text.
    """
    from urllib.parse import urlsplit

    if not text.isascii() or any(one <= " " or one == "\x7f" for one in text):
        raise ValueError(
            "it is not a URL: only visible ASCII characters may be in one; percent-encode the"
            " others"
        )
    try:
        parts = urlsplit(text)
        port = parts.port
        # Else the resolver would find out, with another error.
        (parts.hostname or "").encode("idna")
    except ValueError:
        raise ValueError("it is not a URL: its host or port is malformed") from None
    if parts.scheme not in PORTS or not parts.hostname or port == 0:
        raise ValueError(
            "it is not a URL like http://127.0.0.1:8080/reload or https://localhost/reload"
        )
    userinfo, at, _ = parts.netloc.rpartition("@")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    authorization = _basic(userinfo) if at else ""
    return Url(parts.scheme, parts.hostname, port or PORTS[parts.scheme], target, authorization)


def _basic(userinfo: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    from base64 import b64encode
    from urllib.parse import unquote

    name, _, password = userinfo.partition(":")
    pair = f"{unquote(name)}:{unquote(password)}"
    return f"Basic {b64encode(pair.encode()).decode()}"
