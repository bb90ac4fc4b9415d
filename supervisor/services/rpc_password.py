"""The password of a server: the header of a request against the keys of the file.

Pure. A comparison takes the same time for every wrong text: digests are compared, name and password
in any case.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plan import Server

_SCHEME = "basic"
_HASHED = "{SHA}"
_CHARACTERS = 4096  # of a header


def admits(server: Server, authorization: str) -> bool:
    """Whether a request with this Authorization header (RFC 7617) may pass."""
    if server.username is None or server.password is None:
        return True
    import hashlib
    import hmac

    name, password = _given(authorization)
    wanted = server.password
    if wanted.startswith(_HASHED):
        wanted = wanted.removeprefix(_HASHED).lower()
        # The format of the key is supervisord's.
        password = hashlib.sha1(password, usedforsecurity=False).hexdigest().encode()
    same = [
        hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(known).digest())
        for given, known in (
            (name, server.username.encode()),
            (password, wanted.encode()),
        )
    ]
    return all(same)


def _given(authorization: str) -> tuple[bytes, bytes]:
    """Name and password of a header; empty where it has none."""
    from binascii import Error, a2b_base64

    scheme, _, word = authorization.strip().partition(" ")
    if scheme.lower() != _SCHEME or len(word) > _CHARACTERS:
        return b"", b""
    try:
        name, _, password = a2b_base64(word.strip().encode("ascii")).partition(b":")
    except (Error, ValueError):
        return b"", b""
    return name, password
