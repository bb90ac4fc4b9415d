"""The Lease of a fleet as values: as the link reads and writes it, and its meaning for the rules.

Pure. The layout is public, for people with kubectl: docs/fleet.md. Other programs and people may
write the Lease: reading bounds everything, and skips whatever has no meaning.
"""

from __future__ import annotations

from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX = "config-supervisor/"
FORMAT = "1"
REMEMBERED = 8  # good versions, and bad versions, in the Lease
_NAME, _WORD, _POD = 64, 32, 253  # characters of a version, of a reason, of a pod
_MOST_TRIES = 99
_LONGEST = 1e6  # seconds
_LIST = 4096  # characters of a list
_OF_NAMES = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")


class LeaseState(Record):
    """A Lease as it crosses the wire; an empty `resource_version` stands for a missing Lease."""

    annotations: Mapping[str, str] = {}
    holder: str = ""
    duration: float = 0.0  # seconds
    resource_version: str = ""


class Condemned(Record):
    """A version that must not be applied, why, and the pod that found out."""

    version: str
    reason: str
    pod: str = ""


class Ledger(Record):
    """The meaning of the Lease. Versions have their shared names; empty means none."""

    resource_version: str = ""
    shape: str = ""  # a digest of sources, sub-directories and --map
    trial: str = ""
    tries: int = 0  # canaries of the trial so far
    holder: str = ""  # its canary; without a trial the pod whose turn it is
    duration: float = 0.0  # seconds of silence after which the holder counts as lost
    passed: str = ""  # passed its trial, and waits for the approval of a person
    hurry: str = ""  # approved by a person: applied without spread
    recalled: str = ""  # pods that run on it go back
    good: tuple[str, ...] = ()  # newest first
    bad: tuple[Condemned, ...] = ()  # newest first
    claim: str = ""  # the holder's mark: another pod of the same identity has another

    def sentence_on(self, version: str) -> Condemned | None:
        """The condemnation of a version, if any."""
        return next((one for one in self.bad if one.version == version), None)


class Unusable(Record):
    """A Lease that is not ours to read or write, and why: the end of a sentence."""

    error: str


def read(state: LeaseState) -> Ledger | Unusable:
    """The meaning of a Lease."""
    annotations = state.annotations
    version = annotations.get(f"{PREFIX}format", "")
    if not version and state.holder:
        return Unusable(f"the Lease is used by something else, held by {state.holder[:_POD]!r}")
    if version not in ("", FORMAT):
        return Unusable(
            f"the Lease has the format {version[:_WORD]!r}, which a newer program writes"
        )
    if not version:
        return Ledger(resource_version=state.resource_version)
    trial = _name(annotations.get(f"{PREFIX}trial", ""))
    return Ledger(
        resource_version=state.resource_version,
        shape=_name(annotations.get(f"{PREFIX}shape", "")),
        trial=trial,
        tries=_count(annotations.get(f"{PREFIX}tries", "")) if trial else 0,
        holder=state.holder,
        duration=_seconds(state.duration) if state.holder or trial else 0.0,
        passed=_name(annotations.get(f"{PREFIX}passed", "")),
        hurry=_name(annotations.get(f"{PREFIX}hurry", "")),
        recalled=_name(annotations.get(f"{PREFIX}recall", "")),
        good=_names(annotations.get(f"{PREFIX}good", "")),
        bad=_sentences(annotations.get(f"{PREFIX}bad", "")),
        claim=_name(annotations.get(f"{PREFIX}claim", "")) if state.holder else "",
    )


def written(ledger: Ledger) -> LeaseState:
    """The Lease with this meaning; the link keeps the annotations of others."""
    words = {
        "shape": ledger.shape,
        "trial": ledger.trial,
        "tries": str(ledger.tries) if ledger.trial else "",
        "claim": ledger.claim,
        "passed": ledger.passed,
        "hurry": ledger.hurry,
        "recall": ledger.recalled,
        "good": " ".join(ledger.good),
        "bad": " ".join(f"{one.version}={one.reason}@{plain(one.pod)}" for one in ledger.bad),
    }
    annotations = {f"{PREFIX}{key}": text for key, text in words.items() if text}
    return LeaseState(
        {f"{PREFIX}format": FORMAT, **annotations},
        ledger.holder,
        ledger.duration,
        ledger.resource_version,
    )


def plain(pod: str) -> str:
    """A pod's name as a single word: a hyphen stands for each character that names cannot have."""
    return "".join(one if one in _OF_NAMES else "-" for one in pod[:_POD])


def _names(text: str) -> tuple[str, ...]:
    return _first(_name(word) for word in text[:_LIST].split())


def _first(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))[:REMEMBERED]


def _sentences(text: str) -> tuple[Condemned, ...]:
    found: dict[str, Condemned] = {}
    for word in text[:_LIST].split():
        version, _, rest = word.partition("=")
        reason, _, pod = rest.partition("@")
        if name := _name(version):
            found.setdefault(name, Condemned(name, reason[:_WORD] or "manual", plain(pod)))
    return tuple(found.values())[:REMEMBERED]


def _name(text: str) -> str:
    text = text.strip()
    return text if len(text) <= _NAME and text.isascii() and text.isalnum() else ""


def _seconds(duration: float) -> float:
    return duration if 0.0 <= duration <= _LONGEST else 0.0


def _count(text: str) -> int:
    usable = text.isascii() and text.isdecimal()
    return min(int(text[:4]), _MOST_TRIES) if usable else 0
