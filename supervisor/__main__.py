"""The entry point. Signals come first: until they are blocked, the kernel drops those for PID 1.

As in `start_code`, no annotation needs `__future__`, whose import costs as much as our smaller
modules.
"""

import gc
import sys

from . import start_code


def main() -> None:
    """Run the supervisor with the arguments of this process, which ends with the app's code."""
    gc.disable()  # a start makes no garbage to speak of; `cli` enables it again
    start_code.load("signals")
    from .runtime import signals

    inherited = signals.install()
    start_code.load("cli")
    from .process import open_files

    open_files.open_standard()
    inherited = inherited.replace(files=open_files.inherited())
    from . import cli

    cli.main(sys.argv[1:], inherited)


if __name__ == "__main__":
    main()
