"""An app with a slow stop.

drain.py SECONDS CODE: prints `ready`; on the first signal it prints the number, works for SECONDS,
prints `drained` and exits with CODE. Further signals meanwhile are printed and change nothing.
"""

from __future__ import annotations

import signal
import sys
import time

seconds, code = float(sys.argv[1]), int(sys.argv[2])
taken = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, taken)
print("ready", flush=True)
print(signal.sigwaitinfo(taken).si_signo, flush=True)
end = time.monotonic() + seconds
while (left := end - time.monotonic()) > 0:
    if (more := signal.sigtimedwait(taken, left)) is not None:
        print(more.si_signo, flush=True)
print("drained", flush=True)
sys.exit(code)
