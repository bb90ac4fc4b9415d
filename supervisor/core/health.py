"""The verdicts of the probes, from the state alone.

Liveness covers this process and its app, never the API server: an outage there must not restart a
container. Readiness covers the start of the app on its first configuration. Pure; it must not know
how a verdict is served.
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
    """Whether to keep the container: the app is up, about to start, or stopping."""
    failed = state.reloads.outcome not in ("", "success", "superseded")
    if (
        policy.unhealthy_on_failure
        and failed
        and not (state.config.returning or state.config.rolled_back)
    ):
        return Verdict(ok=False, reason=f"the last reload failed: {state.reloads.error}")
    return Verdict(state.phase in _ALIVE, state.phase.value)


def ready(state: State) -> Verdict:
    """Whether the app has started, on a configuration where it has sources, and is not ending."""
    if state.phase is Phase.WAITING and state.sources:
        waiting = [source.error for source in state.sources if source.error]
        return Verdict(
            ok=False, reason="; ".join(["waiting for the first configuration", *waiting])
        )
    return Verdict(state.ready and state.phase in _READY, state.phase.value)
