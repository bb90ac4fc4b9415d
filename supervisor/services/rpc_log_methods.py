"""XML-RPC methods about logs: of services, and the main log.

Each takes the access and the checked arguments, or raises RpcError. A read has a bound: the answer
is made in memory.
"""

from __future__ import annotations

from ..control.fault_codes import FaultCode
from ..runtime import log
from . import main_log
from .rpc_access import running, single
from .rpc_faults import RpcError
from .rpc_structs import log_path, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plan import Service
    from .rpc_access import Access
    from .rpc_structs import Struct

MOST = 4 << 20  # bytes of a log in an answer
STDOUT, STDERR = "stdout", "stderr"


def read_stdout(access: Access, name: str, offset: int, length: int) -> str:
    return _read(access, name, STDOUT, (offset, length))


def read_stderr(access: Access, name: str, offset: int, length: int) -> str:
    return _read(access, name, STDERR, (offset, length))


def tail_stdout(access: Access, name: str, offset: int, length: int) -> list[object]:
    return _tail(access, name, STDOUT, (offset, length))


def tail_stderr(access: Access, name: str, offset: int, length: int) -> list[object]:
    return _tail(access, name, STDERR, (offset, length))


def _service(access: Access, name: str) -> Service:
    services = running(access)
    return services.roster.places[single(services, name)].service


def _read(access: Access, name: str, channel: str, span: tuple[int, int]) -> str:
    service = _service(access, name)
    offset, length = _bounded(*span)
    path = log_path(getattr(service, channel))
    try:
        return _text(access.logs.read(service.identity, channel, offset, length))
    except LookupError:
        raise RpcError(FaultCode.NO_FILE, path) from None
    except ValueError:
        raise RpcError(FaultCode.BAD_ARGUMENTS) from None
    except OSError:
        raise RpcError(FaultCode.FAILED) from None


def _bounded(offset: int, length: int) -> tuple[int, int]:
    """Raises RpcError for a span without a meaning."""
    if length < 0 or (offset < 0 and length):
        raise RpcError(FaultCode.BAD_ARGUMENTS)
    if offset < 0:
        return max(offset, -MOST), 0
    return offset, min(length or MOST, MOST)


def _tail(access: Access, name: str, channel: str, span: tuple[int, int]) -> list[object]:
    service = _service(access, name)
    offset, length = span
    try:
        data, size, overflow = access.logs.tail(
            service.identity, channel, offset, min(length, MOST)
        )
    except LookupError:
        return ["", 0, False]
    except OSError:
        return ["", offset, False]
    return [_text(data), size, overflow]


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def clear(access: Access, name: str) -> bool:
    _clear(access, _service(access, name), name)
    return True


def _clear(access: Access, service: Service, name: str) -> None:
    """A stream without a log is no fault."""
    for channel in (STDOUT, STDERR):
        try:
            access.logs.clear(service.identity, channel)
        except LookupError:
            continue
        except OSError:
            raise RpcError(FaultCode.FAILED, name) from None


def clear_all(access: Access) -> list[Struct]:
    found = []
    for identity, place in running(access).roster.places.items():
        one = place.service
        try:
            _clear(access, one, identity)
        except RpcError as error:
            found.append(status(one.name, one.group, error.fault, error.text))
        else:
            found.append(status(one.name, one.group, FaultCode.SUCCESS, "OK"))
    return found


# --- the main log ---------------------------------------------------------------------------------


def read_main(access: Access, offset: int, length: int) -> str:
    running(access)
    offset, length = _bounded(offset, length)
    path = access.main.logfile
    try:
        return _text(main_log.read(path, offset, length))
    except FileNotFoundError:
        raise RpcError(FaultCode.NO_FILE, path) from None
    except OSError:
        raise RpcError(FaultCode.FAILED) from None


def clear_main(access: Access) -> bool:
    running(access)
    try:
        main_log.clear(access.main.logfile)
    except FileNotFoundError:
        raise RpcError(FaultCode.NO_FILE) from None
    except OSError:
        raise RpcError(FaultCode.FAILED) from None
    log.info("the log file was emptied by a client", event="log_cleared")
    return True
