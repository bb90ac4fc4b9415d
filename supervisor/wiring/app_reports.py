"""The reports of a single app: its socket, in the environment of its command, and their reader."""

from __future__ import annotations

from ..core.errors import StartError, reason
from ..reload import reload_reports
from ..reload.notify_reader import NotifyReader, NotifySocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..process.spawning import Command
    from ..runtime.loop import Current


def listen(command: Command, current: Current) -> None:
    """Give the command a NOTIFY_SOCKET. Raises StartError, RuntimeError without a thread."""
    try:
        made = NotifySocket()
        command.env.set("NOTIFY_SOCKET", made.name)

        def hear() -> bool:
            message = made.read()
            pid = current.state.life.pid
            if message is not None and pid:
                reload_reports.hear(pid, message)
            return True

        NotifyReader().watch(made.fileno(), hear)
    except OSError as error:
        raise StartError(
            f"cannot listen for the app's reports (--reload-notify): {reason(error)}"
        ) from error
