"""Options read for reloads and checks: errors name the option, certificates and files are looked at.

It knows nothing of reloads; a method or a check makes itself from these values.
"""

from __future__ import annotations

import os

from ..core.errors import UsageError
from ..options import secret_files
from ..options.option import flag
from .trust import Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ..options.declarations import Settings

    T = TypeVar("T")


def read(name: str, make: Callable[[], T]) -> T:
    """The value that `make` makes of an option's text; its ValueError becomes a UsageError with the
    option's name.
    """
    try:
        return make()
    except ValueError as error:
        raise UsageError(f"{flag(name)}: {error}") from error


def delivered(settings: Settings, path: str) -> bool:
    """Whether a file belongs to the configuration, which is not there before the first version."""
    places = filter(None, (settings.configroot, settings.config_dir))
    return any(os.path.abspath(path).startswith(f"{place.rstrip('/')}/") for place in places)


def trust(settings: Settings) -> Trust:
    """The certificates that https trusts. Raises UsageError."""
    path = settings.reload_http_ca
    if path and settings.configured and not delivered(settings, path):
        read("reload_http_ca", lambda: secret_files.certificates(path))
    return Trust(settings.reload_http_ca, settings.reload_http_insecure)
