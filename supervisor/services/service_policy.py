"""The policy of one service's life, from its record in the plan.

Pure. The policy of versions comes from the options of the service, and so from `wiring`.
"""

from __future__ import annotations

from ..core.life_state import LifePolicy
from ..core.upkeep_state import ScriptPolicy, Upkeep
from .plan import Pace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plan import Service

_LEAST_BETWEEN_KILLS = 1.0  # seconds; stopwaitsecs may be 0


def life_policy(service: Service, dice: float = 0.5, *, leftovers: bool = False) -> LifePolicy:
    """The rules for a service's process.

    `dice`: 0 to 1, drawn once for each service. `leftovers`: end the processes left behind, which
    supervisord never does: the daemon of a program that puts itself into the background serves on.
    """
    settings = service.settings
    patience = None if service.stopwaitsecs is None else float(service.stopwaitsecs)
    return LifePolicy(
        rewrite=dict(settings.rewrite) if settings else {},
        group=service.stopasgroup or bool(settings and settings.signal_group),
        stop_signal=service.stopsignal,
        stop_timeout=patience,
        stop_delay=settings.stop_delay if settings else 0.0,
        leftovers=leftovers and not (settings and settings.leftovers == "ignore"),
        leftovers_timeout=_least(
            patience, settings.leftovers_timeout if settings else LifePolicy().leftovers_timeout
        ),
        restart=service.restart.value,
        ok_exit_codes=frozenset(service.exitcodes),
        ready=bool(service.readiness.check) and not service.oneshot,
        early_signals=False,
        upkeep=_upkeep(service, dice, patience),
    )


def _upkeep(service: Service, dice: float, patience: float | None) -> Upkeep:
    limit = service.readiness.timeout
    finish = service.finish
    return Upkeep(
        settle=float(service.startsecs),
        tries=service.retries.tries,
        exponential=service.retries.pace is Pace.EXPONENTIAL,
        window=service.retries.window,
        dice=dice,
        kill_group=service.killasgroup or service.stopasgroup,
        kill_again=max(_LEAST_BETWEEN_KILLS, Upkeep().kill_again if patience is None else patience),
        ready_limit=limit,
        steady=service.retries.pace is Pace.STEADY,
        empty=not service.command,
        run_limit=limit if service.oneshot else None,
        finish=ScriptPolicy(finish.timeout, finish.last_code) if finish else None,
        down=ScriptPolicy(service.down_timeout) if service.down else None,
        reports=service.readiness.reported,
    )


def _least(patience: float | None, most: float) -> float:
    return most if patience is None else min(patience, most)
