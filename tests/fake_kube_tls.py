"""A certificate authority and a server certificate, fresh for each fake API server.

They carry the extensions of most clusters' certificates, on which Python 3.13 insists
(VERIFY_X509_STRICT); on request they lack keyUsage or the key identifiers, as in old clusters.
"""

from __future__ import annotations

import ssl
import tempfile

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from config_supervisor.core.record import Record


class ClientCertificate(Record):
    """A certificate and its key in PEM, and the certificate's serial number."""

    pem: str
    key: str
    serial: int


class Authority:
    """A CA: `pem` is its certificate, `server_context()` belongs to a server on loopback."""

    def __init__(self, *, usage: bool = True, identifiers: bool = True) -> None:
        """`usage`: certificates have a keyUsage; `identifiers`: they have SKI and AKI."""
        self._authority = trustme.CA()
        self._lacking: tuple[type[x509.ExtensionType], ...] = ()
        if not usage:
            self._lacking += (x509.KeyUsage,)
        if not identifiers:
            self._lacking += (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier)
        self.pem = self._signed_again(self._authority.cert_pem).decode()

    def server_context(self) -> ssl.SSLContext:
        """A TLS context for localhost, 127.0.0.1 and ::1."""
        issued = self._authority.issue_cert("localhost", "127.0.0.1", "::1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # As a cluster's: a client may show a certificate, which must be of this authority.
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=self.pem)
        with tempfile.NamedTemporaryFile() as file:
            certificate = self._signed_again(issued.cert_chain_pems[0])
            file.write(issued.private_key_pem.bytes() + certificate)
            file.flush()
            context.load_cert_chain(file.name)
        return context

    def client_certificate(self, user: str) -> ClientCertificate:
        """A new certificate and key of a user."""
        issued = self._authority.issue_cert("client.example", common_name=user)
        pem = issued.cert_chain_pems[0].bytes()
        serial = x509.load_pem_x509_certificate(pem).serial_number
        return ClientCertificate(pem.decode(), issued.private_key_pem.bytes().decode(), serial)

    def _signed_again(self, pem: trustme.Blob) -> bytes:
        """The same certificate without the unwanted extensions."""
        if not self._lacking:
            return pem.bytes()
        old = x509.load_pem_x509_certificate(pem.bytes())
        new = x509.CertificateBuilder(
            old.issuer,
            old.subject,
            old.public_key(),
            old.serial_number,
            old.not_valid_before_utc,
            old.not_valid_after_utc,
            [one for one in old.extensions if not isinstance(one.value, self._lacking)],
        )
        pem_of_key = self._authority.private_key_pem.bytes()
        key = serialization.load_pem_private_key(pem_of_key, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        signed = new.sign(key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)
