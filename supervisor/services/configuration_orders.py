"""Orders of people about the configuration of one service: reload, rollback, generations.

For the threads of servers. An order is answered once, with the exit code and the text of
`supervisorctl config`. It reads the state and the generations on disk; the rollout does the rest.
"""

from __future__ import annotations

from ..control import commands
from ..control.commands import Answer
from ..core import events as ev
from ..core.orders import Result
from ..core.rollout_state import rollout_of
from ..core.versions import short
from ..runtime import log
from ..store.write_errors import ApplyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.orders import Settled
    from .conductor_state import Services
    from .late_configuration import LateConfiguration
    from .service_configuration import ServiceConfiguration

    Reply = Callable[[Answer], None]  # called in any thread; returns at once

_REFUSED = 1
_USAGE = 2
# The remedies of a single app, and those of a service.
_OF_ONE_APP = {
    "supervisorctl generations": "supervisorctl config generations {}",
    "supervisorctl fleet tells": "supervisorctl fleet --service {} tells",
    "supervisorctl fleet approve": "supervisorctl fleet approve --service {}",
}


class ConfigurationOrders:
    def __init__(
        self,
        services: Callable[[], Services],
        put: Callable[[ev.Event], None],
        configuration: LateConfiguration,
    ) -> None:
        """`services` returns the present state."""
        self._services = services
        self._put = put
        self._configuration = configuration

    def reload(self, name: str, by: str, reply: Reply) -> None:
        """Apply and reload the newest version now; `by` names the client in the log."""
        found = self._found(name)
        if isinstance(found, Answer):
            reply(found)
            return
        log.info(f"{name}: reload ordered by {by}", event="reload_ordered", service=name)

        def answer(settled: Settled) -> None:
            reply(_of_service(name, settled, commands.reloaded(settled)))

        self._put(ev.ReloadOrdered(answer, name))

    def roll_back(self, name: str, wanted: str, by: str, reply: Reply) -> None:
        """Put an earlier version back: `wanted` is a number of generations, or a version.

        It reads the generations on disk, which may take long.
        """
        if not commands.is_rollback(wanted):
            why = "it must be a number of generations, 1 or more, or a version"
            reply(Answer(_USAGE, f"cannot roll {name} back to {wanted!r}: {why}"))
            return
        found = self._found(name)
        target = found if isinstance(found, Answer) else self._target(name, found, wanted)
        if isinstance(target, Answer):
            reply(_named(name, target))
            return
        log.info(
            f"{name}: rollback to configuration {short(target)} ordered by {by}",
            event="rollback_ordered",
            service=name,
            version=short(target),
        )

        def answer(settled: Settled) -> None:
            reply(_of_service(name, settled, commands.rolled_back(target, settled)))

        self._put(ev.RollbackOrdered(target, answer, name))

    def _target(self, name: str, found: ServiceConfiguration, wanted: str) -> str | Answer:
        try:
            generations = found.generations()
        except ApplyError as error:
            return Answer(_REFUSED, f"cannot roll {name} back: {error}")
        rollout = rollout_of(self._services().members[name].service)
        return commands.earlier(generations, rollout.versions, wanted)

    def generations(self, name: str) -> list[dict[str, object]] | Answer:
        """The generations of a service as `/generations` shows them. It reads the disk."""
        found = self._found(name)
        if isinstance(found, Answer):
            return found
        try:
            kept = found.generations()
        except ApplyError as error:
            return Answer(_REFUSED, str(error))
        return commands.listed(kept, self._services().members[name].service)

    def _found(self, name: str) -> ServiceConfiguration | Answer:
        if name not in self._services().members:
            return Answer(_REFUSED, f"{name}: there is no such service")
        try:
            return self._configuration.of(name)
        except KeyError:
            why = "it has no configuration; give it configmap, secret or config_dir"
            return Answer(_REFUSED, f"{name}: {why}")


def _of_service(name: str, settled: Settled, answer: Answer) -> Answer:
    """The answer of a single app, about a service."""
    if settled.result is Result.ENDING:
        return Answer(_REFUSED, f"{name}: it is down, or about to end; start it first")
    return _named(name, answer)


def _named(name: str, answer: Answer) -> Answer:
    if answer.text.startswith(f"{name}: "):
        return answer
    text = answer.text
    for remedy, of_service in _OF_ONE_APP.items():
        text = text.replace(remedy, of_service.format(name))
    return answer.replace(text=f"{name}: {text}")
