"""Values of options for methods and checks; an error names its option.

It knows nothing of reloads.
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
    """The result of `make`; its ValueError becomes a UsageError with the option's name."""
    try:
        return make()
    except ValueError as error:
        raise UsageError(f"{flag(name)}: {error}") from error


def delivered(settings: Settings, path: str) -> bool:
    """Whether a file belongs to the configuration, which is not there before the first version."""
    places = filter(None, (settings.configroot, settings.config_dir))
    return any(os.path.abspath(path).startswith(f"{place.rstrip('/')}/") for place in places)


def trust(settings: Settings) -> Trust:
    """The servers that https trusts; raises UsageError for a file without certificates."""
    path = settings.reload_http_ca
    if path and settings.configured and not delivered(settings, path):
        read("reload_http_ca", lambda: secret_files.certificates(path))
    return Trust(settings.reload_http_ca, settings.reload_http_insecure)
