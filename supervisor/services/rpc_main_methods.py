"""XML-RPC methods about the supervisor as a whole: its state, its plan, its end.

Each takes the access and the checked arguments; it gives a value or a `Later`, or raises RpcError.
"""

from __future__ import annotations

import os

from .. import __version__
from ..control.fault_codes import FaultCode
from ..core.errors import UsageError
from ..core.primitives import partial
from ..runtime import log
from .conductor_state import StopAllOrdered
from .rpc_access import answered_by, running
from .rpc_faults import RpcError
from .rpc_structs import config_info, fault_of
from .service_orders import OrderResult, Verb
from .supervisord_states import supervisor_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .rpc_access import Access, Answered, Later
    from .rpc_structs import Struct
    from .service_orders import Answer, Reply

API_VERSION = "3.0"  # clients compare it


def api_version(access: Access) -> str:
    running(access)
    return API_VERSION


def version(access: Access) -> str:
    running(access)
    return __version__


def identification(access: Access) -> str:
    running(access)
    return access.main.identifier


def state(access: Access) -> Struct:
    name, code = supervisor_state(running(access))
    return {"statecode": code, "statename": name}


def pid(access: Access) -> int:
    running(access)
    return os.getpid()


def shut_down(access: Access) -> Later:
    running(access)
    return partial(_after_the_answer, access, StopAllOrdered())


def restart(access: Access) -> Later:
    running(access)
    return partial(_after_the_answer, access, StopAllOrdered(restart=True))


def _after_the_answer(access: Access, order: StopAllOrdered, answer: Answered) -> None:
    """The end of the program waits for no client."""
    answer(True)
    word = "restart of all services" if order.restart else "shutdown"
    log.info(f"{word} ordered by a client", event="shutdown_ordered")
    access.put(order)


# --- the plan -------------------------------------------------------------------------------------


def all_config_info(access: Access) -> list[Struct]:
    running(access)
    active = {group.name for group in access.changes.active.groups}
    found = [
        config_info(group, one, in_use=group.name in active)
        for group in access.changes.configured.groups
        for one in group.services
    ]
    return sorted(found, key=lambda struct: str(struct["name"]))


def reload_config(access: Access) -> list[list[list[str]]]:
    running(access)
    try:
        change = access.changes.reread()
    except UsageError as error:
        raise RpcError(FaultCode.CANT_REREAD, str(error)) from None
    added = [group.name for group in change.added]
    changed = [group.name for group in change.changed]
    return [[added, changed, list(change.removed)]]


def add_group(access: Access, name: str) -> Any:
    running(access)
    return answered_by(access, partial(_add, access, name), partial(_of_group, name))


def remove_group(access: Access, name: str) -> Any:
    running(access)
    return answered_by(access, partial(_remove, access, name), partial(_of_group, name))


def _add(access: Access, name: str, reply: Reply) -> None:
    _decided(name, access.changes.add(name, reply), reply)


def _remove(access: Access, name: str, reply: Reply) -> None:
    _decided(name, access.changes.remove(name, reply), reply)


def _decided(name: str, answer: Answer | None, reply: Reply) -> None:
    if answer is not None:
        reply((OrderResult(name, answer),))


def _of_group(name: str, results: tuple[OrderResult, ...]) -> bool:
    if not results:  # all services are about to end
        raise RpcError(FaultCode.SHUTDOWN_STATE)
    for result in results:
        fault = fault_of(result, Verb.UPDATE)
        if fault is not None:
            raise RpcError(fault, name)
    return True


# --- event listeners ------------------------------------------------------------------------------


def send_event(access: Access, kind: str, data: str) -> bool:
    """Without listeners the event reaches none, and that is no fault."""
    if access.send_event is not None:
        access.send_event(kind, data)
    return True
