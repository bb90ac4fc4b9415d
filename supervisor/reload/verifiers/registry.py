"""The value of --verify: a verifier by its name, or a check.

To add a verifier: a module beside this, and its line in VERIFIERS (`options/reload_options.py`).
The module has `parse(rest, trust, target)`: `rest` is the text behind the name and a colon, `trust`
is for https, `target` finds the process in a sidecar. It raises ValueError.
"""

from __future__ import annotations

from importlib import import_module

from ...options.reload_options import VERIFIERS
from .. import checks
from ..trust import Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...process.pid_lookup import PidLookup
    from ..checks import Check


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
