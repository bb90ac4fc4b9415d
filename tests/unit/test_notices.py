"""Which turns are worth a Kubernetes Event."""

from __future__ import annotations

import pytest

from supervisor import events as ev
from supervisor.notices import notices
from supervisor.state import Config, State


@pytest.mark.parametrize(("previous", "reasons"), [("a", []), ("", ["ConfigApplied"]), ("b", ["ConfigApplied"])])
def test_notice_of_a_restart_on_the_same_version_is_none(previous: str, reasons: list[str]) -> None:
    """The container started again: nothing has changed."""
    event = ev.ConfigApplied("a", "nothing changed" if previous == "a" else "added x", previous=previous)
    after = State(config=Config(live="a"))

    assert reasons == [notice.reason for notice in notices(event, State(), after)]
