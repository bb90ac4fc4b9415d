"""The servers that TLS trusts.

The chain and the name of a certificate are verified, unless the user gives that up. `ssl` is
imported where a request is made.
"""

from __future__ import annotations

from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl


class Trust(Record):
    """Servers with a certificate of the system's CAs, or of those in the file `ca`; with
    `insecure`, every server.
    """

    ca: str | None = None
    insecure: bool = False

    def context(self) -> ssl.SSLContext:
        """Raises OSError, an ssl.SSLError included, when the file cannot be used."""
        import ssl

        if self.insecure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False  # first: it needs a verified certificate
            context.verify_mode = ssl.CERT_NONE
            return context
        context = ssl.create_default_context(cafile=self.ca or _own_certificates())
        # Python 3.13 sets it, and refuses a CA without keyUsage, as `openssl req -x509` makes it.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context

    def refusal(self, error: OSError) -> str:
        """Why a server is not trusted, and the remedy; "" where `error` is another one."""
        import ssl

        if not isinstance(error, ssl.SSLCertVerificationError):
            return ""
        known = f"the CA certificates in {self.ca}" if self.ca else "the system's CA certificates"
        return (
            f"is not trusted: {error.verify_message}, by {known}; name the file of its CA with"
            " --reload-http-ca, or trust every server with --reload-http-insecure"
        )


def _own_certificates() -> str | None:
    """The file of CAs of this program's libraries, for an image without any (FROM scratch); None
    where the system has its own.
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
