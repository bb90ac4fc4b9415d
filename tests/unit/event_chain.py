"""A law about the events of services: each begins where the one before ended, as in supervisord."""

from __future__ import annotations

from collections.abc import Iterable

from config_supervisor.services.supervisord_states import State

# As in supervisord; from or to STOPPED also where a dependency failed, or an own end met a stop.
NEXT = {
    State.STOPPED: {State.STARTING, State.FATAL},
    State.STARTING: {State.RUNNING, State.BACKOFF, State.STOPPING},
    State.RUNNING: {State.EXITED, State.STOPPING},
    State.STOPPING: {State.STOPPED},
    State.BACKOFF: {State.STARTING, State.FATAL, State.STOPPED},
    State.EXITED: {State.STARTING, State.STOPPED},
    State.FATAL: {State.STARTING, State.STOPPED},
}
# With our defaults, where a pause follows RUNNING too.
MORE = {State.EXITED: {State.BACKOFF, State.FATAL}}


class EventChain:
    """The state of each program, by the events so far."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self._states: dict[tuple[str, str], State] = {}

    def take(self, events: Iterable[tuple[str, str]], *, strict: bool) -> None:
        for name, payload in events:
            self.events.append((name, payload))
            fields = dict(word.split(":", 1) for word in payload.split())
            group = fields.get("groupname", "")
            if name.startswith("PROCESS_GROUP"):
                self._states = {key: at for key, at in self._states.items() if key[0] != group}
            if name.startswith("PROCESS_STATE"):
                key = group, fields["processname"]
                before = self._states.get(key, State.STOPPED)
                after = State(name.removeprefix("PROCESS_STATE_"))
                if before is State.EXITED and fields["from_state"] == State.STOPPED:
                    before = State.STOPPED  # it ended by itself before its turn to stop
                assert before == fields["from_state"], self.events[-9:]
                known = NEXT[before] if strict else NEXT[before] | MORE.get(before, set())
                assert after in known, f"{before} to {after}: {self.events[-9:]}"
                self._states[key] = after
