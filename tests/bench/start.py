"""How long until the app runs: the bare init against a bare interpreter that starts the same app, interleaved.

Run by hand: `.venv/bin/python tests/bench/start.py [ROUNDS]`. Prints min/median/max in milliseconds from exec to the
app's first instruction, each as PID 1 of a fresh pid namespace (root), and the ratio of the medians.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

BIN = os.path.dirname(sys.executable)
BASELINE = "import argparse, logging, signal, subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] if os.geteuid() == 0 else []
SUBJECTS = {
    "supervisor": [f"{BIN}/python", "-I", f"{BIN}/supervisor", "--"],
    "bare interpreter": [f"{BIN}/python", "-I", "-c", BASELINE],
}


def once(command: list[str]) -> float:
    """Milliseconds from exec to the first line of the app."""
    app = ["/bin/sh", "-c", "echo up"]
    began = time.perf_counter()
    process = subprocess.Popen([*NAMESPACE, *command, *app], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    took = time.perf_counter() - began
    process.stdout.close()
    process.wait()
    return took * 1000


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    times: dict[str, list[float]] = {name: [] for name in SUBJECTS}
    for _ in range(rounds):
        for name, command in SUBJECTS.items():
            times[name].append(once(command))
    for name, taken in times.items():
        print(f"{name:20} {min(taken):6.1f} {statistics.median(taken):6.1f} {max(taken):6.1f} ms")
    ours, theirs = (statistics.median(taken) for taken in times.values())
    print(f"ratio of the medians {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
