"""Makes a page of the port, again and again: `make_page.py status|html TIMES`, to be counted."""

from __future__ import annotations

import sys

from config_supervisor.core.life_state import Life, Phase
from config_supervisor.core.outcomes import Outcome
from config_supervisor.core.reloads import Reloads
from config_supervisor.core.rollout_state import Rollout
from config_supervisor.core.service import Service
from config_supervisor.core.source_states import SourceState
from config_supervisor.core.versions import Marks, Versions
from config_supervisor.http_server.router import as_json
from config_supervisor.observe import status, status_page

NOW, CLOCK = 10_000.0, 1_800_000_000.0
OLD, NEW, BAD = (letter * 64 for letter in "abc")
WHY = "the validation failed: exit code 1"
PATHS = ("/metrics", "/livez", "/healthz", "/readyz", "/status")


def service() -> Service:
    """A service with something to tell of each kind."""
    versions = Versions(
        desired=BAD,
        live=NEW,
        good=NEW,
        marks=Marks(good=(NEW, OLD), failed=((BAD, WHY),)),
        rejected=BAD,
        error=WHY,
        files=3,
        size=12345,
        changes="app.conf changed",
        applied_at=NOW - 240,
    )
    reloads = Reloads(reloaded=3, began=NOW - 240, finished_at=NOW - 239, outcome=Outcome.SUCCESS)
    sources = (
        SourceState("configmap shop/web", present=True, contact=NOW - 12),
        SourceState("secret shop/tls", True, "forbidden", "403 Forbidden", NOW - 60),
    )
    life = Life(Phase.RUNNING, pid=7, started_at=NOW - 7200, starts=2, exits=1, exit_signal=15)
    return Service(life, Rollout(versions, reloads, running=NEW), sources)


def main(kind: str, times: str) -> None:
    subject = service()
    for _ in range(int(times)):
        shown = status.shown(subject, NOW, CLOCK)
        if kind == "status":
            as_json(shown)
        else:
            status_page.page({subject.name: shown}, PATHS, CLOCK)


if __name__ == "__main__":
    main(*sys.argv[1:])
