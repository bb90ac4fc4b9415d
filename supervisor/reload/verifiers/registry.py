"""The verifiers by name, and the value of --verify. To add one: a module beside this, a line here.

The module has `parse(rest, trust, target)`: `rest` stands behind the name and a colon, `trust` is
for https, `target` finds the process in a sidecar. It raises ValueError.
"""

from __future__ import annotations

from importlib import import_module

from .. import checks
from ..http_request import Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...process.pid_lookup import PidLookup
    from ..checks import Check

# Each verifier with the value that stands behind its name, in words for the help; "" for none.
VERIFIERS = {"nginx": "", "haproxy": "SOCKET", "prometheus": "URL", "postgres": ""}


def parse(
    text: str, directory: str, trust: Trust = Trust(), target: PidLookup | None = None
) -> Check:
    """Read the name of a verifier, or whatever `checks.parse` reads; raises ValueError."""
    name, _, rest = text.strip().partition(":")
    if name in VERIFIERS and (VERIFIERS[name] or not rest):
        module = import_module(f".{name}", __package__)
        check: Check = module.parse(rest, trust, target)
        return check
    return checks.parse(text, directory, trust)
