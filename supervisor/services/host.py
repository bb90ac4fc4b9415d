"""The machine on which a configuration is read: its variables, users, directories and name.

The only look at the world while a value is understood; `config_files` reads the files.
"""

from __future__ import annotations

import os

from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Host(Record):
    """Paths that are relative begin at the directory of the process."""

    environ: Mapping[str, str]

    @property
    def node_name(self) -> str:
        return os.uname().nodename

    def names(self) -> dict[str, object]:
        """The variables as names in values."""
        return {f"ENV_{name}": text for name, text in self.environ.items()}

    def uid(self, user: str) -> int:
        """The number of a user in /etc/passwd, by name or number. Raises ValueError."""
        from ..process import users

        try:
            account = users.account(user)
        except (users.UnknownNameError, OverflowError) as error:
            raise ValueError(f"{user!r}: {error}") from None
        if account is None:
            raise ValueError(f"{user!r}: there is no such user in /etc/passwd")
        return account.uid

    def owner(self, text: str) -> tuple[int, int]:
        """`USER` or `USER:GROUP` as numbers; without a group -1. Raises ValueError."""
        from ..process import users

        user, colon, group = text.partition(":")
        try:
            return self.uid(user), users.group_id(group) if colon else -1
        except users.UnknownNameError as error:
            raise ValueError(f"{group!r}: {error}") from None

    def directory(self, text: str) -> str:
        """An existing directory. Raises ValueError."""
        path = os.path.expanduser(text)
        if not os.path.isdir(path):
            raise ValueError(f"{text!r} is not an existing directory; create it before the start")
        return path

    def file(self, text: str) -> str:
        """A path whose directory exists. Raises ValueError."""
        path = os.path.expanduser(text)
        above = os.path.dirname(path)
        if above and not os.path.isdir(above):
            raise ValueError(
                f"the directory of {text!r} does not exist; create it before the start"
            )
        return path

    def absolute(self, text: str) -> str:
        return os.path.abspath(os.path.expanduser(text))
