"""The scripts of services, as processes: `finish` and `down` run beside the services.

It starts and kills what the rules order, and reports the end of each. It decides nothing.
"""

from __future__ import annotations

from ..core.errors import CANNOT_RUN, SpawnError
from ..core.primitives import partial
from ..core.upkeep_state import RunScript, Script, ScriptEnded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core import events as ev
    from ..core.upkeep_state import KillScript
    from ..process.children import Processes
    from ..process.spawning import Command
    from .plan import Service
    from .service_files import ServiceFiles

    Report = Callable[[ev.HookReport], None]

_BY_SIGNAL = 256  # stands for the exit code of a program that a signal ended
_INPUT = 0
_NOTHING = "/dev/null"


class ServiceScripts:
    """For the main thread."""

    def __init__(
        self,
        processes: Processes,
        command: Callable[[str], Command],
        put: Callable[[ev.Event], None],
        files: ServiceFiles,
    ) -> None:
        """`command` gives that of a service, and raises SpawnError; `put` takes the reports;
        `files` has the outputs.
        """
        self._files = files
        self._processes = processes
        self._command = command
        self._put = put
        self._running: dict[str, int] = {}

    def run(
        self, order: RunScript, service: Service, expect: Callable[[int, Report], None]
    ) -> None:
        """Start a script; `expect` gets its pid, and what takes its end."""
        try:
            command = self._command(order.service)
            files = {**command.files, _INPUT: _NOTHING}
            command = command.replace(argv=self._words(order, service), files=files)
            pid = self._files.script(order.service, command, self._processes.spawn_hook)
        except Exception as error:  # SpawnError is usual; the rules await a report
            code = error.code if isinstance(error, SpawnError) else CANNOT_RUN
            self._put(ScriptEnded(order.script, code, str(error), order.service))
            return
        self._running[order.service] = pid
        expect(pid, partial(self._ended, order))

    def kill(self, order: KillScript) -> None:
        """Kill the script of a service, with its descendants. Raises OSError."""
        self._processes.kill_hook(self._running.get(order.service, 0))

    def _words(self, order: RunScript, service: Service) -> tuple[str, ...]:
        if order.script is Script.DOWN:
            return service.down
        words = service.finish.words if service.finish else ()
        code = _BY_SIGNAL if order.signum else order.code
        group = self._processes.group(order.service)
        return (*words, str(code), str(order.signum), service.name, str(group))

    def _ended(self, order: RunScript, report: ev.HookReport) -> None:
        if self._running.get(order.service) == report.pid:
            del self._running[order.service]
        self._put(ScriptEnded(order.script, report.code, report.error, order.service))
