"""Who may do which request at the fake API server: tokens, certificates, and RBAC rules.

Must not know the objects, nor the answers to a request that is admitted.
"""

from __future__ import annotations

import secrets
import time

from config_supervisor.core.record import Record
from tests.fake_kube_kinds import RefusedError
from tests.fake_kube_request import Ask
from tests.fake_kube_tls import Authority, ClientCertificate

ADMIN = "system:serviceaccount:default:web"


class Rule(Record):
    """An RBAC rule: empty tuples allow every name or namespace, as in a cluster."""

    verbs: tuple[str, ...]
    resources: tuple[str, ...]
    names: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()

    def allows(self, ask: Ask) -> bool:
        return (
            ask.verb in self.verbs
            and ask.resource in self.resources
            and (not self.names or ask.name in self.names)
            and (not self.namespaces or ask.namespace in self.namespaces)
        )


class Users:
    """The users of a cluster and their rights: a part of `FakeKube`."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.forbidding_until = 0.0  # monotonic: roles are not loaded yet
        self._forbidden: set[str] = set()
        self._tokens: dict[str, str] = {}
        self._certificates: dict[int, str] = {}  # users by the serial number
        self._rules: dict[str, tuple[Rule, ...] | None] = {}
        self.token = self.add_user(ADMIN)

    def add_user(self, name: str, *rules: Rule, token: str | None = None) -> str:
        """A user with these rules (none: everything is allowed); returns the bearer token."""
        self._rules[name] = rules or None
        return self.rotate_token(name, token)

    def allow(self, name: str, *rules: Rule) -> None:
        """Replace a user's rules: no rule at all forbids everything."""
        self._rules[name] = rules

    def allow_all(self, name: str) -> None:
        self._rules[name] = None

    def forbid(self, *verbs: str) -> None:
        """Refuse requests of every user, beside the rules; see `Ask.is_a`."""
        self._forbidden.update(verbs)

    def permit(self, *verbs: str) -> None:
        """Leave these verbs to the rules again; without any, all."""
        self._forbidden.difference_update(verbs or tuple(self._forbidden))

    def rotate_token(self, name: str = ADMIN, token: str | None = None) -> str:
        """A new token for a user; from now on the old tokens are refused."""
        new = token or secrets.token_urlsafe(24)
        kept = {old: user for old, user in self._tokens.items() if user != name}
        self._tokens = {**kept, new: name}
        if name == ADMIN:
            self.token = new
        return new

    def rotate_certificate(self, name: str = ADMIN) -> ClientCertificate:
        """A new client certificate for a user; from now on the old certificates are refused."""
        new = self.authority.client_certificate(name)
        kept = {old: user for old, user in self._certificates.items() if user != name}
        self._certificates = {**kept, new.serial: name}
        return new

    def admit(self, ask: Ask) -> None:
        """Raise 401 or 403 as a cluster does."""
        user = self._tokens.get(ask.token) or self._certificates.get(ask.serial)
        if user is None:
            raise RefusedError(401, "Unauthorized", "Unauthorized")
        rules = () if time.monotonic() < self.forbidding_until else self._rules[user]
        allowed = rules is None or any(rule.allows(ask) for rule in rules)
        if not allowed or any(map(ask.is_a, self._forbidden)):
            target = f'{ask.resource} "{ask.name}"' if ask.name else ask.resource
            raise RefusedError(
                403,
                "Forbidden",
                f'{target} is forbidden: User "{user}" cannot {ask.verb} resource "{ask.resource}" '
                f'in API group "{ask.group}" in the namespace "{ask.namespace}"',
            )
