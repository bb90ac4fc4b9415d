"""The simulated fleet as tables in Markdown and as a plot. Must not know how it is simulated."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from config_supervisor.sources.kubernetes.retry_pace import Timing
from tests.bench.fleet_runs import REQUESTS, Outcome

BEGIN = "<!-- figures: renewed by python -m tests.bench.fleet --write -->"
END = "<!-- end of the figures -->"
STEADY = 900  # seconds of requests at rest: three cycles of a watch

Row = tuple[str, ...]
Outcomes = Mapping[str, Sequence[Outcome]]  # of each run by name, for each seed


def figures(outcomes: Outcomes, seed: int) -> str:
    """All tables, in Markdown."""
    pods = max(seen.pods for runs in outcomes.values() for seen in runs)
    most = max(map(len, outcomes.values()))
    parts = [
        (
            f"{pods:,} pods, seed {seed}. Three figures: the lowest, the median and the highest of"
            f" {most} seeds."
        ),
        "### With the defaults",
        _table(_HEAD, (_row(title, outcomes[name]) for name, title in _DEFAULTS.items())),
        _at_rest(outcomes),
        _table(
            ("role granted after, s", "50 %, s", "99 %, s", "100 %, s", "exits 125"),
            _grants(outcomes),
        ),
        "### With a server of 300 requests per second",
        _table(
            _HEAD,
            (
                _row(title, outcomes[f"{name} small"])
                for name, title in _DEFAULTS.items()
                if name in _SMALL
            ),
        ),
        "### The defaults beside other values",
        _table(_HEAD, (_row(title, outcomes[name]) for name, title in _OTHERS.items())),
        _table(
            ("watch, s", "requests per hour and object", "a hung server is detected within, s"),
            _cycles(outcomes),
        ),
        _table(
            ("splay, s", "reloads per second, at most", "50 %, s", "99 %, s", "100 %, s"),
            _splays(outcomes),
        ),
    ]
    return "\n\n".join(parts)


def _grants(outcomes: Outcomes) -> Iterable[Row]:
    for name, seen in outcomes.items():
        if name.startswith("grant "):
            yield (
                name.partition(" ")[2],
                *_times(seen),
                _cell(seen, lambda outcome: outcome.total("exit")),
            )


def _at_rest(outcomes: Outcomes) -> str:
    rest = outcomes["rollout"][0]
    calm = rest.series(*REQUESTS)[-STEADY:]
    refused, silent = (_attempts(outcomes[name][0]) for name in ("refused", "silent"))
    return (
        f"At rest: **{rest.hourly(STEADY):.1f} requests per hour and object**"
        f" ({outcomes['listing'][0].hourly(STEADY):.1f} at a server without WatchList),"
        f" {sum(calm) / len(calm):.0f} per second of the fleet on average and {max(calm)} at most."
        f" At the end of the 10 minutes of outage the fleet makes {refused:.0f} attempts per second"
        f" at a server that refuses, {silent:.0f} at a silent server."
    )


_DEFAULTS = {
    "rollout": "rollout, 20 pods per second",
    "at once": "all pods start at once",
    "refused": "return after 10 minutes of refused connections",
    "silent": "return after 10 minutes of silence",
    "restart": "API server away for 1 s",
    "away 20": "away for 20 s",
    "away 60": "away for 60 s",
    "splay 0": "one change",
}
_SMALL = ("at once", "refused", "restart")
_OTHERS = {
    "cap 15": "10 minutes refused; cap 15 s",
    "refused": "the same; **cap 30 s**",
    "short 2.5": "away for 60 s; short 2.5 s",
    "away 60": "the same; **short 5 s, crowd 15 and 30 s**",
    "short 10": "the same; short 10 s",
    "crowd 5": "the same; crowd 5 and 5 s",
    "crowd 10": "the same; crowd 10 and 20 s",
    "crowd 30": "the same; crowd 30 and 60 s",
    "relist 0.5": "away for 1 s; relist 0.5 s, base 0.5 s",
    "restart": "the same; **relist 5 s, base 0.5 s**",
    "relist 15": "the same; relist 15 s, base 0.5 s",
    "base 2": "the same; relist 5 s, base 2 s",
}
_HEAD = (
    "",
    "requests/s, at most",
    "new connections",
    "429",
    "50 %, s",
    "99 %, s",
    "100 %, s",
    "99 % watch, s",
    "exits 125",
)


def _row(title: str, seen: Sequence[Outcome]) -> Row:
    return (
        title,
        _cell(seen, lambda outcome: outcome.peak(*REQUESTS, lead=_lead(outcome))),
        _cell(seen, lambda outcome: outcome.total("connection")),
        _cell(seen, lambda outcome: outcome.total("refused")),
        *_times(seen),
        _cell(seen, lambda outcome: outcome.watching(0.99)),
        _cell(seen, lambda outcome: outcome.total("exit")),
    )


def _cell(seen: Sequence[Outcome], figure: Callable[[Outcome], float | None]) -> str:
    """A figure, or the lowest, the median and the highest of several; `never` sorts last."""
    found = sorted(math.inf if (number := figure(outcome)) is None else number for outcome in seen)
    shown = (found[0], found[len(found) // 2], found[-1]) if found[0] != found[-1] else found[:1]
    return " / ".join("never" if math.isinf(number) else _number(number) for number in shown)


def _number(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:.1f}"


def _lead(outcome: Outcome) -> float:
    """Seconds before the return that count as part of it: an outage may be that short."""
    return 0.0 if outcome.version == 1 else 1.0


def _times(seen: Sequence[Outcome]) -> Row:
    return tuple(
        _cell(seen, functools.partial(Outcome.until, share=share)) for share in (0.5, 0.99, 1)
    )


def _attempts(outcome: Outcome) -> float:
    """Attempts per second in the last five minutes of an outage."""
    series = outcome.series("in vain", lead=300)[:300]
    return sum(series) / len(series)


def _cycles(outcomes: Outcomes) -> Iterable[Row]:
    ours = Timing()
    for name, (low, high) in {
        "watch 120": (120, 180),
        "rollout": ours.watch,
        "watch 540": (540, 660),
    }.items():
        cycle = f"{low} to {high}"
        hourly = outcomes[name][0].hourly(3 * (low + high) / 2)
        yield (
            f"**{cycle}**" if name == "rollout" else cycle,
            f"{hourly:.1f}",
            f"{high + ours.slack:g}",
        )


def _splays(outcomes: Outcomes) -> Iterable[Row]:
    for splay in ("0", "60", "300"):
        seen = outcomes[f"splay {splay}"]
        yield (
            f"**{splay}**" if splay == "0" else splay,
            f"{seen[0].peak('reload'):,}",
            *_times(seen),
        )


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, ("---", *["--:"] * (len(head) - 1)), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def renew(path: str, text: str, mark: str = BEGIN) -> None:
    """Replace the text between a mark and the next end. Raises ValueError without them."""
    with open(path, encoding="utf-8") as file:
        before, begin, rest = file.read().partition(mark)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"cannot renew {path}: it needs the lines {mark!r} and {END!r}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def draw(path: str, outcomes: Outcomes) -> None:
    """Draw the runs into a PNG. Raises ImportError without matplotlib."""
    # By name: otherwise the type checker reads all of numpy.
    figure: Any = importlib.import_module("matplotlib.figure").Figure(
        figsize=(12, 8), layout="constrained"
    )
    (start, away), (back, change) = figure.subplots(2, 2)
    asked = {name: functools.partial(seen[0].series, *REQUESTS) for name, seen in outcomes.items()}
    _lines(
        start,
        "All pods start",
        {"at once": asked["at once"](), "20 per second": asked["rollout"]()[:600]},
    )
    ends = {how: asked[how](lead=120)[:240] for how in ("refused", "silent")}
    _lines(away, "Ten minutes of outage end (at 0)", ends, -120)
    servers = {"1,000 per second": "restart", "300 per second": "restart small"}
    backs = {f"a server of {rate}": asked[name](lead=10)[:130] for rate, name in servers.items()}
    _lines(back, "The API server is away for 1 s (before 0)", backs, -10)
    reloads = {
        f"splay {splay} s": outcomes[f"splay {splay}"][0].series("reload") for splay in ("0", "60")
    }
    _lines(change, "One change", reloads)
    change.set(ylabel="reloads per second")
    figure.savefig(path, dpi=80)


def _lines(axes: Any, title: str, lines: Mapping[str, Sequence[int]], first: int = 0) -> None:
    """A panel: each line begins in second `first`."""
    for label, series in lines.items():
        axes.plot(range(first, first + len(series)), series, label=label)
    axes.set(
        title=title, xlabel="seconds", ylabel="requests per second", yscale="symlog", ylim=(0, None)
    )
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
