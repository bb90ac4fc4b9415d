"""Credentials from a kubeconfig, or from several, merged as $KUBECONFIG lists them.

The client library reads them; this module puts its refusals into words, and refuses the logins over
which the library passes in silence. No message quotes an entry.

The format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import tempfile

from ...core.errors import reason
from ...runtime import threads
from ..interface import FailureReason
from .client_library import import_kubeconfig_loader
from .credentials import CredentialsError
from .memory_files import taken_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# Kinds of entries, and their keys that name files.
_REFERENCES = {
    "cluster": ("certificate-authority",),
    "user": ("tokenFile", "client-certificate", "client-key"),
}
_IMPERSONATION = ("as", "as-uid", "as-groups", "as-user-extra")
_keys = threads.Lock()  # held while the library may write files
_PROVIDERS = ("gcp", "oidc")  # the auth-providers of the library


class Kubeconfig:
    """A kubeconfig, or several (the protocol `Credentials`)."""

    def __init__(self, files: list[str], context: str | None) -> None:
        self._files = files
        self._context = context
        self._name = ":".join(files)
        self.hint = f"`server` in {self._name}"

    def files(self) -> list[str]:
        found = list(self._files)
        for path in self._files:
            try:
                names = _references(self._parse(path))
            except (CredentialsError, AttributeError, TypeError):
                continue  # `configure` tells why
            found += (os.path.join(os.path.dirname(path), name) for name in names)
        return found

    def configure(self, conf: Any) -> None:
        load = import_kubeconfig_loader()
        try:
            with _keys_in_memory(conf):
                load(
                    config_file=self._name,
                    context=self._context or self._current(),
                    client_configuration=conf,
                    persist_config=False,
                    temp_file_path=_key_folder(),
                )
        except Exception as exc:
            raise self._error(self._problem(exc)) from exc
        self._refuse_login()
        renew = conf.refresh_api_key_hook
        if renew is not None:

            def renew_stripped(conf: Any) -> None:
                with _keys_in_memory(conf):
                    renew(conf)  # puts itself back as the hook
                conf.refresh_api_key_hook = renew_stripped
                # A token file written by hand ends in a newline, which no header may have.
                conf.api_key["BearerToken"] = conf.api_key["BearerToken"].strip()

            conf.refresh_api_key_hook = renew_stripped

    def namespace(self) -> str:
        return str(self._chosen().get("namespace") or "")

    def user(self) -> str:
        try:
            return str(self._chosen().get("user") or "")
        except CredentialsError:
            return ""  # the files have changed since; here the name only helps to explain

    def credential(self) -> str:
        return f"the login of user {self.user()!r} in {self._name}"

    def _refuse_login(self) -> None:
        """Raise CredentialsError for a login over which the library passes."""
        login = self._login()
        user = f"user {self.user()!r}"
        if any(login.get(key) for key in _IMPERSONATION):
            raise self._error(
                f"{user} acts as another (`as`), which is not supported; name a user with the"
                " rights itself"
            )
        provider = _provider(login)
        if provider and provider not in _PROVIDERS:
            raise self._error(_unsupported_provider(user, provider))

    def _current(self) -> str | None:
        """The current context of several files; the library would take the last. Raises
        CredentialsError.
        """
        if len(self._files) == 1:
            return None
        found = (content.get("current-context") for content in self._contents())
        return next((str(name) for name in found if name), None)

    def _contents(self) -> Iterator[dict[str, Any]]:
        for path in self._files:
            if len(self._files) == 1 or os.path.exists(path):
                yield self._parse(path)

    def _chosen(self) -> dict[str, Any]:
        """The chosen context: cluster, user, namespace. Raises CredentialsError without one."""
        contexts: dict[str, Any] = {}
        current = None
        for content in self._contents():
            # kubectl merges so: the first file decides.
            current = current or content.get("current-context")
            contexts = {**_contexts(content), **contexts}
        wanted = self._context or current
        if wanted in contexts:
            return dict(contexts[wanted])
        known = ", ".join(sorted(contexts)) or "none"
        if wanted is None:
            raise self._error(f"it has no current-context; give --context; contexts are {known}")
        raise self._error(f"no such context {wanted!r}; contexts are {known}")

    def _login(self) -> dict[str, Any]:
        """The entry of the chosen user; empty if there is none."""
        name = self.user()
        for content in self._contents():
            for entry in _items(content.get("users")):
                if entry.get("name") == name:
                    return _map(entry.get("user"))
        return {}

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
            if provider := _provider(self._login()):
                return _unsupported_provider(f"user {self.user()!r}", provider)
            return "it is not a kubeconfig"
        # The library quotes the whole entry, tokens and all, after " in ".
        return str(exc).split(" in ")[0].split("\n")[0] or type(exc).__name__

    def _error(self, why: str, path: str = "") -> CredentialsError:
        message = f"cannot use kubeconfig {path or self._name}: {why}"
        return CredentialsError(FailureReason.CONFIG, message, fatal=True)


@contextlib.contextmanager
def _keys_in_memory(conf: Any) -> Iterator[None]:
    """Take the files in which the library puts keys and certificates off the disk: an end by KILL
    would leave them there.
    """
    with _keys:
        yield
        named = {name: getattr(conf, name) for name in ("ssl_ca_cert", "cert_file", "key_file")}
        for path in set(named.values()):
            if not path or os.path.dirname(path) != _key_folder():
                continue
            with contextlib.suppress(OSError):  # it stays where it is until an end in order
                place = taken_in(path)
                for name in (name for name in named if named[name] == path):
                    setattr(conf, name, place)


def remove_key_files() -> None:
    """Remove the library's files with keys and certificates of a kubeconfig."""
    folder = _key_folder() if _key_folder.cache_info().currsize else None
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def _key_folder() -> str | None:
    # The library registers the removal of its files with atexit, which `os._exit` passes over.
    try:
        return tempfile.mkdtemp(prefix="config-supervisor-")
    except OSError:
        return None  # if the library needs a file, it says so itself


def _items(value: object) -> Iterator[dict[str, Any]]:
    """The maps in a list, if it is a list."""
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())


def _map(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _provider(login: dict[str, Any]) -> str:
    return str(_map(login.get("auth-provider")).get("name") or "")


def _unsupported_provider(user: str, provider: str) -> str:
    return (
        f"{user} logs in by auth-provider {provider!r}, which is not supported; use an exec plugin"
        " (gke-gcloud-auth-plugin for GKE, kubelogin for Azure) or a token"
    )


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
