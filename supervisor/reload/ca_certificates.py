"""Certificates for images that have none: those that come with this program's own libraries."""

from __future__ import annotations


def ours() -> str | None:
    """The file of our certificates where the system has none (FROM scratch); None where it has, or
    we have none.
    """
    import ssl

    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        return None
    try:
        import certifi
    except ImportError:
        return None
    return certifi.where()
