"""Holds a file open for writing, or mapped without an open file, and writes to it on a line."""

import mmap
import os
import sys

path, how = sys.argv[1:]
file = os.open(path, os.O_RDWR)
memory = None
if how == "mapping":
    memory = mmap.mmap(file, 0)
    memory[0:1] = memory[0:1]  # a dirty page
    os.closerange(3, file + 20)  # the descriptor of the module, too
print("holding", flush=True)
for _ in sys.stdin:
    if memory is None:
        os.pwrite(file, b"EDIT", 0)
    else:
        memory[0:4] = b"EDIT"
    print("written", flush=True)
