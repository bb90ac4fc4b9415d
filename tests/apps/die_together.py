"""An app with an orphan: both die in the same moment.

die_together.py CODE: the orphan lives as long as the app holds a pipe open. Prints `ready`, waits
for the end of its stdin and exits with CODE.
"""

from __future__ import annotations

import os
import sys

lives, life = os.pipe()
parent = os.fork()
if parent == 0:
    os.close(life)
    if os.fork() == 0:
        os.read(lives, 1)
    os._exit(0)
os.close(lives)
os.waitpid(parent, 0)
print("ready", flush=True)
sys.stdin.read()
os._exit(int(sys.argv[1]))
