"""The gate of a fleet before the versions: its words to the rollout, and their consequences.

Pure, and part of the rollout; imported where a fleet speaks. The fleet clears one version at a
time and condemns others; the gate itself is `Versions.barred`.
"""

from __future__ import annotations

from . import events as ev
from . import reloads as rel
from . import verdicts
from . import versions as ver
from .actions import Recover
from .life_state import Phase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .actions import Action
    from .life_state import Life, Report, Request
    from .rollout_state import Rollout, RolloutPolicy
    from .versions import Versions

    Result = tuple[Rollout, tuple[Action | Request, ...]]

CONDEMNED = 8  # versions that are remembered


def step(rollout: Rollout, event: ev.Event | Report, life: Life, policy: RolloutPolicy) -> Result:
    """The rollout after a word of the fleet."""
    versions = rollout.versions
    match event:
        case ev.VersionCleared(digest, trial, hurry):
            versions = _cleared(versions, digest, trial=trial)
            if event.claim:
                versions = versions.replace(marks=versions.marks.replace(claim=event.claim))
            hurry = versions.hurry or (hurry and versions.pending)
            return rollout.replace(versions=versions.replace(hurry=hurry)), ()
        case ev.VersionCondemned():
            rollout = rollout.replace(versions=_condemned(versions, event))
            return (leave(rollout, policy) if life.phase is not Phase.WAITING else rollout), ()
        case ev.StartOnLast(condemned, good) if life.phase is Phase.WAITING:
            bad = (*condemned, *versions.condemned)
            return rollout, (Recover(condemned=bad, proven=True, good=good),)
    return rollout, ()


def applied(rollout: Rollout, life: Life, policy: RolloutPolicy) -> Result:
    """A version is in place that the fleet has condemned on its way."""
    if life.phase is Phase.WAITING:
        versions = rollout.versions.replace(live="")  # if people approve it, it is applied again
        recover = Recover(condemned=versions.condemned, proven=True)
        return rollout.replace(versions=versions), (recover,)
    return leave(rollout, policy), ()


def leave(rollout: Rollout, policy: RolloutPolicy) -> Rollout:
    """Go back from a condemned version in place, if there is a good one and files are ours."""
    versions = rollout.versions
    condemned = versions.live in versions.condemned
    if not condemned or versions.returning or not policy.rollback or not versions.good:
        return rollout
    rollout = verdicts.tell_orders(rollout, versions.error, "", back=True)
    return rollout.replace(versions=_leaving(versions), reloads=rel.retry_at_once(rollout.reloads))


def objection(versions: Versions, order: ev.ReloadOrdered | ev.RollbackOrdered) -> str:
    """Why the order of a person cannot be followed; empty if it can."""
    if isinstance(order, ev.ReloadOrdered):
        return ""  # it reloads the live version, or one that was cleared
    if order.digest in versions.condemned:
        return "the fleet has condemned this version; supervisorctl fleet approve lifts that"
    if versions.barred and order.digest == versions.desired:
        return "the fleet holds this version; supervisorctl fleet approve releases it"
    return ""


# --- versions -----------------------------------------------------------------------------------


def _cleared(versions: Versions, version: str, *, trial: bool) -> Versions:
    """The fleet lets this version be applied, after all if it had been condemned."""
    if versions.marks.baking not in ("", version):
        versions = ver.cut_short(versions)
    before = versions.marks
    known = version in before.good and version != before.baking  # from before this trial
    if version in versions.unproven:
        others = tuple(one for one in versions.unproven if one != version)
        versions = versions.replace(unproven=others)
        versions = ver.proven(versions, version) if versions.seen == version else versions
    marks = versions.marks.replace(baking=version if trial and not known else "")
    if marks.died == version:
        marks = marks.replace(died="")
    if version not in ("", versions.cleared):
        marks = marks.forgiving(version)
        versions = versions.replace(
            rejected="" if versions.rejected == version else versions.rejected, retry_at=0.0
        )
    return versions.replace(
        cleared=version,
        condemned=tuple(one for one in versions.condemned if one != version),
        marks=marks,
    )


def _condemned(versions: Versions, event: ev.VersionCondemned) -> Versions:
    """The fleet forbids a version; where it is in place, another good version is put back."""
    version = event.digest
    others = tuple(one for one in versions.condemned if one != version)
    marks = versions.marks.failing(version, event.error)
    good = versions.good
    if good == version:
        good = marks.good[0] if marks.good else ""
    return ver.shut(versions, version).replace(
        condemned=(version, *others)[:CONDEMNED],
        marks=marks,
        good=good,
        rejected=version if version == versions.desired else versions.rejected,
        checked="" if versions.checked == version else versions.checked,
        returning="" if versions.returning == version else versions.returning,
        error=event.error,
        words="",
    )


def _leaving(versions: Versions) -> Versions:
    """A good version replaces the condemned live version, if there is any."""
    return versions.replace(returning=versions.good, rolled_back=False)
