"""The checks of the options of a fleet against all others. Imported with the first of them."""

from __future__ import annotations

from ..core.errors import UsageError
from .fleet_options import FleetOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .command_line import Written
    from .declarations import Settings


def check(settings: Settings, written: Written) -> None:
    """Raises UsageError; one of these options is given."""
    if settings.fleet is None:
        further = [name for name in FleetOptions.names() if written.given(name)]
        raise UsageError(f"{written[further[0]]} needs --fleet NAME: there is no fleet without it")
    fleet = written["fleet"]
    if settings.reload_splay:
        raise UsageError(
            f"{fleet} and {written['reload_splay']} exclude each other: --fleet-spread tells how"
            " the pods of a fleet follow its canary"
        )
    for window in settings.reload_window:
        if settings.fleet_spread >= (window.ends - window.begins) * 60.0:
            raise UsageError(
                f"{written['fleet_spread']} is not shorter than each {written['reload_window']}: a"
                " pod could miss all of them"
            )
    if not settings.rollback:
        raise UsageError(
            f"{fleet} and {written['rollback']} exclude each other: a pod leaves a bad version by a"
            " rollback"
        )
    if settings.once and settings.fleet_role == "canary":
        raise UsageError(
            f"{written['fleet_role']} canary is for the container that runs the app: with --once"
            " nothing is there to try a version on"
        )
    if settings.fleet_keep and not settings.configroot:
        raise UsageError(
            f"{written['fleet_keep']} needs --configroot DIR: where its files are to be written"
        )
