"""The page for people: it says what /status says, and nothing from outside becomes markup."""

from __future__ import annotations

import html.parser
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config_supervisor.core import events as ev
from config_supervisor.core.life_state import Life, Phase
from config_supervisor.core.outcomes import Outcome
from config_supervisor.core.reloads import Reloads, Stage
from config_supervisor.core.rollout_state import Rollout
from config_supervisor.core.service import Policy, Service, step
from config_supervisor.core.source_states import SourceState
from config_supervisor.core.versions import Marks, Versions
from config_supervisor.http_server.limits import Limits
from config_supervisor.observe import html_text, status, status_page

ROOT = Path(__file__).resolve().parent.parent.parent
NOW, CLOCK = 100_000.0, 1_800_000_000.0
OLD, NEW, BAD = (letter * 64 for letter in "abc")
PATHS = ("/metrics", "/status")
WHY = "the validation failed: exit code 1"
VOID = {"meta", "link"}  # elements without an end
HOSTILE = (
    "<script>alert(1)</script>",
    "\"'&<>",
    "\x1b[31m\x00\r\n\t\x85",
    "\u202egnp.\u202c\u2066\u200f\ufeff\u2028",
    "caf\udce9",
    "&lt;&#60;",
    "--><![CDATA[",
    "w" * 5000,
    "\N{GRINNING FACE}" * 300,
)


class Parsed(html.parser.HTMLParser):
    """The elements of a page in order, and its texts; an element without its end is a failure."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page.decode())
        self.close()
        assert [] == self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    unknown_decl = handle_pi = handle_comment

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def values(self, name: str) -> list[str]:
        return [value for _, found, value in self.attributes if found == name]


def shown_of(service: Service, *, words: bool = False) -> dict[str, Any]:
    return status.shown(service, NOW, CLOCK, words=words)


def made(*services: Service, words: bool = False) -> bytes:
    shown = {service.name: shown_of(service, words=words) for service in services}
    return status_page.page(shown, PATHS, CLOCK)


def page_of(*services: Service, words: bool = False) -> Parsed:
    return Parsed(made(*services, words=words))


def follower(
    versions: Versions = Versions(), reloads: Reloads = Reloads(), *sources: SourceState
) -> Service:
    """An app that runs on a configuration."""
    life = Life(Phase.RUNNING, pid=7, started_at=NOW - 7200, starts=1)
    sources = sources or (SourceState("configmap shop/web", present=True, contact=NOW - 12),)
    return Service(life, Rollout(versions, reloads, running=versions.live), sources)


HEALTHY = Versions(
    desired=NEW, live=NEW, good=NEW, marks=Marks(good=(NEW, OLD)), files=3, size=99, applied_at=NOW
)
REJECTED = HEALTHY.replace(
    desired=BAD,
    rejected=BAD,
    error=WHY,
    words="secret",
    marks=Marks(good=(NEW, OLD), failed=((BAD, WHY),)),
)
SUCCESS = Reloads(reloaded=3, began=NOW - 61, finished_at=NOW - 60, outcome=Outcome.SUCCESS)


# --- states ---------------------------------------------------------------------------------------


def test_running_app_is_told_in_words() -> None:
    life = Life(Phase.RUNNING, pid=7, started_at=NOW - 240, starts=3, exits=2, exit_code=5)
    page = page_of(Service(life))

    assert "app running, ready 7 4 min 2 code 5" in page.text
    assert "Warnings" not in page.text


def test_app_without_a_configuration_has_no_sections_of_it() -> None:
    page = page_of(Service(Life(Phase.RUNNING, pid=7, starts=1)))

    assert ["services"] == page.values("id")


def test_last_exit_by_a_signal_has_its_name() -> None:
    assert "SIGKILL" in page_of(Service(Life(Phase.BACKOFF, exits=1, exit_signal=9))).text


def test_sidecar_names_no_process() -> None:
    service = follower(HEALTHY, SUCCESS).replace(life=Life(Phase.ELSEWHERE))

    assert "app running, ready in another container none 0 none" in page_of(service).text


def test_waiting_app_warns_first_and_says_what_to_do() -> None:
    source = SourceState("configmap shop/web", trouble="forbidden", error="403 Forbidden")
    page = page_of(Service(Life(), Rollout(), (source,)))

    assert "warnings" == page.values("id")[0]
    assert "not ready: waiting for the first configuration; 403 Forbidden" in page.text
    assert "What to do: see the sources below" in page.text
    assert "configmap shop/web cannot be read: 403 Forbidden" in page.text
    assert "not read yet, failing: forbidden never 403 Forbidden" in page.text


def test_healthy_configuration_has_no_warning() -> None:
    page = page_of(follower(HEALTHY, SUCCESS))

    assert "Warnings" not in page.text
    assert "Outcome success Ended 1 min ago Duration 1 s Reloads 3" in page.text
    assert "configmap shop/web present 12 s ago none" in page.text
    assert "bbbbbbbb newest, live, running, good aaaaaaaa good" in page.text


def test_rejected_version_warns_and_keeps_its_reason() -> None:
    page = page_of(follower(REJECTED, SUCCESS))

    assert f"the newest version is not used: {WHY}" in page.text
    assert f"cccccccc newest, rejected, failed: {WHY}" in page.text


def test_failed_reload_warns_by_its_error() -> None:
    failed = SUCCESS.replace(outcome=Outcome.VERIFY, error="the verification failed")
    page = page_of(follower(HEALTHY.replace(rolled_back=True), failed))

    assert "the last reload failed: the verification failed" in page.text
    assert "Outcome failed: verify" in page.text
    assert "the app is back on the last good version" in page.text


def test_output_of_programs_shows_only_where_the_record_has_it() -> None:
    service = follower(REJECTED, SUCCESS)

    assert "secret" not in page_of(service).text
    assert "this port does not" in page_of(service).text
    assert "Output secret" in page_of(service, words=True).text


@pytest.mark.parametrize(
    ("stage", "target"), [(Stage.PROVING, NEW), (Stage.TRIAL, BAD), (Stage.RELOADING, BAD)]
)
def test_version_on_trial_is_marked(stage: Stage, target: str) -> None:
    shown = shown_of(follower(HEALTHY, SUCCESS.replace(stage=stage, target=BAD)))

    assert [target] == [one["version"] for one in shown["versions"] if "on trial" in one["marks"]]
    assert shown["reloads"]["last_duration_seconds"] is None


@pytest.mark.parametrize(
    "event",
    [
        ev.SourceRead(0, present=True),
        ev.SourceContacted(0),
        ev.WatchConnected(0),
        ev.WatchSaw(0, "bookmark", 1),
    ],
)
def test_answer_of_a_source_is_its_last_contact(event: ev.Event) -> None:
    after, _ = step(follower(), event, NOW, Policy())

    assert 0.0 == shown_of(after)["sources"][0]["last_contact_seconds_ago"]


def test_failure_of_a_source_is_no_contact() -> None:
    after, _ = step(follower(), ev.SourceFailed(0, "network", "no route"), NOW, Policy())

    assert 12.0 == shown_of(after)["sources"][0]["last_contact_seconds_ago"]


def test_times_are_relative_and_exact() -> None:
    page = page_of(follower(HEALTHY.replace(applied_at=NOW - 240), SUCCESS))

    assert "Last change 4 min ago" in page.text
    assert "2027-01-15T07:56:00Z" in page.values("datetime")
    assert "2027-01-15 07:56:00 UTC" in page.values("title")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0 s"), (0.25, "0.25 s"), (59.9, "59 s"), (60, "1 min"), (7300, "2 h"), (9e6, "104 d")],
)
def test_durations_are_short(seconds: float, shown: str) -> None:
    assert shown == html_text.span(seconds)


def test_each_service_has_a_row_and_sections_of_its_own() -> None:
    other = follower(REJECTED, SUCCESS).replace(name="worker")
    page = page_of(follower(HEALTHY, SUCCESS), other)
    keys = page.values("id")

    assert len(keys) == len(set(keys))
    assert set(page.values("aria-labelledby")) == set(keys)
    assert "worker running, ready" in page.text
    assert "Last reload of worker" in page.text


def test_unknown_path_names_the_known_ones() -> None:
    page = Parsed(status_page.unknown(PATHS))

    assert "Not found" in page.text
    assert ["data:,", *PATHS, "/"] == page.values("href")


def test_page_has_landmarks_headings_and_a_language() -> None:
    page = page_of(follower(REJECTED, SUCCESS))
    tags = [tag for tag, _ in page.elements]

    for once in ("title", "header", "nav", "main", "footer", "h1"):
        assert 1 == tags.count(once)
    assert ["en"] == page.values("lang")
    assert tags.count("section") == tags.count("h2") == 6
    assert {"col", "row"} == set(page.values("scope"))
    assert not {"script", "img", "iframe", "form", "object"} & set(tags)


def test_each_cell_of_a_stacked_table_has_its_role() -> None:
    """Not every browser takes a table for such once its cells are lines."""
    wide = made(Service()).decode().partition('<table class="wide"')[2].partition("</table>")[0]

    for tag, roles in {"t[rh]": {"row", "rowheader", "columnheader"}, "td": {"cell"}}.items():
        opened = re.findall(rf'<{tag} (?:scope="\w+" )?role="(\w+)"', wide)
        assert roles == set(opened)
        assert len(opened) == len(re.findall(rf"<{tag}\b", wide))


def test_named_documents_exist() -> None:
    named = re.findall(r"docs/\w+\.md", page_of(Service()).text)

    assert named
    assert [] == [name for name in named if not (ROOT / name).is_file()]


# --- content from outside -------------------------------------------------------------------------

TEXTS = st.one_of(st.text(max_size=40), st.sampled_from(HOSTILE))
ANY_TEXTS = st.lists(TEXTS, min_size=12, max_size=12)
TIMES = st.one_of(st.just(0.0), st.floats(0, NOW))
SHAPES = st.fixed_dictionaries(
    {
        "phase": st.sampled_from(list(Phase)),
        "stage": st.sampled_from(list(Stage)),
        "outcome": st.sampled_from(list(Outcome)),
        "time": TIMES,
        "began": st.none() | TIMES,
        "number": st.integers(0, 10**9),
        "signal": st.integers(0, 70),
        "sources": st.integers(0, 3) | st.just(60),
        "flags": st.booleans(),
        "present": st.sampled_from([None, False, True]),
    }
)


def built(shape: Mapping[str, Any], texts: list[str]) -> Service:
    """A service of any shape, with texts from outside wherever there may be any."""
    (name, source, trouble, error, why, words, changes, desired, live, start, bad, last) = texts
    at, number, flag = shape["time"], shape["number"], shape["flags"]
    life = Life(
        shape["phase"], pid=number, started_at=at, starts=number, exits=number, error=start
    ).replace(exit_signal=shape["signal"])
    versions = Versions(
        desired, live, bad, Marks((live, bad), ((bad, why), (last, "")), desired), last
    ).replace(error=error, words=words, changes=changes, applied_at=at, cached=flag, size=number)
    reloads = Reloads(
        shape["stage"], target=desired, began=shape["began"], finished_at=at, words=words
    ).replace(outcome=shape["outcome"], error=error)
    sources = (SourceState(source, shape["present"], trouble, error, at),) * shape["sources"]
    rollout = Rollout(versions.replace(rolled_back=flag), reloads, live)
    return Service(life, rollout, sources, name or "app")


def harmless(texts: list[str]) -> list[str]:
    """The same texts as plain words: equal where those are equal, empty where those are."""
    return [f"word{texts.index(text)}" if text else "" for text in texts]


@given(SHAPES, ANY_TEXTS, st.booleans())
@settings(max_examples=100, deadline=None)
def test_text_from_outside_adds_no_markup(
    shape: Mapping[str, Any], texts: list[str], words: bool
) -> None:
    """The elements are those of the same record with plain words in it."""
    page = made(built(shape, texts), words=words)
    plain = page_of(built(shape, harmless(texts)), words=words)

    assert plain.elements == Parsed(page).elements
    assert all(one.isprintable() or one == "\n" for one in page.decode())


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_can_be_read(text: str) -> None:
    page = Parsed(f"<p>{html_text.sentence(text)}</p>".encode())

    beginning = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text[:20])
    assert beginning in "".join(page.texts)


@pytest.mark.parametrize("cut", [html_text.name, html_text.sentence, html_text.output])
def test_long_text_tells_the_bytes_left_out(cut: Callable[[str], str]) -> None:
    text = "\N{SNOWMAN}" * 10_000
    shown = cut(text)
    found = re.search(r"\((\d+) bytes left out\)", shown)

    assert found is not None
    assert len(text.encode()) == int(found[1]) + len("\N{SNOWMAN}".encode()) * shown.count(text[0])


def test_page_is_bounded_whatever_the_record_holds() -> None:
    long = "\u202e'" * 5_000
    sources = [SourceState(long, False, long, long)] * 200
    versions = Versions(long, error=long, words=long, changes=long)
    service = follower(versions, Reloads(outcome=Outcome.VERIFY, error=long, words=long), *sources)
    page = made(service, words=True)

    assert len(page) < Limits().unsent
    assert "180 more stand in /status" in Parsed(page).text


def test_many_services_are_bounded_and_told() -> None:
    services = [follower(HEALTHY).replace(name=f"worker{number}") for number in range(150)]
    page = page_of(*services)

    assert "worker99 running, ready" in page.text
    assert "50 more stand in /status" in page.text
    assert 20 == sum("Last reload of" in text for text in page.texts)
