"""Which API server to use, and as whom: the pod's service account, or a kubeconfig.

Owns everything that concerns credentials, so that they stay in here: token files are read again,
and no message quotes a kubeconfig. Must not know what they are used for.
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
    from typing import Any, TypeAlias

    Credentials: TypeAlias = "ServiceAccount | Kubeconfig"
    Stamp = tuple[tuple[str, int, int, int], ...]

# Entries of a kubeconfig may keep these in files of their own: the kind of entry, its keys.
_REFERENCES = {
    "cluster": ("certificate-authority",),
    "user": ("tokenFile", "client-certificate", "client-key"),
}

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


class Access(Record):
    """Which API server to use, and as whom.

    A kubeconfig or a context that is named is used; else the pod's service account, in a pod; else
    the kubeconfig that $KUBECONFIG names, or ~/.kube/config.
    """

    kubeconfig: str | None = None
    context: str | None = None
    account: str = SERVICE_ACCOUNT  # the directory that a kubelet mounts: token, ca.crt, namespace


class CredentialsError(Exception):
    """The access itself is unusable; `failure` says why and what to do."""

    def __init__(self, reason: FailureReason, message: str, *, fatal: bool = False) -> None:
        super().__init__(message)
        self.failure = Failure(reason, message, fatal)


def namespace(access: Access) -> str:
    """The namespace to use where none is said: the pod's own, else the context's, else `default`.

    Raises CredentialsError when there is no usable kubeconfig outside of a pod.
    """
    return credentials_of(access).namespace() or "default"


def files_of(access: Access) -> list[str]:
    """The files that credentials, and trust, come from."""
    try:
        return credentials_of(access).files()
    except CredentialsError:
        return ServiceAccount(access.account, "").files()  # a token that is missing may come


def stamp(files: list[str]) -> Stamp:
    """The state of files; differs when one of them was replaced or written."""
    found = []
    for path in files:
        try:
            state = os.stat(path)
            found.append((path, state.st_mtime_ns, state.st_ino, state.st_size))
        except OSError:
            found.append((path, 0, 0, 0))
    return tuple(found)


def credentials_of(access: Access) -> Credentials:
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
            "give --kubeconfig FILE, or run in a pod that has a service account"
        )
        raise CredentialsError(FailureReason.CONFIG, message, fatal=True)
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
                f"cannot read {self._ca}, which the API server's certificate is checked with; "
                "is the service account mounted whole?"
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


class Kubeconfig:
    """One kubeconfig, or several merged as $KUBECONFIG lists them."""

    def __init__(self, files: list[str], context: str | None) -> None:
        self._files, self._context = files, context
        self._name = ":".join(files)
        self.hint = f"`server` in {self._name}"

    def files(self) -> list[str]:
        found = list(self._files)
        for path in self._files:
            try:
                names = _references(self._parse(path))
            except (CredentialsError, AttributeError, TypeError):
                continue  # opening the client tells what is wrong with it
            found += (os.path.join(os.path.dirname(path), name) for name in names)
        return found

    def configure(self, conf: Any) -> None:
        from kubernetes import config

        load: Any = config.load_kube_config
        try:
            load(
                config_file=self._name,
                context=self._context or self._current(),
                client_configuration=conf,
                persist_config=False,
            )
        except Exception as exc:
            raise self._error(self._problem(exc)) from exc
        renew = conf.refresh_api_key_hook
        if renew is not None:

            def renew_stripped(conf: Any) -> None:
                renew(conf)  # puts itself back as the hook
                conf.refresh_api_key_hook = renew_stripped
                # A token file that was written by hand ends in a newline, which no header may have.
                conf.api_key["BearerToken"] = conf.api_key["BearerToken"].strip()

            conf.refresh_api_key_hook = renew_stripped

    def namespace(self) -> str:
        return str(self._chosen().get("namespace") or "")

    def user(self) -> str:
        try:
            return str(self._chosen().get("user") or "")
        except CredentialsError:
            return ""  # it was fine when it was read; here it only helps to explain another failure

    def credential(self) -> str:
        return f"the login of user {self.user()!r} in {self._name}"

    def _current(self) -> str | None:
        """The current context of several files; the library would take the last one. Raises
        CredentialsError.
        """
        if len(self._files) == 1:
            return None
        found = (
            self._parse(path).get("current-context") for path in self._files if os.path.exists(path)
        )
        return next((str(name) for name in found if name), None)

    def _chosen(self) -> dict[str, Any]:
        """The chosen context: cluster, user, namespace. Raises CredentialsError if there is none."""
        contexts: dict[str, Any] = {}
        current = None
        for path in self._files:
            if len(self._files) > 1 and not os.path.exists(path):
                continue
            content = self._parse(path)
            current = current or content.get(
                "current-context"
            )  # as kubectl merges them: the first one decides
            contexts = {**_contexts(content), **contexts}  # the first file to name one decides
        wanted = self._context or current
        if wanted in contexts:
            return dict(contexts[wanted])
        known = ", ".join(sorted(contexts)) or "none"
        if wanted is None:
            raise self._error(f"it has no current-context; give --context; contexts are {known}")
        raise self._error(f"no such context {wanted!r}; contexts are {known}")

    def _parse(self, path: str) -> dict[str, Any]:
        import yaml

        try:
            with open(path, encoding="utf-8") as file:
                content = yaml.safe_load(file)
            _contexts(content)
        except yaml.YAMLError as exc:
            mark = getattr(exc, "problem_mark", None)
            line = f" in line {mark.line + 1}" if mark else ""
            raise self._error(f"it is not valid YAML{line}") from exc
        except (TypeError, KeyError, AttributeError, UnicodeDecodeError) as exc:
            raise self._error("it is not a kubeconfig") from exc
        except OSError as exc:
            raise self._error(reason(exc), path) from exc
        return dict(content)

    def _problem(self, exc: Exception) -> str:
        self._chosen()  # says more about most mistakes than the library does
        if isinstance(exc, OSError):
            return f"{exc.filename}: {reason(exc)}" if exc.filename else reason(exc)
        if isinstance(exc, (TypeError, AttributeError, KeyError)):
            return "it is not a kubeconfig"
        # The library quotes the whole entry, tokens and all, after " in ".
        return str(exc).split(" in ")[0].split("\n")[0] or type(exc).__name__

    def _error(self, why: str, path: str = "") -> CredentialsError:
        message = f"cannot use kubeconfig {path or self._name}: {why}"
        return CredentialsError(FailureReason.CONFIG, message, fatal=True)


def _references(content: dict[str, Any]) -> list[str]:
    entries = [
        (kind, entry.get(kind) or {})
        for kind in _REFERENCES
        for entry in content.get(f"{kind}s") or []
    ]
    return [
        str(entry[key]) for kind, entry in entries for key in _REFERENCES[kind] if entry.get(key)
    ]


def _contexts(content: Any) -> dict[str, Any]:
    return {entry["name"]: entry.get("context") or {} for entry in content.get("contexts") or []}


def subject(credential: str) -> str:
    """The `sub` claim of a bearer token that is a JWT (RFC 7519), unverified; '' if
    there is none.
    """
    try:
        claims = credential.split(".")[1]
        decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return str(decoded["sub"])
    except (IndexError, ValueError, KeyError, TypeError):
        return ""
