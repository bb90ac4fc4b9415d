"""The ways of a client to the API: in a pod, and by kubeconfigs with each kind of login."""

from __future__ import annotations

import base64
import json
import os
from typing import Any, ClassVar

from config_supervisor.sources.kubernetes.credentials import Access
from tests.fake_kube import FakeKube
from tests.fake_kube_files import write
from tests.fake_kube_tls import ClientCertificate
from tests.fake_kube_users import ADMIN

_PLUGIN = "client.authentication.k8s.io/v1"
_PAST = "2020-01-01T00:00:00Z"


class Way:
    """Credentials for the fake API server in files: `access` leads to them.

    A subclass writes a login; `login` is its name in messages.
    """

    def __init__(self, fake: FakeKube, folder: str) -> None:
        self.fake, self.folder = fake, folder
        self.access = Access(f"{folder}/way")
        self.login = f"the login of user 'admin' in {self.access.kubeconfig}"
        self.pem = fake.authority.pem
        self.renew()

    def renew(self) -> None:
        """A new login: from now on the server refuses the former."""
        self._write(self.fake.rotate_token())

    def spoil(self) -> None:
        """A login that the server does not know."""
        self._write("unknown")

    def trust(self, pem: str) -> None:
        """Another CA, and a new login."""
        self.pem = pem
        self.renew()

    def _write(self, token: str) -> None:
        self._write_kubeconfig({"token": token})

    def _write_kubeconfig(self, user: dict[str, Any]) -> None:
        cluster = {"certificate-authority-data": _base64(self.pem)}
        self.fake.write_kubeconfig(f"{self.folder}/way", user=user, cluster=cluster)


class InPod(Way):
    """A service account, as a kubelet mounts it."""

    def __init__(self, fake: FakeKube, folder: str) -> None:
        super().__init__(fake, folder)
        self.access = Access(account=f"{folder}/account")
        self.login = f"the token in {folder}/account/token"

    def _write(self, token: str) -> None:
        account = f"{self.folder}/account"
        self.fake.write_service_account(account, token)
        write(f"{account}/ca.crt", self.pem)


class CertificateData(Way):
    """A kubeconfig with a client certificate."""

    def renew(self) -> None:
        self._certify(self.fake.rotate_certificate())

    def spoil(self) -> None:
        self._certify(self.fake.authority.client_certificate(ADMIN))

    def _certify(self, new: ClientCertificate) -> None:
        self._write_kubeconfig(
            {"client-certificate-data": _base64(new.pem), "client-key-data": _base64(new.key)}
        )


class CertificateFiles(CertificateData):
    """A kubeconfig that names the files of a client certificate."""

    def _certify(self, new: ClientCertificate) -> None:
        write(f"{self.folder}/client.key", new.key)
        write(f"{self.folder}/client.crt", new.pem)
        self._write_kubeconfig({"client-certificate": "client.crt", "client-key": "client.key"})


class Plugin(Way):
    """A kubeconfig with a credential plugin, whose login lasts."""

    expiry: ClassVar[dict[str, str]] = {}

    def _write(self, token: str) -> None:
        credential = {
            "apiVersion": _PLUGIN,
            "kind": "ExecCredential",
            "status": {"token": token, **self.expiry},
        }
        path = write(f"{self.folder}/plugin", f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
        os.chmod(path, 0o700)
        entry = {"apiVersion": _PLUGIN, "command": path, "interactiveMode": "Never"}
        self._write_kubeconfig({"exec": entry})


class ExpiringPlugin(Plugin):
    """A credential plugin whose login expires: it is renewed before each request."""

    expiry: ClassVar[dict[str, str]] = {"expirationTimestamp": _PAST}


WAYS = {
    "pod": InPod,
    "token": Way,
    "certificate data": CertificateData,
    "certificate files": CertificateFiles,
    "plugin": Plugin,
    "expiring plugin": ExpiringPlugin,
}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
