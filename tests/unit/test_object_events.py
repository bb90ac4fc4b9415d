"""The state of an object by the events of a watch, with and without initial events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.sources.interface import Label
from config_supervisor.sources.kubernetes.api_errors import BadDataError
from config_supervisor.sources.kubernetes.object_events import INITIAL_END, News, ObjectEvents

LABEL = Label("configmap", "production", "web")
Event = dict[str, Any]
END: Event = {"type": "BOOKMARK", "object": {"metadata": {"annotations": {INITIAL_END: "true"}}}}


def web(number: int, uid: str = "u", name: str = "web") -> dict[str, Any]:
    meta = {"name": name, "namespace": "production", "uid": uid}
    return {"kind": "ConfigMap", "metadata": meta, "data": {"k": str(number)}}


def event(kind: str, obj: Any) -> Event:
    return {"type": kind, "object": obj}


def states(events: ObjectEvents, *history: Event) -> list[Any]:
    """Every state that a history brings."""
    return [news.obj for news in map(events.take, history) if news.told]


def initial(*history: Event) -> list[Any]:
    return states(ObjectEvents(LABEL, initial=True), *history)


def test_initial_events_bring_one_state_at_their_end() -> None:
    assert [] == initial(event("ADDED", web(1)))
    assert [web(1)] == initial(event("ADDED", web(1)), END)
    assert [web(2)] == initial(event("ADDED", web(1)), event("MODIFIED", web(2)), END)
    assert [None] == initial(END)
    assert [None] == initial(event("ADDED", web(1)), event("DELETED", web(1)), END)


def test_later_events_bring_a_state_each() -> None:
    later = event("MODIFIED", web(2)), event("DELETED", web(2)), event("ADDED", web(3, "v"))
    assert [web(1), web(2), None, web(3, "v")] == initial(event("ADDED", web(1)), END, *later)


def test_second_end_is_a_usual_bookmark() -> None:
    assert [None] == initial(END, END)
    assert [] == states(ObjectEvents(LABEL), END)


@pytest.mark.parametrize("mark", ["false", "", None])
def test_bookmark_without_the_mark_is_no_end(mark: str | None) -> None:
    other = event("BOOKMARK", {"metadata": {"annotations": {INITIAL_END: mark}}})
    assert [] == initial(event("ADDED", web(1)), other, event("BOOKMARK", {"metadata": {}}))


def test_other_objects_bring_no_state() -> None:
    other = web(1, name="other")
    assert [None] == initial(event("ADDED", other), END, event("MODIFIED", other))


def test_deletion_of_a_former_object_brings_no_state() -> None:
    deleted = event("DELETED", web(1, "former"))
    assert [web(2)] == initial(event("ADDED", web(2)), deleted, END, deleted)
    assert [] == states(ObjectEvents(LABEL, web(2)), deleted)
    assert [None] == states(ObjectEvents(LABEL, web(2)), event("DELETED", web(2)))


def test_error_brings_its_status_and_no_state() -> None:
    status = {"kind": "Status", "code": 410}
    news = ObjectEvents(LABEL, initial=True).take(event("ERROR", status))
    assert News("error", error=status) == news


@pytest.mark.parametrize(
    "nonsense",
    [
        [],
        {},
        None,
        1,
        {"type": "ADDED"},
        {"type": "NEW", "object": {}},
        {"type": "ADDED", "object": 1},
        {"type": ["ADDED"], "object": {}},
        {"type": "BOOKMARK", "object": {"metadata": 1}},
        {"type": "BOOKMARK", "object": {"metadata": {"annotations": 1}}},
    ],
)
@pytest.mark.parametrize("first", [False, True])
def test_anything_else_is_refused(nonsense: Any, first: bool) -> None:
    if not first and nonsense == {"type": "BOOKMARK", "object": {"metadata": {"annotations": 1}}}:
        return
    with pytest.raises(BadDataError):
        ObjectEvents(LABEL, initial=first).take(nonsense)


class Cluster:
    """One object's life at the server, and the events of each change."""

    def __init__(self) -> None:
        self.now: dict[str, Any] | None = None
        self._count = 0

    def change(self, *, delete: bool) -> Event:
        self._count += 1
        before, uid = self.now, f"u{self._count}"
        if before is not None and delete:
            self.now = None
            return event("DELETED", before)
        if before is not None:
            uid = before["metadata"]["uid"]
        self.now = web(self._count, uid)
        return event("ADDED" if before is None else "MODIFIED", self.now)


@given(st.lists(st.booleans()), st.lists(st.booleans()), st.lists(st.booleans()))
def test_both_ways_end_at_the_server_state(
    before: list[bool], within: list[bool], after: list[bool]
) -> None:
    """For all histories: no state before the end, that at the end, then one for each change."""
    cluster = Cluster()
    for delete in before:
        cluster.change(delete=delete)
    streamed = ObjectEvents(LABEL, initial=True)
    if cluster.now is not None:
        assert not streamed.take(event("ADDED", cluster.now)).told
    for delete in within:
        assert not streamed.take(cluster.change(delete=delete)).told
    assert News("bookmark", True, cluster.now) == streamed.take(END)
    listed = ObjectEvents(LABEL, cluster.now)
    for delete in after:
        changed = cluster.change(delete=delete)
        news = streamed.take(changed)
        assert news == listed.take(changed)
        assert (True, cluster.now) == (news.told, news.obj)
