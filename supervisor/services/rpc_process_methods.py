"""XML-RPC methods about processes: information, starts, stops, signals, standard input.

Each takes the access and the checked arguments; it gives a value or a `Later`, or raises RpcError.
"""

from __future__ import annotations

import os
import time

from ..control.fault_codes import FaultCode
from ..core import events as ev
from ..core.primitives import partial
from ..process import executables
from ..runtime import signals
from .rpc_access import answered_by, found, running, single, split
from .rpc_faults import RpcError
from .rpc_structs import fault_about, fault_of, order_status, process_info, status
from .service_orders import ServiceOrder, Verb
from .supervisord_states import DOWN, State, not_executable, state_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .conductor_state import Services
    from .rpc_access import Access, Answered, Later
    from .rpc_structs import Struct
    from .service_orders import OrderResult, Reply

_NO_SIGNAL = "0"  # asks whether there is a process
_SIGNALLED = frozenset({State.RUNNING, State.STARTING, State.STOPPING})
_STARTED = frozenset({State.RUNNING, State.STARTING, State.BACKOFF})


def process_info_of(access: Access, name: str) -> Struct:
    services = running(access)
    identity = single(services, name)
    return process_info(services, identity, time.monotonic(), time.time())


def all_process_info(access: Access) -> list[Struct]:
    services = running(access)
    now, epoch = time.monotonic(), time.time()
    places = services.roster.places
    order = sorted(places, key=lambda one: (places[one].service.group, places[one].service.name))
    return [process_info(services, identity, now, epoch) for identity in order]


# --- orders ---------------------------------------------------------------------------------------


def start(access: Access, name: str, wait: bool) -> Later:
    return _one_or_group(access, name, ServiceOrder(Verb.START, (), wait=wait))


def start_group(access: Access, name: str, wait: bool) -> Later:
    return _group(access, name, ServiceOrder(Verb.START, (), wait=wait))


def start_all(access: Access, wait: bool) -> Later:
    return _several(access, tuple(_all(access)), ServiceOrder(Verb.START, (), wait=wait))


def stop(access: Access, name: str, wait: bool) -> Later:
    return _one_or_group(access, name, ServiceOrder(Verb.STOP, (), wait=wait))


def stop_group(access: Access, name: str, wait: bool) -> Later:
    return _group(access, name, ServiceOrder(Verb.STOP, (), wait=wait))


def stop_all(access: Access, wait: bool) -> Later:
    return _several(access, tuple(_all(access)), ServiceOrder(Verb.STOP, (), wait=wait))


def signal(access: Access, name: str, signum: str) -> Later | bool:
    services = running(access)
    names = found(services, name)
    if signum.strip() == _NO_SIGNAL and split(name)[1]:
        if not _takes(services, names[0], Verb.SIGNAL):
            raise RpcError(FaultCode.NOT_RUNNING, name)
        return True
    return _one_or_group(access, name, _signal_order(signum))


def signal_group(access: Access, name: str, signum: str) -> Later:
    if name not in running(access).roster.groups:
        raise RpcError(FaultCode.BAD_NAME, name)
    return _group(access, name, _signal_order(signum))


def signal_all(access: Access, signum: str) -> Later:
    running(access)
    return _several(access, tuple(_all(access)), _signal_order(signum))


def _signal_order(text: str) -> ServiceOrder:
    try:
        number = signals.number(text)
    except ValueError:
        raise RpcError(FaultCode.BAD_SIGNAL, text) from None
    return ServiceOrder(Verb.SIGNAL, (), signum=number)


def _all(access: Access) -> tuple[str, ...]:
    return tuple(running(access).roster.places)


def _one_or_group(access: Access, name: str, order: ServiceOrder) -> Later:
    names = found(running(access), name)
    if not split(name)[1]:
        return _several(access, names, order)
    lacking = _lacking(access.state(), names[0], order.verb)
    if lacking is not None:
        raise RpcError(lacking.fault, lacking.about)
    send = partial(_send, access, order.replace(names=names))
    return answered_by(access, send, partial(_of_one, name, order.verb))


def _of_one(name: str, verb: Verb, results: tuple[OrderResult, ...]) -> bool:
    for result in results:
        fault = fault_of(result, verb)
        if fault is FaultCode.SHUTDOWN_STATE:
            raise RpcError(fault)
        if fault is not None:
            raise RpcError(fault, fault_about(fault, name, result))
    return True


def _group(access: Access, name: str, order: ServiceOrder) -> Later:
    groups = running(access).roster.groups
    if name not in groups:
        raise RpcError(FaultCode.BAD_NAME, name)
    return _several(access, tuple(one.identity for one in groups[name].services), order)


def _several(access: Access, names: tuple[str, ...], order: ServiceOrder) -> Later:
    """An order about those of the services that it can change."""
    services = access.state()
    names = tuple(one for one in names if _takes(services, one, order.verb))
    lacking = {name: _lacking(services, name, order.verb) for name in names}
    failed = [_failed(services, name, error) for name, error in lacking.items() if error]
    names = tuple(name for name in names if lacking[name] is None)
    send = partial(_send, access, order.replace(names=names))

    def statuses(results: tuple[OrderResult, ...]) -> list[Struct]:
        by_name = {one.name: one for one in results}
        known = [by_name[name] for name in names if name in by_name]
        return [*failed, *(order_status(services, one, order.verb) for one in known)]

    return answered_by(access, send, statuses)


def _takes(services: Services, identity: str, verb: Verb) -> bool:
    state = state_of(services.members[identity])
    if verb is Verb.SIGNAL:
        return state in _SIGNALLED
    return (state in _STARTED) is (verb is Verb.STOP)


def _lacking(services: Services, identity: str, verb: Verb) -> RpcError | None:
    """The fault of a start whose program is not there: it changes nothing, as in supervisord."""
    service = services.roster.places[identity].service
    if verb is not Verb.START or not service.command:
        return None
    if not service.words:
        return RpcError(FaultCode.NOT_EXECUTABLE, f"can't parse command '{service.command}'")
    program = service.words[0]
    path = service.environment.get("PATH") or os.environ.get("PATH") or os.defpath
    why = executables.missing(program, path)
    if not why:
        return None
    if why.startswith(executables.NOWHERE):
        return RpcError(FaultCode.NO_FILE, f"can't find command '{program}'")
    return RpcError(FaultCode.NOT_EXECUTABLE, not_executable(program, why))


def _failed(services: Services, identity: str, error: RpcError) -> Struct:
    service = services.roster.places[identity].service
    return status(service.name, service.group, error.fault, error.text)


def _send(access: Access, order: ServiceOrder, reply: Reply) -> None:
    if order.names:
        access.put(order.replace(reply=reply))
    else:
        reply(())


# --- standard input -------------------------------------------------------------------------------


def send_input(access: Access, name: str, chars: str) -> Later:
    services = running(access)
    identity = single(services, name)
    state = state_of(services.members[identity])
    if state in DOWN or state is State.STOPPING:
        raise RpcError(FaultCode.NOT_RUNNING, name)
    write = access.write_input
    if write is None:
        raise RpcError(FaultCode.NO_FILE, name)
    data = chars.encode(errors="replace")

    def later(answer: Answered) -> None:
        def in_main_thread() -> None:
            access.call(partial(answer, _written(partial(write, identity, data), name)))

        access.put(ev.Probed(in_main_thread))

    return later


def _input_failed(name: str, error: OSError) -> str:
    return f"cannot write to the standard input of {name}: {error.strerror or error}"


def _written(write: Callable[[], None], name: str) -> bool | RpcError:
    try:
        write()
    except BrokenPipeError:
        return RpcError(FaultCode.NO_FILE, name)
    except OSError as error:
        return RpcError(FaultCode.FAILED, _input_failed(name, error))
    return True
