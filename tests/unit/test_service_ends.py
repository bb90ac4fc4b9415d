"""The end of the container in a sentence, the message for a kubelet, and the notices about it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Action
from config_supervisor.core.life_state import Ended
from config_supervisor.runtime import termination_message
from config_supervisor.services import service_ends, service_notices
from config_supervisor.services.plan import Pace, Restart, Retries, Service
from tests.unit.ensemble import KILL, TERM, Ensemble, service

ONCE = Retries(0)


def sentence(world: Ensemble, *short_of_memory: str) -> str:
    return service_ends.sentence(world.state, short_of_memory)


def test_end_names_service_code_and_starts() -> None:
    world = Ensemble(service("web", retries=ONCE, essential=True), service("db")).begin()
    world.exit("web", 3)

    assert "web is down for good: exit status 3, after 1 start; exit code 3" == sentence(world)
    assert "web" == service_ends.subject(world.state)


def test_end_names_the_dependency_behind_it() -> None:
    world = Ensemble(
        service("db", retries=ONCE), service("web", depends_on=["db"], essential=True)
    ).begin()
    world.exit("db", 4)

    expected = "web is down for good: it needs db, exit status 4, after 1 start; exit code 4"
    assert expected == sentence(world)
    assert "db" == service_ends.subject(world.state)


def test_end_for_lack_of_memory_is_told() -> None:
    world = Ensemble(service("web", retries=ONCE, essential=True)).begin()
    world.exit("web", 137, KILL)

    assert "out of memory, terminated by SIGKILL, after 1 start" in sentence(world, "web")


def test_an_ordered_stop_needs_no_reason() -> None:
    world = Ensemble(service("web", essential=True)).begin()
    world.wait(2)
    world.tell(ev.SignalReceived(TERM))

    assert "" == sentence(world)


def test_services_that_all_failed_are_named() -> None:
    world = Ensemble(service("a", retries=ONCE), service("b", retries=ONCE)).begin()
    world.exit("b", 3)
    world.exit("a", 4)

    expected = "no service is left to run: a: exit status 4, after 1 start; b: exit status 3,"
    assert sentence(world).startswith(expected)


def test_a_job_that_is_done_needs_no_reason() -> None:
    world = Ensemble(service("job", oneshot=True, startsecs=0, restart=Restart.NEVER)).begin()
    world.exit("job", 0)

    assert world.state.stopping is not None
    assert "" == sentence(world)


# --- the message for a kubelet --------------------------------------------------------------------


@given(st.text(), st.lists(st.text(max_size=3000), max_size=40))
def test_message_fits_and_stays_utf8(message: str, lines: list[str]) -> None:
    data = termination_message.composed(message, lines)
    text = data.decode()

    assert len(data) <= termination_message.LIMIT
    assert text.count("\n") <= len(lines)
    assert all(one.isprintable() for one in text.split("\n")[1:])


def test_message_keeps_the_last_lines() -> None:
    lines = [f"line {number}" for number in range(2000)]
    text = termination_message.composed("web: exit status 3", lines).decode()

    assert text.startswith("web: exit status 3\n")
    assert text.endswith("line 1998\nline 1999")
    assert len(text) > termination_message.LIMIT - len("line 1999\n")


def test_a_long_line_loses_its_beginning() -> None:
    data = termination_message.composed("head", ["\u00e9" * 5000 + "end"])

    assert termination_message.LIMIT - 1 <= len(data) <= termination_message.LIMIT
    assert data.decode().endswith("\u00e9end")


# --- notices --------------------------------------------------------------------------------------


class Telling(Ensemble):
    """The world, and the notices of each event."""

    def __init__(self, *services: Service) -> None:
        self.told: list[tuple[str, str]] = []
        super().__init__(*services)

    def _step(self, event: ev.Event) -> tuple[Action | Ended, ...]:
        before = self.state
        orders = super()._step(event)
        found = service_notices.notices(event, before, self.state)
        self.told += [(one.reason, one.note) for one in found]
        return orders


def test_a_given_up_service_makes_a_notice() -> None:
    world = Telling(service("web", retries=ONCE), service("db"))
    world.begin()
    world.exit("web", 3)

    told = ("ServiceFailed", "web: exit status 3, after 1 start; it is given up (FATAL)")
    assert [told] == world.told


def test_an_essential_end_makes_a_notice_of_the_container() -> None:
    world = Telling(service("web", retries=ONCE, essential=True), service("db"))
    world.begin()
    world.exit("web", 3)

    assert ["ServiceFailed", "ContainerEnds"] == [reason for reason, _ in world.told]
    assert world.told[-1][1].endswith("exit code 3")


def test_a_crash_loop_makes_one_notice() -> None:
    retries = Retries(None, Pace.EXPONENTIAL)
    world = Telling(service("web", retries=retries, startsecs=0, restart=Restart.ALWAYS))
    world.begin()
    for _ in range(6):
        world.exit("web", 1)
        world.wait(20)

    told = ("ServiceCrashLoop", "web: exit status 1, after 5 starts; it is started again")
    assert [told] == world.told
