"""The original's readFile and tailFile: a list of [function, offset, length] about a file to a list
of results, as JSON.
"""

import importlib
import json
import sys
from typing import Any

options: Any = importlib.import_module("supervisor.options")
path, asked = sys.argv[1], json.load(sys.stdin)
results = []
for function, offset, length in asked:
    try:
        if function == "tail":
            results.append(options.tailFile(path, offset, length))
        else:
            results.append(options.readFile(path, offset, length).decode())
    except ValueError as error:
        results.append({"fault": str(error)})
json.dump(results, sys.stdout)
