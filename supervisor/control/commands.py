"""What somebody at the control socket wants, and what became of it, read from the state alone.

Pure. Each rule looks at one state: it must be true whenever it is looked at, because the states
between two looks are never seen. An order to reload empties `config.running`, so that it is
level-triggered too.
"""

from __future__ import annotations

from ..core import health
from ..core.health import Verdict
from ..core.record import Record
from ..core.state import Phase, stale

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..core.state import Config, Reloads, State
    from ..store.manifest import Generation

    Look = Callable[[State], "Answer | None"]
    Goal = Callable[[State], Verdict]

_SHORTEST = 6  # digits of a version that names it
_FINE = (
    "",
    "success",
    "superseded",
)  # outcomes that are no failure: a superseded reload is followed by another


class Answer(Record):
    """What a client gets: the exit code of supervisorctl, and what it prints (an error, if the code
    is not 0).
    """

    code: int
    text: str


def short(digest: str) -> str:
    """A digest as people compare them; the log shows the same."""
    return digest[:8] or "none"


def counted(files: int) -> str:
    """A number of files, for people."""
    return "1 file" if files == 1 else f"{files} files"


# --- waiting for a goal


def synced(state: State) -> Verdict:
    """Whether the app runs on what the sources hold."""
    config = state.config
    if config.desired and not stale(state):
        return Verdict(ok=True, reason=f"running on configuration {short(config.desired)}")
    troubles = [source.error for source in state.sources if source.error]
    wanted = (
        f"the newest configuration is {short(config.desired)}"
        if config.desired
        else "no configuration was read yet"
    )
    return Verdict(
        ok=False,
        reason="; ".join(filter(None, [wanted, config.error or state.reloads.error, *troubles])),
    )


GOALS: Mapping[str, Goal] = {"ready": health.ready, "synced": synced}


def waited(goal: Goal, state: State) -> Answer | None:
    """The answer to `wait`; None while it is not decided."""
    verdict = goal(state)
    if verdict.ok:
        return Answer(0, verdict.reason)
    if goal is synced and not state.sources:
        return Answer(
            1,
            "cannot wait for that: no configuration is kept live here; see --configmap and"
            " --config-dir",
        )
    return _ended(state)


# --- orders


def reloaded(before: Reloads, state: State) -> Answer | None:
    """What became of an order to reload, given before it and taken by the loop; None while it is
    under way.
    """
    config = state.config
    if _at_rest(state) and config.running == config.live and config.desired in ("", config.live):
        if state.phase is Phase.UNREADY:
            return Answer(
                1, f"configuration {short(config.live)} is in place, but the app is not ready"
            )
        return Answer(
            0, f"reloaded on configuration {short(config.live)} ({counted(config.files)})"
        )
    failure = _failure(before, state)
    # The order cleared these two: what stands there now came after it.
    if not failure and not config.applying and (config.rejected or config.retry_at):
        failure = _quoted(config.error, config.words) or "its version was rejected; see the log"
    return Answer(1, f"cannot reload: {failure}") if failure else _ended(state)


def rolled_back(before: Reloads, digest: str, state: State) -> Answer | None:
    """What became of an order to go back to the version `digest`, as above."""
    config = state.config
    if config.returning or config.applying:
        return _ended(state)
    if config.live != digest:
        failure = (
            _failure(before, state)
            or _quoted(config.error, config.words)
            or "a newer version came meanwhile"
        )
        return Answer(1, f"cannot roll back to configuration {short(digest)}: {failure}")
    if not _at_rest(state):
        return _ended(state)
    if config.running == digest and state.phase is Phase.UNREADY:
        return Answer(
            1, f"configuration {short(digest)} is in place again, but the app is not ready"
        )
    if config.running == digest:
        return Answer(0, f"rolled back to configuration {short(digest)} ({counted(config.files)})")
    failure = _failure(before, state)
    if not failure:
        return None
    return Answer(
        1,
        f"configuration {short(digest)} is in place again, but the app does not run on it:"
        f" {failure}",
    )


def _at_rest(state: State) -> bool:
    return (
        state.phase in (Phase.RUNNING, Phase.UNREADY)
        and not state.config.applying
        and not state.config.returning
    )


def _failure(before: Reloads, state: State) -> str:
    reloads = state.reloads
    if reloads.finished == before.finished or reloads.outcome in _FINE:
        return ""
    back = (
        "; the last good version is put back"
        if state.config.returning or state.config.rolled_back
        else ""
    )
    return f"{_quoted(reloads.error, reloads.words) or reloads.outcome}{back}"


def _quoted(error: str, words: str) -> str:
    """An error with the words of the program that said so: the control socket is for our own user
    and root.
    """
    return f"{error}: {words}" if words else error


def _ended(state: State) -> Answer | None:
    """The answer to everybody who waits for an app that will not come back."""
    stopping = state.phase in (Phase.STOPPING, Phase.KILLING) and not state.replacing
    if stopping or state.phase is Phase.DONE or (state.phase is Phase.LEFTOVERS and state.final):
        return Answer(1, "the app is ending, and the supervisor with it")
    return None


# --- generations


def earlier(generations: Sequence[Generation], config: Config, wanted: str) -> str | Answer:
    """The version that a rollback is to put back; else why there is none.

    `wanted` is a number of steps back from the live version (1: the one before it), or the
    beginning of a version. `generations` are newest first, as `Root.generations` gives them. Steps
    go over versions that failed.
    """
    if not generations:
        return Answer(
            1, "cannot roll back: no generations are kept here; they are with --configroot"
        )
    if not config.live:
        return Answer(1, "cannot roll back: nothing is in place yet; see supervisorctl status")
    if not is_steps(wanted):
        return _named(generations, config, wanted)
    steps = {
        step: one
        for step, one in zip(_steps(generations, config), generations, strict=True)
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
    return wanted.isascii() and wanted.isdecimal() and len(wanted) < _SHORTEST


def _named(generations: Sequence[Generation], config: Config, wanted: str) -> str | Answer:
    found = {one.digest for one in generations if one.digest.startswith(wanted)}
    if len(found) != 1 or len(wanted) < _SHORTEST:
        why = (
            "no version that is kept begins so" if not found else f"{len(found)} versions begin so"
        )
        if len(wanted) < _SHORTEST:
            why = f"give {_SHORTEST} digits of the version at least"
        return Answer(1, f"cannot roll back to {wanted}: {why}; see supervisorctl generations")
    version = found.pop()
    if version == config.live:
        return Answer(1, f"cannot roll back to {wanted}: it is in place already")
    return version


def listed(generations: Sequence[Generation], state: State) -> list[dict[str, object]]:
    """The generations for people and scripts; `number` is what `rollback` takes, 0 is live, None is
    newer or failed.
    """
    config = state.config
    marks = {
        "live": {config.live},
        "running": {config.running},
        "good": {*config.marks.good},
        "failed": config.marks.rejected,
        "rejected": {config.rejected},
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
        for one, step in zip(generations, _steps(generations, config), strict=True)
    ]


def _steps(generations: Sequence[Generation], config: Config) -> list[int | None]:
    """How far back from the live one each is. Those that a rollback left behind are newer: nothing
    to go back to.
    """
    at = next((index for index, one in enumerate(generations) if one.digest == config.live), -1)
    steps: list[int | None] = []
    passed = {config.live, *config.marks.rejected}
    step = 0
    for index, one in enumerate(generations):
        if index > at and one.digest not in passed:
            step += 1
            passed.add(one.digest)
            steps.append(step)
        else:
            steps.append(0 if index == at else None)
    return steps
