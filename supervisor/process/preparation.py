"""A command that runs to its end before all else, while the supervisor waits for it.

For the main thread, before there are other children: what else ends meanwhile is reaped later.
"""

from __future__ import annotations

import os

from ..core.errors import BY_SIGNAL
from .spawning import Spawner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..runtime.signals import Inherited
    from .spawning import Command


def run(command: Command, inherited: Inherited) -> int:
    """The exit code of a command, as a shell has it. Raises SpawnError where it cannot start."""
    child = Spawner(inherited).start(command)
    _, status = os.waitpid(child.pid, 0)
    error = child.error()
    if error is not None:
        raise error
    code = os.waitstatus_to_exitcode(status)
    return BY_SIGNAL - code if code < 0 else code
