"""The options that only a role of several services has; it has those of a single app besides.

They are declared as those in `declarations`; a bare init reads none of them.
"""

from __future__ import annotations

from . import parsers
from .option import Group, Option, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class ServicesGroup(Group):
    title = "several services"

    services: str | None = option(
        parsers.path, "FILE", "run the services of this file, in the format of supervisord.conf"
    )
    check: bool = option(
        None,
        "",
        "with --services and --s6: print how the file or tree is read and the plan, and exit with"
        " 0, or with 2 where it is refused",
        default=False,
    )
    json: bool = option(None, "", "with --check: print JSON", default=False)
    stop_budget: float | None = option(
        parsers.duration,
        "DURATION",
        "with --services and --s6: stop all services within this time, those that need others"
        " first",
        shown="none",
    )
    essential: bool = option(
        None,
        "",
        "with --services: the end of a service for good ends the container, with the exit"
        " code of that service, if the file does not say otherwise",
        shown="on; off under the name supervisord",
    )


OWN: Mapping[str, Option] = ServicesGroup.__defaults__
ON_THE_LINE_ONLY = ("services", "check", "json")  # these have no variable
