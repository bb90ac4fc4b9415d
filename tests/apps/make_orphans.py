"""Makes COUNT orphans, which live until a line comes on stdin and then die at once.

make_orphans.py COUNT: prints `ready` when all are there and have lost their parent, `dead` after
the first line of stdin, and exits with 0 at the end of stdin.
"""

from __future__ import annotations

import os
import sys

count = int(sys.argv[1])
lives, life = os.pipe()  # no orphan holds the writing end: closing it is the end of them all
parent = os.fork()
if parent == 0:
    os.close(life)
    for _ in range(count):
        if os.fork() == 0:
            os.read(lives, 1)
            os._exit(0)
    os._exit(0)
os.close(lives)
os.waitpid(parent, 0)
print("ready", flush=True)
sys.stdin.readline()
os.close(life)
print("dead", flush=True)
sys.stdin.read()
