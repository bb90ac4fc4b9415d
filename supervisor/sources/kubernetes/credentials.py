"""Which API server to use, and as whom: the pod's service account, or a kubeconfig.

Owns, with `kubeconfig.py`, everything about credentials: they are read again when their files
change, and no message quotes them. Must not know the use of them.
"""

from __future__ import annotations

import base64
import json
import os

from ...core.errors import reason
from ...core.record import Record
from ..interface import Failure, FailureReason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    Stamp = tuple[tuple[str, int, int, int], ...]

    class Credentials(Protocol):
        """The origin of a server's address, its CA and our login."""

        hint: str  # the advice when the server cannot be reached

        def files(self) -> list[str]:
            """The files that hold credentials and trust."""

        def configure(self, conf: Any) -> None:
            """Fill in the library's `Configuration`. Raises CredentialsError."""

        def namespace(self) -> str:
            """The namespace to use by default; empty if none is given. Raises CredentialsError."""

        def user(self) -> str:
            """The name of the user; empty if unknown."""

        def credential(self) -> str:
            """The origin of the login, for a message."""


SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


class Access(Record):
    """The user's choice of a server and a login.

    A kubeconfig or a context comes first; then, in a pod, its service account; then the kubeconfig
    of $KUBECONFIG, or ~/.kube/config.
    """

    kubeconfig: str | None = None
    context: str | None = None
    account: str = SERVICE_ACCOUNT  # the directory that a kubelet mounts: token, ca.crt, namespace


class CredentialsError(Exception):
    """The credentials are unusable; `failure` says why and what to do."""

    def __init__(self, reason: FailureReason, message: str, *, fatal: bool = False) -> None:
        super().__init__(message)
        self.failure = Failure(reason, message, fatal)


def namespace(access: Access) -> str:
    """The default namespace of objects: the pod's own, else the context's, else `default`.

    Raises CredentialsError when there is no usable kubeconfig outside of a pod.
    """
    return credentials_of(access).namespace() or "default"


def files_of(access: Access) -> list[str]:
    """The files that hold credentials and trust."""
    try:
        return credentials_of(access).files()
    except CredentialsError:
        return ServiceAccount(access.account, "").files()  # a missing token may come


def stamp(files: list[str]) -> Stamp:
    """The state of files; it differs once a file was replaced or written."""
    found = []
    for path in files:
        try:
            state = os.stat(path)
            found.append((path, state.st_mtime_ns, state.st_ino, state.st_size))
        except OSError:
            found.append((path, 0, 0, 0))
    return tuple(found)


def credentials_of(access: Access) -> Credentials:
    """The credentials of a choice. Raises CredentialsError."""
    named = access.kubeconfig or access.context
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    token = os.path.join(access.account, "token")
    if not named and host and os.access(token, os.R_OK):
        return ServiceAccount(access.account, host)
    paths = access.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    files = [os.path.expanduser(path) for path in paths.split(":") if path]
    if not named and not any(map(os.path.exists, files)):
        where = "not in a pod: KUBERNETES_SERVICE_HOST is not set"
        if host:
            where = (
                f"in a pod without a readable token {token}: is automountServiceAccountToken off?"
            )
        message = (
            f"cannot find an API server: {where}, and there is no kubeconfig {paths}; "
            "give --kubeconfig FILE, or run in a pod with a service account"
        )
        raise CredentialsError(FailureReason.CONFIG, message, fatal=True)
    from .kubeconfig import Kubeconfig

    return Kubeconfig(files, access.context)


class ServiceAccount:
    """A pod's service account, as the kubelet mounts it."""

    hint = "that no NetworkPolicy forbids it"

    def __init__(self, folder: str, host: str) -> None:
        self._token = os.path.join(folder, "token")
        self._ca = os.path.join(folder, "ca.crt")
        self._namespace = os.path.join(folder, "namespace")
        port = os.environ.get("KUBERNETES_SERVICE_PORT") or "443"
        self._url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"

    def files(self) -> list[str]:
        return [self._token, self._ca]

    def configure(self, conf: Any) -> None:
        if not os.access(self._ca, os.R_OK):
            message = (
                f"cannot read {self._ca}, the CA of the API server; is the service account mounted"
                " whole?"
            )
            raise CredentialsError(FailureReason.CONFIG, message, fatal=True)
        conf.host = self._url
        conf.proxy = None  # HTTPS_PROXY is meant for the app, and proxies know no cluster addresses
        conf.ssl_ca_cert = self._ca
        self._renew(conf)
        conf.refresh_api_key_hook = self._renew

    def _renew(self, conf: Any) -> None:
        # Before every request: the kubelet replaces the file at 80 % of the token's life.
        try:
            with open(self._token, encoding="ascii") as file:
                conf.api_key["BearerToken"] = f"Bearer {file.read().strip()}"
        except (OSError, ValueError) as exc:
            message = f"cannot read the token {self._token}: {reason(exc)}"
            raise CredentialsError(FailureReason.UNAUTHORIZED, message) from exc

    def namespace(self) -> str:
        try:
            with open(self._namespace, encoding="utf-8") as file:
                return file.read().strip()
        except OSError:
            return ""

    def user(self) -> str:
        return ""

    def credential(self) -> str:
        return f"the token in {self._token}"


def subject(credential: str) -> str:
    """The `sub` claim of a bearer token, unverified; empty if the token is no JWT (RFC 7519)."""
    try:
        claims = credential.split(".")[1]
        decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return str(decoded["sub"])
    except (IndexError, ValueError, KeyError, TypeError):
        return ""
