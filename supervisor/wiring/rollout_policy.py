"""The policy of an app's versions, from its settings.

Imported only where a role has a configuration.
"""

from __future__ import annotations

from ..core.rollout_state import RolloutPolicy
from ..core.versions import Pace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options.declarations import Settings


def of(settings: Settings) -> RolloutPolicy:
    """The rules for versions and reloads."""
    method = settings.reload_method
    return RolloutPolicy(
        sidecar=not settings.command,
        once=settings.once,
        validate=settings.validate is not None,
        verify=settings.verify is not None,
        reload_signal=getattr(settings, method.signal) if method.signal else 0,
        signal_checked=settings.reload_signal_check == "auto",
        restart_to_reload=method.restarts,
        rollback=settings.rollback and settings.configroot is not None,
        unhealthy_on_failure=settings.unhealthy_on_reload_failure,
        initial_sync_timeout=settings.initial_sync_timeout,
        pace=Pace(settings.reload_interval, settings.reload_quiet, settings.reload_splay),
        reload_timeout=settings.reload_timeout,
        verify_window=settings.verify_window,
    )
