"""The limit of open files: raised at the start, for services too, as supervisord does.

It owns setrlimit(2) for `minfds`; a check tries the same, in its own process.
"""

from __future__ import annotations

import resource

from ..core.errors import UsageError, reason


def raised(minfds: int) -> bool:
    """Raise the limit to `minfds`; whether it was too low. Raises UsageError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= minfds:
        return False
    if hard != unlimited:
        hard = max(hard, minfds)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (minfds, hard))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot raise the limit of open files to {minfds} (minfds): {reason(error)};"
            " lower minfds, or raise the limit of the container (ulimit -n)"
        ) from error
    return True
