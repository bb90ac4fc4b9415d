"""The way of XML-RPC methods to the program: its state, its orders, its logs.

It owns names and waits: a method that waits gives a `Later`, which answers in the server's thread.
It must not know XML or sockets.
"""

from __future__ import annotations

from ..control.fault_codes import FaultCode
from ..core.record import Record
from .rpc_faults import RpcError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from ..core.events import Event
    from .conductor_state import Services
    from .plan import Main
    from .plan_changes import PlanChanges
    from .service_orders import OrderResult, Reply

    Answered = Callable[[Any], None]  # takes the value, or an RpcError
    Later = Callable[[Answered], None]

    class Logs(Protocol):
        """The logs of services; LookupError for a stream without a log."""

        def read(self, identity: str, channel: str, offset: int, length: int) -> bytes: ...

        def tail(
            self, identity: str, channel: str, offset: int, length: int
        ) -> tuple[bytes, int, bool]: ...

        def clear(self, identity: str, channel: str) -> None: ...

        def follow(
            self, identity: str, channel: str, call: Callable[[bytes], None]
        ) -> Callable[[], None]: ...


class Access(Record):
    main: Main
    state: Callable[[], Services]
    put: Callable[[Event], None]
    changes: PlanChanges
    call: Callable[[Callable[[], None]], None]  # has the server's thread call a function
    logs: Logs
    # Sends a REMOTE_COMMUNICATION event, of a type, to the event listeners.
    send_event: Callable[[str, str], None] | None = None
    # Writes to the standard input of a service, in the main thread; raises OSError.
    write_input: Callable[[str, bytes], None] | None = None


def running(access: Access) -> Services:
    """The services; raises RpcError while all are about to end or to start again."""
    services = access.state()
    if services.stopping is not None or services.code is not None:
        raise RpcError(FaultCode.SHUTDOWN_STATE)
    return services


def split(name: str) -> tuple[str, str]:
    """Group and process of a name; the process is empty for all of the group."""
    group, colon, process = name.partition(":")
    if not colon:
        return name, name
    return group, "" if process == "*" else process


def found(services: Services, name: str) -> tuple[str, ...]:
    """The services of a name: one, or those of `GROUP:*`. Raises RpcError."""
    group, process = split(name)
    if group not in services.roster.groups:
        raise RpcError(FaultCode.BAD_NAME, name)
    if not process:
        return tuple(one.identity for one in services.roster.groups[group].services)
    for one in services.roster.groups[group].services:
        if one.name == process:
            return (one.identity,)
    raise RpcError(FaultCode.BAD_NAME, name)


def single(services: Services, name: str) -> str:
    """The service of a name. Raises RpcError for a whole group too."""
    if not split(name)[1]:
        raise RpcError(FaultCode.BAD_NAME, name)
    return found(services, name)[0]


def answered_by(
    access: Access,
    order: Callable[[Reply], object],
    value: Callable[[tuple[OrderResult, ...]], Any],
) -> Later:
    """The answer of an order: `value` makes it of the results, and may raise RpcError."""

    def later(answer: Answered) -> None:
        def reply(results: tuple[OrderResult, ...]) -> None:
            access.call(lambda: answer(_value(value, results)))

        order(reply)

    return later


def _value(
    value: Callable[[tuple[OrderResult, ...]], Any], results: tuple[OrderResult, ...]
) -> Any:
    try:
        return value(results)
    except RpcError as error:
        return error
