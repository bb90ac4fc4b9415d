"""A hostile or broken API server: memory, time and CPU are bounded, and the content stays."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from config_supervisor.sources.kubernetes.answer_parsing import DEPTH, VALUES, AnswerParser, parsed
from config_supervisor.sources.kubernetes.api_errors import BadDataError
from config_supervisor.sources.kubernetes.object_decoding import KEYS, files
from tests.fake_kube import FakeKube
from tests.fake_kube_kinds import Json
from tests.sync.following import QUICK, Following

Follow = Callable[..., Following]

A, B = {"k": b"a"}, {"k": b"b"}


def listing(*items: Json) -> bytes:
    return json.dumps({"metadata": {"resourceVersion": "1001"}, "items": items}).encode()


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


# --- sizes


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"items": [' + b"[]," * 3_000_000 + b"1]}", "more than 100,000 values"),
        (b'{"a": ' + b'{"":0},' * 1_000_000 + b"1}", "more than 100,000 values"),
        (b"[" + b'"",' * 2_000_000 + b"1]", "more than 100,000 values"),
        (
            json.dumps({f"key-{number}": "" for number in range(VALUES + 1)}).encode(),
            "more than 100,000 values",
        ),
        (b"[" * 1_000_000, "more than 100,000 values"),
        (b"[" * 5000 + b"]" * 5000, "nested deeper than 100 levels"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested deeper than 100 levels"),
        (b"[" * 5000, "nested deeper than 100 levels"),
        (b'"' + b'\\"' * 1_000_000, "is not JSON"),
        (b'{"a": "' + b"[" * 1_000_000, "is not JSON"),
    ],
)
def test_answer_of_much_memory_is_refused(text: bytes, words: str) -> None:
    """Parsed, 14 MiB of `[],` took 400 MiB; a deep nesting would use up the stack of the thread."""
    parser = AnswerParser(private=False)
    for read in (parsed, parser.event, parser.listing):
        with pytest.raises(BadDataError, match=words):
            read(text)

    assert tracemalloc.get_traced_memory()[1] < 2 * len(text) + (8 << 20)


@pytest.mark.parametrize(
    "value",
    [
        "[{,}]" * 200_000,
        '\\"[' * 200_000,
        "\\" * 65_535 + "[" * 200,
        "[" * 65_530 + '\\\\"\\',
        "\0\x1b\n" * 50_000,
        "é[" * 99_999,
    ],
)
def test_brackets_within_a_value_do_not_count(value: str) -> None:
    text = {"data": {"nginx.conf": value, "other": "x" * 65_500 + '"' + "[" * 200}}
    assert text == parsed(json.dumps(text).encode())


def test_allowed_nesting_is_parsed() -> None:
    text = b'{"a":' * DEPTH + b"1" + b"}" * DEPTH
    assert json.loads(text) == parsed(text)


def test_number_of_keys_is_limited() -> None:
    assert KEYS == len(files({"data": {f"k{number}": "" for number in range(KEYS)}}, private=False))
    with pytest.raises(BadDataError, match="it has 10,001 keys; the limit is 10,000"):
        files(
            {"data": {f"k{number}": "" for number in range(KEYS)}, "binaryData": {"one": ""}},
            private=False,
        )


@pytest.mark.parametrize(
    "body",
    [b" " * (11 << 20), b"x" * (11 << 20), listing() + b" " * (11 << 20)],
)
def test_long_list_is_refused(fake: FakeKube, follow: Follow, body: bytes) -> None:
    fake.create("nginx", {"k": "a"})
    fake.answer_next("read", 200, body, times=2)
    source = follow()
    source.expect_failure(
        "cannot read configmap production/nginx: the answer is longer than 10 MiB"
    )
    source.expect_reads(A)


def test_body_of_an_error_is_bounded(fake: FakeKube, follow: Follow) -> None:
    """The client library reads an error's body without a limit."""
    fake.create("nginx", {"k": "a"})
    fake.answer_next("read", 500, b'{"message": "' + b"x" * (12 << 20) + b'"}')
    fake.answer_next("read", 500, b"[" * 60_000)
    source = follow()
    source.expect_reads(A)
    assert all(len(failure.message) < 500 for failure in source.failures)
    assert "report it" not in source.failures[0].message


def test_object_with_too_many_keys_is_refused(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.change("nginx", {f"key-{number}": "" for number in range(KEYS + 1)})
    source.expect_failure("it has 10,001 keys; the limit is 10,000")
    fake.change("nginx", {"k": "b"})
    source.expect_last_read(B)


# --- time


def test_trickling_headers_time_out(fake: FakeKube, follow: Follow) -> None:
    """A byte now and then never lets a read time out: the whole answer has a deadline."""
    fake.create("nginx", {"k": "a"})
    fake.endless_headers = True
    began = time.monotonic()
    source = follow(timing=QUICK.replace(list=0.5))
    source.expect_failure("cannot reach the API server", "no answer in time")
    assert 0.4 < time.monotonic() - began < 3
    fake.endless_headers = False
    source.expect_reads(A)


# --- floods


def test_flood_of_bookmarks_is_taken_slowly(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    bookmark = (
        b'{"type":"BOOKMARK","object":{"kind":"ConfigMap","metadata":{"resourceVersion":"1001"}}}\n'
    )
    began = time.monotonic()
    fake.inject(bookmark * 20_000)
    source.expect_events(300)
    assert 0.5 < time.monotonic() - began
    assert len(source.reports("watched")) < 1000


# --- foreign objects and text


@pytest.mark.parametrize(
    "foreign",
    [
        {"metadata": {"namespace": "kube-system", "name": "nginx"}},
        {"kind": "Secret"},
        {"metadata": {"namespace": "production", "name": "other"}},
    ],
)
def test_object_of_another_place_or_kind_is_skipped(
    fake: FakeKube, follow: Follow, foreign: Json
) -> None:
    obj = fake.create("nginx", {"k": "a"})
    wrong = {**obj, **foreign, "data": {"k": "wrong"}}
    fake.answer_next("list", 200, listing(wrong, obj))
    source = follow()
    source.expect_watching()
    for kind in ("ADDED", "MODIFIED", "DELETED"):
        fake.inject(json.dumps({"type": kind, "object": wrong}).encode() + b"\n")
    fake.change("nginx", {"k": "b"})
    source.expect_reads(A, B)


@pytest.mark.parametrize("where", ["body", "event", "key"])
def test_control_characters_of_a_server_are_escaped(
    fake: FakeKube, follow: Follow, where: str
) -> None:
    """The terminal behind a log must not obey the server."""
    obj = fake.create("nginx", {"k": "a"})
    evil = "\x1b[2J\x9b31m\r\nforged line " + "x" * 1000
    if where == "body":
        fake.answer_next("read", 500, json.dumps({"message": evil}).encode(), times=2)
    source = follow()
    source.expect_watching()
    if where == "event":
        fake.inject(
            json.dumps({"type": "ERROR", "object": {"code": 500, "message": evil}}).encode() + b"\n"
        )
    if where == "key":
        fake.inject(
            json.dumps({"type": "MODIFIED", "object": {**obj, "data": {evil: 5}}}).encode() + b"\n"
        )
    message = source.expect_failure("\\x1b[2J", "characters more").message
    assert message.isprintable()
    assert len(message) < 600
