"""Two services of a supervisor, `web` and `worker`, without rules above them.

`web` ends and leaves a process in its group and another in a session of its own. They are ended,
`worker` is not; then `worker` is ended by its name. It prints each event that it awaits.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

from config_supervisor.core import events as ev
from config_supervisor.process import environment, parent
from config_supervisor.process.children import Processes
from config_supervisor.process.spawning import Command
from config_supervisor.runtime import signals
from config_supervisor.runtime.inbox import Inbox

PATIENCE = 10.0  # seconds

inherited = signals.install()
inbox = Inbox(inherited.taken)
processes = Processes(inherited)
parent.become_subreaper()
processes.adopts = True


def command(script: str) -> Command:
    env = environment.own()
    env.prepare()
    return Command(("sh", "-c", script), env, None, None, None)


def see(wanted: Callable[[ev.Event], bool]) -> None:
    """Wait for an event, and tell it."""
    for _ in range(100):
        for event in [*processes.look(), *processes.reap()]:
            if wanted(event):
                print(type(event).__name__, *event.__dict__.values(), flush=True)
                return
        inbox.wait(min(PATIENCE, 0.1))


web = processes.spawn(command("sleep 60 & setsid sleep 60 & exit 3"), "web")
worker = processes.spawn(command("exec sleep 60"), "worker")
see(lambda event: isinstance(event, ev.Exited))
print(processes.kill_leftovers("web", signal.SIGKILL, everything=False), flush=True)
see(lambda event: isinstance(event, ev.NothingLeft))
print(processes.kill_leftovers("web", signal.SIGKILL, everything=False), flush=True)
processes.kill("worker", signal.SIGTERM, group=False)
see(lambda event: isinstance(event, ev.Exited))
