"""`python -m tests.bench`: measure our program, the floor and the peers in one run, side by side.

Needs root (fresh pid namespaces) and gcc; other missing programs are named and left out. Prints a
table per measure and the table of targets. `--write` keeps them in RESULTS.md and results.json
beside this file: tables of other measures stay, and so does the text below the marker.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from tests.bench import (
    disk,
    latency,
    log_relay,
    machine,
    orphans,
    resting,
    scraping,
    service_runs,
    starts,
    targets,
    updates,
    workshop,
)
from tests.bench.bench import Bench, Result
from tests.bench.kube_server import KubeServer
from tests.bench.running import SilentError
from tests.bench.tables import Table, load, render, save, summarize

MEASURES: dict[str, Callable[[Bench], list[Result]]] = {
    "start": starts.start,
    "first-sync": starts.first_sync,
    "rest": resting.rest,
    "signals": latency.at_rest,
    "importing": latency.importing,
    "streaming": latency.streaming,
    "orphans": orphans.orphans,
    "stop": starts.stop,
    "small": updates.small,
    "large": updates.large,
    "memory": updates.memory_after,
    "growth": updates.growth,
    "requests": resting.requests,
    "scraping": scraping.scraping,
    "health": starts.health,
    "disk": disk.disk,
    "services-start": service_runs.start,
    "services-rest": service_runs.rest,
    "services-stop": service_runs.stop,
    "services-event": service_runs.event,
    "services-lines": log_relay.relay,
}
RESULTS = os.path.join(workshop.HERE, "RESULTS.md")
NUMBERS = os.path.join(workshop.HERE, "results.json")
_ENDED_BY_TERM = 128 + signal.SIGTERM
MARKER = "<!-- Above: written by `make bench`. Below: by hand. -->"


def main() -> int:
    options = _options()
    lacking = _lacking()
    if lacking:
        print(f"cannot measure: {lacking}", file=sys.stderr)
        return 1
    # The exit unwinds, so nothing is left running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_ENDED_BY_TERM))
    when = f"{time.strftime('%Y-%m-%d')} at {machine.commit()}"
    when += f", at {options.scale} of the repetitions" if options.scale != 1 else ""
    tables, failures = _measure(options, when)
    for table in tables.values():
        print(render(table))
    known = {**load(NUMBERS), **tables} if options.write else tables
    print(targets.render(known))
    if options.write:
        save(NUMBERS, known.values())
        _write(known)
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    about = "Measure the supervisor, a minimal Python init (the floor) and the peers, in one run."
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=about)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(MEASURES),
        metavar="MEASURE",
        help=f"measures to take: {', '.join(MEASURES)}",
    )
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="factor for repetitions and durations (default 1: 20 minutes)",
    )
    parser.add_argument(
        "--python",
        default="/usr/bin/python3",
        help="interpreter of all candidates (default: %(default)s)",
    )
    parser.add_argument(
        "--write", action="store_true", help="write the figures to tests/bench/RESULTS.md"
    )
    return parser.parse_args()


def _lacking() -> str:
    if os.geteuid() != 0:
        return "fresh pid namespaces need root; run it as root, in a container for example"
    for program in ("gcc", "unshare", "setpriv"):
        if not shutil.which(program):
            return f"{program} is not in PATH; install it"
    return ""


def _measure(options: argparse.Namespace, when: str) -> tuple[dict[str, Table], list[str]]:
    """The tables by key, and the measures that failed."""
    tables: dict[str, Table] = {}
    failures: list[str] = []
    in_memory = tempfile.TemporaryDirectory(prefix="bench-", dir="/dev/shm")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, in_memory as memory:
        shop = workshop.build(folder, memory, options.python)
        with KubeServer(folder) as kube:
            bench = Bench(shop, kube, options.scale)
            for name in options.only or MEASURES:
                began = time.monotonic()
                stolen = machine.Stolen()
                try:
                    found = MEASURES[name](bench)
                except (SilentError, OSError, subprocess.SubprocessError) as error:
                    failures.append(name)
                    bench.say(f"cannot measure {name}: {error}")
                    continue
                said = f"{when}; the host gave {stolen.share():.1f} % of the CPU time to others"
                tables |= {result.key: summarize(result, said) for result in found}
                bench.say(
                    f"{name}: {time.monotonic() - began:.0f} s, {stolen.share():.1f} % stolen"
                )
    return tables, failures


def _write(tables: dict[str, Table]) -> None:
    by_hand = "\n\n## Changes without effect\n"
    if os.path.exists(RESULTS):
        with open(RESULTS, encoding="utf-8") as file:
            by_hand = file.read().partition(MARKER)[2]
    parts = [
        "# Costs of config-supervisor and its peers",
        machine.describe(),
        "## Targets",
        targets.render(tables),
        "## Figures",
        *(render(table).rstrip() for table in tables.values()),
        MARKER,
    ]
    with open(RESULTS, "w", encoding="utf-8") as file:
        file.write("\n\n".join(parts) + by_hand)


if __name__ == "__main__":
    raise SystemExit(main())
