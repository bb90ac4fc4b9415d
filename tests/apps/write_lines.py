"""A writer of lines: `write_lines.py NAME COUNT SIZE [WORD]`.

Each line is NAME, a number and as many letters as make SIZE bytes. It ends after the last line, or
waits for TERM where WORD is `wait`. Where WORD is `partial`, the last line has no newline.
"""

import os
import signal
import sys

name, count, size, *words = sys.argv[1:]
if words == ["wait"]:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
block = bytearray()


def write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


for number in range(int(count)):
    head = f"{name} {number} "
    block += head.encode() + name[:1].encode() * (int(size) - len(head) - 1) + b"\n"
    if len(block) > 65536:
        write(bytes(block))
        block.clear()
write(bytes(block[:-1] if words == ["partial"] else block))
if words == ["wait"]:
    signal.sigwait({signal.SIGTERM})
