"""Amendments of the Lease: each takes the meaning of a Lease, and gives the meaning to write.

Pure. An amendment that stands changes nothing: the rules repeat theirs until that is so. A bad
verdict beats a good one; an order of a person beats both.
"""

from __future__ import annotations

from .lease import REMEMBERED, Condemned, Ledger

MANUAL = "manual"  # the reason word of a person


def claimed(ledger: Ledger, version: str, holder: str, tries: int, duration: float) -> Ledger:
    """The trial of a version, by this holder, who has to mark the claim."""
    return ledger.replace(trial=version, holder=holder, claim="", tries=tries, duration=duration)


def untried(ledger: Ledger, version: str) -> Ledger:
    """No trial of this version goes on."""
    if ledger.trial != version:
        return ledger
    return ledger.replace(trial="", holder="", claim="", tries=0, duration=0.0)


def turned(ledger: Ledger, holder: str, duration: float) -> Ledger:
    """It is the turn of this pod, who has to mark the claim, to take a good version; empty: of any.
    A trial goes first.
    """
    if ledger.trial:
        return ledger
    return ledger.replace(holder=holder, claim="", duration=duration if holder else 0.0)


def resigned(ledger: Ledger, version: str, holder: str, *, met: bool = True) -> Ledger:
    """The holder gives the trial away, without a verdict; unless its app has `met` the version, it
    was no try.
    """
    if (ledger.trial, ledger.holder) != (version, holder):
        return ledger
    tries = ledger.tries if met else max(0, ledger.tries - 1)
    return ledger.replace(holder="", claim="", tries=tries)


def approved(ledger: Ledger, version: str) -> Ledger:
    """The verdict of a trial, good: it counts unless the version is bad."""
    ledger = untried(ledger, version)
    if ledger.sentence_on(version) or version in ledger.good:
        return ledger
    return ledger.replace(
        good=(version, *ledger.good)[:REMEMBERED],
        passed="" if ledger.passed == version else ledger.passed,
    )


def passed(ledger: Ledger, version: str) -> Ledger:
    """The verdict of a trial, good, where a person has the last word."""
    ledger = untried(ledger, version)
    if ledger.sentence_on(version) or version in ledger.good:
        return ledger
    return ledger.replace(passed=version)


def condemned(ledger: Ledger, version: str, reason: str, pod: str) -> Ledger:
    """The verdict of a pod, bad."""
    ledger = untried(ledger, version)
    bad = ledger.bad
    if not ledger.sentence_on(version):
        bad = (Condemned(version, reason, pod), *bad)[:REMEMBERED]
    return ledger.replace(
        bad=bad,
        good=_without(ledger.good, version),
        passed="" if ledger.passed == version else ledger.passed,
        hurry="" if ledger.hurry == version else ledger.hurry,
    )


def begun(ledger: Ledger, shape: str, good: str) -> Ledger:
    """A Lease without a history: the version that this pod runs well counts as good."""
    if not ledger.shape:
        ledger = ledger.replace(shape=shape)
    if ledger.good or not good or ledger.sentence_on(good):
        return ledger
    return ledger.replace(good=(good,))


# --- orders of people -----------------------------------------------------------------------------


def released(ledger: Ledger, version: str) -> Ledger:
    """A person approves a version, whatever the trial says."""
    hurry = ledger.hurry if version == ledger.passed else version
    ledger = untried(ledger, version)
    return ledger.replace(
        bad=tuple(one for one in ledger.bad if one.version != version),
        good=(version, *_without(ledger.good, version))[:REMEMBERED],
        hurry=hurry,
        passed="" if ledger.passed == version else ledger.passed,
        recalled="" if ledger.recalled == version else ledger.recalled,
    )


def forbidden(ledger: Ledger, version: str, pod: str) -> Ledger:
    """A person condemns a version."""
    return condemned(ledger, version, MANUAL, pod)


def recalled(ledger: Ledger, version: str, pod: str) -> Ledger:
    """A person condemns a version, and has the pods that run on it go back."""
    return forbidden(ledger, version, pod).replace(recalled=version)


def emptied(ledger: Ledger) -> Ledger:
    """A person has the fleet forget all that holds a version; the good ones stay."""
    return Ledger(resource_version=ledger.resource_version, good=ledger.good)


def _without(versions: tuple[str, ...], version: str) -> tuple[str, ...]:
    return tuple(one for one in versions if one != version)
