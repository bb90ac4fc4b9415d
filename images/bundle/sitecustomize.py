# noqa: INP001 - no package: it becomes a module of the standard library
"""Gives the app's LD_* variables their names back, which launcher.c keeps from our own loader.

It runs at each start of the interpreter, and must not import anything that a bare init does not.
"""

import os

for name in [name for name in os.environ if name.startswith("LD\1")]:
    os.environ[f"LD_{name[3:]}"] = os.environ.pop(name)
