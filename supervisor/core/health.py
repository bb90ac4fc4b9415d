"""What the probes answer, from the state alone.

Liveness is about this process and its app, never about the API server: an outage there must not
restart a single container. Readiness is about the app having started on its first configuration.
"""

from __future__ import annotations

from .record import Record
from .state import Phase, Policy, State

_ALIVE = frozenset(Phase) - {Phase.DONE}
_READY = frozenset({Phase.RUNNING, Phase.RELOADING})


class Verdict(Record):
    ok: bool
    reason: str


def live(state: State, policy: Policy = Policy()) -> Verdict:
    """Whether there is a point in going on: the app is up, about to be started, or
    being stopped.
    """
    failed = state.reloads.outcome not in ("", "success", "superseded")
    if (
        policy.unhealthy_on_failure
        and failed
        and not (state.config.returning or state.config.rolled_back)
    ):
        return Verdict(ok=False, reason=f"the last reload failed: {state.reloads.error}")
    return Verdict(state.phase in _ALIVE, state.phase.value)


def ready(state: State) -> Verdict:
    """Whether the app has been started, on its configuration if there is one, and is not about to
    end.
    """
    if state.phase is Phase.WAITING and state.sources:
        waiting = [source.error for source in state.sources if source.error]
        return Verdict(
            ok=False, reason="; ".join(["waiting for the first configuration", *waiting])
        )
    return Verdict(state.ready and state.phase in _READY, state.phase.value)
