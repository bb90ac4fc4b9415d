"""A call of supervisord's XML-RPC that fails, with the text of its fault.

Pure. It must not know methods or transports.
"""

from __future__ import annotations

from ..control.fault_codes import FaultCode


class RpcError(Exception):
    """A call that fails: a fault of the table, with the name or the reason behind it."""

    def __init__(self, fault: FaultCode, about: str = "") -> None:
        self.fault = fault
        self.about = about
        self.text = f"{fault.name}: {about}" if about else fault.name
        super().__init__(self.text)
