"""The methods of XML-RPC: a fixed table of names, and the way from a call to its answer.

A name that is not in the table is unknown, whatever it looks like. The meaning of a method is in
the `rpc_*_methods` beside this module.
"""

from __future__ import annotations

from ..control.fault_codes import FaultCode
from ..core.primitives import partial
from ..core.record import Record
from . import rpc_log_methods as logs
from . import rpc_main_methods as main
from . import rpc_process_methods as processes
from .rpc_faults import RpcError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .rpc_access import Access, Answered, Later
    from .rpc_format import Call

_READERS_ONLY = (
    "orders over TCP need a password: set username and password in [inet_http_server], or use the"
    " unix socket"
)
_MULTICALL = "system.multicall"
_TYPES = {"signal": "string"}  # parameters that take more than the type they are shown with
_MOST_CALLS = 1000  # of a multicall
_MOST_ANSWER = 8 << 20  # bytes of all its values, about: the answer is made in memory
_VALUE = 30  # bytes, about, of a value beside its text


class Method(Record):
    perform: Callable[..., Any]
    result: str  # types, in the words of the specification
    parameters: tuple[str, ...]
    help: str
    order: bool = False  # it changes something
    defaults: tuple[Any, ...] = ()  # of the last parameters


def call(access: Access, one: Call, *, orders: bool) -> Any | Later:
    """The value of a call, or the `Later` that answers it. Raises RpcError."""
    if one.method in SYSTEM:
        method = SYSTEM[one.method]
        arguments = checked(method, one.arguments)
        if one.method == _MULTICALL:
            return partial(_multicall, access, orders, *arguments)
        return method.perform(*arguments)
    found = METHODS.get(one.method)
    if found is None:
        raise RpcError(FaultCode.UNKNOWN_METHOD)
    arguments = checked(found, one.arguments)
    if found.order and not orders:
        raise RpcError(FaultCode.FAILED, _READERS_ONLY)
    return found.perform(access, *arguments)


def checked(method: Method, arguments: Sequence[Any]) -> list[Any]:
    """The arguments with the defaults, each of its type. Raises RpcError."""
    missing = len(method.parameters) - len(arguments)
    if not 0 <= missing <= len(method.defaults):
        raise RpcError(FaultCode.INCORRECT_PARAMETERS)
    given = [*arguments, *method.defaults[len(method.defaults) - missing :]]
    return [_typed(kind, value) for kind, value in zip(method.parameters, given, strict=True)]


def _typed(kind: str, value: Any) -> Any:
    match kind, value:
        case "string", str():
            return value
        case "signal", str():
            return value
        case "signal", int() if not isinstance(value, bool):
            return str(value)
        case "boolean", bool() | int():
            return bool(value)
        case "int", int() if not isinstance(value, bool):
            return value
        case "int", str():
            try:
                return int(value)
            except ValueError:
                pass
        case "array", list():
            return value
    raise RpcError(FaultCode.INCORRECT_PARAMETERS)


def is_later(value: Any) -> bool:
    """Whether the answer of a call comes later."""
    return callable(value)


# --- system.* -------------------------------------------------------------------------------------


def _list_methods() -> list[str]:
    return sorted({**METHODS, **SYSTEM})


def _described(name: str) -> Method:
    found = METHODS.get(name) or SYSTEM.get(name)
    if found is None:
        raise RpcError(FaultCode.SIGNATURE_UNSUPPORTED)
    return found


def _help(name: str) -> str:
    return _described(name).help


def _signature(name: str) -> list[str]:
    method = _described(name)
    return [method.result, *(_TYPES.get(kind, kind) for kind in method.parameters)]


def _multicall(access: Access, orders: bool, calls: list[Any], answer: Answered) -> None:
    """Each call after the answer of the one before."""
    if len(calls) > _MOST_CALLS:
        answer(RpcError(FaultCode.INCORRECT_PARAMETERS, f"more than {_MOST_CALLS} calls"))
        return
    _Multicall(access, orders, calls, answer).go_on()


class _Multicall:
    def __init__(self, access: Access, orders: bool, calls: list[Any], answer: Answered) -> None:
        self._access = access
        self._orders = orders
        self._rest = list(reversed(calls))
        self._answer = answer
        self._results: list[Any] = []
        self._room = _MOST_ANSWER

    def go_on(self) -> None:
        while self._rest:
            asked = self._rest.pop()
            value: Any = self._value(asked) if self._room > 0 else _too_large()
            if is_later(value):
                value(self._take_later)
                return
            self._take(value)
        self._answer(self._results)

    def _take_later(self, value: Any) -> None:
        self._take(value)
        self.go_on()

    def _take(self, value: Any) -> None:
        if isinstance(value, RpcError):
            value = {"faultCode": int(value.fault), "faultString": value.text}
        self._room -= _size(value)
        self._results.append(value)

    def _value(self, asked: Any) -> Any:
        from .rpc_format import Call

        wrong = FaultCode.INCORRECT_PARAMETERS
        name = asked.get("methodName") if isinstance(asked, dict) else None
        parameters = asked.get("params", []) if isinstance(asked, dict) else None
        if not name or not isinstance(name, str) or not isinstance(parameters, list):
            return RpcError(wrong, "No methodName")
        if name == _MULTICALL:
            return RpcError(wrong, "Recursive system.multicall forbidden")
        try:
            return call(self._access, Call(name, tuple(parameters)), orders=self._orders)
        except RpcError as error:
            return error


def _too_large() -> RpcError:
    mebibytes = _MOST_ANSWER >> 20
    return RpcError(FaultCode.FAILED, f"the answers before have {mebibytes} MiB; ask for it apart")


def _size(value: Any) -> int:
    """About the bytes of a value in an answer."""
    if isinstance(value, str):
        return _VALUE + len(value)
    if isinstance(value, dict):
        return _VALUE + sum(2 * _VALUE + _size(one) for one in value.values())
    if isinstance(value, list | tuple):
        return _VALUE + sum(map(_size, value))
    return _VALUE


SYSTEM = {
    "system.listMethods": Method(_list_methods, "array", (), "The names of all methods."),
    "system.methodHelp": Method(_help, "string", ("string",), "The meaning of a method."),
    "system.methodSignature": Method(
        _signature, "array", ("string",), "The type of a method's result, and of each parameter."
    ),
    _MULTICALL: Method(
        _multicall,
        "array",
        ("array",),
        "Calls of several methods, each a struct of methodName and params, in order. The result has"
        " the value of each call, or a struct of faultCode and faultString.",
    ),
}


# --- supervisor.* ---------------------------------------------------------------------------------

_NAME = ("string",)
_SPAN = ("string", "int", "int")
_NAMED_WAIT = ("string", "boolean")
_WAITS = (True,)
_PROCESS = "NAME, GROUP:NAME or GROUP:*"

_version = Method(main.api_version, "string", (), "The version of this interface.")
_read_main = Method(
    logs.read_main, "string", ("int", "int"), "Bytes of the main log: from an offset, a number."
)
_read_stdout = Method(
    logs.read_stdout,
    "string",
    _SPAN,
    "Bytes of a process' standard output: from an offset, a number; a negative offset with 0 counts"
    " from the end.",
)
_tail_stdout = Method(
    logs.tail_stdout,
    "array",
    _SPAN,
    "The last bytes of a process' standard output from an offset on, at most a number: bytes, the"
    " offset behind them, and whether bytes were left out.",
)
_clear = Method(logs.clear, "boolean", _NAME, "Empties the logs of a process.", order=True)

_TABLE = {
    "getAPIVersion": _version,
    "getVersion": _version,
    "getSupervisorVersion": Method(main.version, "string", (), "The version of this program."),
    "getIdentification": Method(main.identification, "string", (), "The identifier key."),
    "getState": Method(
        main.state, "struct", (), "The state of the supervisor: statecode and statename."
    ),
    "getPID": Method(main.pid, "int", (), "The process id of the supervisor."),
    "readLog": _read_main,
    "readMainLog": _read_main,
    "clearLog": Method(logs.clear_main, "boolean", (), "Empties the main log.", order=True),
    "shutdown": Method(
        main.shut_down, "boolean", (), "Stops all processes, then the supervisor.", order=True
    ),
    "restart": Method(
        main.restart,
        "boolean",
        (),
        "Stops all processes, reads the file again, and starts them.",
        order=True,
    ),
    "reloadConfig": Method(
        main.reload_config,
        "array",
        (),
        "Reads the file again: the names of groups that are added, changed and removed there.",
        order=True,
    ),
    "addProcessGroup": Method(
        main.add_group, "boolean", _NAME, "Takes up a group of the file.", order=True
    ),
    "removeProcessGroup": Method(
        main.remove_group, "boolean", _NAME, "Drops a group whose processes are down.", order=True
    ),
    "startProcess": Method(
        processes.start,
        "boolean",
        _NAMED_WAIT,
        f"Starts {_PROCESS}, and waits until it runs, unless told not to.",
        order=True,
        defaults=_WAITS,
    ),
    "startProcessGroup": Method(
        processes.start_group,
        "array",
        _NAMED_WAIT,
        "Starts all processes of a group.",
        order=True,
        defaults=_WAITS,
    ),
    "startAllProcesses": Method(
        processes.start_all,
        "array",
        ("boolean",),
        "Starts all processes.",
        order=True,
        defaults=_WAITS,
    ),
    "stopProcess": Method(
        processes.stop,
        "boolean",
        _NAMED_WAIT,
        f"Stops {_PROCESS}, and waits for the end, unless told not to.",
        order=True,
        defaults=_WAITS,
    ),
    "stopProcessGroup": Method(
        processes.stop_group,
        "array",
        _NAMED_WAIT,
        "Stops all processes of a group.",
        order=True,
        defaults=_WAITS,
    ),
    "stopAllProcesses": Method(
        processes.stop_all,
        "array",
        ("boolean",),
        "Stops all processes.",
        order=True,
        defaults=_WAITS,
    ),
    "signalProcess": Method(
        processes.signal,
        "boolean",
        ("string", "signal"),
        f"Sends a signal, by name or number, to {_PROCESS}.",
        order=True,
    ),
    "signalProcessGroup": Method(
        processes.signal_group,
        "array",
        ("string", "signal"),
        "Sends a signal to all processes of a group.",
        order=True,
    ),
    "signalAllProcesses": Method(
        processes.signal_all, "array", ("signal",), "Sends a signal to all processes.", order=True
    ),
    "getAllConfigInfo": Method(
        main.all_config_info, "array", (), "The configuration of each process of the file."
    ),
    "getProcessInfo": Method(processes.process_info_of, "struct", _NAME, "The state of a process."),
    "getAllProcessInfo": Method(
        processes.all_process_info, "array", (), "The state of each process."
    ),
    "readProcessStdoutLog": _read_stdout,
    "readProcessLog": _read_stdout,
    "readProcessStderrLog": Method(
        logs.read_stderr, "string", _SPAN, "As readProcessStdoutLog, of the standard error."
    ),
    "tailProcessStdoutLog": _tail_stdout,
    "tailProcessLog": _tail_stdout,
    "tailProcessStderrLog": Method(
        logs.tail_stderr, "array", _SPAN, "As tailProcessStdoutLog, of the standard error."
    ),
    "clearProcessLogs": _clear,
    "clearProcessLog": _clear,
    "clearAllProcessLogs": Method(
        logs.clear_all, "array", (), "Empties the logs of all processes.", order=True
    ),
    "sendProcessStdin": Method(
        processes.send_input,
        "boolean",
        ("string", "string"),
        "Writes text to the standard input of a process.",
        order=True,
    ),
    "sendRemoteCommEvent": Method(
        main.send_event,
        "boolean",
        ("string", "string"),
        "Sends an event of a type, with data, to the event listeners.",
        order=True,
    ),
}
METHODS = {f"supervisor.{name}": method for name, method in _TABLE.items()}
