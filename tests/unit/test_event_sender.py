"""Kubernetes Events before sending: waiting, dropped, valid."""

from __future__ import annotations

from typing import Any

import pytest

from config_supervisor.sources.kubernetes import event_sender
from tests.fake_kube_events import Reported
from tests.fake_kube_kinds import RefusedError


def body(number: int) -> dict[str, object]:
    return {"number": number}


def test_outbox_over_its_rate_keeps_the_newest() -> None:
    box = event_sender.Outbox(0.0)
    for number in range(50):
        box.put(body(number))
    first = [box.take(0.0)[0] for _ in range(10)]
    assert list(map(body, range(30, 40))) == first
    assert (None, 10.0) == box.take(0.0)
    box.put(body(50))
    assert (None, 5.0) == box.take(5.0)
    assert (body(50), 0.0) == box.take(10.0)
    assert (None, None) == box.take(10.0)


def test_outbox_over_its_rate_keeps_the_newest_warning() -> None:
    """A condemned version is told although the app runs well on the version before it."""
    pod = event_sender.Pod("shop", "web", "uid")
    box = event_sender.Outbox(0.0)
    for number in range(10):
        box.put(body(number))
        box.take(0.0)
    bad = ("ReloadFailed", "RolledBack", "ConfigCondemned")
    for reason in (*bad, "ConfigApplied", "ReloadSucceeded"):
        box.put(event_sender.event(pod, reason, "note", warning=reason in bad))
        assert box.take(0.0)[0] is None

    left = [box.take(at)[0] or {} for at in (10.0, 20.0)]
    assert ["ConfigCondemned", "ReloadSucceeded"] == [one["reason"] for one in left]
    assert (None, None) == box.take(30.0)


def test_outbox_retries_a_failed_event_before_newer_events() -> None:
    box = event_sender.Outbox(0.0)
    box.failed(body(1), 0.0)
    _, wait = box.take(0.0)
    assert wait is not None
    assert 2.5 <= wait <= 5
    assert body(1) == box.take(5.0)[0]
    box.put(body(2))
    box.failed(body(1), 5.0)
    assert [body(1), body(2), None] == [box.take(15.0)[0] for _ in range(3)]


def test_outbox_at_the_end_waits_for_nothing() -> None:
    box = event_sender.Outbox(0.0)
    for number in range(15):
        box.put(body(number))
    box.failed(body(-1), 0.0)
    assert list(map(body, range(-1, 14))) == [box.take(0.0, hurry=True)[0] for _ in range(15)]


# Valid in a cluster, by the checks of the fake


def test_longest_pod_name_and_note_make_a_valid_event() -> None:
    name = "a" * 235 + "-" + "b" * 17
    taken = Reported()
    pod = event_sender.Pod("shop", name, "uid")
    taken.create("shop", event_sender.event(pod, "ReloadFailed", "ü" * 2000, warning=True))
    note = taken.all[0]["note"]

    assert ("ü" * 512, name) == (note, taken.all[0]["regarding"]["name"])


def test_text_like_a_credential_is_redacted_in_an_event() -> None:
    note = "cannot ask http://admin:secret@shop/: sent Authorization: Bearer abc.def"
    shown = str(
        event_sender.event(
            event_sender.Pod("shop", "web", "uid"), "ReloadFailed", note, warning=True
        )["note"]
    )

    assert "cannot ask http" in shown
    assert "secret" not in shown
    assert "abc.def" not in shown


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"eventTime": None}, "eventTime: Required value"),
        ({"eventTime": "2026-01-01T00:00:00Z"}, "cannot be handled as a Event"),
        ({"reportingController": ""}, "reportingController: Required value"),
        ({"reportingController": "no good"}, "reportingController: Invalid value"),
        ({"reportingInstance": "x" * 129}, "reportingInstance.*128 bytes"),
        ({"action": ""}, "action: Required value"),
        ({"reason": None}, "reason: Required value"),
        ({"note": "ü" * 513}, "1024 bytes"),
        ({"type": "Error"}, "Normal or Warning"),
        ({"regarding": {"namespace": "other"}}, "does not match event.namespace"),
        ({"regarding": None}, "does not match event.namespace"),
        ({"metadata": {"name": "web-.1"}}, "RFC 1123"),
        (
            {"metadata": {"name": "web.1", "namespace": "other"}},
            "does not match the namespace sent",
        ),
        ({"deprecatedCount": 1}, "has to be unset"),
    ],
)
def test_invalid_event_is_refused(change: dict[str, Any], words: str) -> None:
    body = event_sender.event(
        event_sender.Pod("shop", "web", "uid"), "ConfigApplied", "x", warning=False
    )
    Reported().create("shop", dict(body))
    with pytest.raises(RefusedError, match=words):
        Reported().create("shop", {**body, **change})
