"""Answers to the clients of the control socket, from the state alone.

Pure. A rule judges a single state, or the answer of the rollout to an order.
"""

from __future__ import annotations

from ..core import health
from ..core.health import Verdict
from ..core.life_state import DOWN, TOLD, Phase, Then
from ..core.orders import Result
from ..core.record import Record
from ..core.rollout_state import rollout_of
from ..core.versions import NAMING, counted, short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..core.orders import Settled
    from ..core.service import Service
    from ..core.versions import Versions
    from ..store.manifest import Generation

    Look = Callable[[Service], "Answer | None"]
    Goal = Callable[[Service], Verdict]


class Answer(Record):
    """The exit code of supervisorctl, and its text: an error, if the code is not 0."""

    code: int
    text: str


# --- waiting for a goal


_ENDING = Answer(1, "the app is ending, and the supervisor with it")


def synced(service: Service) -> Verdict:
    """Whether the app runs on the newest version."""
    state = rollout_of(service)
    desired = state.versions.desired
    if desired and not state.stale:
        return Verdict(ok=True, reason=f"running on configuration {short(desired)}")
    wanted = "no configuration was read yet"
    if desired:
        wanted = f"the newest configuration is {short(desired)}"
    troubles = [source.error for source in service.sources]
    error = state.versions.error or state.reloads.error
    parts = [wanted, health.held(service), error, *troubles]
    return Verdict(ok=False, reason="; ".join(filter(None, parts)))


GOALS: Mapping[str, Goal] = {"ready": health.ready, "synced": synced}


def waited(goal: Goal, service: Service) -> Answer | None:
    """The answer to `wait`; None while it is not decided."""
    verdict = goal(service)
    if verdict.ok:
        return Answer(0, verdict.reason)
    if goal is synced and not service.sources:
        return Answer(
            1,
            "cannot wait for that: no configuration is kept live here; see --configmap and"
            " --config-dir",
        )
    return _ended(service)


# --- orders


def reloaded(settled: Settled) -> Answer:
    """The answer to an order to reload."""
    if settled.result is Result.DONE:
        of = f"{short(settled.version)} ({counted(settled.files)})"
        if settled.barred:
            held = f"the fleet holds the newest, {short(settled.barred)}"
            way = "supervisorctl fleet tells why, supervisorctl fleet approve releases it"
            return Answer(1, f"reloaded on configuration {of}; {held}: {way}")
        return Answer(0, f"reloaded on configuration {of}")
    if settled.result is Result.UNREADY:
        place = f"configuration {short(settled.version)} is in place"
        return Answer(1, f"{place}, but the app is not ready")
    if settled.result is Result.ENDING:
        return _ENDING
    failure = _failure(settled) or "its version was rejected; see the log"
    return Answer(1, f"cannot reload: {failure}")


def rolled_back(digest: str, settled: Settled) -> Answer:
    """The answer to an order to go back to the version `digest`."""
    version = f"configuration {short(digest)}"
    match settled.result:
        case Result.DONE:
            return Answer(0, f"rolled back to {version} ({counted(settled.files)})")
        case Result.UNREADY:
            return Answer(1, f"{version} is in place again, but the app is not ready")
        case Result.NOT_TAKEN:
            why = f"but the app does not run on it: {_failure(settled)}"
            return Answer(1, f"{version} is in place again, {why}")
        case Result.ENDING:
            return _ENDING
    failure = _failure(settled) or "a newer version came meanwhile"
    return Answer(1, f"cannot roll back to {version}: {failure}")


def _failure(settled: Settled) -> str:
    """The error of an order, with the words of its program: clients are our own user and root."""
    error = f"{settled.error}: {settled.words}" if settled.words else settled.error
    return f"{error}; the last good version is put back" if settled.back else error


def _ended(service: Service) -> Answer | None:
    """The answer to all who wait for an app on its way to its end."""
    ending = service.life.phase in TOLD or service.life.phase in DOWN
    if service.life.phase is Phase.ENDED or (ending and service.life.then is Then.END):
        return _ENDING
    return None


# --- generations


def earlier(generations: Sequence[Generation], versions: Versions, wanted: str) -> str | Answer:
    """The version for a rollback to put back; else an answer why there is none.

    `wanted` is a number of steps back from the live version (1: the version before), or the
    beginning of a version. `generations` are newest first, as `Root.generations` gives them. Steps
    go over failed versions.
    """
    if not generations:
        return Answer(
            1, "cannot roll back: no generations are kept here; they are with --configroot"
        )
    if not versions.live:
        return Answer(1, "cannot roll back: nothing is in place yet; see supervisorctl status")
    if not is_steps(wanted):
        return _named(generations, versions, wanted)
    steps = {
        step: one
        for step, one in zip(_steps(generations, versions), generations, strict=True)
        if step
    }
    if int(wanted) not in steps:
        kept = max(steps, default=0)
        return Answer(
            1,
            f"cannot roll back by {wanted}: {kept} earlier are kept that did not fail; see"
            " supervisorctl generations",
        )
    return steps[int(wanted)].digest


def is_rollback(wanted: str) -> bool:
    """Whether a word can be the aim of a rollback: steps, 1 or more, or the digits of a version."""
    return bool(wanted.strip("0")) and not set(wanted) - set("0123456789abcdef")


def is_steps(wanted: str) -> bool:
    """Whether a word means a number of steps; a version may consist of digits too, but
    is longer.
    """
    return wanted.isascii() and wanted.isdecimal() and len(wanted) < NAMING


def _named(generations: Sequence[Generation], versions: Versions, wanted: str) -> str | Answer:
    found = {one.digest for one in generations if one.digest.startswith(wanted)}
    if len(found) != 1 or len(wanted) < NAMING:
        why = (
            "no version that is kept begins so" if not found else f"{len(found)} versions begin so"
        )
        if len(wanted) < NAMING:
            why = f"give {NAMING} digits of the version at least"
        return Answer(1, f"cannot roll back to {wanted}: {why}; see supervisorctl generations")
    version = found.pop()
    if version == versions.live:
        return Answer(1, f"cannot roll back to {wanted}: it is in place already")
    return version


def listed(generations: Sequence[Generation], service: Service) -> list[dict[str, object]]:
    """The generations for people and scripts; `number` is what `rollback` takes, 0 is live, None is
    newer or failed.
    """
    state = rollout_of(service)
    versions = state.versions
    marks = {
        "live": {versions.live},
        "running": {state.runs_on},
        "good": {*versions.marks.good},
        "failed": versions.marks.rejected,
        "rejected": {versions.rejected},
    }
    return [
        {
            "number": step,
            # UTC, of its name.
            "time": f"{one.name[2:12].replace('_', '-')} {one.name[13:21].replace('_', ':')}",
            "digest": one.digest,
            "files": one.count,
            "bytes": one.bytes,
            "marks": [mark for mark, digests in marks.items() if one.digest in digests],
        }
        for one, step in zip(generations, _steps(generations, versions), strict=True)
    ]


def _steps(generations: Sequence[Generation], versions: Versions) -> list[int | None]:
    """The steps back from the live version to each. Generations left behind by a rollback are
    newer: there are no steps to them.
    """
    at = next((index for index, one in enumerate(generations) if one.digest == versions.live), -1)
    steps: list[int | None] = []
    passed = {versions.live, *versions.marks.rejected}
    step = 0
    for index, one in enumerate(generations):
        if index > at and one.digest not in passed:
            step += 1
            passed.add(one.digest)
            steps.append(step)
        else:
            steps.append(0 if index == at else None)
    return steps
