"""An event listener under test: `record_events.py FILE [RESULT...]`.

It appends each event to the file, as a line of JSON with header and payload. It answers OK; the
first answers are the results on its command line. RECORD_PAUSE: the seconds that it takes for each.
"""

import io
import json
import os
import sys
import time

pause = float(os.environ.get("RECORD_PAUSE", "0"))
path, *results = sys.argv[1:]
events = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", newline="")
with open(path, "ab", buffering=0) as file:
    while True:
        os.write(1, b"READY\n")
        head = events.readline()
        if not head:
            break
        length = int(head.rpartition("len:")[2])
        line = json.dumps([head, events.read(length)])
        time.sleep(pause)
        file.write(line.encode() + b"\n")
        result = results.pop(0).encode() if results else b"OK"
        os.write(1, b"RESULT %d\n%b" % (len(result), result))
