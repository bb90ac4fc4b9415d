# noqa: INP001 - no package: it becomes a module of the standard library
"""Keeps a process on the version that it was started from, when supervisor-install puts another in its place.

/opt/supervisor/lib is a link there, and modules that are imported late would come from the newer version. It runs at
each start of the interpreter, and must not import anything that a bare init does not.
"""

import os
import sys

sys.path[:] = [os.path.realpath(one) for one in sys.path]
