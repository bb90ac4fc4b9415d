# noqa: INP001 - no package: it becomes a module of the standard library
"""Gives the app's LD_* variables their names back, which launcher.c keeps from our own loader.

The names change where the kernel put them, so /proc/self/environ shows them too. `site` runs it at
each start of the bundle's interpreter; programs/supervisor, which does without `site`, only where
there is such a variable.
"""

import os

hidden = [name for name in os.environ if name.startswith("LD\1")]
if hidden:
    import ctypes

    entry = ctypes.POINTER(ctypes.POINTER(ctypes.c_char)).in_dll(ctypes.CDLL(None), "environ")
    index = 0
    while entry[index]:
        if entry[index][:3] == b"LD\1":
            entry[index][2] = b"_"
        index += 1
    for name in hidden:
        os.environ[f"LD_{name[3:]}"] = os.environ.pop(name)
