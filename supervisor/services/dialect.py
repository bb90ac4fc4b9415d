"""The two sets of defaults for one format: those of supervisord, and ours for --services.

Pure. A key that is written means the same in both.
"""

from __future__ import annotations

from ..core.record import Record
from .plan import Pace, Retries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .service_defaults import ServiceDefaults


class Dialect(Record):
    follows_supervisord: bool  # signals, log lines, exit code
    essential: bool
    retries: Retries
    tagged: bool  # lines of a service on our output begin with its name
    defaults: ServiceDefaults | None = None  # of options; None: there are none


SUPERVISORD = Dialect(True, False, Retries(), False)
# Ten starts, with pauses that double from half a second to half a minute, take some minutes.
SERVICES = Dialect(False, True, Retries(10, Pace.EXPONENTIAL, 600.0), True)
