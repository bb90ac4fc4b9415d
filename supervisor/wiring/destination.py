"""From settings to configroot, with the modes and the owner of its files."""

from __future__ import annotations

import posix

from ..core.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options.declarations import Settings
    from ..store.configroot import Root


def root(settings: Settings) -> Root | None:
    """The directory for generations; None if the app reads the source's. Raises UsageError."""
    if settings.configroot is None:
        return None
    from ..store.configroot import Modes, Root

    umask = posix.umask(0o022)  # the only way to read it
    posix.umask(umask)
    modes = Modes(settings.file_mode, settings.dir_mode, _owner(settings.owner), umask)
    return Root(settings.configroot, modes, keep=settings.keep_versions)


def _owner(owner: tuple[str, str] | None) -> tuple[int, int] | None:
    if owner is None:
        return None
    from ..process import users

    name, group = owner
    try:
        return users.user_id(name), users.group_id(group) if group else -1
    except users.UnknownNameError as error:
        raise UsageError(
            f"--owner: cannot give files to {error.kind} {error.name}: {error}"
        ) from error
