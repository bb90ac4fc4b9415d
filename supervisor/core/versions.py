"""The versions of a directory: desired by the sources, live, good, failed.

Pure. A version is the digest of its content; empty means none. No other module writes a
`Versions`, but for the gate of a fleet. It must not know of processes or reloads.
"""

from __future__ import annotations

from .backoff import backoff
from .outcomes import OF_CONTENT
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import events as ev

RETRY_FIRST, RETRY_MOST = 2.0, 60.0  # seconds; applying or reloading once more after a failure
REMEMBERED = 3  # good versions, and failed versions, that are remembered
NAMING = 6  # digits, at least, by which people name a version
NEVER = float("inf")
QUIET_MOST = 10  # times --reload-quiet: restless content is applied all the same


def short(digest: str) -> str:
    """The digits by which people compare versions; empty without a version."""
    return digest[:8]


def counted(files: int) -> str:
    """A number of files, for people."""
    return "1 file" if files == 1 else f"{files} files"


class Pace(Record):
    """How changes are gathered before they are put in place, in seconds."""

    interval: float = 10.0  # between the beginnings of two reloads
    quiet: float = 0.0  # without another change
    splay: float = 0.0  # at random


class Marks(Record):
    """The known good and failed versions, newest first; `rollout_marks.py` reads and writes them.

    `trial` is the version on trial at the end of an earlier supervisor.
    """

    good: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()  # a version, and the reason for people
    trial: str = ""
    deaths: int = 0  # ends of a supervisor within the trial
    orderly: str = ""  # the version on trial at an ordered stop of the supervisor
    baking: str = ""  # on trial for the fleet; it may be good for this pod already
    claim: str = ""  # the mark of this pod on its trials for the fleet
    died: str = ""  # was so at an end of the supervisor without an order
    resumed: str = ""  # was on trial at the ordered end before this start; not written down

    @property
    def rejected(self) -> frozenset[str]:
        """The failed versions."""
        return frozenset(version for version, _ in self.failed)

    def why(self, version: str) -> str:
        """The reason why a version failed; empty if it did not."""
        return next((why or "no reason was kept" for one, why in self.failed if one == version), "")

    def failing(self, version: str, why: str) -> Marks:
        """The marks once a version has failed."""
        good = tuple(one for one in self.good if one != version)
        others = tuple(one for one in self.failed if one[0] != version)
        baking = "" if self.baking == version else self.baking
        return self.replace(good=good, failed=((version, why), *others)[:REMEMBERED], baking=baking)

    def forgiving(self, version: str) -> Marks:
        """The marks once a person orders another try of a failed version."""
        return self.replace(failed=tuple(one for one in self.failed if one[0] != version))

    def proving(self, version: str) -> Marks:
        """The marks once a version has been seen to work."""
        good = (version, *(one for one in self.good if one != version))[:REMEMBERED]
        marks = self.forgiving(version).replace(good=good)
        return marks.replace(trial="", deaths=0) if marks.trial == version else marks


class Versions(Record):
    desired: str = ""  # the newest version of the sources
    live: str = ""  # in place for the app to read
    good: str = ""  # the last verified version, to which a rollback goes
    marks: Marks = Marks()  # good and failed versions, those of earlier runs included
    rejected: str = ""  # cannot be used; not tried again before the content changes
    returning: str = ""  # is to be put back
    cached: bool = False  # `live` comes from an earlier run; the sources have not spoken yet
    rolled_back: bool = False  # `live` was put back after a failure
    rollbacks: int = 0
    applying: bool = False  # a thread puts a version in place, or back
    checking: bool = False  # a thread validates the newest version during a reload of another
    checked: str = ""  # passed its validation and is not in place yet
    # A reload was ordered: no pace is kept, and a reload under way is overtaken.
    hurry: bool = False
    first_offer: float = 0.0  # of the versions not in place yet
    last_offer: float = 0.0
    dice: float = 0.0
    coalesced: int = 0  # versions overtaken by a newer version before they were applied
    failures: int = 0  # in a row, of applying
    retry_at: float = 0.0
    error: str = ""  # of the last failure
    words: str = ""  # of the reporting program; they may hold secrets
    # A Secret has been part of the content, by itself or as a file with limited readers.
    secret: bool = False
    gated: bool = False  # a fleet decides which version may be applied
    cleared: str = ""  # by the fleet
    condemned: tuple[str, ...] = ()  # by the fleet, newest first
    unproven: tuple[str, ...] = ()  # a newer version ended their trial for the fleet
    seen: str = ""  # the unproven version on which the app has been seen to work
    files: int = 0  # in place
    size: int = 0
    changes: str = ""  # of the last version put in place
    applied_at: float = 0.0  # the time of that, monotonic
    changed_at: float | None = None

    @property
    def pending(self) -> bool:
        """Whether the newest version is not in place and can be."""
        return self.desired not in ("", self.live, self.rejected) and not self.barred

    @property
    def barred(self) -> bool:
        """Whether the fleet bars the newest version: its gate is closed."""
        return self.gated and self.desired not in ("", self.live, self.cleared)

    @property
    def newest(self) -> str:
        """The newest version of the sources; before they have spoken, the live version."""
        return self.desired or self.live

    @property
    def live_is_good(self) -> bool:
        return self.live in (self.good, *self.marks.good)


def due(versions: Versions, pace: Pace | None, paced: float | None, released: float = 0.0) -> float:
    """When the newest version may be put in place.

    Without a `pace` at once; `paced` is the beginning of the last reload to reach the app, and
    `released` the end of a hold.
    """
    if versions.hurry:
        return versions.retry_at
    if pace is None:
        return max(versions.retry_at, released)
    at = versions.last_offer
    if pace.quiet > 0:
        at = min(at + pace.quiet, versions.first_offer + QUIET_MOST * pace.quiet)
    if paced is not None:
        at = max(at, paced + pace.interval)
    return max(max(at, released) + versions.dice * pace.splay, versions.retry_at)


# --- reports of the sources and the store ---------------------------------------------------------


def remembered(versions: Versions, marks: Marks) -> Versions:
    """Configroot holds marks of earlier runs; what the fleet has said before holds on."""
    for version in versions.condemned:
        marks = marks.failing(version, versions.marks.why(version))
    if versions.cleared:
        marks = marks.forgiving(versions.cleared)
    claim = versions.marks.claim or marks.claim
    marks = marks.replace(baking=versions.marks.baking, claim=claim)
    return versions.replace(marks=marks, good=marks.good[0] if marks.good else "")


def offered(versions: Versions, event: ev.ConfigOffered, now: float) -> Versions:
    """The sources hold a new version."""
    if not versions.pending:
        versions = versions.replace(first_offer=now, dice=event.dice)
    elif not versions.applying:
        versions = versions.replace(coalesced=versions.coalesced + 1)
    if versions.marks.baking not in ("", event.digest):
        versions = cut_short(versions)
    # Once the content has changed, a rejected version is tried again if it comes back; and a newer
    # version owes nothing to the failures of an older version.
    return versions.replace(
        desired=event.digest,
        rejected=versions.rejected if versions.rejected == event.digest else "",
        cleared=versions.cleared if versions.desired == event.digest else "",
        secret=versions.secret or event.secret,
        last_offer=now,
        cached=False,
        failures=0,
        retry_at=0.0,
    )


def applied(versions: Versions, event: ev.ConfigApplied, now: float) -> Versions:
    """A version is in place."""
    versions = versions.replace(
        live=event.digest,
        files=event.files,
        size=event.size,
        changes=event.changes,
        applied_at=now,
        rolled_back=event.rolled_back,
    )
    if event.rolled_back:
        return versions.replace(returning="", applying=False, rollbacks=versions.rollbacks + 1)
    good = versions.good
    if not good and not event.cached and event.previous != event.digest:
        # No version is known to be better than the live version until now.
        good = event.previous
    return versions.replace(
        good="" if good in (*versions.condemned, *versions.marks.rejected) else good,
        applying=versions.applying and event.cached,  # a recovery does not end an apply
        checked="",
        cached=event.cached and event.digest != versions.desired,
        failures=0,
        error=versions.error if event.cached else "",
        words=versions.words if event.cached else "",
        changed_at=event.changed_at,
        first_offer=now if versions.desired != event.digest else versions.first_offer,
    )


def failed(versions: Versions, event: ev.ConfigFailed, now: float) -> Versions:
    """A version could not be put in place."""
    versions = versions.replace(
        applying=versions.applying and versions.checking,  # the check ends, no rollback does
        checking=False,
        checked="",
        hurry=False,
        error=event.error,
        words=event.words,
    )
    if event.reason in OF_CONTENT:
        versions = shut(versions.replace(rejected=event.digest), event.digest)
    if event.digest != versions.desired:
        return versions
    failures = versions.failures + 1
    retry_at = now + backoff(failures, RETRY_FIRST, RETRY_MOST)
    return versions.replace(failures=failures, retry_at=retry_at)


def not_put_back(versions: Versions, event: ev.ConfigFailed) -> Versions:
    """The good version is gone: an older good version is put back, if any."""
    good = tuple(one for one in versions.marks.good if one != versions.returning)
    other = next((one for one in good if one not in (versions.live, versions.good)), "")
    return versions.replace(
        applying=False,
        hurry=False,
        returning=other,
        good=other,
        error=event.error,
        words="",
        marks=versions.marks.replace(good=good),
    )


def checked(versions: Versions, version: str) -> Versions:
    """A version passed its validation."""
    return versions.replace(checking=False, checked=version)


def unfound(versions: Versions, error: str) -> Versions:
    """There is no version to start on."""
    if versions.barred:
        why = versions.marks.why(versions.desired) or "it may not be applied yet"
        error = f"the fleet holds configuration {short(versions.desired)}: {why}; {error}"
    return versions.replace(error=error, words="")


# --- decisions of the rollout ---------------------------------------------------------------------


def proven(versions: Versions, version: str) -> Versions:
    """The app was seen to work on a version; that does not lift a sentence of the fleet."""
    if version in versions.condemned:
        return versions
    if version in versions.unproven:
        return versions.replace(seen=version)
    # A rejected version could not be replaced, and works after all.
    rejected = "" if versions.rejected == version else versions.rejected
    marks = versions.marks.proving(version)
    return versions.replace(good=version, marks=marks, rejected=rejected)


def cut_short(versions: Versions) -> Versions:
    """The trial for the fleet has ended without a verdict: there is no way back to its version,
    except where there is no other.
    """
    version = versions.marks.baking
    good = tuple(one for one in versions.marks.good if one != version)
    if not good or version in (*versions.unproven, *versions.condemned):
        return versions
    return versions.replace(
        good=good[0] if versions.good == version else versions.good,
        marks=versions.marks.replace(good=good),
        unproven=(version, *versions.unproven)[:REMEMBERED],
        seen=version if version in versions.marks.good else versions.seen,
    )


def failing(versions: Versions, version: str, why: str) -> Versions:
    """The app does not work on a version. The good version stays good: the app has worked on it,
    and there is no other; on trial for a fleet there is.
    """
    if version == versions.good and version != versions.marks.baking:
        return versions.replace(rolled_back=False)
    marks = versions.marks.failing(version, why)
    good = versions.good
    if good == version:
        good = marks.good[0] if marks.good else ""
    return shut(versions, version).replace(rolled_back=False, marks=marks, good=good)


def going_back(versions: Versions, version: str) -> Versions:
    """The last good version replaces a failed version."""
    return versions.replace(rejected=version, returning=versions.good)


def reload_ordered(versions: Versions) -> Versions:
    """The newest version is to be tried at once, whatever is known about it; no order opens the
    gate of the fleet.
    """
    if versions.barred:
        return versions.replace(retry_at=0.0, hurry=True)
    return versions.replace(
        rejected="",
        retry_at=0.0,
        hurry=True,
        marks=versions.marks.forgiving(versions.desired),
    )


def rollback_ordered(versions: Versions, version: str) -> Versions:
    """An earlier version replaces the newest version, which counts as failed, if one is known."""
    if not versions.newest:
        return versions.replace(returning=version)
    before = versions.marks.why(versions.newest)  # it says more than an order
    why = before or "a rollback to another version was ordered"
    marks = versions.marks.failing(versions.newest, why)
    good = versions.good
    if good == versions.newest:
        good = marks.good[0] if marks.good else ""
    return versions.replace(rejected=versions.desired, returning=version, marks=marks, good=good)


def apply(versions: Versions) -> Versions:
    """A thread puts a version in place, or back."""
    return versions.replace(applying=True)


def check(versions: Versions) -> Versions:
    """A thread validates the newest version."""
    return versions.replace(checking=True)


def taken_up(versions: Versions, good: str) -> Versions:
    """The last good version of the app is known."""
    return versions.replace(good=good)


def unhurried(versions: Versions) -> Versions:
    """The ordered reload begins."""
    return versions.replace(hurry=False)


def shut(versions: Versions, version: str) -> Versions:
    """The gate is closed for a version."""
    return versions.replace(cleared="") if versions.cleared == version else versions
