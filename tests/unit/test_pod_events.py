"""Which turns are worth a Kubernetes Event."""

from __future__ import annotations

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.rollout_state import Rollout
from config_supervisor.core.service import Service
from config_supervisor.core.versions import Versions
from config_supervisor.observe.pod_events import notices


@pytest.mark.parametrize(
    ("previous", "reasons"), [("a", []), ("", ["ConfigApplied"]), ("b", ["ConfigApplied"])]
)
def test_notice_of_a_restart_on_the_same_version_is_none(previous: str, reasons: list[str]) -> None:
    """The container started again: nothing has changed."""
    event = ev.ConfigApplied(
        "a", "nothing changed" if previous == "a" else "added x", previous=previous
    )
    after = Service(rollout=Rollout(Versions(live="a")))

    assert reasons == [
        notice.reason for notice in notices(event, Service(rollout=Rollout()), after)
    ]
