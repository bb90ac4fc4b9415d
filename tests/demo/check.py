"""The validator of the demo: check.py DIR prints the fault of a greeting and ends with 1."""

from __future__ import annotations

import sys

with open(f"{sys.argv[1]}/greeting.conf", encoding="utf-8") as file:
    for number, line in enumerate(file, 1):
        if line.count("{") != line.count("}"):
            sys.exit(f'greeting.conf:{number}: unexpected end of line, expecting "}}"')
