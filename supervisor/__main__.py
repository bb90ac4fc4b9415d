"""The entry point. Signals come first: until they are blocked, the kernel drops those for PID 1."""

from __future__ import annotations

import sys

from .runtime import signals


def main() -> None:
    """Run the supervisor with the arguments of this process, which ends with the app's code."""
    inherited = signals.install()
    from .process import open_files

    open_files.open_standard()
    inherited = inherited.replace(files=open_files.inherited())
    from . import cli

    cli.main(sys.argv[1:], inherited)


if __name__ == "__main__":
    main()
