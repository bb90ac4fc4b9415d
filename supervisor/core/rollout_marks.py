"""The memory of a rollout: which versions are good, which failed and why, which did not outlive
their trial.

Pure: text in, text out, and the decisions of a start. `store/marks_file.py` keeps the text in
configroot, where a restarted container finds it. Versions are digests; other programs may write to
configroot, so whatever cannot be understood is ignored.

A version on trial needs no mark of its own: it is live and not good. So nothing is written before
the app hears of a version, and a killed supervisor leaves the trace all the same.
"""

from __future__ import annotations

from .versions import REMEMBERED, Marks

# Ends of the supervisor within the trial of a version until the version counts as failed.
DEATHS = 2
_FIRST_LINE = "config-supervisor marks 1"
_WHY = 1000  # characters of a reason
_CLAIM = 64  # characters of the mark of a pod


def parse(data: bytes) -> Marks:
    """Read the text of `render`; lines without a meaning are skipped. Never raises."""
    good: list[str] = []
    failed: list[tuple[str, str]] = []
    marks = Marks()
    for line in data.decode(errors="replace").split("\n"):
        word, _, rest = line.partition(" ")
        version, _, more = rest.partition(" ")
        if word == "claim" and _is_claim(version):
            marks = marks.replace(claim=version)
        if not is_version(version):
            continue
        if word == "good":
            good.append(version)
        elif word == "failed":
            failed.append((version, more))
        elif word == "trial" and more.isascii() and more.isdecimal():
            marks = marks.replace(trial=version, deaths=min(int(more[:4]), DEATHS))
        elif word == "orderly":
            marks = marks.replace(orderly=version)
        elif word == "baking":
            marks = marks.replace(baking=version)
        elif word == "died":
            marks = marks.replace(died=version)
    return marks.replace(good=tuple(good[:REMEMBERED]), failed=tuple(failed[:REMEMBERED]))


def render(marks: Marks) -> bytes:
    """The text of marks: a line for each."""
    lines = [_FIRST_LINE, *(f"good {version}" for version in marks.good)]
    lines += [f"failed {version} {' '.join(why.split())[:_WHY]}" for version, why in marks.failed]
    if marks.trial:
        lines.append(f"trial {marks.trial} {marks.deaths}")
    if marks.orderly:
        lines.append(f"orderly {marks.orderly}")
    if marks.baking:
        lines.append(f"baking {marks.baking}")
    if marks.claim:
        lines.append(f"claim {marks.claim}")
    if marks.died:
        lines.append(f"died {marks.died}")
    return "".join(f"{line}\n" for line in lines).encode(errors="replace")


def is_version(text: str) -> bool:
    """Whether a word can be a version: a hex digest."""
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def _is_claim(text: str) -> bool:
    return text.isascii() and text.isalnum() and len(text) <= _CLAIM


def begun(marks: Marks, live: str) -> Marks:
    """The marks after a start with `live` in place ("": nothing).

    A live version neither good nor failed was on trial when the supervisor ended. Unless that was
    an ordered stop, the version is suspected; after the second such end it counts as failed. On
    trial for a fleet it fails at the first, even if it had been good for this pod.
    """
    # A process without an app may have put another version in place since then.
    return _begun(marks, live).replace(resumed=marks.orderly)


def _begun(marks: Marks, live: str) -> Marks:
    if marks.baking:
        marks = _baked(marks)
    if not live or live in marks.good or live in marks.rejected:
        return marks.replace(trial="", deaths=0, orderly="")
    if marks.orderly == live:
        return marks.replace(orderly="")
    deaths = (marks.deaths if marks.trial == live else 0) + 1
    if deaths < DEATHS:
        return marks.replace(trial=live, deaths=deaths, orderly="")
    why = (
        f"the supervisor or its container was killed {deaths} times while this version was on trial"
    )
    return marks.failing(live, why).replace(trial="", deaths=0, orderly="")


def _baked(marks: Marks) -> Marks:
    version = marks.baking
    if marks.orderly == version:  # the trial begins again, if at all
        others = tuple(one for one in marks.good if one != version)
        return marks.replace(baking="", good=others or marks.good)
    why = "the supervisor or its container was killed while this version was on trial for the fleet"
    return marks.failing(version, why).replace(died=version)


def order(marks: Marks, live: str, kept: tuple[str, ...], *, unfailed: bool = False) -> list[str]:
    """The versions to start on when the sources have no usable version, the best first.

    `live` is the version in place, `kept` are the versions on disk, newest first. A live version
    that has not failed comes first: it is what the app ran on. A version that failed comes last.
    `unfailed`: the good ones come first, and the failed ones not at all.
    """
    failed = marks.rejected
    ranked = [*marks.good, *(version for version in (live, *kept) if version not in failed)]
    if not unfailed:
        first = [live] if live not in failed else []
        ranked = [*first, *ranked, *kept]
    present = {live, *kept} - {""}
    return [version for version in dict.fromkeys(ranked) if version in present]
