"""Which combinations of fields a service may be in: the phases' table, as a predicate.

The laws ask it after every step of every history.
"""

from __future__ import annotations

from collections.abc import Iterator

from config_supervisor.core.life_state import Life, LifePolicy, Phase, Then
from config_supervisor.core.reloads import ACTIVE, Stage
from config_supervisor.core.rollout_state import Doubt, Rollout
from config_supervisor.core.service import Policy, Service

OPEN, END, RESTART, REPLACE = Then.OPEN, Then.END, Then.RESTART, Then.REPLACE

# Of each phase: whether the app has a process (None: it may), whether there is a deadline, and the
# ways to go on after the app's end.
TABLE: dict[Phase, tuple[bool | None, bool | None, set[Then]]] = {
    Phase.WAITING: (False, False, {OPEN}),
    Phase.EXECUTING: (None, False, {OPEN}),
    Phase.ABORTING: (None, None, {END}),
    Phase.STARTING: (True, True, {OPEN}),
    Phase.UNREADY: (True, False, {OPEN}),
    Phase.RUNNING: (True, False, {OPEN}),
    Phase.ELSEWHERE: (False, False, {OPEN}),
    Phase.DELAYED: (True, True, {END}),
    Phase.STOPPING: (True, None, {END, REPLACE}),
    Phase.KILLING: (True, False, {END, REPLACE}),
    Phase.LEFTOVERS: (False, True, {END, RESTART, REPLACE}),
    Phase.LEFTOVERS_KILLED: (False, True, {END, RESTART, REPLACE}),
    Phase.BACKOFF: (False, True, {RESTART}),
    Phase.HELD: (False, False, {REPLACE}),
    Phase.ENDED: (False, False, {END}),
}
# Where the app is while a reload by restart goes on.
RESTARTING = {
    Phase.STOPPING,
    Phase.KILLING,
    Phase.LEFTOVERS,
    Phase.LEFTOVERS_KILLED,
    Phase.HELD,
    Phase.BACKOFF,
    Phase.EXECUTING,
    Phase.STARTING,
}


def flaws(service: Service, policy: Policy) -> list[str]:
    """The contradictions of a service; none if it is consistent."""
    found = [*_of_life(service.life, policy.life)]
    if service.rollout is not None:
        found += _of_rollout(service.rollout, service.life, policy)
    return found


def _of_life(life: Life, policy: LifePolicy) -> Iterator[str]:
    process, deadline, then = TABLE[life.phase]
    if process is not None and process is not bool(life.pid):
        yield f"{life.phase} with pid {life.pid}"
    if deadline is not None and deadline is not (life.deadline is not None):
        yield f"{life.phase} with deadline {life.deadline}"
    if life.then not in then:
        yield f"{life.phase} with {life.then}"
    if life.held and life.phase not in (Phase.WAITING, Phase.EXECUTING):
        yield f"{life.phase} holds signals"
    if life.suspended and not (process or life.phase in (Phase.EXECUTING, Phase.ABORTING)):
        yield f"{life.phase} is suspended"
    if (life.phase is Phase.ELSEWHERE) and not policy.sidecar:
        yield "an app elsewhere without a sidecar"
    if policy.sidecar and life.phase not in (Phase.WAITING, Phase.ELSEWHERE, Phase.ENDED):
        yield f"a sidecar in {life.phase}"


def _of_rollout(rollout: Rollout, life: Life, policy: Policy) -> Iterator[str]:
    versions, reloads = rollout.versions, rollout.reloads
    timed = reloads.stage in ACTIVE or reloads.stage is Stage.PROVING
    if timed is not (reloads.deadline is not None):
        yield f"{reloads.stage} with deadline {reloads.deadline}"
    if reloads.active and not life.up:
        yield f"{reloads.stage} while the app is {life.phase}"
    if reloads.stage is Stage.PROVING and not life.ready:
        yield f"a proof while the app is {life.phase}"
    if reloads.stage is Stage.RESTARTING and life.phase not in RESTARTING:
        yield f"a reload by restart while the app is {life.phase}"
    if rollout.first_due is not None and life.phase not in (Phase.WAITING, Phase.ENDED):
        yield "the first version is awaited after the start"
    if rollout.doubt is Doubt.NONE and not rollout.running and life.up and versions.live:
        yield "the app runs on nothing, for certain"
    if versions.checking and not (policy.rollout and policy.rollout.validate):
        yield "a check without a validation"
    if versions.rejected and versions.rejected == versions.good:
        yield "the good version is rejected"
    if versions.good in versions.marks.rejected:
        yield "the good version failed"
