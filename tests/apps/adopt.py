"""A parent that adopts: becomes a child subreaper, starts its arguments and reaps all children.

adopt.py COMMAND...: prints `adopted N` to stderr at the end, N being the number of processes other
than its own child, and exits with the code of the command. tini's tests have such a program too.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h

ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
main = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
adopted, code = 0, 0
while True:
    try:
        pid, status = os.waitpid(-1, 0)
    except ChildProcessError:
        break
    if pid == main:
        code = os.waitstatus_to_exitcode(status)
    else:
        adopted += 1
print("adopted", adopted, file=sys.stderr, flush=True)
os._exit(code)
