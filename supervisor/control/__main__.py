"""`python -m config_supervisor.control`: supervisorctl, also where another program has the name."""

from __future__ import annotations

import sys

from .client import main

if __name__ == "__main__":
    sys.exit(main())
