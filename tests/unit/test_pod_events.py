"""Which turns are worth a Kubernetes Event."""

from __future__ import annotations

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.state import Config, State
from config_supervisor.observe.pod_events import notices


@pytest.mark.parametrize(
    ("previous", "reasons"), [("a", []), ("", ["ConfigApplied"]), ("b", ["ConfigApplied"])]
)
def test_notice_of_a_restart_on_the_same_version_is_none(previous: str, reasons: list[str]) -> None:
    """The container started again: nothing has changed."""
    event = ev.ConfigApplied(
        "a", "nothing changed" if previous == "a" else "added x", previous=previous
    )
    after = State(config=Config(live="a"))

    assert reasons == [notice.reason for notice in notices(event, State(), after)]
