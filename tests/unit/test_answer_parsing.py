"""The parser of answers: the same outcome as `json`, at a fraction of its memory."""

from __future__ import annotations

import base64
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.core.source_states import PAUSE
from config_supervisor.sources.interface import Content, Label
from config_supervisor.sources.kubernetes.answer_parsing import AnswerParser, parsed
from config_supervisor.sources.kubernetes.api_errors import BadDataError
from config_supervisor.sources.kubernetes.credentials import Access
from config_supervisor.sources.kubernetes.followed_object import Subject
from config_supervisor.sources.kubernetes.kubernetes_source import Contents
from config_supervisor.sources.kubernetes.object_decoding import changed_at, files, paused
from config_supervisor.sources.kubernetes.object_events import INITIAL_END, ObjectEvents
from config_supervisor.sources.kubernetes.object_follower import ObjectFollower
from config_supervisor.sources.kubernetes.retry_pace import RetryPace, Timing

TEXT = st.text(max_size=8) | st.sampled_from(["\ud800", "YQ==", "YQ", "YQ==\n", "%", "wbQ9="])
ODD: st.SearchStrategy[Any] = (
    st.none() | st.integers() | st.booleans() | st.lists(TEXT, max_size=2) | st.just({})
)
TIME = st.sampled_from(["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "yesterday"])

ANNOTATIONS = st.sampled_from([INITIAL_END, PAUSE])


def odd(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly the usual type, and at times another."""
    return st.one_of(usual, usual, usual, ODD)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=fields)


METADATA = some(
    name=odd(st.just("web")),
    namespace=odd(st.just("production")),
    uid=odd(TEXT),
    annotations=odd(st.dictionaries(TEXT | ANNOTATIONS, odd(st.just("true")))),
    creationTimestamp=odd(TIME),
    managedFields=odd(st.lists(odd(some(time=odd(TIME), fieldsV1=ODD)), max_size=2)),
    resourceVersion=odd(st.just("5")),
    labels=ODD,
)
OBJECT = some(
    kind=odd(st.sampled_from(["ConfigMap", "Secret"])),
    metadata=odd(METADATA),
    data=odd(st.dictionaries(TEXT, odd(TEXT), max_size=3)),
    binaryData=odd(st.dictionaries(TEXT, odd(TEXT), max_size=3)),
    code=odd(st.integers()),
    message=odd(TEXT),
    immutable=ODD,
)
KINDS = st.sampled_from(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"])
EVENT = odd(some(type=odd(KINDS), object=odd(OBJECT)))


def outcome(event: Any, *, private: bool) -> Any:
    """Everything that a source takes from an event, or the words about it."""
    label = Label("secret" if private else "configmap", "production", "web")
    try:
        news = ObjectEvents(label).take(event)
        if news.error is not None:
            return [news.error.get(field) for field in ("code", "message", "reason")]
        if news.obj is None:
            return news
        meta = news.obj["metadata"]
        return files(news.obj, private=private), changed_at(meta), paused(meta)
    except (BadDataError, AttributeError) as exc:
        return str(exc)


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        (None, False),
        ({}, False),
        ({"other": "true"}, False),
        *[({PAUSE: value}, True) for value in ("true", "True", " yes", "until Monday")],
        *[({PAUSE: value}, False) for value in ("false", "False ", "no", "off", "0", "", None)],
        (["true"], False),
    ],
)
def test_annotation_asks_for_a_pause(annotations: Any, expected: bool) -> None:
    assert expected == paused({"name": "web", "annotations": annotations})


@given(EVENT, st.booleans())
def test_event_has_the_outcome_of_json(event: Any, private: bool) -> None:
    text = json.dumps(event).encode()
    ours = outcome(AnswerParser(private=private).event(text), private=private)
    assert outcome(parsed(text), private=private) == ours


@given(odd(some(metadata=odd(METADATA), items=odd(st.lists(odd(OBJECT), max_size=2)))))
def test_list_has_the_fields_of_json(listing: Any) -> None:
    text = json.dumps(listing).encode()
    ours, plain = AnswerParser(private=False).listing(text), parsed(text)
    try:
        items = plain["items"] or ()
        expected = [(item.get("data"), item.get("metadata", {}).get("uid")) for item in items]
        version = plain["metadata"]["resourceVersion"]
    except (KeyError, TypeError, AttributeError):
        return
    items = ours["items"] or ()
    assert expected == [(item.get("data"), item.get("metadata", {}).get("uid")) for item in items]
    assert version == ours["metadata"]["resourceVersion"]


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b'{"type": "ADDED"} x', b"[" * 900])
def test_text_that_is_no_json_is_refused(text: bytes) -> None:
    for read in (AnswerParser(private=False).event, AnswerParser(private=True).listing):
        with pytest.raises(BadDataError, match="is not JSON"):
            read(text)


@pytest.mark.parametrize(
    "text",
    [
        b'{"metadata":{"resourceVersion":"1"},"items":[',
        b'{"type":"ADDED","object":{"kind":"ConfigMap","data":{"k":"v',
        b'{"a":[1,2}',
        b"[[]",
        b"]",
    ],
)
def test_cut_answer_is_not_called_deep(text: bytes) -> None:
    for read in (AnswerParser(private=False).event, AnswerParser(private=True).listing, parsed):
        with pytest.raises(BadDataError, match=r"^the server's answer is not JSON$"):
            read(text)


@pytest.mark.parametrize(
    "field",
    [b'"d\xffata":{}', b'"\xc3":1', b'"a":"\xc3("', b'"a":"' + b"x" * 65536 + b'\xe2"'],
    ids=["key", "cut key", "value", "long value"],
)
def test_broken_utf8_in_unused_fields_is_refused(field: bytes) -> None:
    """A broken `data` would be another field, and the object one without content."""
    text = b'{"type":"ADDED","object":{"metadata":{"name":"web"},%s}}'
    parser = AnswerParser(private=False)
    assert "web" == parser.event(text % b'"a":"\xc3\xa9"')["object"]["metadata"]["name"]
    with pytest.raises(BadDataError, match="is not JSON"):
        parser.event(text % field)


@pytest.mark.parametrize("shift", range(4))
def test_any_utf8_is_taken(shift: int) -> None:
    value = "x" * shift + "\U0001f600é" * 30_000
    text = json.dumps({"type": "ADDED", "object": {"data": {"k": value}}}, ensure_ascii=False)
    assert value == AnswerParser(private=False).event(text.encode())["object"]["data"]["k"]


def event_of(fields: dict[str, Any]) -> bytes:
    obj = {"kind": "ConfigMap", "metadata": {"name": "web"}, **fields}
    return json.dumps({"type": "MODIFIED", "object": obj}).encode()


def peak(text: bytes, *, private: bool = False) -> int:
    """The most bytes at a time that an event takes beside its text."""
    parser = AnswerParser(private=private)
    parser.event(event_of({}))
    tracemalloc.start()
    parser.event(text)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_value_is_in_memory_once() -> None:
    """`json` makes a text of the whole answer first."""
    size = 1 << 20
    assert peak(event_of({"data": {"k": "x" * size}})) < 1.1 * size
    coded = base64.b64encode(b"x" * size).decode()
    assert peak(event_of({"binaryData": {"k": coded}})) < 1.1 * size
    assert peak(event_of({"data": {"k": coded}}), private=True) < 1.1 * size


def test_unused_fields_take_no_memory() -> None:
    """An API server repeats each key of an object in managedFields."""
    keys: dict[str, Any] = {f"f:key-{number}": {} for number in range(10_000)}
    managed = [{"manager": "kubectl", "time": "2026-01-01T00:00:00Z", "fieldsV1": keys}]
    fields = {"metadata": {"name": "web", "managedFields": managed}}
    assert peak(event_of(fields)) < 10_000


def test_deep_unused_fields_are_skipped() -> None:
    deep: dict[str, Any] = {}
    for _ in range(150):
        deep = {"f": deep}
    text = event_of({"metadata": {"name": "web", "labels": deep}})
    assert "web" == AnswerParser(private=False).event(text)["object"]["metadata"]["name"]


class Weighing:
    """A sink that notes the traced memory while it works on a content."""

    def __init__(self) -> None:
        self.bytes: list[int] = []

    def read(self, content: Content | None, missing: str = "", saw: str = "") -> None:
        assert content is not None
        assert (saw, missing) == ("modified", "")
        self.bytes.append(tracemalloc.get_traced_memory()[0])

    def connected(self) -> None: ...
    def disconnected(self) -> None: ...


@pytest.mark.parametrize("keys", [1, 200])
def test_sink_works_beside_one_copy_of_the_values(keys: int) -> None:
    """The line, its parsed form and the former content are gone by then."""
    size = 1 << 20
    sink = Weighing()
    label = Label("configmap", "production", "web")
    subject = Subject(label, AnswerParser(private=False))
    follower = ObjectFollower(subject, Access(), RetryPace(Timing()))
    follower._reports = sink  # type: ignore[assignment]
    follower._states = Contents(sink, private=False, revisions=False)  # type: ignore[arg-type]
    here = {"metadata": {"name": "web", "namespace": "production"}}
    tracemalloc.start()
    lines = (
        bytearray(
            event_of({**here, "data": {f"{n}": letter * (size // keys) for n in range(keys)}})
        )
        for letter in "abc"
    )
    follower._follow(lines, ObjectEvents(label))
    tracemalloc.stop()
    assert 3 == len(sink.bytes)
    assert max(sink.bytes) < 1.2 * size
